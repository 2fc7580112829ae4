"""Silence: 15 s, 60 s, 24 h, and data again."""

import dataclasses

import pytest

from alerts.settings import AlarmSettings
from alerts.watch import WATCHED, watch, watch_answers, watch_awaited, watch_clocks
from liteheart.alarm import Alarm, AlarmEvent, Kind, Priority
from liteheart.board import Awaited, PatientState
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


def stays(silent_s: float, is_open: Alarm | None = None) -> list[AlarmEvent]:
    """As `at`, of someone who was admitted."""
    known = {P: is_open} if is_open else {}
    return watch([state()], known, LAST_US + round(silent_s * 1e6), S, staying={P})


@pytest.mark.parametrize("days", [1.001, 2, 90])
def test_who_was_admitted_is_missed_for_as_long_as_the_stay(days: float) -> None:
    _, long = stays(60.1, stays(16)[0].alarm)
    assert stays(days * 86_400, long.alarm) == [], "it goes on"
    back = watch([state(LAST_US + 10**12)], {P: long.alarm}, LAST_US + 10**12 + 1, S, staying={P})
    assert [(e.alarm.condition, e.action) for e in back] == [("NO_DATA_LONG", "ended")]


def test_who_is_admitted_after_a_day_of_silence_is_missed_anew() -> None:
    """What was ended for good is not raised again by its name: storage would take it for told."""
    (before,) = at(60.1)
    assert told(at(86_401, before.alarm)) == [("NO_DATA_LONG", "ended", 86_400.0)]
    (event,) = stays(2 * 86_400)
    assert (event.alarm.condition, event.action, event.alarm.active) == ("NO_DATA_LONG", "raised", True)
    assert event.alarm.alarm_id != before.alarm.alarm_id
    assert event.alarm.alarm_id == stays(3 * 86_400)[0].alarm.alarm_id, "two who watch tell the same"
    assert stays(3 * 86_400, event.alarm) == []


def test_after_a_long_outage_the_longer_form_takes_the_place_of_the_shorter() -> None:
    def seen(now_s: float, is_open: Alarm | None = None) -> list[AlarmEvent]:
        now_us, since_us = LAST_US + round((2 * 86_400 + now_s) * 1e6), LAST_US + 2 * 86_400 * 10**6
        return watch([state()], {P: is_open} if is_open else {}, now_us, S, since_us, {P})

    (short,) = seen(16)
    ended, long = seen(61, short.alarm)
    assert [e.alarm.condition for e in (short, ended, long)] == ["NO_DATA", "NO_DATA", "NO_DATA_LONG"]
    assert (ended.action, long.action, long.alarm.onset_us) == ("ended", "raised", short.alarm.onset_us)
    assert seen(500, long.alarm) == []


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


def never_heard(
    now_s: float, is_open: Alarm | None = None, since_s: float = 0.0, **settings: float
) -> list[AlarmEvent]:
    known = {P: is_open} if is_open else {}
    now_us, listening_us = LAST_US + round(now_s * 1e6), LAST_US + round(since_s * 1e6)
    return watch_awaited([Awaited(P, LAST_US)], known, now_us, dataclasses.replace(S, **settings), listening_us)


def test_who_was_never_heard_is_missed_a_minute_after_admission() -> None:
    assert never_heard(-5) == never_heard(60.0) == []
    (event,) = never_heard(60.1)
    assert told([event]) == [("NO_DATA", "raised", 60.0)]
    assert event.alarm.onset_us == LAST_US
    assert event.alarm.message == "nothing received for more than 60 s since admission"
    assert (event.alarm.kind, event.alarm.late) == (Kind.TECHNICAL, False)
    assert never_heard(30 * 86_400, event.alarm) == [], "nobody is taken for discharged who was never here"
    assert told(never_heard(15.1, awaited_s=15.0)) == [("NO_DATA", "raised", 15.0)]


def test_the_first_data_end_it() -> None:
    (event,) = never_heard(61)
    (end,) = watch([state(LAST_US + 300_000_000)], {P: event.alarm}, LAST_US + 301_000_000, S)
    assert told([end]) == [("NO_DATA", "ended", 300.0)]


def test_who_was_never_heard_has_a_minute_of_listening() -> None:
    assert never_heard(3659, since_s=3600) == []
    (event,) = never_heard(3661, since_s=3600)
    assert told([event]) == [("NO_DATA", "raised", 3660.0)]
    assert event.alarm.late


