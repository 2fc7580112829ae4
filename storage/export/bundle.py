"""All that is held of one patient in one zip, for the patient: rows as JSON lines, the signal as WFDB. Not disguised.

README.txt  identity.json  rows/TABLE.jsonl  signal/P-0001.{hea,dat,atr}  SHA256SUMS
"""

import dataclasses
import hashlib
import itertools
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import ColumnElement, Engine, LargeBinary, Table, select

from liteheart.clock import US_PER_S
from liteheart.errors import Poison
from liteheart.history import Note
from liteheart.ids import PatientId
from liteheart.signal import Stretch
from storage import queries
from storage.audit import Deed, note
from storage.cohort import Cohort
from storage.cohort_query import Query
from storage.engine import reading, writing
from storage.export.folder import new_file
from storage.export.marks import marks
from storage.export.signal import Readable, Stretches, recordings
from storage.export.tape import Tape
from storage.export.wfdb import WfdbWriter
from storage.rows import finding_json, row_finding
from storage.schema import alarms, audit, metadata, notes
from storage.subjects import is_known

LEFT_OUT: Final[Mapping[str, str]] = {
    "frames": "its samples are in signal/",
    "blocks": "its samples are in signal/",
    "damaged_frames": "cannot be read",
    "block_heads": "tells how blocks follow one another",
    "overviews": "computed from the signal",
    "patient_keys": "a key, no fact about the patient",
    "identities": "in identity.json, where a key is set to open it",
}
_ALARM_TABLES: Final = ("alarm_events", "escalations", "notifications")  # tell the patient by the alarm
_PAGE: Final = 1000
_ALL_NOTES: Final = 1_000_000
_README: Final = """All that is held of one patient.

rows/       one file a table, one JSON object a line; columns that end in _us are microseconds since 1970, UTC
signal/     the ECG as WFDB records: a header, the samples, and notes of findings and alarms
identity.json   name, date of birth, record number, as far as somebody gave them
SHA256SUMS  of every file

Not in here: {left_out}; tokens and password hashes, of which only digests are kept.
"""


@dataclass(frozen=True, slots=True)
class Held:
    """What went into the bundle."""

    patient: PatientId
    rows: int
    recordings: int
    samples: int
    unreadable: int  # stretches of signal

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dataclasses.asdict(self)


class Written(Protocol):
    """Notes, opened: they may be stored sealed."""

    def of_patient(self, patient: PatientId, limit: int) -> Sequence[Note]:
        """The newest first."""
        ...


