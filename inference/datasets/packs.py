"""Packs of recordings (`inference.train.data.read_pack`) as records of their databases."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.datasets.databases import Database, identify
from inference.datasets.guards import Signal
from inference.datasets.header import age_of, sex_of
from inference.datasets.labels import from_statements
from inference.datasets.sidecars import Stated, by_rhythm, ptbxl_sex
from inference.train.data import Recording, read_pack

_LABELLED: Final = "ptbxl_metadata"  # the only source of PTB-XL's labels in a pack that may be trained on


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """One record of a pack before its guards."""

    database: Database
    name: str
    signal: Signal
    stated: Stated


def read_packed(path: Path) -> Iterator[Packed]:
    """The records of a pack. Raises Unreadable."""
    for recording in read_pack(path):
        database, name = identify(recording.name)
        signal = Signal(recording.fs_hz, recording.leads, recording.mv)
        yield Packed(database, name, signal, _stated(database, recording))


def _stated(database: Database, recording: Recording) -> Stated:
    labels = recording.labels
    if database.code == "ptbxl":
        trusted = labels["label_source"] == _LABELLED
        codes, unknown = from_statements(labels["scp"]) if trusted else (frozenset(), ())
        return Stated(
            codes,
            unknown,
            labelled=trusted,
            patient=labels["patient"] or None,
            fold=int(labels["fold"]),
            age=age_of(str(labels["age"])),
            sex=ptbxl_sex(str(labels["sex"])),
        )
    if database.code == "cinc2017":
        return by_rhythm(labels["rhythm"])
    diagnoses = labels.get("diagnoses", {})
    return Stated(labelled=False, age=age_of(str(diagnoses.get("Age", ""))), sex=sex_of(str(diagnoses.get("Sex", ""))))
