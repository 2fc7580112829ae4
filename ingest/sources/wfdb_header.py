"""What a WFDB header may not say: strange file names, files too short for it, unknown formats, absurd lengths."""

import math
import re
from pathlib import Path
from typing import Any, Final

from ingest.sources.channel import MAX_VALUES, printable
from liteheart.errors import Unreadable

_BYTES: Final = {"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2, "212": 1.5, "310": 4 / 3, "311": 4 / 3}
_COMPRESSED: Final = ("508", "516", "524")
_MOST_PER_BYTE: Final = 8_000  # a FLAC frame of 65,535 equal samples takes at least ten bytes
_MAX_HEADER: Final = 1_000_000  # bytes
_MAX_SIGNALS: Final = 512
_MAX_SEGMENTS: Final = 20_000
_ZERO_GAIN = re.compile(r"[-+]?0*\.?0*(?:[eE][-+]?\d+)?(?:[(/]|$)")


def lines_of(header: Path, *, comments: bool = False) -> list[str]:
    """The lines of a header that are not empty: those that are no comments, or those that are.

    Raises Unreadable for what is no file or too long, OSError for what cannot be opened.
    """
    if not header.is_file():  # a pipe would be waited for, a device never ends
        raise Unreadable(header, "is not a file")
    with header.open("rb") as f:
        data = f.read(_MAX_HEADER + 1)
    if len(data) > _MAX_HEADER:
        raise Unreadable(header, "is too long for a header")
    text = data.decode("ascii", errors="ignore")
    lines = [line for line in (raw.strip() for raw in text.splitlines()) if line and line.startswith("#") == comments]
    if lines and not comments and len(lines) > 1 + (_MAX_SEGMENTS if "/" in lines[0].split()[0] else _MAX_SIGNALS):
        raise Unreadable(header, f"describes {len(lines) - 1} signals or segments")
    return lines


def segments_of(header: Path) -> list[str]:
    """Names of the segments when `header` is that of a multi-segment record, else none. Raises Unreadable, OSError."""
    lines = lines_of(header)
    if not lines or "/" not in lines[0].split()[0]:
        return []
    return [line.split()[0] for line in lines[1:]]


def check_header(base: Path, header: Path, record: Any) -> None:  # Any: untyped library
    """Refuse what the library would misread."""
    if not record.n_sig:
        raise Unreadable(header, "holds no signal")
    if record.n_sig > _MAX_SIGNALS:
        raise Unreadable(header, f"announces {record.n_sig} signals")
    if (record.sig_len or 0) * record.n_sig > MAX_VALUES:
        raise Unreadable(header, f"claims {record.sig_len} samples of {record.n_sig} signals")
    if record.file_name is None or len(record.file_name) != record.n_sig:
        raise Unreadable(header, f"announces {record.n_sig} signals and describes another number")
    for line in lines_of(header)[1:]:
        fields = line.split()
        if len(fields) > 2 and _ZERO_GAIN.match(fields[2]):
            name = printable(" ".join(fields[8:]) or fields[0])
            raise Unreadable(header, f"lead {name} has gain 0: it is uncalibrated")
    for name in dict.fromkeys(record.file_name):
        _check_signal_file(base, header, record, name)
    check_size(header, record)


def check_name(header: Path, name: str) -> None:
    """Raises Unreadable unless `name` is that of a file beside the header."""
    if re.search(r"[/\\:*?\[\]]", name) or not name.isprintable() or name in ("", ".", "..", "-"):
        raise Unreadable(header, f"names {name!r}, which is not a file beside it")


def check_size(header: Path, record: Any) -> None:  # Any: untyped library
    """Raises Unreadable for more samples than a file can mean."""
    per_frame = sum(n if n is not None else 1 for n in record.samps_per_frame)
    if (record.sig_len or 0) * per_frame > MAX_VALUES:
        raise Unreadable(header, f"claims {record.sig_len} samples of {record.n_sig} signals")


def _check_signal_file(base: Path, header: Path, record: Any, name: str) -> None:  # Any: untyped library
    check_name(header, name)
    path = base.with_name(name)
    if not path.is_file():
        raise Unreadable(header, f"its signal file {name} is {'no file' if path.exists() else 'missing'}")
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
    elif record.sig_len and record.sig_len * sum(per_frame) > min(MAX_VALUES // 4, _MOST_PER_BYTE * size):
        raise Unreadable(header, f"claims {record.sig_len} compressed samples")
