"""Packs of recordings, and what a student learns from them.

A pack is an xz-compressed .npz of two arrays: `planes` uint8 [2, total], the zigzag first differences of all leads
of all recordings one after another (low bytes, high bytes), and `meta`, JSON with one entry a recording.
"""

import io
import json
import lzma
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.preprocess import FS_HZ, SAMPLES, Batch, preprocess
from liteheart.conditions import BY_CODE
from liteheart.errors import Unreadable
from liteheart.wire import from_planes

Flags = npt.NDArray[np.bool_]
LEADS: Final = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_PTBXL = ("ptbxl_folds1to4.ecg.xz", "ptbxl_folds5to8.ecg.xz")
HANDHELD: Final = {"cinc2017_parts01": 1, "cinc2017_parts23": 1, "cinc2017_parts45": 8}
_LABELLED = "ptbxl_metadata"  # the only source of labels that may be trained on


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One recording of a pack. `mv` float32 [leads, samples]."""

    name: str
    fs_hz: float
    leads: tuple[str, ...]
    mv: Batch
    labels: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Preprocessed windows with labels.

    x float32 [n, leads, 1000]; y, known bool [n, classes]: a label that is not known teaches nothing; patients and
    folds [n]. Windows of one recording share a patient.
    """

    classes: tuple[str, ...]
    x: Batch
    y: Flags
    known: Flags
    patients: npt.NDArray[np.str_]
    folds: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.x)

    def take(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Examples":
        """The chosen rows."""
        return Examples(
            self.classes,
            self.x[keep],
            self.y[keep],
            self.known[keep],
            self.patients[keep],
            self.folds[keep],
        )


def read_pack(path: Path) -> Iterator[Recording]:
    """Recordings of a pack, in order. Raises Unreadable."""
    try:
        with lzma.open(path) as file:
            arrays = np.load(io.BytesIO(file.read()), allow_pickle=False)
        planes, meta = arrays["planes"], json.loads(bytes(arrays["meta"]))
    except (OSError, lzma.LZMAError, ValueError, KeyError) as error:
        raise Unreadable(path, f"not a pack of recordings ({error})") from None
    start = 0
    for entry in meta:
        leads, n = tuple(entry["leads"]), int(entry["samples"])
        size = len(leads) * n
        adc = np.stack([from_planes(row.tobytes()) for row in _rows(planes[:, start : start + size], n)])
        start += size
        gain, baseline = (np.asarray(entry[k], np.float64)[:, None] for k in ("gain", "baseline"))
        mv = ((adc - baseline) / gain).astype(np.float32)
        yield Recording(entry["name"], float(entry["fs_hz"]), leads, mv, entry.get("labels", {}))


def _rows(planes: npt.NDArray[np.uint8], n: int) -> Iterator[npt.NDArray[np.uint8]]:
    for at in range(0, planes.shape[1], n):
        yield np.ascontiguousarray(planes[:, at : at + n])


def read_ptbxl(folder: Path, classes: Sequence[str], leads: Sequence[str] = ("I",)) -> Examples:
    """The labelled PTB-XL recordings of `folder` with patient and fold. Raises Unreadable when a pack is absent."""
    return _ptbxl(ptbxl_recordings(folder, labelled=True), classes, leads)


def read_ptbxl_all(folder: Path, classes: Sequence[str], leads: Sequence[str]) -> tuple[Examples, Examples]:
    """The labelled recordings, and those whose labels may not be used: of these nothing is known.

    The latter name no patient; folds were made by patient. Raises Unreadable when a pack is absent.
    """
    rows = list(ptbxl_recordings(folder))
    labelled = [r for r in rows if r.labels["label_source"] == _LABELLED]
    others = _ptbxl([r for r in rows if r.labels["label_source"] != _LABELLED], classes, leads)
    return _ptbxl(labelled, classes, leads), unlabelled(others)


def unlabelled(examples: Examples) -> Examples:
    """The same windows with every label forgotten."""
    nothing = np.zeros_like(examples.y)
    return replace(examples, y=nothing, known=nothing)


def ptbxl_recordings(folder: Path, *, labelled: bool = False) -> Iterator[Recording]:
    """The PTB-XL recordings of `folder`; with `labelled`, those whose labels may be used. Raises Unreadable."""
    for name in _PTBXL:
        for r in read_pack(folder / name):
            if not labelled or r.labels["label_source"] == _LABELLED:
                yield r


def _ptbxl(rows: Iterable[Recording], classes: Sequence[str], leads: Sequence[str]) -> Examples:
    rows = list(rows)
    x = np.stack([r.mv[[r.leads.index(lead) for lead in leads], :SAMPLES] for r in rows])
    y = np.array([labels_of(r, classes) for r in rows])
    return Examples(
        classes=tuple(classes),
        x=preprocess(x.reshape(-1, x.shape[2]), FS_HZ).reshape(len(rows), len(leads), SAMPLES),
        y=y,
        known=np.ones_like(y),
        patients=np.array([r.labels["patient"] or r.name for r in rows]),
        folds=np.array([int(r.labels["fold"]) for r in rows]),
    )


def read_cinc2017(folder: Path, classes: Sequence[str], packs: Mapping[str, int] = HANDHELD) -> Examples:
    """10 s windows of the handheld recordings of `packs` (name to fold); only AFIB is known; noisy ones are left out.

    The set names no patients, so a recording stands for one. A fifth of the recordings of fold 1 becomes fold 7.
    """
    windows, labels, names, folds = [], [], [], []
    for pack, fold in packs.items():
        for r in read_pack(folder / f"{pack}.ecg.xz"):
            if (label := r.labels["rhythm"]) == "~":
                continue
            own = 7 if fold == 1 and zlib.crc32(r.name.encode()) % 5 == 0 else fold
            size = round(10 * r.fs_hz)
            for at in _starts(r.mv.shape[1], size):
                windows.append(preprocess(r.mv[:1, at : at + size], r.fs_hz))
                labels.append(label == "A")
                names.append(r.name)
                folds.append(own)
    af = [c == "AFIB" for c in classes]
    return Examples(
        classes=tuple(classes),
        x=np.stack(windows),
        y=np.outer(labels, af),
        known=np.outer(np.ones(len(labels), np.bool_), af),
        patients=np.array(names),
        folds=np.array(folds),
    )


def _starts(n: int, size: int) -> list[int]:
    """Starts of windows that tile `n` samples; the last one ends with them."""
    return sorted({*range(0, max(n - size, 0) + 1, size), max(n - size, 0)})


def labels_of(recording: Recording, classes: Sequence[str]) -> list[bool]:
    """Which of `classes` a PTB-XL recording has."""
    statements = recording.labels["scp"]
    return [any(s in statements for s in BY_CODE[c].scp) for c in classes]
