"""The alarms of one patient: verdicts of every second and every window in, alarm events out. Time is an argument."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from alerts import checkpoint, episode
from alerts.catalogue import BEAT_RULES, LINE_RULES, REPLACES, SIGNAL_RULES, STUDENT
from alerts.checkpoint import Memory
from alerts.episode import Episode, Moment
from alerts.policy import Change, Track, follow
from alerts.rules import Verdicts, judge, judge_finding, judge_window_quality
from alerts.settings import AlarmSettings
from alerts.verdict import Absent, Assertion, Verdict
from liteheart.alarm import Alarm, AlarmEvent, AlarmRule
from liteheart.clock import US_PER_S
from liteheart.finding import Finding, Vitals
from liteheart.ids import PatientId

_REACH_S = 60.0  # no estimate of an onset reaches back further
_OPINION_S = 30.0  # so long the student's last reading counts as its opinion of now
_EVERY_SECOND = (*BEAT_RULES, *LINE_RULES, "ANALYSIS_FAILED", "MODEL_UNAVAILABLE", *SIGNAL_RULES)
_STUDENT_ALONE = tuple(c for c in STUDENT if c not in BEAT_RULES)
_REPLACED_BY = {short: long for long, short in REPLACES.items()}


class AlarmEngine:
    """Raises, reactivates and ends alarms; never acknowledges. The same inputs give the same events.

    Vitals and findings must each come in event-time order; what does not advance its own time is ignored, so that
    a stretch that is read again after a crash changes nothing.
    """

    def __init__(self, patient: PatientId, settings: AlarmSettings) -> None:
        self._patient, self._settings = patient, settings
        self._memory = Memory()

    @classmethod
    def restore(cls, patient: PatientId, settings: AlarmSettings, state: dict[str, Any]) -> "AlarmEngine":
        """An engine that goes on where `checkpoint` was taken; an empty state begins anew. Raises Poison."""
        engine = cls(patient, settings)
        if state:
            engine._memory = checkpoint.load(patient, state)
        return engine

    def checkpoint(self) -> dict[str, Any]:
        """All that is remembered, as JSON values."""
        return checkpoint.dump(self._patient, self._memory)

    @property
    def active(self) -> list[Alarm]:
        """Alarms whose condition holds, the most urgent first."""
        alarms = [e.alarm for e in self._memory.episodes.values() if e.alarm.active]
        return sorted(alarms, key=lambda a: (-a.priority, a.onset_us))

    def on_vitals(self, v: Vitals, now_us: int) -> list[AlarmEvent]:
        """Events of one second. Raises ValueError for another patient's vitals."""
        self._check(v.patient)
        memory = self._memory
        if memory.vitals_us is not None and v.t_us <= memory.vitals_us:
            return []
        fresh = memory.opinion is not None and v.t_us - memory.opinion_us <= _OPINION_S * US_PER_S
        verdicts = judge(v, self._settings, memory.opinion if fresh else None)
        if v.irregularity is not None:
            memory.intervals_us = v.t_us
        verdicts["ANALYSIS_FAILED"] = Absent.ABSENT
        verdicts["MODEL_UNAVAILABLE"] = self._model(v, now_us)
        memory.vitals_us = v.t_us
        at = Moment(v.t_us, now_us, self._retrospective(v.t_us, v.arrival_us))
        return [*self._not_live(v, at), *self._settle(_EVERY_SECOND, verdicts, at), *self._tidy(at)]

    def on_finding(self, f: Finding, now_us: int) -> list[AlarmEvent]:
        """Events of one window. Raises ValueError for another patient's finding."""
        self._check(f.patient)
        memory = self._memory
        if memory.finding_us is not None and f.t1_us <= memory.finding_us:
            return []
        memory.finding_us = f.t1_us
        if not (f.abstained and f.quality.usable):
            memory.unanswered_us = 0
        at = Moment(f.t1_us, now_us, self._retrospective(f.t1_us, f.arrival_us))
        # an abstained or poor window is as if it had not been: it neither asserts nor clears
        read = not f.abstained and f.quality.usable
        events: list[AlarmEvent] = []
        if read:
            self._hear(f)
            # what the intervals say of atrial fibrillation is judged every second, with the student's opinion
            codes = STUDENT if memory.intervals_us < f.t0_us else _STUDENT_ALONE
            events = self._settle(codes, judge_finding(f, self._settings), at)
        if memory.vitals_us is None or memory.vitals_us < f.t0_us:  # nobody else speaks of the signal
            events += self._settle(SIGNAL_RULES, judge_window_quality(f), at)
        return events

    def on_failure(self, t_us: int, now_us: int) -> list[AlarmEvent]:
        """Signal up to event time `t_us` came, and no vitals of it could be made. Ends with the next vitals."""
        failed = Assertion("ANALYSIS_FAILED", t_us, "no rhythm can be seen, see the server's log", immediate=True)
        return self._step("ANALYSIS_FAILED", failed, Moment(t_us, now_us, retrospective=False))

    def _hear(self, f: Finding) -> None:
        """Keep the student's opinion of atrial fibrillation, as a share of its threshold."""
        score, threshold = f.scores.get("AFIB"), self._settings.thresholds.get("AFIB")
        if "AFIB" in f.codes:
            self._memory.opinion, self._memory.opinion_us = 1.0, f.t1_us
        elif score is not None and threshold is not None:
            self._memory.opinion, self._memory.opinion_us = min(score / threshold, 0.999), f.t1_us

    def _check(self, patient: PatientId) -> None:
        if patient != self._patient:
            raise ValueError(f"patient: {patient} is not {self._patient}")

    def _retrospective(self, t_us: int, arrival_us: int) -> bool:
        return arrival_us - t_us > self._settings.live_within_s * US_PER_S

    def _model(self, v: Vitals, now_us: int) -> Verdict:
        """Seconds of usable signal without an answer of the student.

        They pass on the clock and in the signal: neither a gap, nor a backlog that is read at once, is its silence.
        """
        memory, rule = self._memory, self._settings.rules.get("MODEL_UNAVAILABLE")
        if memory.vitals_us is not None and v.quality.usable:
            passed_us = min(v.t_us - memory.vitals_us, now_us - memory.clock_us, 2 * US_PER_S)
            memory.unanswered_us += max(0, passed_us)
        memory.clock_us = now_us
        if rule is None or not self._settings.model_expected:
            return Absent.ABSENT
        seconds = memory.unanswered_us / US_PER_S
        if seconds <= rule.persistence_s:
            return Absent.ABSENT
        message = f"no reading for {seconds:.0f} s of usable signal > {rule.persistence_s:g} s"
        return Assertion(rule.code, v.t_us - memory.unanswered_us, message, immediate=True)

    def _not_live(self, v: Vitals, at: Moment) -> list[AlarmEvent]:
        """Told in arrival time: back-fill that catches up is over soon, a device whose clock is slow is not."""
        memory = self._memory
        if v.arrival_us <= memory.arrival_us:
            return []
        memory.arrival_us = v.arrival_us
        lag_s = (v.arrival_us - v.t_us) / US_PER_S
        message = f"signal is {lag_s:.0f} s behind its arrival > {self._settings.live_within_s:g} s"
        late = Assertion("NOT_LIVE", v.arrival_us, message, {"lag_s": round(lag_s, 1)})
        verdict: Verdict = late if at.retrospective else Absent.ABSENT
        return self._step("NOT_LIVE", verdict, Moment(v.arrival_us, at.now_us, retrospective=False))

    def _settle(self, codes: Iterable[str], verdicts: Verdicts, at: Moment) -> list[AlarmEvent]:
        """Follow every one of `codes`; one without a verdict is undecided."""
        return [event for code in codes for event in self._step(code, verdicts.get(code), at)]

    def _step(self, code: str, verdict: Verdict | None, at: Moment) -> list[AlarmEvent]:
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

    def _tidy(self, at: Moment) -> list[AlarmEvent]:
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
