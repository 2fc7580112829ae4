"""From an entry of a folder to records that may teach.

The samples of a WFDB record are read by whoever is passed in (`inference.ports.RecordReader`): recordings are ingest's
trade, labels are ours.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from inference.datasets.databases import OTHER, Database
from inference.datasets.folder import TABLED, Entry, one_rate, open_folder
from inference.datasets.guards import Signal, guard
from inference.datasets.header import read_comments
from inference.datasets.labels import from_snomed
from inference.datasets.packs import read_packed
from inference.datasets.record import LabelledRecord, Listed, Remark, Verdict
from inference.datasets.sidecars import Stated
from inference.ports import RecordReader
from inference.preprocess import Batch
from liteheart.errors import Unreadable


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """One record after its guards. `record` is None when it could not be read or must not be learned from."""

    path: Path
    database: str
    name: str
    remarks: tuple[Remark, ...] = ()
    record: LabelledRecord | None = None
    fingerprint: str = ""  # equal for equal samples


def read_folder(root: Path, read: RecordReader, *, low_rate: bool = False) -> Iterator[LabelledRecord]:
    """The records of a folder that may be learned from, each ECG once. Raises Unreadable for the folder alone."""
    seen: set[str] = set()
    for entry in one_rate(open_folder(root).entries, low=low_rate):
        for found in examine(entry, read):
            if found.record is not None and not {found.fingerprint, found.record.key} & seen:
                seen |= {found.fingerprint, found.record.key}
                yield found.record


def examine(entry: Entry, read: RecordReader) -> Iterator[Examined]:
    """The records of an entry with the remarks of all guards. What cannot be read is a remark, never an error."""
    if entry.database is None:
        yield from _examine_pack(entry.path)
        return
    try:
        stated = _stated(entry)
        waveform = read(entry.path)
    except Unreadable as error:
        remark = Remark("file", Verdict.UNREADABLE, error.reason)
        yield Examined(entry.path, entry.database.code, entry.name, (remark,))
        return
    mv = np.stack([waveform.millivolts(i) for i in range(len(waveform.leads))])
    signal = Signal(waveform.fs_hz, waveform.leads, mv, np.asarray(waveform.gain, np.float64))
    found = _examined(entry.path, entry.database, entry.name, signal, stated)
    if not stated.labelled and entry.database not in (*TABLED, OTHER):  # of tables the folder has spoken
        silent = Remark("labels", Verdict.NOTED, "its header states no diagnosis: unlabelled")
        found = replace(found, remarks=(*found.remarks, silent))
    yield found


def _stated(entry: Entry) -> Stated:
    """What table and header say together. Raises Unreadable."""
    comments = read_comments(entry.path)
    if comments.dx is None:
        return entry.stated or Stated(labelled=False, age=comments.age, sex=comments.sex)
    labels, unknown = from_snomed(comments.dx)
    if entry.stated is None:
        return Stated(labels, unknown, age=comments.age, sex=comments.sex)
    return replace(entry.stated, labels=entry.stated.labels | labels, unknown=(*entry.stated.unknown, *unknown))


def _examine_pack(path: Path) -> Iterator[Examined]:
    try:
        for packed in read_packed(path):
            yield _examined(path, packed.database, packed.name, packed.signal, packed.stated)
    except Unreadable as error:
        yield Examined(path, "", path.name, (Remark("file", Verdict.UNREADABLE, error.reason),))


def _examined(path: Path, database: Database, name: str, signal: Signal, stated: Stated) -> Examined:
    fingerprint = _fingerprint(signal.mv)
    signal, remarks = guard(signal, database)
    rejected = any(r.verdict is Verdict.REJECTED for r in remarks)
    record = LabelledRecord(
        listed=Listed(
            name=name,
            database=database.code,
            group=_group(database, name, stated),
            labels=stated.labels,
            labelled=stated.labelled,
            fold=stated.fold,
        ),
        fs_hz=signal.fs_hz,
        leads=signal.leads,
        mv=signal.mv,
        unknown=stated.unknown,
        age=stated.age,
        sex=stated.sex,
    )
    return Examined(path, database.code, name, tuple(remarks), None if rejected else record, fingerprint)


def _group(database: Database, name: str, stated: Stated) -> str:
    """A patient where known; else the record where each has a patient of its own; else all that might share one.

    PTB-XL's folds were made by patient, so that a fold is the narrowest group that is sure to hold one.
    """
    if stated.patient is not None:
        return f"{database.code}/patient {stated.patient}"
    if not database.repeats:
        return f"{database.code}/{name}"
    return f"{database.code}/fold {stated.fold}" if stated.fold is not None else f"{database.code}/unknown patients"


def _fingerprint(mv: Batch) -> str:
    """Of the samples in whole microvolts."""
    whole = np.rint(np.nan_to_num(mv.astype(np.float64)) * 1000).astype(np.int64)
    return hashlib.blake2b(whole.tobytes(), digest_size=16, key=str(whole.shape).encode()).hexdigest()