def test_silence_counts_only_while_a_monitor_listened() -> None:
    """After an outage of the monitor each patient has the whole time to be heard: no alarm flashes."""

    def seen(now_s: float, since_s: float, is_open: Alarm | None = None) -> list[AlarmEvent]:
        known = {P: is_open} if is_open else {}
        return watch([state()], known, LAST_US + round(now_s * 1e6), S, LAST_US + round(since_s * 1e6))

    assert seen(300, 299) == []
    assert seen(314.9, 300) == []
    (event,) = seen(315.1, 300)
    assert told([event]) == [("NO_DATA", "raised", 315.0)]
    assert event.alarm.onset_us == LAST_US, "the patient was last heard then, whoever listened since"
    assert event.alarm.late
    assert told(seen(360.1, 300, event.alarm)) == [("NO_DATA", "ended", 360.0), ("NO_DATA_LONG", "raised", 360.0)]


def test_an_alarm_of_before_the_outage_stays_and_does_not_step_down() -> None:
    (long,) = at(70)
    assert watch([state()], {P: long.alarm}, LAST_US + 320_000_000, S, LAST_US + 300_000_000) == []
    heard = watch([state(LAST_US + 305_000_000)], {P: long.alarm}, LAST_US + 306_000_000, S, LAST_US + 300_000_000)
    assert told(heard) == [("NO_DATA_LONG", "ended", 305.0)]


def test_a_clock_that_runs_ahead_is_told_once_and_its_correction_too() -> None:
    wrong = dataclasses.replace(state(), last_sample_us=LAST_US + 5_000_000)
    now_us = LAST_US + 1_000_000
    (event,) = watch_clocks([wrong], {}, now_us, S)
    assert (event.alarm.condition, event.action, event.alarm.kind) == ("CLOCK_SKEW", "raised", Kind.TECHNICAL)
    assert "5 s ahead" in event.alarm.message
    assert not event.alarm.late
    (other,) = watch_clocks([wrong], {}, now_us + 900_000, S)
    assert other.alarm.alarm_id == event.alarm.alarm_id, "two who watch tell the same"
    assert watch_clocks([wrong], {P: event.alarm}, now_us, S) == []
    (end,) = watch_clocks([state()], {P: event.alarm}, now_us, S)
    assert (end.action, end.alarm.active) == ("ended", False)
    assert watch_clocks([wrong], {P: event.alarm}, LAST_US + 3600 * 1_000_000, S) == []
    (left,) = watch_clocks([wrong], {P: event.alarm}, LAST_US + 86_401 * 1_000_000, S)
    assert left.action == "ended", "taken for discharged"


@pytest.mark.parametrize("ahead_us", [-60_000_000, 0, 1_900_000])
def test_a_device_that_is_late_or_right_is_not_ahead(ahead_us: int) -> None:
    assert watch_clocks([dataclasses.replace(state(), last_sample_us=LAST_US + ahead_us)], {}, LAST_US, S) == []


def test_a_device_that_has_left_is_not_told_of_its_clock() -> None:
    gone = dataclasses.replace(state(), last_sample_us=LAST_US + 5_000_000)
    assert watch_clocks([gone], {}, LAST_US + 60_000_000, S) == []


def answers(age_s: float, *, heard: float = 1.0, is_open: Alarm | None = None, **changes: object) -> list[AlarmEvent]:
    settings = dataclasses.replace(S, model_expected=bool(changes.pop("expected", True)))
    told_already = {P} if changes.pop("told", False) else set()
    one = dataclasses.replace(state(), **({"usable": True} | changes))
    known = {P: is_open} if is_open else {}
    answered = {P: LAST_US - round(age_s * 1e6)}
    return watch_answers([one], answered, known, told_already, LAST_US + round(heard * 1e6), settings)


def test_old_answers_of_the_model_are_told_and_new_ones_end_it() -> None:
    assert answers(119) == []
    (event,) = answers(121)
    assert (event.alarm.condition, event.action) == ("MODEL_STALE", "raised")
    assert event.alarm.onset_us == LAST_US - 121_000_000
    assert answers(121, is_open=event.alarm) == []
    (end,) = answers(5, is_open=event.alarm)
    assert end.action == "ended"


@pytest.mark.parametrize("why", [{"heard": 60.0}, {"usable": False}, {"expected": False}, {"told": True}])
def test_the_model_is_not_blamed_for_others(why: dict) -> None:
    assert answers(500, **why) == []


def test_a_patient_without_any_answer_is_the_streams_own_to_tell() -> None:
    assert watch_answers([dataclasses.replace(state(), usable=True)], {}, {}, set(), LAST_US, S) == []
