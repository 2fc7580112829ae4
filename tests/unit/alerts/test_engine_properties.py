"""No path through rhythms, noise, back-fill, duplicates and restarts loses a lethal alarm, or doubles an event."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alerts.engine import AlarmEngine
from alerts.rhythms import BY_CODE
from alerts.rules import evaluate
from alerts.settings import AlarmSettings
from alerts.verdict import Assertion
from liteheart.alarm import Alarm, AlarmEvent, Priority
from liteheart.finding import Finding, Quality, Vitals
from liteheart.ids import DeviceId, ModelVersion, PatientId

PATIENT = PatientId("p1")
SETTINGS = AlarmSettings(thresholds={"AFIB": 0.5}, merge_s=20.0)
T0_US = 1_700_000_000_000_000
QUALITY = {"good": Quality(0.9, True), "poor": Quality(0.2, False, ("noise",)), "flat": Quality(0.0, False, ("flat",))}
CONTRADICTED = {"ASYSTOLE": "NO_SIGNAL", "EXTREME_TACHY": "POOR_SIGNAL"}  # what tells of it instead
RHYTHMS: dict[str, dict[str, Any]] = {
    "sinus": {},
    "standstill": {"since_beat_s": 4.5},
    "flat": {"since_beat_s": None, "rr_s": (), "flat_s": 6.0},
    "unknown": {"since_beat_s": None, "rr_s": (), "signal_s": 1.0},
    "fibrillation": {"fibrillation_s": 5.0, "since_beat_s": 5.0},
    "ventricular": {"ventricular_run": 8, "ventricular_rate_bpm": 180.0, "rr_s": (0.333,) * 24, "since_beat_s": 0.1},
    "fast": {"rr_s": (0.35,) * 24, "since_beat_s": 0.1},
    "nearly fast": {"rr_s": (60 / 139,) * 24, "since_beat_s": 0.1},
    "slow": {"rr_s": (1.8,) * 8, "since_beat_s": 0.5},
    "pause": {"rr_s": (0.8, 3.3), "since_beat_s": 0.5},
    "dead": {"since_beat_s": 12.0, "flat_s": 12.0, "dead_s": 12.0},
    "irregular": {"irregularity": 2.0},
    "many noises": {"rr_s": (0.25, 0.5) * 8, "since_beat_s": 0.1, "irregularity": 1.0},
    "wide and waving": {
        "ventricular_run": 8,
        "ventricular_rate_bpm": 190.0,
        "since_beat_s": 0.1,
        "fibrillation_s": 6.0,
    },
    "loose": {"lead_off": True, "since_beat_s": 20.0, "flat_s": 20.0},
}


def second(t_s: float, rhythm: str, quality: str, lag_s: float) -> Vitals:
    t_us = T0_US + round(t_s * 1e6)
    values: dict[str, Any] = {"rr_s": (0.8,) * 24, "since_beat_s": 0.4, "signal_s": 30.0, "fibrillation_s": 0.0}
    values |= {"ventricular_run": 0, "ventricular_rate_bpm": None, "flat_s": 0.0, "lead_off": False}
    return Vitals(
        patient=PATIENT,
        device=DeviceId("d"),
        t_us=t_us,
        quality=QUALITY[quality],
        heart_rate_bpm=75.0,
        arrival_us=t_us + round(lag_s * 1e6),
        **values | RHYTHMS[rhythm],
    )


def window(t1_s: float, p: float, abstained: bool, lag_s: float) -> Finding:
    t1_us = T0_US + round(t1_s * 1e6)
    return Finding(
        patient=PATIENT,
        device=DeviceId("d"),
        lead="I",
        t0_us=t1_us - 10_000_000,
        t1_us=t1_us,
        model=ModelVersion("m"),
        quality=QUALITY["good"],
        abstained=abstained,
        heart_rate_bpm=None,
        scores={} if abstained else {"AFIB": p},
        codes=("AFIB",) if p >= 0.5 and not abstained else (),
        arrival_us=t1_us + round(lag_s * 1e6),
    )


def feed(engine: AlarmEngine, item: Vitals | Finding) -> list[AlarmEvent]:
    now_us = item.arrival_us + 100_000
    return engine.on_vitals(item, now_us) if isinstance(item, Vitals) else engine.on_finding(item, now_us)


rhythms, qualities = st.sampled_from(sorted(RHYTHMS)), st.sampled_from(sorted(QUALITY))
lags = st.sampled_from([0.5, 0.5, 0.5, 50.0])
stretches = st.tuples(rhythms, qualities, lags, st.integers(1, 40), st.sampled_from([0.1, 0.45, 0.9]), st.booleans())


@st.composite
def scripts(draw: st.DrawFn) -> list[Vitals | Finding]:
    """Stretches of one rhythm each, with a window at every fifth second, and some gaps."""
    script: list[Vitals | Finding] = []
    start = 1
    for rhythm, quality, lag_s, seconds, p, abstained in draw(st.lists(stretches, min_size=1, max_size=8)):
        for t in range(start, start + seconds):
            script.append(second(t, rhythm, quality, lag_s))
            if t % 5 == 0:
                script.append(window(t, p, abstained, lag_s))
        start += seconds + draw(st.sampled_from([0, 0, 1, 45]))
    return script


@given(scripts(), st.data())
@settings(max_examples=100, deadline=None)
def test_a_restart_anywhere_gives_the_same_events(script: list[Vitals | Finding], data: st.DataObject) -> None:
    whole = AlarmEngine(PATIENT, SETTINGS)
    expected = [event for item in script for event in feed(whole, item)]
    cuts = data.draw(st.sets(st.integers(0, len(script)), max_size=4))
    engine, events = AlarmEngine(PATIENT, SETTINGS), []
    for i, item in enumerate(script):
        if i in cuts:
            engine = AlarmEngine.restore(PATIENT, SETTINGS, json.loads(json.dumps(engine.checkpoint())))
            for again in script[max(0, i - 10) : i]:  # the ring is read again
                assert feed(engine, again) == []
        events += feed(engine, item)
    assert events == expected
    assert engine.checkpoint() == whole.checkpoint()
    assert len({(e.alarm.alarm_id, e.action, e.t_us) for e in events}) == len(events)


class Ward(RuleBasedStateMachine):
    """One patient's life, and what must be true after every second of it."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = AlarmEngine(PATIENT, SETTINGS)
        self.t_s = 0
        self.last: Vitals | None = None
        self.read_s = 0  # end of the newest window
        self.board: dict[str, Alarm] = {}  # as storage would hold it
        self.seen: set[tuple[str, str, int]] = set()

    def _take(self, item: Vitals | Finding) -> None:
        for event in feed(self.engine, item):
            alarm, was = event.alarm, self.board.get(event.alarm.alarm_id)
            key = (alarm.alarm_id, event.action, event.t_us)
            assert key not in self.seen
            self.seen.add(key)
            assert alarm.acknowledged_us is alarm.acknowledged_by is alarm.reason is None
            match event.action:
                case "raised":
                    assert was is None
                    assert alarm.active
                case "reactivated":
                    assert was is not None
                    assert not was.active
                    assert alarm.active
                    assert alarm.episodes == was.episodes + 1
                    assert alarm.retrospective == was.retrospective
                case "ended":
                    assert was is not None
                    assert was.active
                    assert not alarm.active
                    assert alarm.onset_us <= (alarm.ended_us or 0) <= event.t_us
                case other:
                    raise AssertionError(other)
            self.board[alarm.alarm_id] = alarm

    @rule(rhythm=rhythms, quality=qualities, lag_s=lags, seconds=st.integers(1, 30))
    def live(self, rhythm: str, quality: str, lag_s: float, seconds: int) -> None:
        """A stretch of one rhythm, second by second."""
        for _ in range(seconds):
            self.t_s += 1
            self.last = second(self.t_s, rhythm, quality, lag_s)
            self._take(self.last)
            self.nothing_lethal_is_lost()

    @rule(p=st.sampled_from([0.1, 0.45, 0.9]), abstained=st.booleans(), lag_s=lags)
    def read(self, p: float, abstained: bool, lag_s: float) -> None:
        """The student's window."""
        self.read_s = self.t_s
        self._take(window(self.t_s, p, abstained, lag_s))

    @rule(seconds=st.sampled_from([5, 25, 100]))
    def gap(self, seconds: int) -> None:
        """Nothing at all."""
        self.t_s += seconds

    @rule(back=st.integers(0, 30), rhythm=rhythms)
    def step_back(self, back: int, rhythm: str) -> None:
        """A time that was worked on before, with whatever content."""
        if self.last is None or self.t_s - back > (self.last.t_us - T0_US) / 1e6:
            return
        before = self.engine.checkpoint()
        assert feed(self.engine, second(self.t_s - back, rhythm, "good", 0.5)) == []
        assert self.engine.checkpoint() == before

    @rule()
    def restart(self) -> None:
        """Another worker takes over."""
        self.engine = AlarmEngine.restore(PATIENT, SETTINGS, json.loads(json.dumps(self.engine.checkpoint())))

    @invariant()
    def nothing_lethal_is_lost(self) -> None:
        """While the rules assert a lethal rhythm its alarm is active, and may sound where the signal is live."""
        active = [a for a in self.board.values() if a.active]
        for said in [] if self.last is None else evaluate(self.last, SETTINGS):
            if SETTINGS.rules[said.code].priority is Priority.HIGH:
                live = self.last is not None and self.last.arrival_us - self.last.t_us <= 30_000_000
                assert [a for a in active if a.condition == said.code and not (live and a.retrospective)], said

    @invariant()
    def nothing_doubted_is_silent(self) -> None:
        """A lethal rhythm that something contradicts is told of by the alarm of what contradicts it.

        Until a later window says that the signal is good again.
        """
        if self.last is not None and T0_US + self.read_s * 1_000_000 > self.last.t_us:
            return
        v, active = self.last, {a.condition for a in self.board.values() if a.active}
        for code, instead in CONTRADICTED.items() if v is not None and not v.lead_off else ():
            verdict = None if v is None else BY_CODE[code](v, SETTINGS)
            if isinstance(verdict, Assertion) and verdict.doubt:
                lethal = {c for c in active if SETTINGS.rules[c].priority is Priority.HIGH}
                assert lethal or active & {instead, f"{instead}_LONG"}, verdict

    @invariant()
    def one_active_alarm_a_condition(self) -> None:
        """And the engine knows the same ones as the board."""
        active = [a for a in self.board.values() if a.active]
        assert len({a.condition for a in active}) == len(active)
        assert {a.alarm_id for a in active} == {a.alarm_id for a in self.engine.active}


TestWard = Ward.TestCase
TestWard.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
