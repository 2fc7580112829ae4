"""Alarm events as stretches of time: each time an alarm called for someone, from when to when, how long it rang."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inference.report.intervals import Intervals, intervals
from liteheart.alarm import Alarm, AlarmEvent, Priority
from liteheart.clock import US_PER_S


@dataclass(frozen=True, slots=True)
class Sounded:
    """One call: an alarm that was raised, or came back."""

    alarm: Alarm
    onset_us: int  # event time at which the condition began, or returned
    raised_us: int  # clock
    ended_us: int | None  # event time of its end; None while it goes on
    over_us: int | None  # clock at which that was told

    @property
    def code(self) -> str:
        """Of the condition."""
        return self.alarm.condition

    @property
    def audible(self) -> bool:
        """Whether it makes a sound: live, and of LOW priority at least."""
        return not self.alarm.retrospective and self.alarm.priority > Priority.INFO


def calls(events: Iterable[AlarmEvent]) -> list[Sounded]:
    """The calls in the order in which they were made."""
    made: list[Sounded] = []
    last: dict[str, int] = {}  # alarm: its latest call
    for event in events:
        alarm = event.alarm
        if event.action in ("raised", "reactivated"):
            last[alarm.alarm_id] = len(made)
            onset_us = alarm.onset_us if event.action == "raised" else event.t_us
            made.append(Sounded(alarm, onset_us, event.at_us, None, None))
        elif event.action == "ended" and alarm.alarm_id in last:
            i = last[alarm.alarm_id]
            made[i] = Sounded(made[i].alarm, made[i].onset_us, made[i].raised_us, alarm.ended_us, event.at_us)
    return made


def spans(made: Sequence[Sounded], code: str, t0_us: int, end_us: int) -> Intervals:
    """When the condition held, in seconds since `t0_us`; what goes on lasts to `end_us`."""
    own = [c for c in made if c.code == code]
    ends = [end_us if c.ended_us is None else c.ended_us for c in own]
    return intervals(
        ((c.onset_us - t0_us) / US_PER_S, (max(end, c.onset_us) - t0_us) / US_PER_S)
        for c, end in zip(own, ends, strict=True)
    )


def ringing(made: Sequence[Sounded], response_s: float, end_us: int) -> Intervals:
    """When something could be heard, in seconds of the clock: a call rings until its condition is seen to be over, a
    latching one until somebody comes; after `response_s` somebody has come.
    """
    heard = []
    for call in made:
        if not call.audible:
            continue
        until_us = call.raised_us + round(response_s * US_PER_S)
        if not call.alarm.latching and call.over_us is not None:
            until_us = min(until_us, call.over_us)
        heard.append((call.raised_us / US_PER_S, max(call.raised_us, min(until_us, end_us)) / US_PER_S))
    return intervals(heard)
