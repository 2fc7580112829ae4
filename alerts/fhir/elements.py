"""The small parts that resources are made of: times, codes, quantities, references. Plain JSON values."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Json = dict[str, Any]

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
UCUM: Final = "http://unitsofmeasure.org"
MDC: Final = "urn:iso:std:iso:11073:10101"
OURS: Final = "urn:x-liteheart"  # our own codes and identifiers: urn:x-liteheart:condition, ...
TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = (datetime(1, 1, 2, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST: Final = (datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def instant(us: int) -> str:
    """A time to the microsecond, UTC. What a calendar cannot hold becomes its first or last day."""
    return (_EPOCH + timedelta(microseconds=min(max(us, _FIRST), _LAST))).isoformat(timespec="microseconds")


def period(start_us: int, end_us: int | None) -> Json:
    """From a time to a time; None: it goes on. A period never ends before it begins."""
    return present({"start": instant(start_us), "end": None if end_us is None else instant(max(start_us, end_us))})


def coding(system: str, code: str, display: str | None = None) -> Json:
    """One code of one system."""
    return present({"system": system, "code": code, "display": display})


def concept(*codings: Mapping[str, Any], text: str | None = None) -> Json:
    """The same thing in each of several systems, and in words."""
    return present({"coding": [dict(c) for c in codings], "text": words(text)})


def quantity(value: float, unit: str, code: str) -> Json:
    """A number with its UCUM unit."""
    return {"value": number(value), "unit": unit, "system": UCUM, "code": code}


def number(value: float) -> float | int:
    """A JSON number: what is whole is written so. Raises ValueError for what JSON cannot hold."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number in JSON")
    return int(value) if float(value).is_integer() else float(value)


def reference(kind: str, name: str) -> Json:
    """To a resource that is served here."""
    return {"reference": f"{kind}/{name}"}


def named(what: str, value: str, kind: str | None = None) -> Json:
    """To something that is not served here, by what it is called: `what` is the last part of our own system's name."""
    return present({"type": kind, "identifier": {"system": f"{OURS}:{what}", "value": value}, "display": words(value)})


def words(text: str | None) -> str | None:
    """Text that FHIR takes: not blank, without control characters; None where nothing is left."""
    if text is None:
        return None
    clean = "".join(c if c.isprintable() or c in "\n\t" else " " for c in text).strip()
    return clean or None


def present(values: Mapping[str, Any]) -> Json:
    """Without what is not there: FHIR knows neither null nor empty lists, objects and texts."""
    return {key: value for key, value in values.items() if value is not None and value not in ("", [], {})}


def listed(values: Iterable[Json | None]) -> list[Json]:
    """Those that are there."""
    return [value for value in values if value]
