"""EDF and EDF+ files, read piece by piece. Annotation channels are skipped; gaps of EDF+D become invalid samples."""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from ingest.sources.channel import (
    MAX_MISSING,
    MAX_VALUES,
    Lead,
    Piece,
    Signals,
    check_gain,
    check_rate,
    one_line,
    printable,
    units_per_millivolt,
)
from ingest.sources.facts import Facts, of_edf
from liteheart.clock import US_PER_S
from liteheart.errors import Unreadable

_FIXED, _PER_SIGNAL = 256, 256  # header bytes
_LABEL, _UNIT, _SAMPLES = (0, 16), (96, 8), (216, 8)  # offset per signal and width of its fields
_RANGES: Final = ((104, 8), (112, 8), (120, 8), (128, 8))  # physical minimum and maximum, digital ones
_NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_ONSET = re.compile(rb"[+-]\d{1,12}(?:\.\d{1,12})?(?=[\x14\x15])")
_ANNOTATIONS = "EDF Annotations"
_PART: Final = 1 << 20  # samples looked at together


@dataclass(frozen=True, slots=True)
class _Signal:
    label: str
    unit: str
    ranges: tuple[bytes, ...]
    first: int  # of its samples, in a data record
    samples: int  # in a data record


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """How the data records lie in the file."""

    file: BinaryIO
    begin: int  # of the first data record, bytes
    records: int
    width: int  # samples of all signals in a record
    record_s: float
    signals: list[_Signal]
    discontinuous: bool
    facts: Facts

    def words(self, first: int, last: int) -> npt.NDArray[np.int16]:
        """int16 [records, width] of records [first, last). Not mapped: a file that shrinks must not end the process."""
        self.file.seek(self.begin + 2 * self.width * first)
        data = self.file.read(2 * self.width * (last - first))
        if len(data) < 2 * self.width * (last - first):
            raise EOFError("became shorter while it was read")
        return np.frombuffer(data, "<i2").reshape(last - first, self.width)


def open_edf(path: Path, stack: ExitStack) -> Signals:
    """The voltage channels of an EDF or EDF+ file; `stack` holds it open. Raises Unreadable."""
    try:
        return _signals(path, stack)
    except Unreadable:
        raise
    except OSError as error:
        raise Unreadable(path, error.strerror or one_line(error)) from error


def _signals(path: Path, stack: ExitStack) -> Signals:
    layout = _layout(path, stack)
    wanted = [(s, f) for s in layout.signals if (f := _per_mv(s)) is not None]
    if not wanted:
        units = sorted({s.unit or "no unit" for s in layout.signals if s.label != _ANNOTATIONS})
        raise Unreadable(path, f"holds no voltage, only {', '.join(units)}" if units else "holds no signal")
    onsets = _onsets(path, layout)
    starts = [_starts(path, layout, onsets, signal.samples) for signal, _ in wanted]
    leads = [_lead(path, layout, s, f, begin) for (s, f), begin in zip(wanted, starts, strict=True)]
    facts = layout.facts
    if onsets is not None and facts.start_us is not None and 0 < onsets[0] < 1.0:
        facts = replace(facts, start_us=facts.start_us + round(float(onsets[0]) * US_PER_S))

    def read(which: Sequence[int], a: int, b: int) -> list[Piece]:
        return [_piece(layout, wanted[i][0], starts[i], a, b) for i in which]

    return Signals(leads, read, facts)


def _per_mv(signal: _Signal) -> float | None:
    return None if signal.label == _ANNOTATIONS else units_per_millivolt(signal.unit)


def _lead(path: Path, layout: _Layout, signal: _Signal, per_mv: float, starts: npt.NDArray[np.int64]) -> Lead:
    name = signal.label or "ECG"
    what = ("physical minimum", "physical maximum", "digital minimum", "digital maximum")
    low, high, least, most = (_number(path, w, t) for w, t in zip(what, signal.ranges, strict=True))
    per_unit = (most - least) / (high - low) if high != low else 0.0
    check_gain(path, name, per_unit * per_mv)
    fs_hz = signal.samples / layout.record_s
    check_rate(path, fs_hz)
    baseline = least - low * per_unit
    if not abs(baseline) < 1e9:
        raise Unreadable(path, f"lead {name} puts 0 mV at {baseline:g} units")
    return Lead(name, fs_hz, int(starts[-1]) + signal.samples, per_unit * per_mv, baseline)


def _starts(
    path: Path, layout: _Layout, onsets: npt.NDArray[np.float64] | None, per_record: int
) -> npt.NDArray[np.int64]:
    """Where the samples of each data record stand: one after another, unless the file tells of gaps between them."""
    if onsets is None or not layout.discontinuous:
        return np.arange(layout.records, dtype=np.int64) * per_record
    steps = np.rint(np.diff(onsets) * (per_record / layout.record_s))
    if (steps < per_record - 1).any():
        k = int(np.argmax(steps < per_record - 1)) + 1
        raise Unreadable(path, f"data record {k} begins before the one before it ends")
    if np.sum(steps) - per_record * len(steps) > MAX_MISSING:
        raise Unreadable(path, f"spans {onsets[-1] - onsets[0]:g} s, most of them missing")
    steps = np.where(steps <= per_record + 1, per_record, steps).astype(np.int64)  # a rounded onset is no gap
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(steps)])


