"""WFDB records, read with the `wfdb` library behind a check of the header, so that no header makes it read elsewhere.

Multi-segment records are read as one, absent segments as invalid samples. An explicit gain of 0 means "uncalibrated"
to the format; we refuse it, for a millivolt that nobody measured must not reach a nurse.
"""

import re
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

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
    same_clock,
    units_per_millivolt,
)
from ingest.sources.facts import Facts, of_wfdb
from ingest.sources.wfdb_header import check_header, check_name, check_size, lines_of, segments_of
from liteheart.errors import Unreadable

_INVALID: Final = {
    "80": 8, "508": 8, "310": 10, "311": 10, "212": 12, "16": 16, "61": 16, "160": 16, "516": 16, "24": 24, "524": 24,
    "32": 32,
}  # bits of each format: its lowest value marks a missing sample  # fmt: skip
_DIFFERENCES: Final = "8"  # the format that can only be read from its beginning
_UNTIDY = re.compile(r"[^\s/]+((?:\s+\d+)(?:\s+[\d.]+)?(?:\s+\d+)?)(?=\s|$)")  # name, signals, rate, length


def open_wfdb(base: Path, stack: ExitStack) -> Signals:
    """The voltage channels of the record at `base` (no suffix); `stack` holds what they need. Raises Unreadable."""
    header = base.with_name(base.name + ".hea")
    wfdb = _library()
    try:
        return _signals(wfdb, base, header, stack)
    except Unreadable:
        raise
    except OSError as error:
        raise Unreadable(header, error.strerror or one_line(error)) from error
    except Exception as error:  # the library raises whatever its parser stumbles over
        raise Unreadable(header, f"not a readable WFDB record ({one_line(error)})") from error


