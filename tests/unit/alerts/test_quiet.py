"""A quiet second is one of which no rule could hold; with it or without it, the alarms are the same."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import quiet as tested
from alerts.catalogue import BEAT_RULES, LINE_RULES, SIGNAL_RULES
from alerts.engine import AlarmEngine
from alerts.quiet import FEW, PROVEN, hear, quiet
from alerts.rules import evaluate, judge
from alerts.settings import AlarmSettings
from alerts.slow import SLOW_RULES, slow_verdicts
from alerts.verdict import Assertion
from liteheart.alarm import AlarmEvent
from liteheart.finding import Finding, Quality, Vitals
from liteheart.ids import DeviceId, ModelVersion, PatientId

PATIENT, T0_US = PatientId("p1"), 1_700_000_000_000_000
WARD = AlarmSettings(thresholds={"AFIB": 0.5}, merge_s=20.0)
OWN = replace(WARD, brady_bpm=30.0, tachy_bpm=170.0, asystole_s=6.0, pause_s=2.5, ectopy_per_min=3.0, tachy_beats=9)
NAN = float("nan")


@dataclass(frozen=True)
class Raw:
    """A second as inference knows it before it is rounded."""

    t_us: int
    rr_s: tuple[float, ...] = (0.8,) * 24
    since_beat_s: float = 0.4
    signal_s: float = 30.0
    fibrillation_s: float = 0.0
    ventricular_run: int = 0
    ventricular_rate_bpm: float = NAN
    flat_s: float = 0.0
    dead_s: float = 0.0
    irregularity: float = -3.0
    ectopic_per_min: float = 0.0
    sqi: float = 0.9
    lead_off: bool = False
    lag_s: float = 0.5

    def vitals(self) -> Vitals:
        """As `inference/seconds.py` rounds it."""

        def known(x: float, digits: int) -> float | None:
            return None if x != x or self.lead_off else round(x, digits)

        return Vitals(
            PATIENT,
            DeviceId("d"),
            self.t_us,
            Quality(round(self.sqi, 4), self.sqi >= 0.5, () if self.sqi >= 0.5 else ("noise",)),
            75.0,
            self.rr_s,
            known(self.since_beat_s, 3),
            round(self.signal_s, 3),
            self.fibrillation_s,
            self.ventricular_run,
            known(self.ventricular_rate_bpm, 1),
            round(self.flat_s, 3),
            self.lead_off,
            self.t_us + round(self.lag_s * 1e6),
            round(self.dead_s, 3),
            known(self.irregularity, 3),
            known(self.ectopic_per_min, 1),
        )


class Columns:
    """Seconds for `quiet`."""

    def __init__(self, raw: Sequence[Raw]) -> None:
        self.raw, n = raw, len(raw)
        self.t_us = np.array([r.t_us for r in raw], np.int64)
        self.arrival_us = np.array([r.vitals().arrival_us for r in raw], np.int64)
        self.sound = np.array([r.sqi >= 0.5 and not r.lead_off for r in raw], np.bool_)
        self.intervals = np.array([len(r.rr_s) for r in raw], np.int64)
        self.rr_s = np.zeros((n, 24))
        for i, r in enumerate(raw):
            self.rr_s[i, : len(r.rr_s)] = r.rr_s

    def __getattr__(self, name: str) -> Any:
        return np.array([getattr(r, name) for r in self.raw], np.float64)

    def __len__(self) -> int:
        return len(self.raw)

    def lasting(self, i: int) -> tuple[float | None, float | None]:
        """As `vitals` has them."""
        v = self.vitals(i)
        return v.irregularity, v.ectopic_per_min

    def vitals(self, i: int) -> Vitals:
        """The second number `i`."""
        return self.raw[i].vitals()


def told(raw: Sequence[Raw], alarms: AlarmSettings = WARD) -> list[bool]:
    """Whether each is quiet, whatever stands beside it."""
    filled = [*raw, *(Raw(T0_US) for _ in range(FEW))]
    what = quiet(Columns(filled), [alarms] * len(filled))
    return [q and not loud for q, loud in zip(what.quiet, what.loud, strict=True)][: len(raw)]


def about(*limits: float) -> st.SearchStrategy[float]:
    """Values at a limit and so near it that rounding decides."""
    steps = st.sampled_from([0.0, 1e-9, -1e-9, 4e-4, -4e-4, 0.04, -0.04, 0.5, -0.5])
    return st.builds(lambda x, d: max(0.0, x + d), st.sampled_from(limits), steps)


intervals = st.one_of(
    st.lists(st.sampled_from([0.8, 0.75]), min_size=0, max_size=24),
    st.lists(about(0.8, 60 / 140, 60 / 170, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0), min_size=0, max_size=24),
    st.builds(lambda x, n: [x] * n, about(60 / 140, 60 / 170, 1.5, 2.0), st.integers(0, 24)),
    st.builds(lambda x, n, y: [*[y] * (24 - n), *[x] * n], about(0.4, 1.5, 2.0), st.integers(0, 13), about(0.44, 0.8)),
)


@st.composite
def raws(draw: st.DrawFn) -> Raw:
    """Healthy but for a few figures."""
    made = {
        "rr_s": intervals.map(lambda x: tuple(max(0.1, v) for v in x)),
        "since_beat_s": st.one_of(about(0.4, 1.5, 2.0, 4.0, 6.0), st.just(NAN)),
        "signal_s": about(0.0, 1.0, 4.0, 6.0, 30.0),
        "fibrillation_s": about(0.0, 4.0),
        "ventricular_run": st.integers(0, 8),
        "ventricular_rate_bpm": st.one_of(about(100.0, 200.0), st.just(NAN)),
        "flat_s": about(0.0, 4.0, 6.0),
        "dead_s": about(0.0, 4.0),
        "irregularity": st.one_of(about(0.1, 0.2, 0.5, 0.9), st.just(-3.0), st.just(NAN)),
        "ectopic_per_min": st.one_of(about(0.0, 3.0, 10.0), st.just(NAN)),
        "sqi": st.sampled_from([0.1, 0.5, 0.9]),
        "lead_off": st.booleans(),
        "lag_s": st.sampled_from([0.5, 29.9999, 30.0, 30.0001, 50.0]),
    }
    names = draw(st.lists(st.sampled_from(sorted(made)), max_size=3, unique=True))
    return Raw(T0_US, **{name: draw(made[name]) for name in names})


@given(st.lists(raws(), min_size=1, max_size=12), st.sampled_from([WARD, OWN]))
@settings(max_examples=400, deadline=None)
def test_no_rule_holds_in_a_quiet_second_but_those_that_are_loud(raw: list[Raw], alarms: AlarmSettings) -> None:
    filled = [*raw, *(Raw(T0_US) for _ in range(FEW))]
    columns = Columns(filled)
    what = quiet(columns, [alarms] * len(filled))
    for i, (one, is_quiet, loud) in enumerate(zip(filled, what.quiet, what.loud, strict=True)):
        v = one.vitals()
        for opinion in (None, 0.0, 0.5, 1.0) if is_quiet else ():
            verdicts = judge(v, alarms, opinion)
            assert {code for code, x in verdicts.items() if isinstance(x, Assertion)} <= set(loud)
            slow = {code: x for code, x in verdicts.items() if code in SLOW_RULES}
            assert slow_verdicts(SLOW_RULES, columns, i, v.t_us, alarms, opinion, lambda *_: False) == slow
            short = slow_verdicts(SLOW_RULES, columns, i, v.t_us, alarms, opinion, lambda *_: True)
            assert {code: type(x) for code, x in short.items()} == {code: type(x) for code, x in slow.items()}
        assert not is_quiet or v.arrival_us - v.t_us <= alarms.live_within_s * 1e6


def test_the_healthy_are_quiet_and_every_rule_that_holds_is_not() -> None:
    assert told([Raw(T0_US), Raw(T0_US, rr_s=(1.4,) * 24), Raw(T0_US, rr_s=(0.46,) * 24)]) == [True] * 3
    assert told([Raw(T0_US, rr_s=(*[0.8] * 20, 0.4, 1.1, 0.8, 0.8))]) == [True]
    two_long: dict[str, Any] = {"rr_s": (0.8, 0.8, 2.6, 2.6)}
    with_the_open_one: dict[str, Any] = {"rr_s": (0.4,) * 11, "since_beat_s": 0.42}
    for code, change in (("EXTREME_BRADY", two_long), ("EXTREME_TACHY", with_the_open_one)):
        assert code in {said.code for said in evaluate(Raw(T0_US, **change).vitals(), WARD)}, code
        assert told([Raw(T0_US, **change)]) == [False], code
    loud: dict[str, dict[str, Any]] = {
        "VF": {"fibrillation_s": 4.0},
        "ASYSTOLE": {"since_beat_s": 4.0},
        "VT": {"ventricular_run": 5, "ventricular_rate_bpm": 150.0},
        "EXTREME_BRADY": {"rr_s": (1.6,) * 8},
        "EXTREME_TACHY": {"rr_s": (0.42,) * 24, "since_beat_s": 0.2},
        "PAUSE": {"rr_s": (0.8, 3.1)},
        "AFIB": {"irregularity": 0.6},
        "PVC_FREQUENT": {"ectopic_per_min": 10.0},
        "NO_SIGNAL": {"since_beat_s": 12.0, "flat_s": 12.0, "dead_s": 12.0},
        "LEAD_OFF": {"lead_off": True},
        "POOR_SIGNAL": {"sqi": 0.1},
    }
    for code, change in loud.items():
        raw = Raw(T0_US, **change)
        assert code in {said.code for said in evaluate(raw.vitals(), WARD)}, code
        assert told([raw]) == [False], code
    assert set(loud) | {"LEAD_OFF_LONG", "POOR_SIGNAL_LONG"} == PROVEN


def test_every_rule_of_the_catalogue_is_known_to_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PROVEN.issuperset((*BEAT_RULES, *LINE_RULES, *SIGNAL_RULES))
    monkeypatch.setattr(tested, "_ALL_PROVEN", False)
    assert told([Raw(T0_US)]) == [False]


def test_patients_with_other_limits_stand_side_by_side() -> None:
    slow = Raw(T0_US, rr_s=(1.6,) * 8)
    both = quiet(Columns([slow] * 8), [WARD, OWN] * 4).quiet
    assert both == [False, True] * 4


RHYTHMS: dict[str, dict[str, Any]] = {
    "sinus": {},
    "extra beats": {"ectopic_per_min": 11.0},
    "some extra beats": {"ectopic_per_min": 8.0},
    "both": {"ectopic_per_min": 11.0, "irregularity": 0.95},
    "irregular": {"irregularity": 2.0},
    "a little irregular": {"irregularity": 0.3},
    "slow": {"rr_s": (1.6,) * 8, "since_beat_s": 0.5},
    "standstill": {"since_beat_s": 4.5},
    "fibrillation": {"fibrillation_s": 5.0, "since_beat_s": 5.0},
    "pause": {"rr_s": (0.8, 3.3), "since_beat_s": 0.5},
    "loose": {"lead_off": True, "since_beat_s": 20.0, "flat_s": 20.0},
    "noise": {"sqi": 0.1},
    "unknown": {"since_beat_s": NAN, "rr_s": (), "signal_s": 1.0, "irregularity": NAN, "ectopic_per_min": NAN},
}
LIVES = st.lists(
    st.tuples(
        st.sampled_from(["sinus", "sinus", "irregular", "extra beats", *sorted(RHYTHMS)]),
        st.integers(1, 90),
        st.sampled_from([0.5, 0.5, 0.5, 50.0]),  # of delay
        st.sampled_from([1.0, 1.0, 0.05]),  # of the clock, between two seconds
        st.sampled_from([0.1, 0.9, None]),  # the student's reading after it
        st.sampled_from([0, 5, 100]),  # gap after it
    ),
    min_size=1,
    max_size=8,
)


@given(LIVES, st.sampled_from([WARD, OWN, replace(WARD, model_expected=False)]), st.data())
@settings(max_examples=60, deadline=None)
def test_events_and_memory_are_the_same_with_and_without_it(
    life: Any, alarms: AlarmSettings, data: st.DataObject
) -> None:
    slow, fast = AlarmEngine(PATIENT, alarms), AlarmEngine(PATIENT, alarms)
    t_s, now_us = 0.0, T0_US
    for rhythm, length, lag_s, pace_s, reading, gap_s in life:
        raw = [Raw(T0_US + round((t_s + k + 1) * 1e6), **RHYTHMS[rhythm], lag_s=lag_s) for k in range(length)]
        again = [raw[0], *raw] if length > 1 else raw  # what was told is told once more
        seconds = Columns(again)
        what = quiet(seconds, [alarms] * len(again))
        for i in range(len(again)):
            now_us += round(pace_s * 1e6)
            events: list[AlarmEvent] = hear(fast, seconds, i, what, now_us)
            assert events == slow.on_vitals(again[i].vitals(), now_us)
            assert fast.checkpoint() == slow.checkpoint()
        t_s += length
        if reading is not None:
            found = window(t_s, reading)
            assert fast.on_finding(found, now_us) == slow.on_finding(found, now_us)
        t_s += gap_s
        if data.draw(st.booleans()):  # another worker, which has other limits
            alarms = data.draw(st.sampled_from([WARD, OWN]))
            kept = json.loads(json.dumps(fast.checkpoint()))
            slow, fast = (AlarmEngine.restore(PATIENT, alarms, kept) for _ in range(2))


def test_a_healthy_life_is_never_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, seconds = AlarmEngine(PATIENT, WARD), Columns([Raw(T0_US + k * 1_000_000) for k in range(50)])
    what = quiet(seconds, [WARD] * 50)
    assert hear(engine, seconds, 0, what, T0_US) == []
    monkeypatch.setattr(AlarmEngine, "on_vitals", None)
    assert [hear(engine, seconds, i, what, T0_US + i * 1_000_000) for i in range(1, 50)] == [[]] * 49
    assert engine.checkpoint()["vitals_us"] == T0_US + 49_000_000


def test_a_lasting_alarm_is_all_that_is_asked_from_its_first_second(monkeypatch: pytest.MonkeyPatch) -> None:
    ill = [Raw(T0_US + k * 1_000_000, irregularity=2.0, ectopic_per_min=12.0) for k in range(200)]
    well = [Raw(T0_US + k * 1_000_000) for k in range(200, 600)]
    alarms = replace(WARD, model_expected=False)
    engine, seconds = AlarmEngine(PATIENT, alarms), Columns([*ill, *well])
    what, events = quiet(seconds, [alarms] * 600), []
    for i in range(600):
        if i == 1:
            monkeypatch.setattr(AlarmEngine, "on_vitals", None)
        events += hear(engine, seconds, i, what, T0_US + i * 1_000_000)
    said = [(e.action, e.alarm.condition) for e in events]
    assert said[:2] == [("raised", "AFIB"), ("raised", "PVC_FREQUENT")]
    assert said[2:] == [("ended", "AFIB"), ("ended", "PVC_FREQUENT")]


def window(t1_s: float, p: float) -> Finding:
    t1_us = T0_US + round(t1_s * 1e6)
    model, good = ModelVersion("m"), Quality(0.9, True)
    codes = ("AFIB",) if p >= 0.5 else ()
    return Finding(
        PATIENT, DeviceId("d"), "I", t1_us - 10_000_000, t1_us, model, good, False, None, {"AFIB": p}, codes, t1_us
    )
