"""WFDB records, read with the `wfdb` library behind a check of the header, so that no header makes it read elsewhere.

Multi-segment records are read as one, absent segments as invalid samples. An explicit gain of 0 means "uncalibrated"
to the format; we refuse it, for a millivolt that nobody measured must not reach a nurse.
"""

import math
import re
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ingest.sources.channel import (
    MAX_MISSING,
    MAX_VALUES,
    Channel,
    check_gain,
    check_rate,
    one_line,
    same_clock,
    units_per_millivolt,
)
from liteheart.errors import Unreadable

_BYTES: Final = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2, "212": 1.5, "310": 4 / 3, "311": 4 / 3}
_COMPRESSED: Final = ("508", "516", "524")
_INVALID: Final = {
    "80": 8, "508": 8, "310": 10, "311": 10, "212": 12, "16": 16, "61": 16, "160": 16, "516": 16, "24": 24, "524": 24,
    "32": 32,
}  # bits of each format: its lowest value marks a missing sample  # fmt: skip
_MAX_HEADER = 1_000_000  # bytes
_UNTIDY = re.compile(r"[^\s/]+((?:\s+\d+)(?:\s+[\d.]+)?(?:\s+\d+)?)(?=\s|$)")  # name, signals, rate, length
_ZERO_GAIN = re.compile(r"[-+]?0*\.?0*(?:[eE][-+]?\d+)?(?:[(/]|$)")


def read_wfdb(base: Path) -> list[Channel]:
    """The voltage channels of the record at `base` (no suffix). Raises Unreadable."""
    header = base.with_name(base.name + ".hea")
    wfdb = _library()
    try:
        return _channels(wfdb, base, header)
    except Unreadable:
        raise
    except OSError as error:
        raise Unreadable(header, error.strerror or one_line(error)) from error
    except Exception as error:  # the library raises whatever its parser stumbles over
        raise Unreadable(header, f"not a readable WFDB record ({one_line(error)})") from error


def segments_of(header: Path) -> list[str]:
    """Names of the segments when `header` is that of a multi-segment record, else none. Raises OSError."""
    lines = _lines(header)
    if not lines or "/" not in lines[0].split()[0]:
        return []
    return [line.split()[0] for line in lines[1:]]


def _lines(header: Path) -> list[str]:
    with header.open("rb") as f:
        text = f.read(_MAX_HEADER).decode("ascii", errors="ignore")
    return [line for line in (raw.strip() for raw in text.splitlines()) if line and not line.startswith("#")]


