"""EDF and EDF+ files, read with `edfio`. Annotation channels are skipped; gaps of EDF+D become invalid samples."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingest.sources.channel import (
    MAX_MISSING,
    Channel,
    check_gain,
    check_rate,
    one_line,
    units_per_millivolt,
)
from liteheart.errors import Unreadable

if TYPE_CHECKING:
    from edfio import EdfSignal

_FIXED, _PER_SIGNAL = 256, 256  # header bytes
_LABEL, _SAMPLES = (0, 16), (216, 8)  # offset per signal and width of the two fields that give the layout
_ONSET = re.compile(rb"[+-]\d+(?:\.\d+)?(?=[\x14\x15])")
_ANNOTATIONS = "EDF Annotations"


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the data records lie in the file; `data` ends with the last whole record that the header announces."""

    data: bytes
    header_bytes: int
    records: int
    record_s: float
    labels: list[str]
    samples: list[int]  # per signal and record
    discontinuous: bool

    def words(self) -> npt.NDArray[np.int16]:
        """int16 [records, samples of all signals in a record]."""
        return np.frombuffer(self.data, "<i2", offset=self.header_bytes).reshape(self.records, -1)


def read_edf_file(path: Path) -> list[Channel]:
    """The voltage channels of an EDF or EDF+ file. Raises Unreadable."""
    try:
        return _channels(path)
    except Unreadable:
        raise
    except OSError as error:
        raise Unreadable(path, error.strerror or one_line(error)) from error
    except Exception as error:  # the library raises whatever its parser stumbles over
        raise Unreadable(path, f"not a readable EDF file ({one_line(error)})") from error


def _channels(path: Path) -> list[Channel]:
    from edfio import read_edf  # lazy: most runs read no EDF

    layout = _layout(path)
    signals = read_edf(layout.data, header_encoding="latin-1").signals
    wanted = [(s, f) for s in signals if (f := units_per_millivolt(s.physical_dimension)) is not None]
    if not wanted:
        units = sorted({s.physical_dimension or "no unit" for s in signals})
        raise Unreadable(path, f"holds no voltage, only {', '.join(units)}" if units else "holds no signal")
    return [_channel(path, layout, signal, per_mv) for signal, per_mv in wanted]


def _channel(path: Path, layout: _Layout, signal: "EdfSignal", per_mv: float) -> Channel:
    name = signal.label.strip() or "ECG"
    physical = signal.physical_max - signal.physical_min
    digital = signal.digital_max - signal.digital_min
    per_unit = digital / physical if physical else 0.0
    check_gain(path, name, per_unit * per_mv)
    fs_hz = signal.samples_per_data_record / layout.record_s
    check_rate(path, fs_hz)
    baseline = signal.digital_min - signal.physical_min * per_unit
    adc, missing = _spread(path, layout, signal.digital.astype(np.int16), signal.samples_per_data_record)
    return Channel(name, fs_hz, adc, per_unit * per_mv, baseline, missing)


def _spread(
    path: Path, layout: _Layout, digital: npt.NDArray[np.int16], per_record: int
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
    """Samples laid out in time: unchanged unless data records leave gaps between them."""
    if not layout.discontinuous or layout.records == 0:
        return digital, np.zeros(len(digital), np.bool_)
    onsets = _onsets(path, layout)
    steps = np.rint(np.diff(onsets) * (per_record / layout.record_s))
    if (steps < per_record - 1).any():
        k = int(np.argmax(steps < per_record - 1)) + 1
        raise Unreadable(path, f"data record {k} begins before the one before it ends")
    if np.sum(steps) > MAX_MISSING:
        raise Unreadable(path, f"spans {onsets[-1] - onsets[0]:g} s, most of them missing")
    steps = np.where(steps <= per_record + 1, per_record, steps).astype(np.int64)  # a rounded onset is no gap
    where = np.concatenate([[0], np.cumsum(steps)])
    n = int(where[-1]) + per_record
    index = (where[:, None] + np.arange(per_record)).ravel()
    adc, missing = np.zeros(n, np.int16), np.ones(n, np.bool_)
    adc[index], missing[index] = digital, False
    return adc, missing


def _onsets(path: Path, layout: _Layout) -> npt.NDArray[np.float64]:
    """Start of each data record in seconds, from the first annotation of each. float64 [records]."""
    if _ANNOTATIONS not in layout.labels:
        raise Unreadable(path, "is EDF+D but has no annotations that tell the time")
    at = layout.labels.index(_ANNOTATIONS)
    first = sum(layout.samples[:at])
    notes = layout.words()[:, first : first + layout.samples[at]]
    found = [_ONSET.match(row.tobytes()) for row in notes]
    if not all(found):
        raise Unreadable(path, "is EDF+D and some data record does not tell its time")
    return np.array([float(m.group()) for m in found if m])


def _layout(path: Path) -> _Layout:
    data = path.read_bytes()
    if not data:
        raise Unreadable(path, "is empty")
    if len(data) < _FIXED or data[:8].strip() != b"0":
        raise Unreadable(path, "is not an EDF file")
    header_bytes, records, record_s, signals = (
        _number(path, what, data[a:b])
        for what, a, b in (
            ("header size", 184, 192),
            ("number of data records", 236, 244),
            ("duration of a data record", 244, 252),
            ("number of signals", 252, 256),
        )
    )
    n = int(signals)
    if n < 1:
        raise Unreadable(path, "holds no signal")
    if header_bytes != _FIXED + _PER_SIGNAL * n or len(data) < header_bytes:
        raise Unreadable(path, f"its header does not hold {n} signals")
    if record_s <= 0:
        raise Unreadable(path, "its data records last no time")
    labels = [t.decode("latin-1").strip() for t in _fields(data, n, *_LABEL)]
    samples = [int(_number(path, "samples in a record", t)) for t in _fields(data, n, *_SAMPLES)]
    size = 2 * sum(samples)
    if min(samples) < 1:
        raise Unreadable(path, "a signal has no samples in a data record")
    there = (len(data) - int(header_bytes)) // size
    count = there if records == -1 else int(records)  # -1: the recorder was cut off before it wrote the count
    if there < count:
        raise Unreadable(path, f"ends after {there} of {count} data records")
    if count < 1:
        raise Unreadable(path, "holds no data record")
    end = int(header_bytes) + count * size
    reserved = data[192:236].decode("latin-1")
    return _Layout(data[:end], int(header_bytes), count, record_s, labels, samples, reserved.startswith("EDF+D"))


def _fields(data: bytes, n: int, offset: int, width: int) -> list[bytes]:
    start = _FIXED + offset * n
    return [data[start + i * width : start + (i + 1) * width] for i in range(n)]


def _number(path: Path, what: str, text: bytes) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise Unreadable(path, f"its {what} is {text.decode('latin-1').strip()!r}")
    return value
