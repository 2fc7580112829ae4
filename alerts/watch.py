"""Silence of the stream: no signal at all for a patient. Stateless; what is open is read from storage.

    silence    0 s ........ 15 s ............ 60 s ............ 24 h
               |            NO_DATA raised    NO_DATA ended     NO_DATA_LONG ended: taken for discharged
               last arrival                   NO_DATA_LONG raised, HIGH, sounds again

Onsets and event times follow from the last arrival, not from the clock, so two workers that watch tell the same events.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from alerts import episode
from alerts.episode import Moment
from alerts.settings import AlarmSettings
from alerts.verdict import Assertion
from liteheart.alarm import Alarm, AlarmEvent
from liteheart.board import PatientState
from liteheart.clock import US_PER_S
from liteheart.ids import PatientId

WATCHED: Final = (
    "NO_DATA",
    "NO_DATA_LONG",
)  # conditions of the alarms that `watch` opens and closes; one open at a time


def watch(
    states: Iterable[PatientState],
    open_no_data: Mapping[PatientId, Alarm],
    now_us: int,
    settings: AlarmSettings,
) -> list[AlarmEvent]:
    """Events of all patients at `now_us`; `open_no_data` holds the active alarm of `WATCHED` of each who has one."""
    events: list[AlarmEvent] = []
    for state in states:
        events += _watch_one(state, open_no_data.get(state.patient), now_us, settings)
    return events


def _watch_one(state: PatientState, is_open: Alarm | None, now_us: int, s: AlarmSettings) -> list[AlarmEvent]:
    silent_us = now_us - state.last_arrival_us
    wanted = _wanted(silent_us, s)
    if is_open is not None and is_open.active:
        if is_open.onset_us < state.last_arrival_us:  # data came since
            ended_us = state.last_arrival_us
        elif wanted is None:
            ended_us = state.last_arrival_us + round(s.discharged_s * US_PER_S)
        elif wanted == is_open.condition:
            return []
        else:
            ended_us = _crossed(state, wanted, s)
        events = [episode.ended(is_open, ended_us, Moment(ended_us, now_us, retrospective=False))]
    else:
        events = []
    if wanted is not None and wanted in s.rules:
        at = Moment(_crossed(state, wanted, s), now_us, retrospective=False)
        limit_s = s.rules[wanted].persistence_s
        said = Assertion(wanted, state.last_arrival_us, f"no data for more than {limit_s:g} s", {"limit": limit_s})
        events.append(episode.raised(state.patient, s.rules[wanted], said, state.last_arrival_us, at, s.promised_s))
    return events


def _wanted(silent_us: int, s: AlarmSettings) -> str | None:
    """The condition that a silence of this length is, the longest first; None below and beyond all limits."""
    if silent_us > s.discharged_s * US_PER_S:
        return None
    for code in reversed(WATCHED):
        if code in s.rules and silent_us > s.rules[code].persistence_s * US_PER_S:
            return code
    return None


def _crossed(state: PatientState, code: str, s: AlarmSettings) -> int:
    return state.last_arrival_us + round(s.rules[code].persistence_s * US_PER_S)
