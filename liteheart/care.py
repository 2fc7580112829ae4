"""What people and the clock do about alarms: audio pauses, limits of a patient, escalation, notices. Values only."""

from dataclasses import asdict, dataclass, field
from typing import Any

from liteheart.alarm import Alarm, Priority
from liteheart.ids import AlarmId, PatientId


def sound_key(alarm: Alarm) -> str:
    """What sounds as one: a new episode of the same alarm is news again."""
    return f"{alarm.alarm_id} {alarm.episodes}"


@dataclass(frozen=True, slots=True)
class AudioPause:
    """Sound held back for one patient, or on the screens of one station. It never hides anything."""

    pause_id: int
    patient: PatientId | None  # either this
    station: str | None  # or this
    by: str
    began_us: int
    until_us: int
    priority: Priority  # the most urgent of what was silenced
    silenced: tuple[str, ...] = ()  # `sound_key` of what had been heard; anything else of HIGH breaks through

    def to_json(self) -> dict[str, Any]:
        """Plain values for the API and the live view."""
        return asdict(self) | {"priority": self.priority.name.lower(), "silenced": list(self.silenced)}


@dataclass(frozen=True, slots=True)
class PatientLimits:
    """Limits that someone set for one patient; none in `limits` means those of the ward."""

    patient: PatientId
    limits: dict[str, float]
    by: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Unattended:
    """An open alarm that nobody has acknowledged: since when, and which steps of the ladder have been taken."""

    alarm: Alarm
    activated_us: int  # clock at which this episode was raised or reactivated
    steps: dict[int, int] = field(default_factory=dict)  # step -> clock at which it was taken


@dataclass(frozen=True, slots=True)
class Escalation:
    """One step of the ladder: from now on it is `owner`'s. (alarm_id, episodes, step) is its identity."""

    alarm_id: AlarmId
    episodes: int
    step: int
    owner: str
    due_us: int  # when the ladder wanted it
    at_us: int  # when it was taken


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice for one target. `key` is its identity towards the receiver, the same at every attempt."""

    key: str
    target: str
    alarm_id: AlarmId | None  # None: told of the system, not of a patient
    step: int
    priority: Priority
    notice: dict[str, Any]  # what is told: no name, no signal
    created_us: int  # clock of the event that it tells of
    attempts: int = 0  # that failed
    delivered_us: int | None = None
    failed_us: int | None = None
    late: bool = False
    error: str | None = None  # of the last attempt that failed
