"""The alarms of one patient: verdicts of every second and every window in, alarm events out. Time is an argument."""

import math
from collections.abc import Collection
from typing import Any

from alerts import checkpoint
from alerts.catalogue import BEAT_RULES, LINE_RULES, SIGNAL_RULES, STUDENT
from alerts.checkpoint import Memory
from alerts.course import Course
from alerts.episode import Moment
from alerts.rules import Verdicts, judge, judge_finding, judge_window_quality
from alerts.settings import AlarmSettings
from alerts.slow import SLOW_RULES, Seconds, slow_verdicts
from alerts.verdict import Absent, Assertion, Verdict
from liteheart.alarm import Alarm, AlarmEvent
from liteheart.clock import US_PER_S
from liteheart.finding import Finding, Vitals
from liteheart.ids import PatientId

_OPINION_S = 30.0  # so long the student's last reading counts as its opinion of now
_EVERY_SECOND = (*BEAT_RULES, *LINE_RULES, "ANALYSIS_FAILED", "MODEL_UNAVAILABLE", *SIGNAL_RULES)
_SLOW = frozenset(SLOW_RULES)
_STUDENT_ALONE = tuple(c for c in STUDENT if c not in BEAT_RULES)


class AlarmEngine:
    """Raises, reactivates and ends alarms; never acknowledges. The same inputs give the same events.

    Vitals and findings must each come in event-time order; what does not advance its own time is ignored, so that
    a stretch that is read again after a crash changes nothing.
    """

    def __init__(self, patient: PatientId, settings: AlarmSettings) -> None:
        self._patient, self._settings = patient, settings
        self._remember(Memory())
        rule = settings.rules.get("MODEL_UNAVAILABLE")
        waits = rule is not None and settings.model_expected
        self._patience_us = rule.persistence_s * US_PER_S if rule is not None and waits else math.inf

    @classmethod
    def restore(cls, patient: PatientId, settings: AlarmSettings, state: dict[str, Any]) -> "AlarmEngine":
        """An engine that goes on where `checkpoint` was taken; an empty state begins anew. Raises Poison."""
        engine = cls(patient, settings)
        if state:
            engine._remember(checkpoint.load(patient, state))
        return engine

    def checkpoint(self) -> dict[str, Any]:
        """All that is remembered, as JSON values."""
        return checkpoint.dump(self._patient, self._memory)

    def _remember(self, memory: Memory) -> None:
        self._memory, self._course = memory, Course(self._patient, self._settings, memory)

    @property
    def settings(self) -> AlarmSettings:
        """The limits that hold for this patient."""
        return self._settings

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
        verdicts = judge(v, self._settings, self._opinion(v.t_us))
        if v.irregularity is not None:
            memory.intervals_us = v.t_us
        verdicts["ANALYSIS_FAILED"] = Absent.ABSENT
        verdicts["MODEL_UNAVAILABLE"] = self._model(v, now_us)
        memory.vitals_us = v.t_us
        at = Moment(v.t_us, now_us, self._retrospective(v.t_us, v.arrival_us))
        return [*self._not_live(v, at), *self._course.settle(_EVERY_SECOND, verdicts, at), *self._course.tidy(at)]

    def rest(
        self,
        t_us: int,
        arrival_us: int,
        now_us: int,
        *,
        known: bool,
        loud: Collection[str],
        seconds: Seconds,
        i: int,
    ) -> list[AlarmEvent] | None:
        """Events of second number `i`, sound and live, in which no rule can hold but those `loud` of `SLOW_RULES`.

        They are those of `on_vitals`; None, and nothing done, where that must be asked. `known`: its intervals could
        tell of atrial fibrillation.
        """
        memory = self._memory
        tracks = memory.tracks
        if memory.vitals_us is None or (tracks and not _SLOW.issuperset(tracks)):
            return None
        if t_us <= memory.vitals_us:
            return []
        unanswered_us = memory.unanswered_us + self._passed_us(t_us, now_us)
        if unanswered_us > self._patience_us:
            return None
        verdicts: Verdicts = {}
        if loud or tracks:
            opinion, goes_on = self._opinion(t_us), self._course.goes_on
            verdicts = slow_verdicts({*loud, *tracks}, seconds, i, t_us, self._settings, opinion, goes_on)
        memory.vitals_us, memory.clock_us, memory.unanswered_us = t_us, now_us, unanswered_us
        memory.arrival_us = max(memory.arrival_us, arrival_us)
        if known:
            memory.intervals_us = t_us
        if not (verdicts or tracks or memory.episodes):
            return []
        at = Moment(t_us, now_us, retrospective=False)
        return [*self._course.settle(SLOW_RULES, verdicts, at), *self._course.tidy(at)]

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
            events = self._course.settle(codes, judge_finding(f, self._settings), at)
        if memory.vitals_us is None or memory.vitals_us < f.t0_us:  # nobody else speaks of the signal
            events += self._course.settle(SIGNAL_RULES, judge_window_quality(f), at)
        return events

    def on_failure(self, t_us: int, now_us: int) -> list[AlarmEvent]:
        """Signal up to event time `t_us` came, and no vitals of it could be made. Ends with the next vitals."""
        failed = Assertion("ANALYSIS_FAILED", t_us, "no rhythm can be seen, see the server's log", immediate=True)
        return self._course.step("ANALYSIS_FAILED", failed, Moment(t_us, now_us, retrospective=False))

    def _opinion(self, t_us: int) -> float | None:
        memory = self._memory
        fresh = memory.opinion is not None and t_us - memory.opinion_us <= _OPINION_S * US_PER_S
        return memory.opinion if fresh else None

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
        if v.quality.usable:
            memory.unanswered_us += self._passed_us(v.t_us, now_us)
        memory.clock_us = now_us
        if rule is None or not self._settings.model_expected:
            return Absent.ABSENT
        seconds = memory.unanswered_us / US_PER_S
        if seconds <= rule.persistence_s:
            return Absent.ABSENT
        message = f"no reading for {seconds:.0f} s of usable signal > {rule.persistence_s:g} s"
        return Assertion(rule.code, v.t_us - memory.unanswered_us, message, immediate=True)

    def _passed_us(self, t_us: int, now_us: int) -> int:
        memory = self._memory
        if memory.vitals_us is None:
            return 0
        return max(0, min(t_us - memory.vitals_us, now_us - memory.clock_us, 2 * US_PER_S))

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
        return self._course.step("NOT_LIVE", verdict, Moment(v.arrival_us, at.now_us, retrospective=False))
