"""An export from the first question to the last line of the manifest: cohort, disguise, files, audit."""

import contextlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import Engine

from liteheart.clock import US_PER_S
from liteheart.errors import Misconfigured, Poison
from liteheart.ids import PatientId
from liteheart.signal import Stretch
from storage.audit import Deed, note
from storage.cohort import Candidate, Cohort
from storage.cohort_query import Query
from storage.engine import writing
from storage.export.deidentify import Disguise, Mask, lead_name
from storage.export.dicom import write_dicom
from storage.export.edf import write_edf
from storage.export.folder import Folder, new_file, new_folder
from storage.export.marks import marks
from storage.export.parquet import ParquetWriter
from storage.export.rows import Rows
from storage.export.signal import Readable, Stretches, recordings
from storage.export.tape import Tape, Writer
from storage.export.wfdb import WfdbWriter

Format = Literal["wfdb", "edf", "dicom", "parquet"]
FORMATS: Final = ("wfdb", "edf", "dicom", "parquet")


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted."""

    query: Query
    format: Format
    out: Path
    by: str
    now_us: int
    version: str  # of this program, for the manifest
    relative_times: bool = False
    twelve_bit: bool = False  # WFDB in format 212 wherever the samples allow it
    window_s: float = 10.0  # rows of Parquet where the cohort names no windows
    mapping: Path | None = None  # keep there which number was whose; None: nowhere
    waived: str = ""  # why consent was not asked for


@dataclass(slots=True)
class Tally:
    """What came of it."""

    export: str
    patients: int = 0
    recordings: int = 0  # or windows, of Parquet
    samples: int = 0
    seconds: float = 0.0
    files: int = 0
    manifest_sha256: str = ""
    left_out: Counter[str] = field(default_factory=Counter)  # patients, and recordings that the format cannot hold

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "export": self.export,
            "patients": self.patients,
            "recordings": self.recordings,
            "samples": self.samples,
            "hours": round(self.seconds / 3600, 4),
            "files": self.files,
            "left_out": dict(sorted(self.left_out.items())),
            "manifest_sha256": self.manifest_sha256,
        }


Progress = Callable[[int, int, Tally], None]  # patients done, patients in all


class Exports:
    """Over the store and the archive. Raises Retryable when either does not answer."""

    def __init__(self, engine: Engine, source: Stretches) -> None:
        self._engine, self._source = engine, source

    def run(self, order: Order, progress: Progress = lambda _done, _of, _tally: None) -> Tally:
        """Write `order.out`. Raises Misconfigured for the folder, Conflict while another export writes it.

        The audit gets a line before the first patient is read, one for each patient and one with what was written.
        """
        _check(order)
        tally = Tally(secrets.token_hex(8))
        with new_folder(order.out) as folder:
            cohort = Cohort(self._engine, order.query)
            tally.left_out = Counter(cohort.left_out)
            self._note_begin(order, tally)
            job = _Job(self._engine, self._source, order, cohort, folder, tally)
            job.write(progress)
            if order.format == "wfdb":
                job.list_records()
            tally.files = len(folder.sums)
            tally.manifest_sha256 = folder.finish(_manifest(order, tally, job))
            if order.mapping is not None:
                with new_file(order.mapping) as path:
                    path.write_text(json.dumps(job.disguise.mapping(), indent=1) + "\n", encoding="utf-8")
            self._note_end(order, tally, job.patients)
        return tally

    def _note_begin(self, order: Order, tally: Tally) -> None:
        detail: dict[str, Any] = {"format": order.format, "query": order.query.public()}
        if order.waived:
            detail |= {"flagged": True, "consent_waived": order.waived}
        with writing(self._engine) as connection:
            note(connection, Deed(order.now_us, order.by, "export-begun", tally.export, detail))

    def _note_end(self, order: Order, tally: Tally, patients: list[PatientId]) -> None:
        with writing(self._engine) as connection:
            for patient in patients:
                note(connection, Deed(order.now_us, order.by, "exported", patient, {"export": tally.export}))
            detail = tally.to_json() | {"mapping_kept": order.mapping is not None}
            note(connection, Deed(order.now_us, order.by, "export-written", tally.export, detail))


class _Job:
    """One export under way."""

    def __init__(
        self, engine: Engine, source: Stretches, order: Order, cohort: Cohort, folder: Folder, tally: Tally
    ) -> None:
        self._engine, self._order = engine, order
        self._source = Readable(source)
        self._cohort, self._folder, self._tally = cohort, folder, tally
        self.disguise = Disguise(relative=order.relative_times)
        self.patients: list[PatientId] = []  # in the order in which they were read
        self._recordings: Counter[str] = Counter()  # by subject

    def write(self, progress: Progress) -> None:
        """Everything but the manifest."""
        steps = self._parquet() if self._order.format == "parquet" else self._files(_writer(self._order))
        total, done = len(self._cohort.candidates), dict[PatientId, None]()
        for candidate in steps:
            done[candidate.patient] = None
            progress(len(done), total, self._tally)
        if self._source.unreadable:
            self._tally.left_out["unreadable stretches"] = self._source.unreadable

    def list_records(self) -> None:
        """RECORDS, by which WFDB's tools find them."""
        headers = sorted(name.removesuffix(".hea") for name in self._folder.sums if name.endswith(".hea"))
        listed = self._folder.path / "RECORDS"
        listed.write_text("".join(f"{name}\n" for name in headers), encoding="ascii")
        self._folder.keep(listed)

    def subjects(self) -> dict[str, int]:
        """Recordings, or windows, of each."""
        return dict(sorted(self._recordings.items()))

    def _files(self, writer: Writer) -> Iterator[Candidate]:
        for span in self._cohort.spans():
            for run in recordings(self._source, span.candidate.patient, span.t0_us, span.t1_us):
                mask = self._mask(span.candidate, run.t0_us)
                self._one_file(writer, mask, run)
            yield span.candidate

    def _one_file(self, writer: Writer, mask: Mask, run: Stretch) -> None:
        folder = self._folder.path / mask.subject
        folder.mkdir(exist_ok=True)
        name = f"{mask.subject}-{self._recordings[mask.subject] + 1:04d}"
        try:
            paths = writer(folder, name, self._tape(mask, run))
        except Poison as poison:
            self._tally.left_out[f"recordings: {poison.field}"] += 1
            for half in folder.glob(f"{name}*"):
                half.unlink()
            with contextlib.suppress(OSError):  # others of this subject are in it
                folder.rmdir()
            return
        self._folder.keep(*paths)
        self._count(mask, len(run.samples), run.fs_hz)

    def _tape(self, mask: Mask, run: Stretch) -> Tape:
        return Tape(
            subject=mask.subject,
            age=mask.age(run.t0_us),
            sex=mask.sex,
            device=self.disguise.hashed("device", run.device),
            lead=lead_name(run.lead),
            fs_hz=run.fs_hz,
            gain=run.gain,
            begin=mask.begin(run.t0_us),
            offset_s=(run.t0_us - mask.origin_us) / US_PER_S,
            samples=run.samples,
            marks=marks(self._engine, run.patient, run.t0_us, run.t1_us),
        )

    def _parquet(self) -> Iterator[Candidate]:
        rows = Rows(self._engine, self._source, self._cohort, self._order.window_s)
        writer = ParquetWriter(self._folder.path, lambda path: self._folder.keep(path))
        for candidate, piece, columns in rows:
            mask = self._mask(candidate, piece.t0_us)
            own = {
                "subject": mask.subject,
                "age": mask.age(piece.t0_us),
                "sex": mask.sex,
                "site": mask.site,
                "device": self.disguise.hashed("device", piece.device),
                "lead": lead_name(piece.lead),
                "t0_us": mask.told_us(piece.t0_us),
                "fs_hz": piece.fs_hz,
                "gain": piece.gain,
            }
            writer.add(own | columns, piece.samples)
            self._count(mask, len(piece.samples), piece.fs_hz)
            yield candidate
        writer.close()

    def _mask(self, candidate: Candidate, first_us: int) -> Mask:
        if not self.patients or self.patients[-1] != candidate.patient:
            self.patients.append(candidate.patient)
        return self.disguise.of(candidate.patient, candidate.subject, first_us)

    def _count(self, mask: Mask, samples: int, fs_hz: float) -> None:
        self._recordings[mask.subject] += 1
        self._tally.patients = len(self._recordings)
        self._tally.recordings += 1
        self._tally.samples += samples
        self._tally.seconds += samples / fs_hz


