r"""HL7 v2 messages as text: escaping, fields, segments. Pure.

Each level has a separator, and what a value holds of them is escaped: \F\ | \S\ ^ \T\ & \R\ ~ \E\ \.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

VERSION: Final = "2.6"
_ESCAPES: Final = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
_PLAIN: Final = {escaped: plain for plain, escaped in _ESCAPES.items()}
_ESCAPED: Final = re.compile(r"\\(?:[FSTRE]|X([0-9A-Fa-f]{2}))\\")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US: Final = (datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def escape(text: str) -> str:
    """A value that may hold anything; a control character, a line's end too, becomes its code in hexadecimal."""
    return "".join(_ESCAPES.get(c) or (f"\\X{ord(c):02X}\\" if ord(c) < 32 or ord(c) == 127 else c) for c in text)


def unescape(text: str) -> str:
    """The inverse of `escape`; an escape that it never makes stays as it is."""
    return _ESCAPED.sub(lambda found: _PLAIN.get(found[0]) or chr(int(found[1], 16)), text)


def components(*values: str) -> str:
    """A field of components, each escaped; those at the end that are empty are left out."""
    return "^".join(map(escape, values)).rstrip("^")


def repeated(*values: str) -> str:
    """A field that is given several times."""
    return "~".join(map(escape, values))


def segment(name: str, fields: Mapping[int, str]) -> str:
    """A segment from its fields by number, which are escaped already."""
    return "|".join([name, *(fields.get(at, "") for at in range(1, max(fields, default=0) + 1))])


def header(kind: tuple[str, ...], control: str, at_us: int, profile: tuple[str, ...], facility: str) -> str:
    """MSH of a message in UTF-8 that wants an acknowledgement of the application."""
    fields = {  # MSH-1 is the separator itself, so that every other field stands one place earlier
        1: "^~\\&",
        2: components("LITEHEART"),
        3: escape(facility),
        6: moment(at_us),
        8: components(*kind),
        9: escape(control),
        10: "P",
        11: VERSION,
        14: "NE",
        15: "AL",
        17: "UNICODE UTF-8",
        20: components(*profile),
    }
    return segment("MSH", fields)


def message(segments: Iterable[str]) -> str:
    """All segments, each with its end."""
    return "".join(f"{one}\r" for one in segments)


def moment(us: int) -> str:
    """A time to the millisecond, UTC."""
    told = _EPOCH + timedelta(microseconds=min(max(us, 0), _LAST_US))
    return f"{told:%Y%m%d%H%M%S}.{told.microsecond // 1000:03d}+0000"
