"""Names of things that cross a room: distinct types, so that a device never stands where a patient should."""

import re
import uuid
from typing import NewType

PatientId = NewType("PatientId", str)  # a pseudonym, never a name or a hospital number
DeviceId = NewType("DeviceId", str)
AlarmId = NewType("AlarmId", str)  # uuid5 of (patient, condition, episode start)
ModelVersion = NewType("ModelVersion", str)

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_ALARMS = uuid.UUID("5b1c2f0a-6f4e-5d9c-9d55-3a1f1c0e7b01")


def is_identifier(text: str) -> bool:
    """Whether `text` may name a patient or a device: 1 to 64 of letters, digits, '.', '_', ':' and '-'."""
    return ID_PATTERN.fullmatch(text) is not None


def alarm_id(patient: PatientId, condition: str, episode_start_us: int) -> AlarmId:
    """The same episode gets the same id on whichever worker, however often it is computed."""
    return AlarmId(uuid.uuid5(_ALARMS, f"{patient}|{condition}|{episode_start_us}").hex)
