"""Persistence and hysteresis of one condition: when verdicts become an episode, and when the episode is over."""

from dataclasses import dataclass, replace
from enum import Enum

from alerts.verdict import Absent, Assertion, Verdict
from liteheart.alarm import AlarmRule
from liteheart.clock import US_PER_S


@dataclass(frozen=True, slots=True)
class Track:
    """What is remembered of one condition from one verdict to the next.

    verdicts   . . H H . H H H H a a . a a a a     H holds, a absent, . undecided
    track          pending | active      | over    (persistence 3, clear 3: an undecided second breaks neither
                                                     the pending hold nor counts as absence)
    """

    first_us: int  # event time of the first verdict of this hold
    onset_us: int  # where the condition began, as that verdict saw it
    held_us: int  # latest event time at which it held
    holds: int = 1  # verdicts that it held
    absent_us: int | None = None  # begin of the unbroken absence, while active


class Change(Enum):
    """What a verdict did to the episode."""

    NONE = "none"
    BEGIN = "begin"
    END = "end"


def follow(
    track: Track | None, verdict: Verdict | None, t_us: int, rule: AlarmRule, *, active: bool, pending_s: float
) -> tuple[Track | None, Change]:
    """The track after `verdict` (None: undecided) at `t_us`, and whether the episode begins or ends by it."""
    if isinstance(verdict, Assertion):
        return _held(track, verdict, t_us, rule, active=active, pending_s=pending_s)
    if track is None:
        return None, Change.NONE
    if verdict is not Absent.ABSENT:
        # of a lethal rhythm the absence must be seen without a break; what else has ended may flicker
        return (replace(track, absent_us=None) if active and rule.latching else track), Change.NONE
    if not active:
        return None, Change.NONE
    since_us = t_us if track.absent_us is None else track.absent_us
    over = t_us - since_us >= rule.clear_s * US_PER_S
    return replace(track, absent_us=since_us), Change.END if over else Change.NONE


def _held(
    track: Track | None, assertion: Assertion, t_us: int, rule: AlarmRule, *, active: bool, pending_s: float
) -> tuple[Track, Change]:
    if track is None or not (active or _is_fresh(track, t_us, rule, pending_s)):
        track = Track(t_us, assertion.onset_us, t_us)
    else:
        track = Track(track.first_us, track.onset_us, t_us, track.holds + 1)
    if active:
        return track, Change.NONE
    met = assertion.immediate or _has_lasted(track, t_us, rule, track.holds)
    return track, Change.BEGIN if met else Change.NONE


def waits(track: Track, t_us: int, rule: AlarmRule, pending_s: float) -> bool:
    """Whether a pending hold is still pending after one verdict more that it holds, if that is not immediate."""
    return _is_fresh(track, t_us, rule, pending_s) and not _has_lasted(track, t_us, rule, track.holds + 1)


def _is_fresh(track: Track, t_us: int, rule: AlarmRule, pending_s: float) -> bool:
    return t_us - track.held_us <= max(pending_s, rule.persistence_s) * US_PER_S


def _has_lasted(track: Track, t_us: int, rule: AlarmRule, holds: int) -> bool:
    """Two verdicts at least: one window of the student is never enough, however long it is."""
    return rule.persistence_s == 0 or (holds >= 2 and t_us - track.onset_us >= rule.persistence_s * US_PER_S)
