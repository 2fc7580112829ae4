"""Annotations from where they lie: beside a WFDB record, or in a pack."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from inference.report.labels import Annotations
from liteheart.errors import Unreadable


def read_annotations(record: Path, extension: str, fs_hz: float) -> Annotations:
    """The annotations `record`.`extension` of a record sampled at `fs_hz`. Raises Unreadable."""
    base = record.with_suffix("") if record.suffix in (".hea", ".dat", ".mat") else record
    file = base.with_name(f"{base.name}.{extension}")
    if not extension.isalnum() or not file.is_file():
        raise Unreadable(file, "no such annotations")
    try:
        read = _library().rdann(str(base), extension)
    except Exception as error:  # the library lets every kind of error through on a damaged file
        raise Unreadable(file, f"no annotations can be read ({error})") from error
    return Annotations.of(np.asarray(read.sample) / fs_hz, list(read.symbol), [str(x or "") for x in read.aux_note])


def _library() -> Any:
    """The `wfdb` module, imported when first needed: it takes two seconds, and warns of its own imports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wfdb  # type: ignore[import-untyped]  # it ships no types
    return wfdb


def packed_annotations(labels: dict[str, Any], fs_hz: float) -> Annotations | None:
    """The annotations among a packed recording's labels; None where it has no beats."""
    if "sample" not in labels or "symbol" not in labels:
        return None
    return Annotations.of(np.asarray(labels["sample"], np.float64) / fs_hz, labels["symbol"], labels.get("aux"))
