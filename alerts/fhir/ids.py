"""Ids of resources. They say what they are made from, so that a resource is made when it is asked for and kept nowhere.

Patient, Device    NAME, or x-DIGEST where FHIR's alphabet or length does not hold the name
Observation        ecg.T0.MILLISECONDS.PATIENT   hr.T0.PATIENT   dx.T0.PATIENT
Provenance         dx.T0.PATIENT
Communication      ALARM.KEY
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,35}")  # with the rest of an id within FHIR's 64 characters
_TIME: Final = r"-?\d{1,17}"
_ECG: Final = re.compile(rf"ecg\.({_TIME})\.(\d{{1,5}})\.(.+)")
_READING: Final = re.compile(rf"(hr|dx)\.({_TIME})\.(.+)")
_DIGEST: Final = "x-"
_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Stretch:
    """The waveform of [t0_us, t1_us) of the patient whose tag that is."""

    tag: str
    t0_us: int
    t1_us: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Of the window that begins at `t0_us`: the heart rate (hr) or the findings (dx)."""

    kind: str
    tag: str
    t0_us: int


def tag(name: str) -> str:
    """A name of ours, a patient's or a device's, as an id of FHIR."""
    if _PLAIN.fullmatch(name) and not name.startswith(_DIGEST):
        return name
    return _DIGEST + hashlib.sha256(name.encode()).hexdigest()[:24]


def is_digest(found: str) -> bool:
    """Whether a tag does not say which name it stands for."""
    return found.startswith(_DIGEST)


def is_id(text: str) -> bool:
    """Whether FHIR takes it as an id."""
    return _ID.fullmatch(text) is not None


def ecg(patient: str, t0_us: int, t1_us: int) -> str:
    """Id of a waveform."""
    return f"ecg.{t0_us}.{max(1, (t1_us - t0_us + 999) // 1000)}.{tag(patient)}"


def reading(kind: str, patient: str, t0_us: int) -> str:
    """Id of a heart rate or of findings."""
    return f"{kind}.{t0_us}.{tag(patient)}"


def communication(alarm_id: str, key: str) -> str:
    """Id of one notice of an alarm."""
    return f"{alarm_id}.{key[:16]}"


def parse_observation(text: str) -> Stretch | Reading | None:
    """What an Observation's id is made from; None for one that was never given."""
    if found := _ECG.fullmatch(text):
        t0_us = int(found[1])
        return Stretch(found[3], t0_us, t0_us + int(found[2]) * 1000)
    if found := _READING.fullmatch(text):
        return Reading(found[1], found[3], int(found[2]))
    return None
