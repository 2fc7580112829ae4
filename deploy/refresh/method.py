"""The method as the refresh calls it: growing and examining as `inference.refresh` does, from the folders of settings.

The frozen test set is one file, `exam.npz`, in the folder `refresh.exam`: x float32 [n, 1000], y bool [n, classes],
classes, patients, and `group_NAME` [n] for each kind of subgroup. No student ever learns from it.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from deploy.refresh.ports import Floats, Material, Progress
from deploy.refresh.settings import RefreshSettings
from inference.refresh.embed import Embedder
from inference.refresh.gate import Exam
from inference.refresh.pool import World
from liteheart.errors import Misconfigured

SHEET: Final = "exam.npz"
_GROUP: Final = "group_"


class RefreshMethod:
    """A `Method` over folders."""

    def __init__(self, settings: RefreshSettings) -> None:
        self._settings = settings

    @property
    def _sheet(self) -> Path:
        if self._settings.exam is None:
            raise Misconfigured("refresh.exam", "names no test set: nothing that is grown could be judged")
        return self._settings.exam / SHEET

    def check(self) -> str:
        """SHA-256 of the test set. Raises Misconfigured where it is missing or not the one that was agreed."""
        try:
            found = hashlib.sha256(self._sheet.read_bytes()).hexdigest()
        except OSError as error:
            raise Misconfigured("refresh.exam", f"{self._sheet} cannot be read ({error.strerror})") from None
        if self._settings.exam_sha256 and found != self._settings.exam_sha256:
            raise Misconfigured("refresh.exam_sha256", f"{self._sheet} is not the test set that was agreed on")
        return found

    def world(self, champion: Path) -> World | None:
        """None: it is not kept with a student."""
        return None

    def grow(self, champion: Path, material: Material, state: Path, progress: Progress) -> Mapping[str, Any]:
        """Bounded in steps; what was done is not done again."""
        from deploy.refresh.growing import grow

        return grow(champion, material, state, progress, self._settings)

    def examine(self, champion: Path, candidate: Path) -> Exam:
        """What both say of the test set. Raises Misconfigured for one that does not fit the students."""
        try:
            with np.load(self._sheet, allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
            classes = tuple(str(c) for c in arrays["classes"])
            x, y, patients = arrays["x"], arrays["y"].astype(np.bool_), arrays["patients"].astype(np.str_)
        except (OSError, ValueError, KeyError) as error:
            raise Misconfigured("refresh.exam", f"{self._sheet} is damaged ({error})") from None
        groups = {n.removeprefix(_GROUP): a.astype(np.str_) for n, a in arrays.items() if n.startswith(_GROUP)}
        said = [_of_classes(folder, x, classes, self._settings.threads) for folder in (champion, candidate)]
        return Exam(classes, y, said[0], said[1], patients, groups)


def _of_classes(folder: Path, x: Any, classes: tuple[str, ...], threads: int) -> Floats:
    embedder = Embedder(folder, threads)
    _, p = embedder(x.astype(np.float32))
    if strange := [c for c in classes if c not in embedder.card.classes]:
        raise Misconfigured("refresh.exam", f"asks for {strange[0]}, which the student does not know")
    return p[:, [embedder.card.classes.index(c) for c in classes]]
