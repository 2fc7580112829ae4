"""What becomes of verdicts: tracks, episodes and their events, of one patient. Time is an argument."""

from collections.abc import Iterable
from dataclasses import replace

from alerts import episode
from alerts.catalogue import REPLACES
from alerts.checkpoint import Memory
from alerts.episode import Episode, Moment
from alerts.policy import Change, Track, follow, waits
from alerts.rules import Verdicts
from alerts.settings import AlarmSettings
from alerts.verdict import Absent, Assertion, Verdict
from liteheart.alarm import AlarmEvent, AlarmRule
from liteheart.clock import US_PER_S
from liteheart.ids import PatientId

_REACH_S = 60.0  # no estimate of an onset reaches back further
_REPLACED_BY = {short: long for long, short in REPLACES.items()}


class Course:
    """Follows every condition from one verdict to the next, in `memory`."""

    def __init__(self, patient: PatientId, settings: AlarmSettings, memory: Memory) -> None:
        self._patient, self._settings, self._memory = patient, settings, memory

    def settle(self, codes: Iterable[str], verdicts: Verdicts, at: Moment) -> list[AlarmEvent]:
        """Follow every one of `codes`; one without a verdict is undecided."""
        events: list[AlarmEvent] = []
        for code in codes:
            verdict = verdicts.get(code)
            if code in self._memory.tracks or (verdict is not None and verdict is not Absent.ABSENT):
                events += self.step(code, verdict, at)
        return events

    def step(self, code: str, verdict: Verdict | None, at: Moment) -> list[AlarmEvent]:
        """Follow one condition; None: undecided."""
        memory, rule = self._memory, self._settings.rules.get(code)
        was = memory.episodes.get(code)
        track = memory.tracks.get(code)
        if rule is None or (track is None and not isinstance(verdict, Assertion)):
            return []
        if self._is_active(_REPLACED_BY.get(code)):
            return self._replaced(code, at)
        active = was is not None and was.alarm.active
        held_us = None if track is None else track.held_us
        pending_s = self._settings.pending_s
        track, change = follow(track, verdict, at.t_us, rule, active=active, pending_s=pending_s)
        self._remember(code, track)
        if track is None or (change is Change.NONE and not active):
            return []
        if change is Change.END:
            return [self._end(code, at.t_us if track.absent_us is None else track.absent_us, at)]
        if not isinstance(verdict, Assertion):
            return []
        if change is Change.BEGIN:
            return [self._begin(rule, track, verdict, at)]
        if was is not None and was.alarm.retrospective and not at.retrospective and held_us is not None:
            # what back-fill only showed goes on live: it must sound, so it becomes an alarm of its own
            gone = self._end(code, at.t_us, at)
            track = Track(at.t_us, max(verdict.onset_us, held_us + 1), at.t_us)
            self._remember(code, track)
            return [gone, self._raise(rule, track, verdict, at)]
        return []

    def goes_on(self, code: str, t_us: int) -> bool:
        """Whether one assertion more of `code`, at `t_us` in live signal, changes its track alone: the alarm is active,
        and live, or stays pending.
        """
        memory, rule = self._memory, self._settings.rules.get(code)
        was, track = memory.episodes.get(code), memory.tracks.get(code)
        if track is None or rule is None:
            return False
        if was is not None and was.alarm.active:
            return not was.alarm.retrospective
        return waits(track, t_us, rule, self._settings.pending_s)

    def _begin(self, rule: AlarmRule, track: Track, said: Assertion, at: Moment) -> AlarmEvent:
        """What returns within `merge_s` is the same alarm, unless one of the two is back-fill and the other live."""
        was, settings = self._memory.episodes.get(rule.code), self._settings
        if was is None or was.closed_us is None:
            return self._raise(rule, track, said, at)
        merges = track.first_us - was.closed_us <= settings.merge_s * US_PER_S
        if merges and was.alarm.retrospective == at.retrospective:
            late = episode.is_late(rule, track.onset_us, at.now_us, settings.promised_s)
            return self._keep(episode.reactivated(was.alarm, said, late=late, at=at), None)
        # an estimate may reach back into the episode before; its id would then be the same
        return self._raise(rule, replace(track, onset_us=max(track.onset_us, _last_us(was) + 1)), said, at)

    def _raise(self, rule: AlarmRule, track: Track, said: Assertion, at: Moment) -> AlarmEvent:
        promised_s = self._settings.promised_s
        return self._keep(episode.raised(self._patient, rule, said, track.onset_us, at, promised_s), None)

    def _end(self, code: str, ended_us: int, at: Moment) -> AlarmEvent:
        self._remember(code, None)
        return self._keep(episode.ended(self._memory.episodes[code].alarm, ended_us, at), at.t_us)

    def _keep(self, event: AlarmEvent, closed_us: int | None) -> AlarmEvent:
        self._memory.episodes[event.alarm.condition] = Episode(event.alarm, closed_us)
        return event

    def _replaced(self, code: str, at: Moment) -> list[AlarmEvent]:
        """The longer form of the same trouble is active and stands for this one."""
        active = self._is_active(code)
        self._remember(code, None)
        return [self._end(code, at.t_us, at)] if active else []

    def tidy(self, at: Moment) -> list[AlarmEvent]:
        """Forget what can no longer return, and end what no rule would ever end: its rule left the settings."""
        memory, events = self._memory, []
        keep_us = (self._settings.merge_s + _REACH_S) * US_PER_S
        for code, was in list(memory.episodes.items()):
            over = was.closed_us is not None and at.t_us - was.closed_us > keep_us
            if over and code not in memory.tracks:
                del memory.episodes[code]
            elif was.alarm.active and code not in self._settings.rules:
                events.append(self._end(code, at.t_us, at))
        return events

    def _is_active(self, code: str | None) -> bool:
        was = None if code is None else self._memory.episodes.get(code)
        return was is not None and was.alarm.active

    def _remember(self, code: str, track: Track | None) -> None:
        if track is None:
            self._memory.tracks.pop(code, None)
        else:
            self._memory.tracks[code] = track


def _last_us(was: Episode) -> int:
    """The last event time that belongs to a closed episode."""
    times = (was.alarm.onset_us, was.alarm.ended_us, was.closed_us)
    return max(t for t in times if t is not None)
