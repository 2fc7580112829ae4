"""A cohort, said: which patients, and which of their windows. One JSON object, refused by name where it is wrong.

{"conditions": ["AFIB"], "scores": {"AFIB": [0.4, 0.6]}, "entropy": [0.3, 1], "sqi": [0.7, 1], "usable": true,
 "heart_rate_bpm": [100, null], "since": "2026-11-01", "until": "2026-12-01T08:00", "age": [65, 120],
 "sexes": ["female"], "sites": ["north"], "patients": ["p-1"], "model": "m1", "abstained": false,
 "alarms": {"conditions": ["VF"], "reasons": ["false-artefact"], "around_s": 30},
 "consent": ["export"], "per_patient": 100, "sample": 5000, "seed": 1}
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from liteheart.alarm import REASONS
from liteheart.clock import US_PER_S
from liteheart.errors import Poison, Unreadable
from storage.consents import check_scopes
from storage.subjects import SEXES

NO_REASON: Final = "none"  # an alarm that nobody gave a reason for
_AROUND_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Range:
    """Both ends belong to it."""

    low: float = -math.inf
    high: float = math.inf

    def holds(self, value: float | None) -> bool:
        """Whether the value is within; what is not known is not."""
        return value is not None and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class AlarmMatch:
    """Near which alarms; empty: of any condition, with any reason or none."""

    conditions: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()  # of `liteheart.alarm.REASONS`, or "none"
    around_s: float = _AROUND_S  # before the onset and after the end


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for; what is left out does not matter, but for consent. Raises Poison naming the field."""

    patients: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    age: Range | None = None  # whole years: the window's year less the year of birth
    since_us: int | None = None
    until_us: int | None = None
    conditions: tuple[str, ...] = ()  # any of them found in the window
    scores: Mapping[str, Range] = dataclasses.field(default_factory=dict)  # every one within
    entropy: Range | None = None  # bits, the mean over the scores of a window: 0 certain, 1 undecided
    sqi: Range | None = None
    usable: bool | None = None
    abstained: bool | None = None
    heart_rate_bpm: Range | None = None
    model: str | None = None  # None: the reading that was made first
    alarms: AlarmMatch | None = None
    consent: tuple[str, ...] = ("export",)  # to all of them; empty: asked of nobody
    per_patient: int | None = None  # windows of a patient at most, drawn at random
    sample: int | None = None  # windows in all at most, drawn at random after that
    seed: int = 0

    def __post_init__(self) -> None:
        check_scopes(self.consent)
        for sex in self.sexes:
            if sex not in SEXES:
                raise Poison("sexes", f"must be of {', '.join(SEXES)}")
        for name in ("per_patient", "sample"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise Poison(name, "must be at least 1")
        for reason in self.alarms.reasons if self.alarms else ():
            if reason not in (*REASONS, NO_REASON):
                raise Poison("alarms.reasons", f"must be of {', '.join(REASONS)}, {NO_REASON}")
        if self.since_us is not None and self.until_us is not None and self.since_us >= self.until_us:
            raise Poison("until", "must be after since")

    @property
    def by_window(self) -> bool:
        """Whether single windows are asked for, not all that was recorded of some patients in some time."""
        return bool(self.conditions or self.scores or self.model or self.per_patient or self.sample) or any(
            value is not None for value in (self.entropy, self.sqi, self.usable, self.abstained, self.heart_rate_bpm)
        )

    def public(self) -> dict[str, Any]:
        """What may stand beside the export: no pseudonym, no site, no true time."""
        told: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in ("patients", "sites"):
                told |= {field.name: len(value)} if value else {}
            elif field.name in ("since_us", "until_us"):
                told |= {field.name.removesuffix("_us"): "given"} if value is not None else {}
            elif value not in (None, (), {}) or field.name == "consent":
                told[field.name] = _plain(value)
        return told


def parse(document: object) -> Query:
    """The query that a JSON object says. Raises Poison naming the field."""
    if not isinstance(document, dict):
        raise Poison("cohort", "must be a JSON object")
    unknown = sorted(set(document) - set(_READERS))
    if unknown:
        raise Poison(unknown[0], f"is not known; there are {', '.join(_READERS)}")
    names = {"since": "since_us", "until": "until_us"}
    given = {str(k): v for k, v in document.items() if v is not None}
    return Query(**{names.get(k, k): _READERS[k](k, v) for k, v in given.items()})


def read(path: Path) -> Query:
    """The query in a JSON file. Raises Unreadable for the file, Poison for what it says."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise Unreadable(path, error.strerror or "cannot be read") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(path, f"is not JSON ({error})") from error
    return parse(document)


def instant(field: str, value: object) -> int:
    """ISO 8601 as microseconds since the epoch, UTC unless it says otherwise. Raises Poison."""
    try:
        t = datetime.fromisoformat(str(value))
    except ValueError:
        raise Poison(field, f"{value!r} is no time, as in 2026-11-22T08:00") from None
    return round((t if t.tzinfo else t.replace(tzinfo=UTC)).timestamp() * US_PER_S)


def _names(field: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise Poison(field, "must be a list of names")
    return tuple(value)


def _range(field: str, value: object) -> Range:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise Poison(field, "must be [low, high]; null leaves an end open")
    low, high = (-math.inf if value[0] is None else value[0], math.inf if value[1] is None else value[1])
    if not all(isinstance(v, int | float) and not math.isnan(v) for v in (low, high)) or low > high:
        raise Poison(field, "must be two numbers, the lower first")
    return Range(float(low), float(high))


def _scores(field: str, value: object) -> dict[str, Range]:
    if not isinstance(value, dict):
        raise Poison(field, "must be an object of [low, high] by condition")
    return {str(code): _range(f"{field}.{code}", r) for code, r in value.items()}


def _alarms(field: str, value: object) -> AlarmMatch:
    if not isinstance(value, dict) or set(value) - {"conditions", "reasons", "around_s"}:
        raise Poison(field, "must be an object of conditions, reasons, around_s")
    around_s = _number(f"{field}.around_s", value.get("around_s", _AROUND_S))
    if not 0 <= around_s <= 86_400:
        raise Poison(f"{field}.around_s", "must be 0 to 86400")
    conditions, reasons = (_names(f"{field}.{k}", value.get(k, ())) for k in ("conditions", "reasons"))
    return AlarmMatch(conditions, reasons, around_s)


def _flag(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise Poison(field, "must be true or false")
    return value


def _number(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Poison(field, "must be a number")
    return float(value)


def _count(field: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Poison(field, "must be a whole number")
    return value


def _text(field: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise Poison(field, "must be a name")
    return value


_READERS: Final[dict[str, Callable[[str, object], Any]]] = {
    **dict.fromkeys(("patients", "sites", "sexes", "conditions", "consent"), _names),
    **dict.fromkeys(("age", "entropy", "sqi", "heart_rate_bpm"), _range),
    **dict.fromkeys(("since", "until"), instant),
    **dict.fromkeys(("usable", "abstained"), _flag),
    **dict.fromkeys(("per_patient", "sample", "seed"), _count),
    "scores": _scores,
    "model": _text,
    "alarms": _alarms,
}


def _plain(value: Any) -> Any:
    if isinstance(value, Range):
        return [v if math.isfinite(v) else None for v in (value.low, value.high)]
    if isinstance(value, AlarmMatch):
        return dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return list(value) if isinstance(value, tuple) else value
