"""What no stream tells of itself: silence, a wrong clock, a model without answers. Storage knows what is open.

    silence    0 s ........ 15 s ............ 60 s ............ 24 h
               |            NO_DATA raised    NO_DATA ended     NO_DATA_LONG ended: taken for discharged,
               last arrival                   NO_DATA_LONG      but for whoever was admitted
                                              raised, HIGH, sounds again

A watch over someone who was admitted ends with the stay alone, however long the silence. The rule of 24 h is for
streams that nobody admitted and nobody will discharge.

Who was admitted and never heard is missed after `awaited_s`, for as long as nothing comes and nobody discharges.
Who was discharged by someone is not missed from then on: storage does not tell of them here.

Onsets follow from the data, not from the clock, so two workers that watch tell the same alarms. Silence counts only
while a monitor was listening: where none was, the monitor's own heartbeat is missed, not the patients'.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from alerts import episode
from alerts.episode import Moment
from alerts.settings import AlarmSettings
from alerts.verdict import Assertion
from liteheart.alarm import Alarm, AlarmEvent, AlarmRule, Kind, Priority
from liteheart.board import Awaited, PatientState
from liteheart.clock import US_PER_S
from liteheart.ids import PatientId

WATCHED: Final = (
    "NO_DATA",
    "NO_DATA_LONG",
)  # conditions of the alarms that `watch` opens and closes; one open at a time

# Used unless the settings have a row of the same code.
CLOCK_SKEW: Final = AlarmRule(
    "CLOCK_SKEW", "Clock of the device is wrong", Kind.TECHNICAL, Priority.LOW, False, 0.0, 0.0
)
MODEL_STALE: Final = AlarmRule(
    "MODEL_STALE", "No recent reading of the rhythm model", Kind.TECHNICAL, Priority.MEDIUM, False, 120.0, 0.0
)
_AHEAD_S: Final = 2.0  # samples cannot be younger than their arrival; behind is what NOT_LIVE tells of
_AHEAD_OVER_S: Final = 1.0
_ONSET_US: Final = 60 * US_PER_S  # a lasting trouble begins at a full minute, the same one for every watcher


def watch(
    states: Iterable[PatientState],
    open_no_data: Mapping[PatientId, Alarm],
    now_us: int,
    settings: AlarmSettings,
    listening_us: int = 0,
    staying: Collection[PatientId] = (),
) -> list[AlarmEvent]:
    """Events of all patients at `now_us`; `open_no_data` holds the active alarm of `WATCHED` of each who has one.

    `listening_us`: since when a monitor has been listening without a break. `staying`: who was admitted and is here.
    """
    events: list[AlarmEvent] = []
    for state in states:
        stays = state.patient in staying
        events += _watch_one(state, open_no_data.get(state.patient), now_us, settings, listening_us, stays)
    return events


def watch_awaited(
    awaited: Iterable[Awaited],
    open_no_data: Mapping[PatientId, Alarm],
    now_us: int,
    settings: AlarmSettings,
    listening_us: int = 0,
) -> list[AlarmEvent]:
    """NO_DATA of those who are here and of whom nothing has ever come. Their first data ends it, as `watch` does."""
    if "NO_DATA" not in settings.rules:
        return []
    rule = replace(settings.rules["NO_DATA"], persistence_s=settings.awaited_s)
    events: list[AlarmEvent] = []
    for one in awaited:
        due_us = max(one.since_us, listening_us) + round(rule.persistence_s * US_PER_S)
        if now_us > due_us and one.patient not in open_no_data:
            message = f"nothing received for more than {rule.persistence_s:g} s since admission"
            said = Assertion(rule.code, one.since_us, message, {"limit": rule.persistence_s})
            at = Moment(due_us, now_us, retrospective=False)
            events.append(episode.raised(one.patient, rule, said, one.since_us, at, settings.promised_s))
    return events


def watch_clocks(
    states: Iterable[PatientState], open_skew: Mapping[PatientId, Alarm], now_us: int, settings: AlarmSettings
) -> list[AlarmEvent]:
    """Devices whose samples come from the future: their event times, and all that is ordered by them, are wrong."""
    rule = settings.rules.get(CLOCK_SKEW.code, CLOCK_SKEW)
    events: list[AlarmEvent] = []
    for state in states:
        is_open, ahead_s = open_skew.get(state.patient), (state.last_sample_us - state.last_arrival_us) / US_PER_S
        if is_open is not None:
            if ahead_s < _AHEAD_OVER_S or now_us - state.last_arrival_us > settings.discharged_s * US_PER_S:
                events.append(episode.ended(is_open, state.last_arrival_us, Moment(now_us, now_us, False)))
        elif ahead_s > _AHEAD_S and _is_heard(state, now_us, settings):
            said = f"samples are {ahead_s:.0f} s ahead of their arrival > {_AHEAD_S:g} s"
            onset_us = state.last_arrival_us // _ONSET_US * _ONSET_US
            events.append(_raised(state, rule, said, {"ahead_s": round(ahead_s, 1)}, onset_us, now_us))
    return events


def watch_answers(
    states: Iterable[PatientState],
    answered_us: Mapping[PatientId, int],
    open_stale: Mapping[PatientId, Alarm],
    told_already: Collection[PatientId],
    now_us: int,
    settings: AlarmSettings,
) -> list[AlarmEvent]:
    """Patients who are heard well and whose last answer of the student is old; not those who are `told_already`.

    `answered_us`: end of the last window that the student answered. One without any is the stream's own to tell.
    """
    rule = settings.rules.get(MODEL_STALE.code, MODEL_STALE)
    events: list[AlarmEvent] = []
    for state in states:
        is_open, last_us = open_stale.get(state.patient), answered_us.get(state.patient)
        heard = _is_heard(state, now_us, settings)
        if is_open is not None:
            answered = last_us is not None and last_us > is_open.onset_us
            if answered or not heard or not settings.model_expected or state.patient in told_already:
                events.append(episode.ended(is_open, now_us, Moment(now_us, now_us, False)))
        elif last_us is not None and heard and state.usable and settings.model_expected:
            age_s = (state.last_sample_us - last_us) / US_PER_S
            if age_s > rule.persistence_s and state.patient not in told_already:
                said = f"last reading {age_s:.0f} s ago > {rule.persistence_s:g} s"
                events.append(_raised(state, rule, said, {"age_s": round(age_s)}, last_us, now_us))
    return events


def leave(alarms: Iterable[Alarm], now_us: int) -> list[AlarmEvent]:
    """The active alarms of patients who were discharged end with the stay: nothing will tell of them any more."""
    at = Moment(now_us, now_us, retrospective=False)
    return [episode.ended(alarm, now_us, at) for alarm in alarms if alarm.active]


def _raised(
    state: PatientState, rule: AlarmRule, said: str, evidence: dict[str, str | float], onset_us: int, now_us: int
) -> AlarmEvent:
    at = Moment(now_us, now_us, retrospective=False)
    return episode.raised(state.patient, rule, Assertion(rule.code, onset_us, said, evidence), onset_us, at, math.inf)


def _is_heard(state: PatientState, now_us: int, s: AlarmSettings) -> bool:
    silent_s = s.rules["NO_DATA"].persistence_s if "NO_DATA" in s.rules else 15.0
    return now_us - state.last_arrival_us <= silent_s * US_PER_S


def _watch_one(
    state: PatientState, is_open: Alarm | None, now_us: int, s: AlarmSettings, listening_us: int, stays: bool
) -> list[AlarmEvent]:
    from_us, onset_us = max(state.last_arrival_us, listening_us), state.last_arrival_us
    a_day_us = state.last_arrival_us + round(s.discharged_s * US_PER_S)
    wanted = _wanted(now_us - from_us, s)
    if now_us > a_day_us:
        if not stays:
            wanted = None
        else:  # without an open one: the alarm that began with the last arrival ended before the patient was admitted
            onset_us = a_day_us if is_open is None else max(onset_us, is_open.onset_us)
    events: list[AlarmEvent] = []
    if is_open is not None and is_open.active:
        if is_open.onset_us < state.last_arrival_us:  # data came since
            ended_us = state.last_arrival_us
        elif now_us > a_day_us and not stays:
            ended_us = a_day_us
        elif wanted is None or WATCHED.index(wanted) <= WATCHED.index(is_open.condition):
            return []
        else:
            ended_us = _crossed(from_us, wanted, s)
        events = [episode.ended(is_open, ended_us, Moment(ended_us, now_us, retrospective=False))]
    if wanted is not None:
        at = Moment(_crossed(from_us, wanted, s), now_us, retrospective=False)
        limit_s = s.rules[wanted].persistence_s
        said = Assertion(wanted, onset_us, f"no data for more than {limit_s:g} s", {"limit": limit_s})
        events.append(episode.raised(state.patient, s.rules[wanted], said, onset_us, at, s.promised_s))
    return events


def _wanted(silent_us: int, s: AlarmSettings) -> str | None:
    """The condition that a silence of this length is, the longest first; None below all limits."""
    for code in reversed(WATCHED):
        if code in s.rules and silent_us > s.rules[code].persistence_s * US_PER_S:
            return code
    return None


def _crossed(from_us: int, code: str, s: AlarmSettings) -> int:
    return from_us + round(s.rules[code].persistence_s * US_PER_S)
