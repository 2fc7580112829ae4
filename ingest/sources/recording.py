"""Recordings as values: WFDB records, EDF and DICOM files, their ADC integers untouched, whole or piece by piece."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest.sources.channel import (
    MAX_VALUES,
    Channel,
    Piece,
    Signals,
    as_int16,
    default_lead,
    one_line,
    plain,
    same_clock,
)
from ingest.sources.dicom_files import DICOM_SUFFIXES, is_dicom, open_dicom
from ingest.sources.edf_files import open_edf
from ingest.sources.wfdb_files import open_wfdb
from ingest.sources.wfdb_header import segments_of
from liteheart.errors import Unreadable
from liteheart.signal import Millivolts, Samples

_WFDB_SUFFIXES = (".hea", ".dat", ".mat")


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One recording. Per lead: mV = (adc - baseline) / gain where not `invalid`; the integers are the file's own.

    Files of 24 or 32 bits whose values leave int16 are halved as often as it takes, with `gain` and `baseline`.
    """

    name: str
    fs_hz: float
    leads: tuple[str, ...]
    adc: npt.NDArray[np.int16]  # [leads, n]
    gain: npt.NDArray[np.float64]  # [leads], ADC units per millivolt
    baseline: npt.NDArray[np.float64]  # [leads], ADC units at 0 mV
    invalid: npt.NDArray[np.bool_]  # [leads, n], samples the file marks as missing
    path: Path

    @property
    def duration_s(self) -> float:
        """Length in seconds, gaps included."""
        return float(self.adc.shape[1] / self.fs_hz)

    def lead_index(self, name: str | None = None) -> int:
        """Index of a lead by name; by default I, II, MLII, else the first. Raises Unreadable for an unknown name."""
        return lead_index(self.path, self.leads, name)

    def millivolts(self, lead: int) -> Millivolts:
        """float32 [n], NaN where invalid."""
        mv = (self.adc[lead] - self.baseline[lead]) / self.gain[lead]
        return np.where(self.invalid[lead], np.nan, mv).astype(np.float32)

    def zero_based(self, lead: int) -> tuple[Samples, float]:
        """int16 [n] with 0 at 0 mV, and ADC units per mV: what a device would send. Invalid samples are 0.

        The baseline is subtracted, rounded to a whole unit, and a negative gain turned around: every difference between
        samples stays exact. Only where the result leaves int16 is it halved, and the gain with it.
        """
        shifted = self.adc[lead].astype(np.int64) - round(float(self.baseline[lead]))
        gain = float(self.gain[lead])
        if gain < 0:
            shifted, gain = -shifted, -gain
        shifted[self.invalid[lead]] = 0
        fitted = as_int16(Channel("", self.fs_hz, shifted, gain, 0.0, self.invalid[lead]))
        return fitted.adc.astype(np.int16, copy=False), fitted.gain


def lead_index(path: Path, leads: Sequence[str], name: str | None = None) -> int:
    """Index of a lead by name; by default I, II, MLII, else the first. Raises Unreadable for an unknown name."""
    if name is None:
        return default_lead(leads)
    for form in (str.strip, plain):
        matches = [i for i, lead in enumerate(leads) if form(lead) == form(name)]
        if matches:
            return matches[0]
    raise Unreadable(path, f"has no lead {name}, only {', '.join(leads)}")