@cache
def _library() -> Any:
    """The `wfdb` module, imported when first needed: it takes two seconds, and warns of its own imports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wfdb  # type: ignore[import-untyped]  # ships no types
    return wfdb


def _signals(wfdb: Any, base: Path, header: Path, stack: ExitStack) -> Signals:
    record, readable = _header(wfdb, base, header, stack)
    if isinstance(record, wfdb.MultiRecord):
        return _joined(wfdb, base, header, record, stack)
    check_header(readable, header, record)
    frames = _frames(wfdb, readable, header, record)
    wanted = [(i, f) for i, unit in enumerate(record.units) if (f := units_per_millivolt(unit or "mV")) is not None]
    if not wanted:
        units = sorted({printable(str(unit)) for unit in record.units})
        raise Unreadable(header, f"holds no voltage, only {', '.join(units)}")
    leads = [_lead(header, record, i, per_mv, frames) for i, per_mv in wanted]
    channels = [i for i, _ in wanted]
    from_start = _DIFFERENCES in {record.fmt[i] for i in channels}
    facts = of_wfdb(header, record.comments or (), getattr(record, "base_datetime", None))

    def read(which: Sequence[int], a: int, b: int) -> list[Piece]:
        return _pieces(wfdb, readable, record, [channels[i] for i in which], a, b, from_start)

    return Signals(leads, read, facts)


def _lead(header: Path, record: Any, i: int, per_mv: float, frames: int) -> Lead:  # Any: untyped library
    name = printable(record.sig_name[i] or f"signal-{i}")
    gain = float(record.adc_gain[i]) * per_mv
    check_gain(header, name, gain)
    per_frame = record.samps_per_frame[i] or 1
    fs_hz = float(record.fs) * per_frame
    check_rate(header, fs_hz)
    baseline = float(record.baseline[i] or 0)
    if not abs(baseline) < 1e10:
        raise Unreadable(header, f"lead {name} puts 0 mV at {baseline:g} units")
    return Lead(name, fs_hz, frames * per_frame, gain, baseline)


def _frames(wfdb: Any, readable: Path, header: Path, record: Any) -> int:
    """Length of the record; where the header leaves it out, the size of the file tells."""
    if not record.sig_len:
        whole = wfdb.rdrecord(str(readable), sampto=None, physical=False, smooth_frames=False, channels=[0])
        record.sig_len = whole.sig_len
        check_size(header, record)
    return int(record.sig_len)


def _pieces(
    wfdb: Any, readable: Path, record: Any, channels: list[int], a: int, b: int, from_start: bool
) -> list[Piece]:
    """Samples [a, b): the library counts in frames, and some formats only from the beginning."""
    per_frame = record.samps_per_frame[channels[0]] or 1
    first, last = 0 if from_start else a // per_frame, min(-(-b // per_frame), record.sig_len)
    if last <= first:
        return [(np.zeros(0, np.int16), np.zeros(0, np.bool_)) for _ in channels]
    ordered = sorted(channels)
    # what `rdrecord` calls once it has parsed the header, which takes it longer than most pieces
    part = wfdb.io._signal._rd_segment(
        file_name=record.file_name,
        dir_name=str(readable.parent),
        pn_dir=None,
        fmt=record.fmt,
        n_sig=record.n_sig,
        sig_len=record.sig_len,
        byte_offset=record.byte_offset,
        samps_per_frame=record.samps_per_frame,
        skew=record.skew,
        init_value=record.init_value,
        sampfrom=first,
        sampto=last,
        channels=ordered,
        ignore_skew=False,
    )
    found = dict(zip(ordered, part, strict=True))
    out: list[Piece] = []
    for i in channels:
        adc = found[i][a - first * per_frame : b - first * per_frame]
        bits = _INVALID.get(record.fmt[i])
        out.append((adc, adc == -(1 << (bits - 1)) if bits else np.zeros(len(adc), np.bool_)))
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Segment:
    first: int  # frame of the whole record
    frames: int
    signals: Signals | None  # None: nothing was recorded


def _joined(wfdb: Any, base: Path, header: Path, record: Any, stack: ExitStack) -> Signals:
    """The segments one after another; where a segment lacks a lead, its samples are invalid."""
    gaps = sum(n for name, n in zip(record.seg_name, record.seg_len, strict=True) if name == "~")
    if gaps * max(1, record.n_sig or 1) > MAX_MISSING:
        raise Unreadable(header, f"claims {gaps} missing samples")
    segments: list[_Segment] = []
    opened: dict[str, Signals] = {}
    at = 0
    for name, length in zip(record.seg_name, record.seg_len, strict=True):
        if name != "~" and length > 0 and name not in opened:
            opened[name] = _segment(wfdb, base, header, name, stack)
        segments.append(_Segment(at, length, opened.get(name) if length > 0 else None))
        at += length
    if at * max(1, record.n_sig or 1) > MAX_VALUES:
        raise Unreadable(header, f"claims {at} samples of {record.n_sig} signals")
    names = dict.fromkeys(lead.name for s in segments if s.signals for lead in s.signals.leads)
    if not names:
        raise Unreadable(header, "has no segment with a signal")
    leads = [_lead_of(header, name, float(record.fs), segments, at) for name in names]

    def read(which: Sequence[int], a: int, b: int) -> list[Piece]:
        return [_across(leads[i], segments, at, a, b) for i in which]

    first = next((s.signals.facts for s in segments if s.signals), Facts())
    own = of_wfdb(header, record.comments or (), getattr(record, "base_datetime", None))
    return Signals(leads, read, own if own.start_us is not None or own.patient else first)


def _segment(wfdb: Any, base: Path, header: Path, name: str, stack: ExitStack) -> Signals:
    check_name(header, name)
    segment_header = base.with_name(name + ".hea")
    if not segment_header.is_file():
        raise Unreadable(header, f"segment {name} is missing")
    if segments_of(segment_header):
        raise Unreadable(header, f"segment {name} has segments itself")
    signals = _signals(wfdb, base.with_name(name), segment_header, stack)
    kept = same_clock(signals.leads)

    def read(which: Sequence[int], a: int, b: int) -> list[Piece]:
        return signals.read([kept[i] for i in which], a, b)

    return Signals([signals.leads[i] for i in kept], read, signals.facts)


def _lead_of(header: Path, name: str, frame_hz: float, segments: Sequence[_Segment], frames: int) -> Lead:
    """One lead through all segments, in the calibration of the first that has it."""
    mine = [(s, lead) for s in segments if s.signals for lead in s.signals.leads if lead.name == name]
    first = mine[0][1]
    per_frame = max(1, round(first.fs_hz / frame_hz)) if frame_hz > 0 else 1
    if any(lead.fs_hz != first.fs_hz or lead.n != s.frames * per_frame for s, lead in mine):
        raise Unreadable(header, f"lead {name} changes its rate or length between segments")
    return Lead(name, first.fs_hz, frames * per_frame, first.gain, first.baseline)


def _across(lead: Lead, segments: Sequence[_Segment], frames: int, a: int, b: int) -> Piece:
    """Samples [a, b) of a lead of the whole record."""
    per_frame = lead.n // frames
    adc: list[Any] = []
    missing: list[Any] = []
    for segment in segments:
        start = segment.first * per_frame
        low, high = max(a, start), min(b, start + segment.frames * per_frame)
        if low >= high:
            continue
        names = [other.name for other in segment.signals.leads] if segment.signals else []
        if segment.signals is None or lead.name not in names:
            adc.append(np.zeros(high - low, np.int16))
            missing.append(np.ones(high - low, np.bool_))
            continue
        i = names.index(lead.name)
        values, gone = segment.signals.read([i], low - start, high - start)[0]
        adc.append(_recalibrated(values, segment.signals.leads[i], lead))
        missing.append(gone)
    if not adc:
        return np.zeros(0, np.int16), np.zeros(0, np.bool_)
    return np.concatenate(adc), np.concatenate(missing)


def _recalibrated(values: Any, of: Lead, like: Lead) -> Any:
    """The same voltages in the units of `like`: untouched where gain and baseline agree."""
    if of.gain == like.gain and of.baseline == like.baseline:
        return values
    units = (values - of.baseline) * (like.gain / of.gain) + like.baseline
    if not np.isfinite(units).all() or np.abs(units).max(initial=0.0) > 1e15:
        raise ValueError(f"lead {like.name} cannot be brought to one gain")
    return np.rint(units).astype(np.int64)


def _header(wfdb: Any, base: Path, header: Path, stack: ExitStack) -> tuple[Any, Path]:
    """The parsed header, and a record that the library can parse: `base`, or a tidy one in a folder of `stack`.

    Some public headers write "E07514.mat 12 500 5000" or a date that never was; neither matters to the signal.
    """
    base = base.absolute()
    if "::" in str(base) or "://" in str(base):
        raise Unreadable(header, "has a name that the library would take for an address")
    lines = lines_of(header)
    if not lines:
        raise Unreadable(header, "is an empty header")
    try:
        return wfdb.rdheader(str(base)), base
    except ValueError:
        match = _UNTIDY.match(lines[0])
        if not match:
            raise
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="liteheart-")))
    comments = lines_of(header, comments=True)
    tidy = "\n".join([f"record {match[1]}", *lines[1:], *comments]) + "\n"
    (folder / "record.hea").write_text(tidy, encoding="ascii")
    for name in {line.split()[0] for line in lines[1:]}:
        check_name(header, name)
        if base.with_name(name).is_file():
            (folder / name).symlink_to(base.with_name(name))
    return wfdb.rdheader(str(folder / "record")), folder / "record"
