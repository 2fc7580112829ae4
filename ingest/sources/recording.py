"""Recordings as values: WFDB records and EDF files, read whole, their ADC integers untouched."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest.sources.channel import Channel, as_int16, default_lead, plain, same_clock
from ingest.sources.edf_files import read_edf_file
from ingest.sources.wfdb_files import read_wfdb, segments_of
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
        if name is None:
            return default_lead(self.leads)
        for form in (str.strip, plain):
            matches = [i for i, lead in enumerate(self.leads) if form(lead) == form(name)]
            if matches:
                return matches[0]
        raise Unreadable(self.path, f"has no lead {name}, only {', '.join(self.leads)}")

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


def read_recording(path: Path | str) -> Recording:
    """Read a WFDB record (with or without suffix) or an EDF file. Every failure is Unreadable, with its reason."""
    path = Path(path)
    base = _wfdb_base(path)
    if base is not None:
        return _assemble(base.name, path, read_wfdb(base))
    for candidate in (path, path.with_name(path.name + ".edf") if path.name else path):
        if candidate.suffix.lower() == ".edf" and candidate.is_file():
            return _assemble(candidate.stem, candidate, read_edf_file(candidate))
    if not path.exists():
        raise Unreadable(path, "no such file or record")
    if path.suffix.lower() in _WFDB_SUFFIXES:
        raise Unreadable(path, "has no WFDB header beside it")
    raise Unreadable(path, "is a folder" if path.is_dir() else "is neither a WFDB record nor an EDF file")


def find_recordings(path: Path | str) -> list[Path]:
    """The recordings at `path`: itself when it is one, else all in the folder and below, sorted. Raises Unreadable.

    Headers of the segments of a multi-segment record are not listed beside it.
    """
    path = Path(path)
    if not path.is_dir() or _wfdb_base(path) is not None:
        return [path]
    headers, edf, segments = [], [], set()
    for file in _walk(path):
        if file.suffix == ".hea":
            headers.append(file)
            segments |= _segment_headers(file)
        elif file.suffix.lower() == ".edf":
            edf.append(file)
    found = sorted([h for h in headers if h not in segments] + edf)
    if not found:
        raise Unreadable(path, "holds no recording")
    return found


def _walk(folder: Path) -> Iterable[Path]:
    def fail(error: OSError) -> None:
        raise Unreadable(error.filename or folder, error.strerror or "cannot be listed") from error

    for root, _, files in os.walk(folder, onerror=fail):
        yield from (Path(root) / name for name in files)


def _segment_headers(header: Path) -> set[Path]:
    try:
        return {header.with_name(name + ".hea") for name in segments_of(header) if name != "~" and "\0" not in name}
    except (OSError, ValueError):
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


def _assemble(name: str, path: Path, channels: list[Channel]) -> Recording:
    kept = [as_int16(c) for c in same_clock(channels)]
    if len(kept[0].adc) == 0:
        raise Unreadable(path, "holds no samples")
    return Recording(
        name=name,
        fs_hz=kept[0].fs_hz,
        leads=tuple(c.name for c in kept),
        adc=np.stack([c.adc for c in kept]).astype(np.int16, copy=False),
        gain=np.array([c.gain for c in kept]),
        baseline=np.array([c.baseline for c in kept]),
        invalid=np.stack([c.invalid for c in kept]),
        path=path,
    )
