"""What is looked back at: the envelope of a day of signal, trends, notes, what became of an alarm. Values only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from liteheart.alarm import Alarm, Kind, Priority
from liteheart.care import Delivery, Escalation
from liteheart.ids import AlarmId, PatientId

Microvolts = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

NOTHING_LOW: Final = int(np.iinfo(np.int32).max)  # what merges with anything by min and max, and leaves it as it is
NOTHING_HIGH: Final = int(np.iinfo(np.int32).min)


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """Least and greatest sample of each of n equal columns of [t0_us, t1_us), in microvolts.

    Where nothing was received the low is `NOTHING_LOW` and the high `NOTHING_HIGH`.
    """

    t0_us: int
    t1_us: int
    low_uv: Microvolts  # int32 [n]
    high_uv: Microvolts  # int32 [n]


@dataclass(frozen=True, slots=True, eq=False)
class Trend:
    """Readings of windows that begin in each of n steps from `t0_us` on; NaN where there is nothing to say."""

    t0_us: int
    step_us: int
    windows: npt.NDArray[np.int64]  # [n] readings
    answered: npt.NDArray[np.int64]  # [n] of them those that the student did not abstain from
    usable: Floats  # [n] share of the readings
    sqi: Floats  # [n] mean
    heart_rate: Floats  # [n] mean, beats a minute
    heart_rate_low: Floats  # [n]
    heart_rate_high: Floats  # [n]
    codes: Mapping[str, npt.NDArray[np.int64]]  # [n] answers that hold the code


@dataclass(frozen=True, slots=True)
class Note:
    """What someone wrote about a patient."""

    note_id: int
    patient: PatientId
    text: str
    by: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Handover:
    """Who handed the ward over to whom, and what was said."""

    handover_id: int
    by: str
    to: str
    text: str
    at_us: int


@dataclass(frozen=True, slots=True)
class AlarmStep:
    """One transition of an alarm as it was stored."""

    action: str
    t_us: int  # event time
    at_us: int  # clock
    by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class AlarmStory:
    """An alarm and all that became of it, each in the order in which it happened."""

    alarm: Alarm
    steps: tuple[AlarmStep, ...]
    deliveries: tuple[Delivery, ...]
    escalations: tuple[Escalation, ...]


@dataclass(frozen=True, slots=True)
class Activation:
    """One time that an alarm called for attention: it was raised, or came back. The unit of alarm burden."""

    alarm_id: AlarmId
    patient: PatientId
    condition: str
    label: str
    kind: Kind
    priority: Priority
    at_us: int  # clock
    audible: bool  # live, above INFO, and not held back by an audio pause of the patient
    acknowledged_us: int | None = None  # clock; of this activation, not of a later one
    acknowledged_by: str | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; `priority` by name."""
        return asdict(self) | {"kind": self.kind.value, "priority": self.priority.name.lower()}
