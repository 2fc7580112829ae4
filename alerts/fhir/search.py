"""What a search asks for: parameters as FHIR writes them, checked against the table. Pages know where they went on."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from alerts.fhir.capability import Kind
from alerts.fhir.elements import OURS, Json
from alerts.fhir.settings import FhirSettings
from liteheart.errors import Poison

FOREVER: Final = (-(1 << 62), 1 << 62)  # microseconds: farther than any time that is stored
_RESULT: Final = frozenset({"_count", "_cursor", "_format", "_pretty"})
_DATE: Final = re.compile(
    r"(?P<prefix>eq|ge|gt|le|lt)?(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d)(:(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of one search, each with its values in order."""

    values: dict[str, tuple[str, ...]]
    count: int
    cursor: Any = None  # where this page goes on, as `next_page` left it

    def one(self, name: str) -> str | None:
        """The only value; None where it is not given. Raises Poison for two."""
        given = self.values.get(name, ())
        if len(given) > 1:
            raise Poison(name, "may be given once")
        return given[0] if given else None

    def reference(self, name: str, kind: str) -> str | None:
        """The id of a reference: `x` or `Kind/x`."""
        text = self.one(name)
        if text is None:
            return None
        found = text.removeprefix(f"{kind}/")
        if not found or "/" in found:
            raise Poison(name, f"must be {kind}/ID")
        return found

    def tokens(self, name: str) -> list[tuple[str | None, str]]:
        """(system, code) of each alternative; the system is None where any will do."""
        text = self.one(name)
        found: list[tuple[str | None, str]] = []
        for part in (text or "").split(","):
            system, bar, code = part.rpartition("|")
            if text is not None and not code:
                raise Poison(name, "names no code")
            found.append((system if bar else None, code))
        return found if text is not None else []

    def span(self, name: str) -> tuple[int, int]:
        """[since_us, until_us) that all dates of that name leave."""
        since, until = FOREVER
        for text in self.values.get(name, ()):
            prefix, low, high = _date(name, text)
            since = max(since, {"ge": low, "eq": low, "gt": high}.get(prefix, since))
            until = min(until, {"le": high, "eq": high, "lt": low}.get(prefix, until))
        return since, until

    def next_page(self, path: str, cursor: Any) -> str:
        """The URL of what follows."""
        packed = base64.urlsafe_b64encode(json.dumps(cursor, separators=(",", ":")).encode()).decode().rstrip("=")
        return self.page(path) + f"&_cursor={packed}"

    def page(self, path: str) -> str:
        """The URL of the first page, with what was understood."""
        return f"{path}?{urlencode([*((k, v) for k, vs in self.values.items() for v in vs), ('_count', self.count)])}"


def read_query(pairs: Iterable[tuple[str, str]], kind: Kind, settings: FhirSettings, *, lenient: bool) -> Query:
    """The search that `pairs` spell. Raises Poison naming what is unknown, wrong or missing.

    What is unknown is refused, lest an answer holds more than was asked for; `lenient`: it is left out.
    """
    known = {param.name for param in kind.params}
    values: dict[str, tuple[str, ...]] = {}
    result: dict[str, str] = {}
    for name, value in pairs:
        if name in _RESULT:
            result[name] = value
        elif name in known:
            if not value.isprintable():
                raise Poison(name, "holds a character that is none of text")
            values[name] = (*values.get(name, ()), value)
        elif not lenient:
            raise Poison(name.partition(":")[0][:64] or "query", f"is none of {', '.join(sorted(known | _RESULT))}")
    for param in kind.params:
        if param.needed and not values.get(param.name):
            raise Poison(param.name, "must be given")
    return Query(values, _count(result.get("_count"), settings), _cursor(result.get("_cursor")))


def bundle(entries: Sequence[Json], base: str, links: dict[str, str]) -> Json:
    """A searchset of one page."""
    found: Json = {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": name, "url": url} for name, url in links.items()],
    }
    if entries:
        found["entry"] = [
            {
                "fullUrl": f"{base}/{entry['resourceType']}/{entry['id']}",
                "resource": entry,
                "search": {"mode": "match"},
            }
            for entry in entries
        ]
    return found


def is_ours(system: str | None, what: str) -> bool:
    """Whether a token's system is our own `what`, or any."""
    return system in (None, f"{OURS}:{what}")


def _count(text: str | None, settings: FhirSettings) -> int:
    if text is None:
        return settings.count
    if not (text.isascii() and text.isdigit()) or not int(text[:9]):
        raise Poison("_count", "must be a whole number above 0")
    return min(int(text[:9]), settings.count_max)  # a server may give less than was asked for


def _cursor(text: str | None) -> Any:
    if text is None:
        return None
    try:
        found = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise Poison("_cursor", "is none that was given here") from None
    plain = isinstance(found, list) and 0 < len(found) <= 2
    if not plain or not all(isinstance(part, int | str) and not isinstance(part, bool) for part in found):
        raise Poison("_cursor", "is none that was given here")
    if not all(abs(part) < 1 << 62 if isinstance(part, int) else _is_name(part) for part in found):
        raise Poison("_cursor", "is none that was given here")
    return found


def _is_name(text: str) -> bool:
    """Pseudonyms, devices and keys are; a database may choke on other things."""
    return text.isascii() and text.isprintable()


def _date(name: str, text: str) -> tuple[str, int, int]:
    """Prefix, and [low, high) in microseconds: a date without a time is all of its day. Without a zone it is UTC."""
    found = _DATE.fullmatch(text.replace(" ", "+"))  # a plus that nobody escaped
    if found is None:
        raise Poison(name, f"{text[:40]!r} is no date as ge2026-11-22T10:00:00Z; prefixes eq, ge, gt, le, lt")
    part = {key: int(value) for key, value in found.groupdict().items() if value and value.isdigit()}
    try:
        low = datetime(
            part["year"],
            part.get("month", 1),
            part.get("day", 1),
            part.get("hour", 0),
            part.get("minute", 0),
            part.get("second", 0),
            tzinfo=UTC,
        )
        span_us = _width_us(part, found["fraction"], low)
        offset = _offset(found["zone"])
    except (ValueError, OverflowError):
        raise Poison(name, f"{text[:40]!r} is not in the calendar") from None
    fraction_us = int((found["fraction"] or ".0")[1:7].ljust(6, "0"))
    low_us = (low - _EPOCH - offset) // timedelta(microseconds=1) + fraction_us
    return found["prefix"] or "eq", low_us, low_us + span_us


def _width_us(part: dict[str, int], fraction: str | None, low: datetime) -> int:
    if fraction:
        return int(10 ** max(0, 6 - (len(fraction) - 1)))
    for name, seconds in (("second", 1), ("minute", 60), ("day", 86_400)):
        if name in part:
            return seconds * 1_000_000
    month = part.get("month")
    after = low.replace(year=low.year + 1) if month in (None, 12) else low.replace(month=month + 1)
    if month == 12:
        after = after.replace(month=1)
    return (after - low) // timedelta(microseconds=1)


def _offset(zone: str | None) -> timedelta:
    if zone in (None, "Z"):
        return timedelta(0)
    assert zone is not None  # noqa: S101 - for the type checker
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError(zone)
    return timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
