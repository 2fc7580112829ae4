"""Episodes as a nurse meets them: scripted seconds and windows, and the events that they must give, and no others."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from alerts.catalogue import RULES
from alerts.engine import AlarmEngine
from alerts.settings import AlarmSettings
from liteheart.alarm import AlarmEvent, Kind, Priority
from liteheart.errors import Poison
from liteheart.finding import Finding, Quality, Vitals
from liteheart.ids import PatientId, alarm_id

Second = Callable[..., Vitals]
Window = Callable[..., Finding]
Play = Callable[[AlarmEngine, Iterable[Vitals | Finding]], list[AlarmEvent]]
PATIENT = PatientId("p1")
S = AlarmSettings(thresholds={"AFIB": 0.5}, model_expected=False)


@pytest.fixture
def engine() -> AlarmEngine:
    return AlarmEngine(PATIENT, S)


@pytest.fixture
def told(t0_us: int) -> Callable[[list[AlarmEvent]], list[tuple[str, str, float]]]:
    """(condition, action, second) of each event."""
    return lambda events: [(e.alarm.condition, e.action, (e.t_us - t0_us) / 1e6) for e in events]


Told = Callable[[list[AlarmEvent]], list[tuple[str, str, float]]]


def standstill(second: Second, last_beat_s: int, until_s: int, **changes: Any) -> list[Vitals]:
    """Seconds after a last beat, one at each."""
    return [second(t, since_beat_s=float(t - last_beat_s), **changes) for t in range(last_beat_s + 1, until_s + 1)]


def healthy(second: Second, start_s: int, stop_s: int, **changes: Any) -> list[Vitals]:
    return [second(t, **changes) for t in range(start_s, stop_s)]


class TestLethal:
    def test_asystole_from_last_beat_to_end(
        self, engine: AlarmEngine, second: Second, play: Play, told: Told, t0_us: int
    ) -> None:
        events = play(engine, [*healthy(second, 0, 3), *standstill(second, 2, 9), *healthy(second, 10, 40)])
        assert told(events) == [("ASYSTOLE", "raised", 6.0), ("ASYSTOLE", "ended", 20.0)]
        raised, ended = (e.alarm for e in events)
        assert raised.alarm_id == alarm_id(PATIENT, "ASYSTOLE", t0_us + 2_000_000)
        assert (raised.onset_us, raised.active, raised.episodes) == (t0_us + 2_000_000, True, 1)
        assert (raised.priority, raised.latching, raised.kind) == (Priority.HIGH, True, Kind.PHYSIOLOGICAL)
        assert raised.raised_us - raised.onset_us == 4_700_000  # well within ten seconds
        assert not raised.late
        assert not raised.retrospective
        assert ended.alarm_id == raised.alarm_id
        assert (ended.active, ended.ended_us) == (False, t0_us + 10_000_000)

    def test_ten_clear_seconds_end_it_and_not_one_less(
        self, engine: AlarmEngine, second: Second, play: Play, told: Told
    ) -> None:
        play(engine, standstill(second, 0, 5))
        assert play(engine, healthy(second, 6, 16)) == []
        assert told(play(engine, [second(16)])) == [("ASYSTOLE", "ended", 16.0)]

    def test_one_undecided_second_starts_the_clear_seconds_anew(
        self, engine: AlarmEngine, second: Second, play: Play, told: Told, noise: Quality
    ) -> None:
        play(engine, standstill(second, 0, 5))
        events = play(engine, [*healthy(second, 6, 15), second(15, quality=noise), *healthy(second, 16, 30)])
        assert told(events) == [("ASYSTOLE", "ended", 26.0)]

    def test_poor_signal_and_lead_off_keep_it_for_ever(
        self, engine: AlarmEngine, second: Second, play: Play, noise: Quality
    ) -> None:
        play(engine, standstill(second, 0, 5))
        events = play(engine, [*healthy(second, 6, 200, quality=noise), *healthy(second, 200, 400, lead_off=True)])
        assert not [e for e in events if e.alarm.condition == "ASYSTOLE"]
        assert next(a.condition for a in engine.active) == "ASYSTOLE"

    def test_tachycardia_that_stops_hands_over_to_asystole(
        self, engine: AlarmEngine, second: Second, play: Play, told: Told
    ) -> None:
        fast = healthy(second, 0, 3, rr_s=(0.35,) * 24, since_beat_s=0.1)
        stopped = [second(2 + t, rr_s=(0.35,) * 24, since_beat_s=t) for t in range(1, 30)]
        events = play(engine, [*fast, *stopped])
        assert told(events) == [
            ("EXTREME_TACHY", "raised", 0.0),
            ("ASYSTOLE", "raised", 6.0),
            ("EXTREME_TACHY", "ended", 14.0),
        ]

    def test_fibrillation_joins_an_active_tachycardia_which_stays(
        self, engine: AlarmEngine, second: Second, play: Play, told: Told
    ) -> None:
        vt = [second(t, ventricular_run=5 + t, ventricular_rate_bpm=200) for t in range(3)]
        vf = [second(3 + t, fibrillation_s=4 + t, since_beat_s=None, rr_s=()) for t in range(60)]
        assert told(play(engine, [*vt, *vf])) == [("VT", "raised", 0.0), ("VF", "raised", 3.0)]
        assert {a.condition for a in engine.active} == {"VT", "VF"}

    def test_slow_arrival_is_marked_late(self, engine: AlarmEngine, second: Second, play: Play) -> None:
        (on_time,) = play(engine, standstill(second, 0, 4, lag_s=5.8))
        assert not on_time.alarm.late
        (late,) = play(AlarmEngine(PATIENT, S), standstill(second, 0, 4, lag_s=5.81))
        assert late.alarm.late
        assert not late.alarm.retrospective


class TestRecurrence:
    def test_within_the_merge_time_the_same_alarm_is_reactivated(
        self, engine: AlarmEngine, second: Second, play: Play, told: Told, t0_us: int
    ) -> None:
        first = [*standstill(second, 0, 5), *healthy(second, 6, 70)]  # ends at 16
        events = play(engine, [*first, *standstill(second, 69, 76)])  # holds again at 73
        assert told(events)[2:] == [("ASYSTOLE", "reactivated", 73.0)]
        again = events[2].alarm
        assert again.alarm_id == events[0].alarm.alarm_id
        assert (again.episodes, again.active, again.ended_us, again.onset_us) == (2, True, None, t0_us)
        assert (again.acknowledged_us, again.acknowledged_by) == (None, None)

    @pytest.mark.parametrize(("last_beat_s", "action"), [(72, "reactivated"), (73, "raised")])
    def test_the_merge_time_to_the_second(
        self, engine: AlarmEngine, second: Second, play: Play, told: Told, last_beat_s: int, action: str
    ) -> None:
        calm = [*standstill(second, 0, 5), *healthy(second, 6, last_beat_s + 1)]  # ends at 16, merges until 76
        events = play(engine, [*calm, *standstill(second, last_beat_s, last_beat_s + 4)])
        assert told(events)[2:] == [("ASYSTOLE", action, last_beat_s + 4.0)]
        assert (events[2].alarm.alarm_id == events[0].alarm.alarm_id) is (action == "reactivated")

    def test_every_activation_has_one_end(self, engine: AlarmEngine, second: Second, play: Play, told: Told) -> None:
        script: list[Vitals] = []
        for start in (0, 30, 60, 200):
            script += [*standstill(second, start, start + 5), *healthy(second, start + 6, start + 30)]
        assert [action for _, action, _ in told(play(engine, script))] == [
            *("raised", "ended", "reactivated", "ended", "reactivated", "ended", "raised", "ended"),
        ]

    def test_an_estimate_that_reaches_back_gets_no_used_id(self, second: Second, play: Play) -> None:
        engine = AlarmEngine(PATIENT, replace(S, merge_s=0, rules=RULES | {"VF": replace(RULES["VF"], clear_s=0.0)}))
        events = play(
            engine,
            [second(5, fibrillation_s=5.0), second(6), second(7, fibrillation_s=7.0)],
        )
        assert [e.action for e in events] == ["raised", "ended", "raised"]
        assert events[2].alarm.alarm_id != events[0].alarm.alarm_id


class TestPoorSignalAlarm:
    def test_thirty_seconds_low_five_minutes_medium(
        self, engine: AlarmEngine, second: Second, play: Play, told: Told, noise: Quality
    ) -> None:
        events = play(engine, [*healthy(second, 0, 320, quality=noise), *healthy(second, 320, 340)])
        assert told(events) == [
            ("POOR_SIGNAL", "raised", 30.0),
            ("POOR_SIGNAL_LONG", "raised", 300.0),
            ("POOR_SIGNAL", "ended", 300.0),
            ("POOR_SIGNAL_LONG", "ended", 330.0),
        ]
        assert [e.alarm.priority for e in events[:2]] == [Priority.LOW, Priority.MEDIUM]
        assert {e.alarm.kind for e in events} == {Kind.TECHNICAL}

    def test_a_clean_second_starts_the_count_anew(
        self, engine: AlarmEngine, second: Second, play: Play, noise: Quality
    ) -> None:
        script = [*healthy(second, 0, 30, quality=noise), second(30), *healthy(second, 31, 61, quality=noise)]
        assert play(engine, script) == []

    def test_a_pause_in_noise_becomes_a_poor_signal_at_once(
        self, engine: AlarmEngine, second: Second, play: Play, told: Told, noise: Quality
    ) -> None:
        assert told(play(engine, [second(0, rr_s=(0.8, 3.2))])) == [("PAUSE", "raised", 0.0)]
        events = play(AlarmEngine(PATIENT, S), [second(0, rr_s=(0.8, 3.2), quality=noise)])
        assert told(events) == [("POOR_SIGNAL", "raised", 0.0)]
        assert events[0].alarm.evidence["withheld"] == "PAUSE"

    def test_windows_alone_tell_it_too(
        self, engine: AlarmEngine, window: Window, play: Play, told: Told, noise: Quality
    ) -> None:
        poor = [window(t, quality=noise, abstained=True) for t in range(10, 60, 5)]
        assert told(play(engine, poor)) == [("POOR_SIGNAL", "raised", 30.0)]


class TestLeadOff:
    def test_at_once_and_medium_after_a_minute(
        self, engine: AlarmEngine, second: Second, play: Play, told: Told
    ) -> None:
        off = [second(t, lead_off=True, flat_s=float(t), since_beat_s=float(t)) for t in range(5, 70)]
        events = play(engine, [*healthy(second, 0, 5), *off, *healthy(second, 70, 80)])
        assert told(events) == [
            ("LEAD_OFF", "raised", 5.0),
            ("LEAD_OFF_LONG", "raised", 65.0),
            ("LEAD_OFF", "ended", 65.0),
            ("LEAD_OFF_LONG", "ended", 75.0),
        ]


def fibrillating(window: Window, *ends_s: float, p: float = 0.8, **changes: Any) -> list[Finding]:
    return [window(t, scores={"AFIB": p}, codes=("AFIB",), **changes) for t in ends_s]


def calm(window: Window, *ends_s: float, p: float = 0.1) -> list[Finding]:
    return [window(t, scores={"AFIB": p}) for t in ends_s]


class TestStudent:
    def test_onset_needs_agreeing_windows(
        self, engine: AlarmEngine, window: Window, play: Play, told: Told, t0_us: int
    ) -> None:
        events = play(engine, fibrillating(window, 10, 15, 20, 25))
        assert told(events) == [("AFIB", "raised", 15.0)]
        alarm = events[0].alarm
        assert (alarm.onset_us, alarm.priority, alarm.latching) == (t0_us, Priority.MEDIUM, False)
        assert alarm.message == "Atrial fibrillation, p 0.80 >= 0.50, HR 75"
        assert not alarm.late  # its own persistence is not lateness

    def test_one_long_window_is_not_enough(self, engine: AlarmEngine, window: Window, play: Play) -> None:
        assert play(engine, fibrillating(window, 30, length_s=30.0)) == []

    def test_a_disagreeing_window_starts_anew(self, engine: AlarmEngine, window: Window, play: Play) -> None:
        script = [*fibrillating(window, 10), *calm(window, 15), *fibrillating(window, 20), *calm(window, 25)]
        assert play(engine, script) == []

    def test_windows_far_apart_are_not_consecutive(self, engine: AlarmEngine, window: Window, play: Play) -> None:
        assert play(engine, fibrillating(window, 10, 40.1, 70.3)) == []

    def test_ends_after_twenty_seconds_without(
        self, engine: AlarmEngine, window: Window, play: Play, told: Told
    ) -> None:
        events = play(engine, [*fibrillating(window, 10, 15), *calm(window, *range(20, 100, 5))])
        assert told(events)[1:] == [("AFIB", "ended", 40.0)]

    def test_a_score_near_its_threshold_neither_holds_nor_ends(
        self, engine: AlarmEngine, window: Window, play: Play
    ) -> None:
        events = play(engine, [*fibrillating(window, 10, 15), *calm(window, *range(20, 300, 5), p=0.4)])
        assert [e.action for e in events] == ["raised"]
        assert play(engine, calm(window, 300, 360, p=0.39))[-1].action == "ended"

    def test_abstained_windows_neither_assert_nor_clear(
        self, engine: AlarmEngine, window: Window, play: Play, told: Told
    ) -> None:
        silent = [window(t, abstained=True) for t in range(20, 300, 5)]
        assert len(play(engine, [*fibrillating(window, 10, 15), *silent])) == 1
        fresh = AlarmEngine(PATIENT, S)
        split = [*fibrillating(window, 10), window(15, abstained=True), *fibrillating(window, 20)]
        assert told(play(fresh, split)) == [("AFIB", "raised", 20.0)]

    def test_a_poor_window_that_was_read_all_the_same_says_nothing(
        self, engine: AlarmEngine, second: Second, window: Window, play: Play, noise: Quality
    ) -> None:
        assert play(engine, [second(0), *fibrillating(window, 10, 15, quality=noise)]) == []

    def test_most_findings_are_not_alarms(self, engine: AlarmEngine, window: Window, play: Play) -> None:
        codes = ("LVH", "NDT", "IMI", "SBRAD", "CRBBB")
        assert (
            play(engine, [window(t, codes=codes, scores=dict.fromkeys(codes, 0.99)) for t in range(10, 100, 5)]) == []
        )


class TestIntervals:
    """Atrial fibrillation as the beat path sees it."""

    def test_onset_and_end_are_told_once_each(
        self, engine: AlarmEngine, second: Second, play: Play, told: Told
    ) -> None:
        fibrillating = [second(t, irregularity=2.0) for t in range(1, 120)]
        calm = [second(t, irregularity=-2.0) for t in range(120, 160)]
        assert told(play(engine, [*fibrillating, *calm])) == [("AFIB", "raised", 12.0), ("AFIB", "ended", 140.0)]

    def test_its_end_may_flicker(self, engine: AlarmEngine, second: Second, play: Play, told: Told) -> None:
        fibrillating = [second(t, irregularity=2.0) for t in range(1, 30)]
        calm = [second(t, irregularity=(-2.0, None, 0.4)[t % 3]) for t in range(30, 60)]
        assert told(play(engine, [*fibrillating, *calm]))[-1] == ("AFIB", "ended", 51.0)

    def test_a_regular_rhythm_is_none_whatever_the_student_reads(
        self, engine: AlarmEngine, second: Second, window: Window, play: Play
    ) -> None:
        items: list[Vitals | Finding] = []
        for t in range(1, 90):
            items.append(second(t, irregularity=-5.0, rr_s=(0.5,) * 24))
            items += fibrillating(window, t, p=0.99) if t % 5 == 0 else []
        assert play(engine, items) == []

    def test_the_student_decides_where_the_intervals_cannot(
        self, engine: AlarmEngine, second: Second, window: Window, play: Play, told: Told
    ) -> None:
        items: list[Vitals | Finding] = []
        for t in range(1, 40):
            items.append(second(t, irregularity=None))
            items += fibrillating(window, t) if t % 5 == 0 else []
        assert told(play(engine, items)) == [("AFIB", "raised", 10.0)]

    def test_an_opinion_grows_old(self, engine: AlarmEngine, second: Second, window: Window, play: Play) -> None:
        doubtful = [second(t, irregularity=0.3) for t in range(45, 90)]
        assert play(engine, [*fibrillating(window, 10), *doubtful]) == []

    def test_a_checkpoint_without_an_opinion_is_read(self, engine: AlarmEngine, second: Second, play: Play) -> None:
        play(engine, [second(1)])
        old = {k: v for k, v in engine.checkpoint().items() if k not in ("opinion", "opinion_us", "intervals_us")}
        assert AlarmEngine.restore(PATIENT, S, old).checkpoint()["opinion"] is None


class TestRetrospective:
    def test_back_fill_is_marked(self, engine: AlarmEngine, second: Second, play: Play) -> None:
        (at_the_limit,) = play(engine, standstill(second, 0, 4, lag_s=30.0))
        assert not at_the_limit.alarm.retrospective
        (beyond,) = play(AlarmEngine(PATIENT, S), standstill(second, 0, 4, lag_s=30.001))
        assert beyond.alarm.retrospective
        assert beyond.alarm.late

    def test_live_recurrence_after_back_fill_is_a_new_alarm(
        self, engine: AlarmEngine, second: Second, play: Play
    ) -> None:
        old = [*standstill(second, 0, 5, lag_s=50), *healthy(second, 6, 30, lag_s=50)]
        events = play(engine, [*old, *standstill(second, 29, 34)])
        assert [(e.action, e.alarm.retrospective) for e in events] == [
            ("raised", True),
            ("ended", True),
            ("raised", False),
        ]
        assert events[2].alarm.alarm_id != events[0].alarm.alarm_id

    def test_condition_that_goes_on_live_is_a_new_alarm(
        self, engine: AlarmEngine, second: Second, play: Play, t0_us: int
    ) -> None:
        fast: dict[str, Any] = {"rr_s": (0.35,) * 24, "since_beat_s": 0.1}
        events = play(engine, [*healthy(second, 0, 5, lag_s=50, **fast), *healthy(second, 5, 9, **fast)])
        assert [(e.action, e.alarm.retrospective) for e in events] == [
            ("raised", True),
            ("ended", True),
            ("raised", False),
        ]
        assert (events[1].t_us, events[2].t_us) == (t0_us + 5_000_000,) * 2
        assert events[2].alarm.alarm_id != events[0].alarm.alarm_id
        assert [(a.retrospective, a.active) for a in engine.active] == [(False, True)]

    def test_and_has_an_id_of_its_own_though_both_saw_the_same_onset(
        self, engine: AlarmEngine, second: Second, play: Play
    ) -> None:
        lags = {4: 50.0, 5: 50.0, 6: 0.5, 7: 0.5}
        events = play(engine, [second(t, fibrillation_s=float(t), lag_s=lag_s) for t, lag_s in lags.items()])
        assert [e.action for e in events] == ["raised", "ended", "raised"]
        assert events[2].alarm.alarm_id != events[0].alarm.alarm_id

    def test_back_fill_never_makes_a_live_alarm_sound_again(
        self, engine: AlarmEngine, second: Second, play: Play
    ) -> None:
        live = [*standstill(second, 0, 5), *healthy(second, 6, 30)]
        events = play(engine, [*live, *standstill(second, 29, 34, lag_s=50)])
        assert [(e.action, e.alarm.retrospective) for e in events] == [
            ("raised", False),
            ("ended", False),
            ("raised", True),
        ]

    def test_a_slow_clock_is_told_live(self, engine: AlarmEngine, second: Second, play: Play, t0_us: int) -> None:
        """All of its alarms would be silent: that must not be."""
        events = play(engine, healthy(second, 0, 62, lag_s=600))
        assert [(e.alarm.condition, e.action) for e in events] == [("NOT_LIVE", "raised")]
        assert not events[0].alarm.retrospective
        assert events[0].t_us == t0_us + 660_500_000 - 500_000
        ended = play(engine, healthy(second, 700, 720))
        assert [(e.alarm.condition, e.action) for e in ended] == [("NOT_LIVE", "ended")]

    def test_back_fill_that_catches_up_is_no_slow_clock(
        self, engine: AlarmEngine, second: Second, play: Play, t0_us: int
    ) -> None:
        burst = [second(t, arrival_us=t0_us + 700_000_000 + t * 50_000) for t in range(700)]
        assert play(engine, burst) == []


class TestModel:
    def test_a_minute_of_usable_signal_without_an_answer(
        self, second: Second, window: Window, play: Play, told: Told
    ) -> None:
        engine = AlarmEngine(PATIENT, AlarmSettings())
        events = play(engine, [*healthy(second, 0, 62), window(62), second(62)])
        assert told(events) == [("MODEL_UNAVAILABLE", "raised", 61.0), ("MODEL_UNAVAILABLE", "ended", 62.0)]

    def test_answers_keep_it_quiet(self, second: Second, window: Window, play: Play) -> None:
        engine = AlarmEngine(PATIENT, AlarmSettings())
        script: list[Vitals | Finding] = []
        for t in range(200):
            script += [second(t), window(t)] if t % 50 == 0 else [second(t)]
        assert play(engine, script) == []

    def test_abstaining_on_a_usable_signal_is_no_answer(
        self, second: Second, window: Window, play: Play, told: Told
    ) -> None:
        engine = AlarmEngine(PATIENT, AlarmSettings())
        script = [x for t in range(62) for x in (second(t), window(t, abstained=True))]
        assert told(play(engine, script)) == [("MODEL_UNAVAILABLE", "raised", 61.0)]

    def test_a_backlog_read_at_once_is_no_silence(self, second: Second) -> None:
        engine = AlarmEngine(PATIENT, AlarmSettings())
        now_us = second(300).arrival_us
        assert [e for t in range(300) for e in engine.on_vitals(second(t), now_us)] == []

    def test_nor_is_one_that_a_restart_cuts(self, second: Second) -> None:
        engine, now_us = AlarmEngine(PATIENT, AlarmSettings()), second(300).arrival_us
        for t in range(200):
            assert engine.on_vitals(second(t), now_us) == []
            engine = AlarmEngine.restore(PATIENT, AlarmSettings(), engine.checkpoint())

    def test_a_gap_is_no_silence(self, second: Second, play: Play) -> None:
        engine = AlarmEngine(PATIENT, AlarmSettings())
        assert play(engine, [*healthy(second, 0, 30), *healthy(second, 1000, 1028)]) == []


class TestTime:
    def test_what_does_not_advance_changes_nothing(
        self, engine: AlarmEngine, second: Second, window: Window, play: Play
    ) -> None:
        play(engine, [*healthy(second, 0, 10), window(10)])
        before = engine.checkpoint()
        again = [*standstill(second, 0, 9), second(9, fibrillation_s=9), window(10, codes=("AFIB",)), window(3)]
        assert play(engine, again) == []
        assert engine.checkpoint() == before

    def test_another_patient_is_refused(self, engine: AlarmEngine, second: Second, window: Window) -> None:
        with pytest.raises(ValueError, match="p2 is not p1"):
            engine.on_vitals(second(0, patient="p2"), 0)
        with pytest.raises(ValueError, match="p2 is not p1"):
            engine.on_finding(window(0, patient="p2"), 0)


class TestCheckpoint:
    def test_empty_state_begins_anew(self, second: Second, play: Play) -> None:
        assert len(play(AlarmEngine.restore(PATIENT, S, {}), standstill(second, 0, 5))) == 1

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"version": 2}, "checkpoint.version"),
            ({"patient": "p2"}, "checkpoint.patient"),
            ({"tracks": {"VF": {"nonsense": 1}}}, "checkpoint"),
            ({"episodes": {"VF": {"alarm": {}, "closed_us": None}}}, "checkpoint"),
            ({"episodes": 7}, "checkpoint"),
        ],
    )
    def test_a_state_that_makes_no_sense_is_poison(
        self, engine: AlarmEngine, change: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(Poison) as caught:
            AlarmEngine.restore(PATIENT, S, engine.checkpoint() | change)
        assert caught.value.field == field

    def test_stays_small(self, engine: AlarmEngine, second: Second, play: Play) -> None:
        play(engine, [*standstill(second, 0, 5), *healthy(second, 6, 137)])  # ended at 16
        assert set(engine.checkpoint()["episodes"]) == {"ASYSTOLE"}
        play(engine, [second(137)])  # 60 s to merge, 60 s that an estimate may reach back
        assert engine.checkpoint()["episodes"] == {}
        assert engine.checkpoint()["tracks"] == {}

    def test_a_rule_taken_out_of_the_settings_ends_its_alarm(
        self, engine: AlarmEngine, second: Second, play: Play, told: Told
    ) -> None:
        play(engine, standstill(second, 0, 5))
        fewer = replace(S, rules={c: r for c, r in RULES.items() if c != "ASYSTOLE"})
        later = AlarmEngine.restore(PATIENT, fewer, engine.checkpoint())
        assert told(play(later, standstill(second, 0, 9))) == [("ASYSTOLE", "ended", 6.0)]
