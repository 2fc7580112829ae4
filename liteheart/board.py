"""What the ward sees: the latest state of each patient, and the messages of the live feed."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from liteheart.alarm import Alarm, AlarmEvent
from liteheart.ids import DeviceId, PatientId


@dataclass(frozen=True, slots=True)
class PatientState:
    """The latest that is known of one patient; replaced, never edited."""

    patient: PatientId
    device: DeviceId
    lead: str
    fs_hz: float
    last_arrival_us: int  # gateway clock of the newest frame
    last_sample_us: int  # event time just after the newest sample
    bed: str = ""
    heart_rate_bpm: float | None = None
    sqi: float | None = None
    usable: bool = False
    lead_off: bool = False
    battery_pct: int | None = None
    codes: tuple[str, ...] = ()  # conditions of the last window that was scored
    model: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for the API and the live feed."""
        return dataclasses.asdict(self) | {"codes": list(self.codes)}


@dataclass(frozen=True, slots=True)
class Awaited:
    """Someone who is here and of whom nothing has come yet: on the wall all the same, and missed before long."""

    patient: PatientId
    since_us: int  # admitted, or given a device if that was later
    bed: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a state's, with `last_arrival_us` and all else that is not known as null; and `since_us`."""
        nothing = dict.fromkeys(_UNKNOWN)
        known = {"patient": self.patient, "bed": self.bed, "since_us": self.since_us}
        return nothing | {"device": "", "lead": "", "usable": False, "lead_off": False, "codes": []} | known


_UNKNOWN: Final = ("fs_hz", "last_arrival_us", "last_sample_us", "heart_rate_bpm", "sqi", "battery_pct", "model")


def alarm_json(alarm: Alarm) -> dict[str, Any]:
    """Plain values of an alarm for the API, the bus and the live feed; `priority` by name, `presence` added."""
    return dataclasses.asdict(alarm) | {
        "kind": alarm.kind.value,
        "priority": alarm.priority.name.lower(),
        "presence": alarm.presence.value,
    }


LiveKind = Literal["frame", "state", "alarm"]


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """One message of the live feed. `payload` is wire bytes for a frame, UTF-8 JSON for a state or an alarm."""

    kind: LiveKind
    patient: PatientId
    payload: bytes


def alarm_message(event: AlarmEvent) -> LiveMessage:
    """A transition of an alarm for the live feed: the alarm's values and `action`."""
    payload = alarm_json(event.alarm) | {"action": event.action}
    return LiveMessage("alarm", event.alarm.patient, json.dumps(payload).encode())
