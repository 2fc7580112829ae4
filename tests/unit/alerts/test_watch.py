"""Silence: 15 s, 60 s, 24 h, and data again."""

import dataclasses

import pytest

from alerts.settings import AlarmSettings
from alerts.watch import WATCHED, watch
from liteheart.alarm import Alarm, AlarmEvent, Priority
from liteheart.board import PatientState
from liteheart.ids import DeviceId, PatientId, alarm_id

S = AlarmSettings()
P = PatientId("p1")
LAST_US = 1_700_000_000_000_000


def state(last_us: int = LAST_US, patient: PatientId = P) -> PatientState:
    return PatientState(patient, DeviceId("d"), "I", 250.0, last_us, last_us)


def at(silent_s: float, is_open: Alarm | None = None, last_us: int = LAST_US) -> list[AlarmEvent]:
    return watch([state(last_us)], {P: is_open} if is_open else {}, last_us + round(silent_s * 1e6), S)


def told(events: list[AlarmEvent]) -> list[tuple[str, str, float]]:
    return [(e.alarm.condition, e.action, (e.t_us - LAST_US) / 1e6) for e in events]


@pytest.mark.parametrize("silent_s", [-5, 0, 14.9, 15.0])
def test_nothing_up_to_fifteen_seconds(silent_s: float) -> None:
    assert at(silent_s) == []


def test_no_data_is_medium_from_fifteen() -> None:
    (event,) = at(15.1)
    assert told([event]) == [("NO_DATA", "raised", 15.0)]
    assert event.alarm.priority is Priority.MEDIUM
    assert event.alarm.onset_us == LAST_US
    assert event.alarm.alarm_id == alarm_id(P, "NO_DATA", LAST_US)
    assert (event.alarm.active, event.alarm.late) == (True, False)
    assert at(59.0, event.alarm) == []


def test_a_minute_is_high_and_a_new_alarm_that_sounds() -> None:
    (first,) = at(16)
    assert at(60.0, first.alarm) == []
    events = at(60.1, first.alarm)
    assert told(events) == [("NO_DATA", "ended", 60.0), ("NO_DATA_LONG", "raised", 60.0)]
    assert events[1].alarm.priority is Priority.HIGH
    assert at(3600, events[1].alarm) == []


def test_a_watch_that_was_down_raises_the_high_one_only_and_marks_it_late() -> None:
    (event,) = at(100)
    assert told([event]) == [("NO_DATA_LONG", "raised", 60.0)]
    assert event.alarm.late


def test_data_again_ends_it() -> None:
    (first,) = at(16)
    (event,) = watch([state(LAST_US + 20_000_000)], {P: first.alarm}, LAST_US + 21_000_000, S)
    assert told([event]) == [("NO_DATA", "ended", 20.0)]
    assert not event.alarm.active


def test_data_and_silence_again_is_a_new_alarm() -> None:
    (first,) = at(16)
    events = watch([state(LAST_US + 20_000_000)], {P: first.alarm}, LAST_US + 40_000_000, S)
    assert told(events) == [("NO_DATA", "ended", 20.0), ("NO_DATA", "raised", 35.0)]
    assert events[1].alarm.alarm_id != first.alarm.alarm_id


def test_after_a_day_the_patient_is_taken_for_discharged() -> None:
    (first,) = at(86_400)
    assert first.alarm.condition == "NO_DATA_LONG"
    (event,) = at(86_401, first.alarm)
    assert told([event]) == [("NO_DATA_LONG", "ended", 86_400.0)]
    assert at(86_401) == []


def test_two_watchers_tell_the_same() -> None:
    one, two = at(61), at(65)
    assert [(e.alarm.alarm_id, e.action, e.t_us) for e in one] == [(e.alarm.alarm_id, e.action, e.t_us) for e in two]
    assert dataclasses.replace(one[0].alarm, raised_us=0) == dataclasses.replace(two[0].alarm, raised_us=0)


def test_only_the_silent_patient_is_told() -> None:
    other = PatientId("p2")
    events = watch([state(), state(LAST_US + 30_000_000, other)], {}, LAST_US + 31_000_000, S)
    assert [e.alarm.patient for e in events] == [P]


def test_watched_names_what_it_raises() -> None:
    assert {e.alarm.condition for e in [*at(16), *at(61)]} == set(WATCHED)
