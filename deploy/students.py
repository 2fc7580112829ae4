"""The files of any student of the registry, in a folder from which it can be loaded. Imports nothing that is slow."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from inference.model.card import load_card
from inference.settings import InferenceSettings
from liteheart.errors import Misconfigured
from liteheart.ids import ModelVersion
from storage.models import Models


def student_of(models: Models, settings: InferenceSettings, folder: Path, version: ModelVersion) -> InferenceSettings:
    """Settings of that student: those given where it is theirs, else on its files, whole, in `folder`.

    Raises Misconfigured where it is not there or cannot be written, Conflict where its weights were changed.
    """
    if settings.model_dir.is_dir() and load_card(settings.model_dir).version == version:
        return settings
    own = folder / version
    write_whole(own, models.files(version))
    if load_card(own).version != version:
        raise Misconfigured("inference.model_dir", f"{own} holds another student than {version}")
    return replace(settings, model_dir=own)


def write_whole(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make `folder` hold exactly these files; a crash leaves it as it was, or none. Raises Misconfigured."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
        for name, content in files.items():
            (fresh / Path(name).name).write_bytes(content)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    except OSError as error:
        raise Misconfigured("data_dir", f"{folder} cannot be written ({error.strerror})") from None
