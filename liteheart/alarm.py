"""Alarm values in the words of the FHIR R6 DeviceAlert: on, latched, ack, off. Transitions live in `alerts/`."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Literal

from liteheart.ids import AlarmId, PatientId


class Priority(IntEnum):
    """Along the lines of IEC 60601-1-8; a larger value is more urgent."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Kind(StrEnum):
    """Of the patient, or of the equipment."""

    PHYSIOLOGICAL = "physiological"
    TECHNICAL = "technical"


class Presence(StrEnum):
    """What a nurse sees of an alarm."""

    ON = "on"  # the condition holds and nobody has acknowledged it
    LATCHED = "latched"  # the condition is over, but someone must still look
    ACK = "ack"  # the condition holds and someone has acknowledged it
    OFF = "off"  # over


def presence(*, active: bool, acknowledged: bool, latching: bool) -> Presence:
    """Presence follows from three facts, so that no writer can set it wrongly."""
    if active:
        return Presence.ACK if acknowledged else Presence.ON
    return Presence.LATCHED if latching and not acknowledged else Presence.OFF


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """How one condition alarms. `code` is the condition's code in `liteheart.conditions` or a technical one."""

    code: str
    label: str
    kind: Kind
    priority: Priority
    latching: bool
    persistence_s: float  # the condition must hold this long before it alarms
    clear_s: float  # and be gone this long before the episode ends
    snomed: str | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """One episode of one condition of one patient, as storage keeps it and the dashboard shows it."""

    alarm_id: AlarmId
    patient: PatientId
    condition: str
    label: str
    kind: Kind
    priority: Priority
    latching: bool
    onset_us: int  # event time at which the condition began
    raised_us: int  # clock at which the alarm was raised
    message: str  # value and limit: "no beat for 4.2 s > 4 s"
    active: bool
    retrospective: bool = False  # from back-filled signal: shown, never sounded
    late: bool = False  # raised later than promised, and marked so
    ended_us: int | None = None
    episodes: int = 1
    acknowledged_us: int | None = None
    acknowledged_by: str | None = None
    reason: str | None = None
    evidence: dict[str, str | float] = field(default_factory=dict)

    @property
    def presence(self) -> Presence:
        """on, latched, ack or off."""
        return presence(active=self.active, acknowledged=self.acknowledged_us is not None, latching=self.latching)


Action = Literal["raised", "reactivated", "ended", "acknowledged"]

REASONS = (  # coded reasons at acknowledgement; the labels of the refresh
    "true-actioned",
    "true-no-action",
    "false-artefact",
    "false-algorithm",
    "care-activity",
)


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """One transition of one alarm. Storing it twice changes nothing: (alarm_id, action, t_us) is its identity.

    A "reactivated" event takes back the acknowledgement, so that a lethal rhythm that returns sounds again.
    """

    alarm: Alarm  # as it is after the transition, acknowledgement aside
    action: Action
    t_us: int  # event time
    at_us: int  # clock