class Bundles:
    """Over the store and the archive. Raises Retryable when either does not answer."""

    def __init__(self, engine: Engine, source: Stretches, notes: Written) -> None:
        self._engine, self._source, self._notes = engine, source, notes

    def write(self, patient: PatientId, out: Path, *, by: str, now_us: int, identity: Mapping[str, Any] | None) -> Held:
        """Write the zip at `out`, whole or not at all; the audit tells of it.

        `identity`: as `Identities.read` gave it. Raises Poison for a patient whom nobody knows.
        """
        with reading(self._engine) as connection:
            if not is_known(connection, patient):
                raise Poison("patient", f"nobody knows {patient}")
        with new_file(out) as path, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            bundle = _Bundle(archive)
            bundle.text("README.txt", _README.format(left_out="; ".join(f"{k} ({v})" for k, v in LEFT_OUT.items())))
            bundle.text("identity.json", json.dumps(None if identity is None else dict(identity), ensure_ascii=False))
            rows = sum(self._table(bundle, table, patient) for table in metadata.sorted_tables)
            source = Readable(self._source)
            count, samples = self._signal(bundle, source, patient)
            bundle.text("SHA256SUMS", "".join(f"{digest}  {name}\n" for name, digest in bundle.sums.items()))
            held = Held(patient, rows, count, samples, source.unreadable)
            with writing(self._engine) as connection:
                detail = {k: v for k, v in held.to_json().items() if k != "patient"}
                note(connection, Deed(now_us, by, "bundle-written", patient, detail))
        return held

    def _table(self, bundle: "_Bundle", table: Table, patient: PatientId) -> int:
        where = of_patient(table, patient)
        if where is None or table.name in LEFT_OUT:
            return 0
        if table is notes:
            written = (dataclasses.asdict(n) for n in reversed(self._notes.of_patient(patient, _ALL_NOTES)))
            return bundle.lines("rows/notes.jsonl", written)
        return bundle.lines(f"rows/{table.name}.jsonl", self._rows(table, where))

    def _rows(self, table: Table, where: ColumnElement[bool]) -> Iterator[dict[str, Any]]:
        """A page at a time; digests of tokens and codes are no facts about the patient."""
        keys = list(table.primary_key.columns)
        told = [c for c in table.columns if not isinstance(c.type, LargeBinary)]
        begin = 0
        while True:
            statement = select(table).where(where).order_by(*keys).offset(begin).limit(_PAGE)
            with reading(self._engine) as connection:
                page = connection.execute(statement).all()
                layouts = queries.layouts(connection) if table.name == "findings" else {}
            for row in page:
                if table.name == "findings":
                    yield finding_json(row_finding(row, layouts))
                else:
                    yield {c.name: getattr(row, c.name) for c in told}
            if len(page) < _PAGE:
                return
            begin += _PAGE

    def _signal(self, bundle: "_Bundle", source: Stretches, patient: PatientId) -> tuple[int, int]:
        query = Query(patients=(patient,), consent=())
        count = samples = 0
        with tempfile.TemporaryDirectory(prefix="liteheart-", dir=bundle.folder) as folder:
            for span in Cohort(self._engine, query).spans():
                for run in recordings(source, patient, span.t0_us, span.t1_us):
                    count += 1
                    samples += len(run.samples)
                    paths = WfdbWriter()(Path(folder), f"r{count:04d}", self._tape(run, span.t0_us))
                    for path in paths:
                        bundle.file(f"signal/{path.name}", path)
                        path.unlink()
        return count, samples

    def _tape(self, run: Stretch, first_us: int) -> Tape:
        begin = datetime.fromtimestamp(run.t0_us // US_PER_S, UTC).replace(microsecond=run.t0_us % US_PER_S)
        return Tape(
            subject=run.patient,
            age=None,
            sex="unknown",
            device=run.device,
            lead=run.lead,
            fs_hz=run.fs_hz,
            gain=run.gain,
            begin=begin,
            offset_s=(run.t0_us - first_us) / US_PER_S,
            samples=run.samples,
            marks=marks(self._engine, run.patient, run.t0_us, run.t1_us),
        )


def of_patient(table: Table, patient: PatientId) -> ColumnElement[bool] | None:
    """Which rows of a table are about a patient; None where none can be."""
    for name in ("patient", "patient_id"):
        if name in table.c:
            mine: ColumnElement[bool] = table.c[name] == patient
            return mine
    if table.name in _ALARM_TABLES:
        return table.c.alarm_id.in_(select(alarms.c.alarm_id).where(alarms.c.patient == patient))
    return (audit.c.subject == patient) if table is audit else None


class _Bundle:
    """The zip while it is written."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.folder = Path(str(archive.filename)).absolute().parent
        self.sums: dict[str, str] = {}

    def text(self, name: str, text: str) -> None:
        """A short file."""
        self._archive.writestr(name, text)
        self.sums[name] = hashlib.sha256(text.encode()).hexdigest()

    def lines(self, name: str, rows: Iterator[dict[str, Any]]) -> int:
        """A JSON object a line; how many. No file where there are none."""
        first = next(rows, None)
        if first is None:
            return 0
        digest, count = hashlib.sha256(), 0
        with self._archive.open(name, "w", force_zip64=True) as file:
            for row in itertools.chain([first], rows):
                data = json.dumps(row, ensure_ascii=False).encode() + b"\n"
                file.write(data)
                digest.update(data)
                count += 1
        self.sums[name] = digest.hexdigest()
        return count

    def file(self, name: str, path: Path) -> None:
        """A file as it is."""
        self._archive.write(path, name)
        with path.open("rb") as file:
            self.sums[name] = hashlib.file_digest(file, "sha256").hexdigest()