@contextmanager
def open_signals(path: Path | str) -> Iterator[Signals]:
    """What a WFDB record (with or without suffix), an EDF or a DICOM file holds, to be read piece by piece.

    Raises Unreadable, with its reason; so does whatever goes wrong while its pieces are read.
    """
    path = Path(path)
    with ExitStack() as stack:
        with _named(path):
            signals = _open(path, stack)

        def read(which: Sequence[int], a: int, b: int) -> list[Piece]:
            with _named(path):
                return signals.read(which, a, b)

        yield replace(signals, read=read)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Whatever goes wrong within is Unreadable: parsers raise whatever they stumble over."""
    try:
        yield
    except Unreadable:
        raise
    except OSError as error:
        raise Unreadable(path, error.strerror or one_line(error)) from error
    except Exception as error:
        raise Unreadable(path, f"cannot be read ({one_line(error)})") from error


def read_recording(path: Path | str) -> Recording:
    """Read a recording whole. Every failure is Unreadable, with its reason."""
    path = Path(path)
    with open_signals(path) as signals:
        return _assemble(name_of(path), path, signals)


def name_of(path: Path) -> str:
    """What a recording is called: its file without the suffix."""
    base = _wfdb_base(path)
    if base is not None:
        return base.name
    return path.stem if path.suffix.lower() in (".edf", *DICOM_SUFFIXES) else path.name


def _open(path: Path, stack: ExitStack) -> Signals:
    base = _wfdb_base(path)
    if base is not None:
        return open_wfdb(base, stack)
    if path.name and "\0" not in str(path):
        for candidate in (path, path.with_name(path.name + ".edf")):
            if candidate.suffix.lower() == ".edf" and candidate.is_file():
                return open_edf(candidate, stack)
        if path.is_file() and (path.suffix.lower() in DICOM_SUFFIXES or is_dicom(path)):
            return open_dicom(path, stack)
        if path.is_dir():
            raise Unreadable(path, "is a folder")
    if "\0" in str(path) or not path.exists():
        raise Unreadable(path, "no such file or record")
    if not path.is_file():
        raise Unreadable(path, "is not a file")
    if path.suffix.lower() in _WFDB_SUFFIXES:
        raise Unreadable(path, "has no WFDB header beside it")
    raise Unreadable(path, "is neither a WFDB record nor an EDF file nor a DICOM file")


def find_recordings(path: Path | str) -> list[Path]:
    """The recordings at `path`: itself when it is one, else all in the folder and below, sorted. Raises Unreadable.

    Headers of the segments of a multi-segment record are not listed beside it. Files without a suffix are looked into:
    a DICOM medium names them so.
    """
    path = Path(path)
    if not path.is_dir() or _wfdb_base(path) is not None:
        return [path]
    headers, others, segments = [], [], set()
    for file in _walk(path):
        suffix = file.suffix.lower()
        if file.suffix == ".hea":
            headers.append(file)
            segments |= _segment_headers(file)
        elif suffix == ".edf" or suffix in DICOM_SUFFIXES or (not suffix and file.is_file() and _is_dicom(file)):
            others.append(file)
    found = sorted([h for h in headers if h not in segments] + others)
    if not found:
        raise Unreadable(path, "holds no recording")
    return found


def _is_dicom(file: Path) -> bool:
    try:
        return file.name != "DICOMDIR" and is_dicom(file)
    except OSError:
        return False


def _walk(folder: Path) -> Iterable[Path]:
    def fail(error: OSError) -> None:
        raise Unreadable(error.filename or folder, error.strerror or "cannot be listed") from error

    for root, _, files in os.walk(folder, onerror=fail):
        yield from (Path(root) / name for name in files)


def _segment_headers(header: Path) -> set[Path]:
    try:
        return {header.with_name(name + ".hea") for name in segments_of(header) if name != "~" and "\0" not in name}
    except (OSError, ValueError, Unreadable):
        return set()  # reading the record itself will tell


def _wfdb_base(path: Path) -> Path | None:
    """The record's path without suffix, when a header stands there."""
    if path.name in ("", "..") or "\0" in str(path):
        return None
    bases = [path.with_suffix("")] if path.suffix in _WFDB_SUFFIXES else []
    for base in [*bases, path]:
        if base.with_name(base.name + ".hea").is_file():
            return base
    return None


def _assemble(name: str, path: Path, signals: Signals) -> Recording:
    kept = same_clock(signals.leads)
    n = signals.leads[kept[0]].n
    if n == 0:
        raise Unreadable(path, "holds no samples")
    if n * len(kept) > MAX_VALUES:
        raise Unreadable(path, f"claims {n} samples of {len(kept)} leads")
    channels = [as_int16(c) for c in signals.channels(kept)]
    if any(len(c.adc) != n for c in channels):
        raise Unreadable(path, f"holds {min(len(c.adc) for c in channels)} of {n} samples")
    return Recording(
        name=name,
        fs_hz=channels[0].fs_hz,
        leads=tuple(c.name for c in channels),
        adc=np.stack([c.adc for c in channels]).astype(np.int16, copy=False),
        gain=np.array([c.gain for c in channels]),
        baseline=np.array([c.baseline for c in channels]),
        invalid=np.stack([c.invalid for c in channels]),
        path=path,
    )
