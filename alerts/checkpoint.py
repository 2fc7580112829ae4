"""What the alarm engine remembers, as JSON values, saved in the same transaction as the frames that made it."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from alerts.episode import Episode
from alerts.policy import Track
from liteheart.alarm import Alarm, Kind, Priority
from liteheart.errors import Poison
from liteheart.ids import PatientId

VERSION: Final = 1
_FIELDS: Final = tuple(f.name for f in fields(Alarm))


@dataclass(slots=True)
class Memory:
    """The engine's state: how far it has come on each of its clocks, and each condition's track and latest alarm."""

    vitals_us: int | None = None  # event time of the latest vitals
    finding_us: int | None = None  # end of the latest window
    arrival_us: int = 0  # newest arrival
    clock_us: int = 0  # when the latest vitals were worked on
    unanswered_us: int = 0  # usable signal since the student last answered
    intervals_us: int = 0  # latest vitals whose intervals could tell atrial fibrillation
    opinion: float | None = None  # what the student last made of it, as a share of its threshold
    opinion_us: int = 0  # and of the signal up to when
    tracks: dict[str, Track] = field(default_factory=dict)
    episodes: dict[str, Episode] = field(default_factory=dict)


def dump(patient: PatientId, memory: Memory) -> dict[str, Any]:
    """JSON values; `load` gives the same memory back."""
    return {
        "version": VERSION,
        "patient": patient,
        "vitals_us": memory.vitals_us,
        "finding_us": memory.finding_us,
        "arrival_us": memory.arrival_us,
        "clock_us": memory.clock_us,
        "unanswered_us": memory.unanswered_us,
        "intervals_us": memory.intervals_us,
        "opinion": memory.opinion,
        "opinion_us": memory.opinion_us,
        "tracks": {code: asdict(track) for code, track in memory.tracks.items()},
        "episodes": {
            code: {"alarm": _dump_alarm(e.alarm), "closed_us": e.closed_us} for code, e in memory.episodes.items()
        },
    }


def load(patient: PatientId, state: dict[str, Any]) -> Memory:
    """The memory in `state`. Raises Poison for another version, another patient, or values that make no sense."""
    if state.get("version") != VERSION:
        raise Poison("checkpoint.version", f"{state.get('version')!r} is not known here, only {VERSION}")
    if state.get("patient") != patient:
        raise Poison("checkpoint.patient", f"{state.get('patient')!r} is not {patient!r}")
    try:
        return Memory(
            vitals_us=state["vitals_us"],
            finding_us=state["finding_us"],
            arrival_us=state["arrival_us"],
            clock_us=state["clock_us"],
            unanswered_us=state["unanswered_us"],
            intervals_us=state.get("intervals_us", 0),  # not in what an older release stored
            opinion=state.get("opinion"),
            opinion_us=state.get("opinion_us", 0),
            tracks={code: Track(**track) for code, track in state["tracks"].items()},
            episodes={code: Episode(_load_alarm(e["alarm"]), e["closed_us"]) for code, e in state["episodes"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Poison("checkpoint", f"cannot be read: {error!r}") from error


def _dump_alarm(alarm: Alarm) -> dict[str, Any]:
    return {name: getattr(alarm, name) for name in _FIELDS} | {
        "kind": alarm.kind.value,
        "priority": int(alarm.priority),
    }


def _load_alarm(values: dict[str, Any]) -> Alarm:
    return Alarm(**values | {"kind": Kind(values["kind"]), "priority": Priority(values["priority"])})