def _writer(order: Order) -> Writer:
    if order.format == "wfdb":
        return WfdbWriter(twelve_bit=order.twelve_bit)
    return write_edf if order.format == "edf" else write_dicom


def _check(order: Order) -> None:
    if not order.query.consent and not order.waived:
        raise Misconfigured("consent", "an export without asking for consent needs a reason")
    if order.mapping is not None and order.mapping.absolute().is_relative_to(order.out.absolute()):
        raise Misconfigured("--keep-mapping", "must not lie in what is handed out")
    if order.mapping is not None and order.mapping.exists():
        raise Misconfigured("--keep-mapping", f"{order.mapping} is there already")
    if not 0.1 <= order.window_s <= 3600:
        raise Misconfigured("--window", "must be 0.1 to 3600 seconds")


def _manifest(order: Order, tally: Tally, job: _Job) -> dict[str, Any]:
    told = tally.to_json()
    del told["manifest_sha256"]
    made = datetime.fromtimestamp(order.now_us / US_PER_S, UTC)
    return {
        "what": "de-identified ECG",
        "made": made.date().isoformat(),
        "program": f"liteheart {order.version}",
        "format": order.format,
        "times": "relative" if order.relative_times else "moved by whole days, a random number for each subject",
        "query": order.query.public(),
        "consent": {
            "asked_for": list(order.query.consent),
            "patients_without": tally.left_out["consent"],
            "waived": bool(order.waived),
        },
        **told,
        "recordings_by_subject": job.subjects(),
    }