@cache
def _library() -> Any:
    """The `wfdb` module, imported when first needed: it takes two seconds, and warns of its own imports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wfdb  # type: ignore[import-untyped]  # ships no types
    return wfdb


def _channels(wfdb: Any, base: Path, header: Path) -> list[Channel]:
    with ExitStack() as stack:
        readable = _readable(wfdb, base, header, stack)
        record = wfdb.rdheader(str(readable))
        if isinstance(record, wfdb.MultiRecord):
            return _joined(wfdb, base, header, record)
        _check_header(readable, header, record)
        record = wfdb.rdrecord(str(readable), physical=False, smooth_frames=False, return_res=64)
    out = []
    for i, adc in enumerate(record.e_d_signal):
        per_mv = units_per_millivolt(record.units[i] or "mV")
        if per_mv is None:
            continue
        name = (record.sig_name[i] or f"signal-{i}").strip()
        gain = float(record.adc_gain[i]) * per_mv
        check_gain(header, name, gain)
        fs_hz = float(record.fs) * (record.samps_per_frame[i] or 1)
        check_rate(header, fs_hz)
        values = np.asarray(adc, np.int64)
        bits = _INVALID.get(record.fmt[i])
        missing = values == -(1 << (bits - 1)) if bits else np.zeros(len(values), np.bool_)
        out.append(Channel(name, fs_hz, values, gain, float(record.baseline[i] or 0), missing))
    if not out:
        raise Unreadable(header, f"holds no voltage, only {', '.join(sorted({str(u) for u in record.units}))}")
    return out


def _joined(wfdb: Any, base: Path, header: Path, record: Any) -> list[Channel]:
    """The segments one after another; where a segment lacks a lead, its samples are invalid."""
    gaps = sum(n for name, n in zip(record.seg_name, record.seg_len, strict=True) if name == "~")
    if gaps * max(1, record.n_sig or 1) > MAX_MISSING:
        raise Unreadable(header, f"claims {gaps} missing samples")
    parts: list[tuple[int, list[Channel]]] = []
    for name, length in zip(record.seg_name, record.seg_len, strict=True):
        if name == "~" or length == 0:  # a gap, or the layout that only names the leads
            parts.append((length, []))
            continue
        _check_name(header, name)
        segment_header = base.with_name(name + ".hea")
        if not segment_header.is_file():
            raise Unreadable(header, f"segment {name} is missing")
        if segments_of(segment_header):
            raise Unreadable(header, f"segment {name} has segments itself")
        parts.append((length, same_clock(_channels(wfdb, base.with_name(name), segment_header))))
    return [
        _lead(header, lead, float(record.fs), parts)
        for lead in dict.fromkeys(c.name for _, part in parts for c in part)
    ]


def _lead(header: Path, name: str, frame_hz: float, parts: Sequence[tuple[int, list[Channel]]]) -> Channel:
    """One lead through all segments, in the calibration of the first that has it."""
    first = next(c for _, part in parts for c in part if c.name == name)
    per_frame = max(1, round(first.fs_hz / frame_hz)) if frame_hz > 0 else 1
    values, missing = [], []
    for length, part in parts:
        channel = next((c for c in part if c.name == name), None)
        if channel is None:
            values.append(np.zeros(length * per_frame, np.int64))
            missing.append(np.ones(length * per_frame, np.bool_))
            continue
        if channel.fs_hz != first.fs_hz or len(channel.adc) != length * per_frame:
            raise Unreadable(header, f"lead {name} changes its rate or length between segments")
        values.append(_recalibrated(channel, first))
        missing.append(channel.invalid)
    return replace(first, adc=np.concatenate(values), invalid=np.concatenate(missing))


def _recalibrated(channel: Channel, like: Channel) -> npt.NDArray[np.int64]:
    """The same voltages in the units of `like`: untouched where gain and baseline agree."""
    if channel.gain == like.gain and channel.baseline == like.baseline:
        return channel.adc.astype(np.int64)
    units = (channel.adc - channel.baseline) * (like.gain / channel.gain) + like.baseline
    whole: npt.NDArray[np.int64] = np.rint(units).astype(np.int64)
    return whole


def _readable(wfdb: Any, base: Path, header: Path, stack: ExitStack) -> Path:
    """A record that the library can parse: `base`, or a tidy header in a temporary folder that lives with `stack`.

    Some public headers write "E07514.mat 12 500 5000" or a date that never was; neither matters to the signal.
    """
    base = base.absolute()
    if header.stat().st_size > _MAX_HEADER:
        raise Unreadable(header, "is too long for a header")
    lines = _lines(header)
    if not lines:
        raise Unreadable(header, "is an empty header")
    try:
        wfdb.rdheader(str(base))
    except ValueError:
        match = _UNTIDY.match(lines[0])
        if not match:
            raise
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="liteheart-")))
        tidy = "\n".join([f"record {match[1]}", *lines[1:]]) + "\n"
        (folder / "record.hea").write_text(tidy, encoding="ascii")
        for name in {line.split()[0] for line in lines[1:]}:
            _check_name(header, name)
            if base.with_name(name).is_file():
                (folder / name).symlink_to(base.with_name(name))
        return folder / "record"
    return base


def _check_header(base: Path, header: Path, record: Any) -> None:  # Any: untyped library
    """Refuse what the library would misread: strange file names, short files, unknown formats, absurd lengths."""
    if not record.n_sig:
        raise Unreadable(header, "holds no signal")
    if (record.sig_len or 0) * record.n_sig > MAX_VALUES:
        raise Unreadable(header, f"claims {record.sig_len} samples of {record.n_sig} signals")
    if record.file_name is None or len(record.file_name) != record.n_sig:
        raise Unreadable(header, f"announces {record.n_sig} signals and describes another number")
    for line in _lines(header)[1:]:
        fields = line.split()
        if len(fields) > 2 and _ZERO_GAIN.match(fields[2]):
            raise Unreadable(header, f"lead {' '.join(fields[8:]) or fields[0]} has gain 0: it is uncalibrated")
    for name in dict.fromkeys(record.file_name):
        _check_signal_file(base, header, record, name)


def _check_name(header: Path, name: str) -> None:
    if re.search(r"[/\\:*?\[\]]", name) or name in ("", ".", "..", "-"):
        raise Unreadable(header, f"names {name!r}, which is not a file beside it")


def _check_signal_file(base: Path, header: Path, record: Any, name: str) -> None:  # Any: untyped library
    _check_name(header, name)
    path = base.with_name(name)
    if not path.is_file():
        raise Unreadable(header, f"its signal file {name} is missing")
    mine = [i for i, other in enumerate(record.file_name) if other == name]
    formats = {record.fmt[i] for i in mine}
    if len(formats) != 1 or not formats <= _BYTES.keys() | set(_COMPRESSED):
        raise Unreadable(header, f"signal format {', '.join(sorted(map(str, formats)))} is not supported")
    if any(not 0 <= (record.skew[i] or 0) <= 10 * record.fs for i in mine):
        raise Unreadable(header, f"{name} has a skew of more than ten seconds")
    per_frame = [record.samps_per_frame[i] if record.samps_per_frame[i] is not None else 1 for i in mine]
    if min(per_frame) < 1:
        raise Unreadable(header, f"{name} has frames without samples")
    size, fmt = path.stat().st_size, formats.pop()
    if size == 0:
        raise Unreadable(header, f"its signal file {name} is empty")
    if fmt in _BYTES and record.sig_len:
        needed = (record.byte_offset[mine[0]] or 0) + math.ceil(record.sig_len * sum(per_frame) * _BYTES[fmt])
        if size < needed:
            raise Unreadable(header, f"its signal file {name} ends after {size} of {needed} bytes")
    elif record.sig_len and record.sig_len * sum(per_frame) > MAX_VALUES // 4:
        raise Unreadable(header, f"claims {record.sig_len} compressed samples")