def _piece(layout: _Layout, signal: _Signal, starts: npt.NDArray[np.int64], a: int, b: int) -> Piece:
    """Samples [a, b), those between data records invalid."""
    n = signal.samples
    first = max(0, int(np.searchsorted(starts, a, side="right")) - 1)
    last = int(np.searchsorted(starts, b, side="left"))
    digital = layout.words(first, last)[:, signal.first : signal.first + n]
    at = starts[first:last]
    begin, end = int(at[0]), int(at[-1]) + n
    if end - begin == digital.size:
        adc, missing = digital.astype(np.int16).ravel(), np.zeros(digital.size, np.bool_)
    else:
        index = (at[:, None] - begin + np.arange(n)).ravel()
        adc, missing = np.zeros(end - begin, np.int16), np.ones(end - begin, np.bool_)
        adc[index], missing[index] = digital.ravel(), False
    pad = max(0, b - end)  # [a, b) may end between two data records
    if pad:
        adc = np.concatenate([adc, np.zeros(pad, np.int16)])
        missing = np.concatenate([missing, np.ones(pad, np.bool_)])
    return adc[a - begin : b - begin], missing[a - begin : b - begin]


def _onsets(path: Path, layout: _Layout) -> npt.NDArray[np.float64] | None:
    """Start of each data record in seconds, from the first annotation of each; None where nothing tells it.

    Raises Unreadable for a file that says it has gaps and does not say where.
    """
    notes = next((s for s in layout.signals if s.label == _ANNOTATIONS), None)
    if notes is None:
        if layout.discontinuous:
            raise Unreadable(path, "is EDF+D but has no annotations that tell the time")
        return None
    onsets: list[float] = []
    step = max(1, _PART // layout.width)
    for first in range(0, layout.records if layout.discontinuous else 1, step):
        rows = layout.words(first, min(first + step, layout.records if layout.discontinuous else 1))
        found = [_ONSET.match(row.tobytes()) for row in rows[:, notes.first : notes.first + notes.samples]]
        if not all(found):
            if layout.discontinuous:
                raise Unreadable(path, "is EDF+D and some data record does not tell its time")
            return None
        onsets += [float(m.group()) for m in found if m]
    return np.array(onsets)


def _layout(path: Path, stack: ExitStack) -> _Layout:
    file = stack.enter_context(path.open("rb"))
    size = path.stat().st_size
    if size == 0:
        raise Unreadable(path, "is empty")
    fixed = file.read(_FIXED)
    if len(fixed) < _FIXED or fixed[:8].strip() != b"0":
        raise Unreadable(path, "is not an EDF file")
    header_bytes, records, record_s, count = (
        _number(path, what, fixed[a:b])
        for what, a, b in (
            ("header size", 184, 192),
            ("number of data records", 236, 244),
            ("duration of a data record", 244, 252),
            ("number of signals", 252, 256),
        )
    )
    n = int(count)
    if n < 1:
        raise Unreadable(path, "holds no signal")
    if header_bytes != _FIXED + _PER_SIGNAL * n or size < header_bytes:
        raise Unreadable(path, f"its header does not hold {n} signals")
    if record_s <= 0:
        raise Unreadable(path, "its data records last no time")
    signals = _described(path, file.read(_PER_SIGNAL * n), n)
    width = sum(s.samples for s in signals)
    there = (size - int(header_bytes)) // (2 * width)
    wanted = there if records == -1 else int(records)  # -1: the recorder was cut off before it wrote the count
    if there < wanted:
        raise Unreadable(path, f"ends after {there} of {wanted} data records")
    if wanted < 1:
        raise Unreadable(path, "holds no data record")
    if wanted * width > MAX_VALUES:
        raise Unreadable(path, f"claims {wanted * width} samples")
    reserved, texts = fixed[192:236].decode("latin-1"), fixed[8:184].decode("latin-1")
    plus = reserved.startswith("EDF+")
    facts = of_edf(texts[:80].strip(), texts[80:160].strip(), texts[160:168], texts[168:176], plus=plus)
    return _Layout(file, int(header_bytes), wanted, width, record_s, signals, reserved.startswith("EDF+D"), facts)


def _described(path: Path, data: bytes, n: int) -> list[_Signal]:
    def field(i: int, offset: int, width: int) -> bytes:
        return data[offset * n + i * width : offset * n + (i + 1) * width]

    signals: list[_Signal] = []
    at = 0
    for i in range(n):
        samples = int(_number(path, "samples in a record", field(i, *_SAMPLES)))
        if samples < 1:
            raise Unreadable(path, "a signal has no samples in a data record")
        label, unit = (printable(field(i, *f).decode("latin-1")) for f in (_LABEL, _UNIT))
        signals.append(_Signal(label, unit, tuple(field(i, *r) for r in _RANGES), at, samples))
        at += samples
    return signals


def _number(path: Path, what: str, text: bytes) -> float:
    clean = text.strip(b" \0")
    value = float(clean) if _NUMBER.fullmatch(clean) else float("nan")
    if not np.isfinite(value):
        raise Unreadable(path, f"its {what} is {printable(text.decode('latin-1'))!r}")
    return value
