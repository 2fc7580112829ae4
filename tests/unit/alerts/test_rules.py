"""Every definition at its exact boundary."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from alerts.catalogue import RULES
from alerts.rules import evaluate, judge
from alerts.settings import AlarmSettings
from alerts.verdict import Absent, Assertion
from liteheart.finding import Quality, Vitals

S = AlarmSettings()
Make = Callable[..., Vitals]


def codes(v: Vitals) -> list[str]:
    return [a.code for a in evaluate(v, S)]


def only(v: Vitals) -> Assertion:
    (assertion,) = evaluate(v, S)
    return assertion


def test_a_healthy_second_asserts_nothing_and_clears_everything(second: Make) -> None:
    verdicts = judge(second(0), S)
    assert set(verdicts.values()) == {Absent.ABSENT}
    assert {"ASYSTOLE", "VF", "VT", "EXTREME_BRADY", "EXTREME_TACHY", "PAUSE", "LEAD_OFF", "POOR_SIGNAL"} <= set(
        verdicts
    )


BOUNDARIES: list[tuple[str, dict[str, Any], bool]] = [
    ("ASYSTOLE", {"since_beat_s": 3.999}, False),
    ("ASYSTOLE", {"since_beat_s": 4.0}, True),
    ("ASYSTOLE", {"since_beat_s": None, "rr_s": (), "flat_s": 3.999}, False),
    ("ASYSTOLE", {"since_beat_s": None, "rr_s": (), "flat_s": 4.0}, True),
    ("ASYSTOLE", {"since_beat_s": 9.0, "signal_s": 3.9}, False),  # the rest was not received
    ("ASYSTOLE", {"since_beat_s": None, "rr_s": (), "signal_s": 30.0}, False),  # nothing could have shown a beat
    ("ASYSTOLE", {"rr_s": (0.8, 4.0), "since_beat_s": 0.3}, True),  # over before the second struck
    ("ASYSTOLE", {"rr_s": (0.8, 4.0), "since_beat_s": 0.3, "signal_s": 4.2}, False),  # reaches back over a gap
    ("ASYSTOLE", {"rr_s": (0.8, 4.0, 1.8), "since_beat_s": 0.3}, False),  # long over
    ("PAUSE", {"rr_s": (0.8, 2.99), "since_beat_s": 0.3}, False),
    ("PAUSE", {"rr_s": (0.8, 3.0), "since_beat_s": 0.3}, True),
    ("PAUSE", {"rr_s": (0.8, 3.99), "since_beat_s": 0.3}, True),
    ("PAUSE", {"rr_s": (0.8, 4.0), "since_beat_s": 0.3}, False),  # asystole
    ("PAUSE", {"since_beat_s": 3.5}, False),  # not known yet which of the two
    ("EXTREME_BRADY", {"rr_s": (1.51,) * 4, "since_beat_s": 0.1}, True),
    ("EXTREME_BRADY", {"rr_s": (1.5,) * 4, "since_beat_s": 0.1}, False),  # 40 is not below 40
    ("EXTREME_BRADY", {"rr_s": (1.51,) * 3, "since_beat_s": 0.1}, False),  # four beats
    ("EXTREME_BRADY", {"rr_s": (1.2, 1.6, 1.6), "since_beat_s": 1.7}, False),  # needs four closed or open ones
    ("EXTREME_BRADY", {"rr_s": (0.8, 1.2, 1.6, 1.6), "since_beat_s": 1.61}, True),  # the open one is long enough
    ("EXTREME_BRADY", {"rr_s": (0.8, 0.8, 0.8, 3.8), "since_beat_s": 0.1}, False),  # a pause is no rate
    ("EXTREME_BRADY", {"rr_s": (0.8, 1.51, 1.51, 1.51), "since_beat_s": 0.1}, True),  # three long ones are enough
    ("EXTREME_BRADY", {"rr_s": (0.8, 1.51, 1.5, 1.51), "since_beat_s": 0.1}, False),
    ("EXTREME_BRADY", {"rr_s": (0.8, 0.8, 3.0, 3.0), "since_beat_s": 0.1}, True),
    ("EXTREME_BRADY", {"rr_s": (1.6,) * 4, "since_beat_s": 20.0, "signal_s": 2.0}, False),  # what was before a gap
    ("EXTREME_TACHY", {"rr_s": (60 / 141,) * 12, "since_beat_s": 0.2}, True),
    ("EXTREME_TACHY", {"rr_s": (60 / 140,) * 12, "since_beat_s": 0.2}, False),
    ("EXTREME_TACHY", {"rr_s": (60 / 160,) * 11, "since_beat_s": 0.2}, False),  # twelve beats
    ("EXTREME_TACHY", {"rr_s": (60 / 145,) * 12, "since_beat_s": 1.5}, False),  # over: the open interval slows it
    ("EXTREME_TACHY", {"rr_s": (60 / 160,) * 16, "since_beat_s": 20.0, "signal_s": 2.0}, False),
    ("VT", {"ventricular_run": 5, "ventricular_rate_bpm": 101.0}, True),
    ("VT", {"ventricular_run": 4, "ventricular_rate_bpm": 180.0}, False),
    ("VT", {"ventricular_run": 5, "ventricular_rate_bpm": 100.0}, False),
    ("VT", {"ventricular_run": 5, "ventricular_rate_bpm": None}, False),
    ("VT", {"ventricular_run": 9, "ventricular_rate_bpm": 180.0, "since_beat_s": 2.1}, False),  # the run has stopped
    ("VF", {"fibrillation_s": 3.999}, False),
    ("VF", {"fibrillation_s": 4.0}, True),
    ("LEAD_OFF", {"lead_off": True}, True),
    ("POOR_SIGNAL", {"quality": Quality(0.3, False, ("noise",))}, True),
    ("POOR_SIGNAL", {"quality": Quality(0.3, False, ("lead_off",)), "lead_off": True}, False),
]


@pytest.mark.parametrize(("code", "changes", "holds"), BOUNDARIES)
def test_boundaries(second: Make, code: str, changes: dict[str, Any], holds: bool) -> None:
    assert (code in codes(second(0, **changes))) is holds


@pytest.mark.parametrize(
    ("changes", "onset_s", "message"),
    [
        ({"since_beat_s": 4.2}, -4.2, "no beat for 4.2 s >= 4 s"),
        ({"rr_s": (0.8, 4.5), "since_beat_s": 0.5}, -5.0, "no beat for 4.5 s >= 4 s"),
        ({"rr_s": (0.8, 3.2), "since_beat_s": 0.5}, -3.7, "3.2 s between beats >= 3 s"),
        ({"fibrillation_s": 5.0}, -5.0, "fibrillation waves for 5.0 s >= 4 s"),
        ({"rr_s": (0.395,) * 24, "since_beat_s": 0.2}, -0.2 - 12 * 0.395, "HR 152 > 140 over 13 beats"),
        ({"rr_s": (0.8, 0.8) + (0.42,) * 10, "since_beat_s": 0.2}, None, None),  # mean 134: none
        ({"rr_s": (0.8, 2.0, 2.0, 2.0), "since_beat_s": 1.0}, -7.0, "HR 35 < 40 over 5 beats"),
        (
            {"ventricular_run": 6, "ventricular_rate_bpm": 150.0, "since_beat_s": 0.2},
            -2.2,
            "6 ventricular beats at 150 > 100 bpm",
        ),
    ],
)
def test_onset_and_message(
    second: Make, t0_us: int, changes: dict[str, Any], onset_s: float | None, message: str | None
) -> None:
    v = second(0, **changes)
    if onset_s is None:
        assert evaluate(v, S) == []
        return
    said = only(v)
    assert said.message == message
    assert said.onset_us == pytest.approx(t0_us + onset_s * 1e6, abs=2)


def test_a_rate_that_rounds_to_its_limit_is_printed_exactly(second: Make) -> None:
    assert only(second(0, rr_s=(60 / 140.3,) * 16, since_beat_s=0.2)).message == "HR 140.30 > 140 over 13 beats"


def test_extreme_brady_after_a_sudden_fall_is_told_within_ten_seconds(second: Make) -> None:
    """75 bpm, then 20: five whole beats would take 12 s; the open interval tells it in 5."""
    told = []
    for t in range(1, 11):
        beats, last = [-1.6, -0.8, 0.0], 0.0
        while last + 3.0 <= t:
            last += 3.0
            beats.append(last)
        rr = (0.8, 0.8, *(b - a for a, b in pairwise(beats)))
        told += [t] if "EXTREME_BRADY" in codes(second(t, rr_s=rr, since_beat_s=t - last)) else []
    assert told[0] == 5


class TestPrecedence:
    """One rhythm, one alarm."""

    def test_fibrillation_over_all(self, second: Make) -> None:
        v = second(0, fibrillation_s=4, since_beat_s=5.0, ventricular_run=8, ventricular_rate_bpm=200, rr_s=(0.3,) * 24)
        assert codes(v) == ["VF"]

    def test_what_is_outranked_is_undecided_and_so_not_ended(self, second: Make) -> None:
        verdicts = judge(second(0, fibrillation_s=4), S)
        assert not {"ASYSTOLE", "VT", "EXTREME_BRADY", "EXTREME_TACHY", "PAUSE"} & set(verdicts)

    @pytest.mark.parametrize(("rate", "said"), [(180.0, ["VT"]), (200.0, ["VT"]), (201.0, ["VF"])])
    def test_waves_that_can_be_counted_are_tachycardia(self, second: Make, rate: float, said: list[str]) -> None:
        v = second(0, fibrillation_s=6, ventricular_run=9, ventricular_rate_bpm=rate, since_beat_s=0.2)
        assert codes(v) == said

    def test_ventricular_over_plain_tachycardia(self, second: Make) -> None:
        v = second(0, ventricular_run=17, ventricular_rate_bpm=180, rr_s=(0.333,) * 24, since_beat_s=0.1)
        assert codes(v) == ["VT"]


class TestPoorSignal:
    """It may keep a lethal rhythm, never end one."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"since_beat_s": 4.5},
            {"fibrillation_s": 4.5},
            {"rr_s": (0.35,) * 16, "since_beat_s": 0.1},
            {"rr_s": (2.0,) * 4, "since_beat_s": 0.1},
            {"ventricular_run": 5, "ventricular_rate_bpm": 150.0},
        ],
    )
    def test_never_deletes_a_lethal_rhythm(self, second: Make, noise: Quality, changes: dict[str, Any]) -> None:
        clean = evaluate(second(0, **changes), S)
        poor = evaluate(second(0, quality=noise, **changes), S)
        lethal = [a for a in poor if a.code != "POOR_SIGNAL" and a.code != "POOR_SIGNAL_LONG"]
        assert [a.code for a in lethal] == [a.code for a in clean]
        assert lethal[0].evidence["usable"] == "no"
        assert lethal[0].evidence["quality"] == "noise"
        assert lethal[0].message.endswith("(poor signal: noise)")

    def test_never_says_that_a_lethal_rhythm_is_over(self, second: Make, noise: Quality) -> None:
        verdicts = judge(second(0, quality=noise), S)
        assert Absent.ABSENT not in [
            verdicts.get(c) for c in ("ASYSTOLE", "VF", "VT", "EXTREME_BRADY", "EXTREME_TACHY")
        ]

    def test_converts_a_pause(self, second: Make, noise: Quality) -> None:
        said = {a.code: a for a in evaluate(second(0, rr_s=(0.8, 3.2), quality=noise), S)}
        assert "PAUSE" not in said
        assert said["POOR_SIGNAL"].immediate
        assert said["POOR_SIGNAL"].evidence["withheld"] == "PAUSE"

    def test_few_beats_are_the_pause_itself_not_a_poor_signal(self, second: Make) -> None:
        v = second(0, rr_s=(0.8, 3.9), quality=Quality(0.1, False, ("no_beats",)))
        assert "PAUSE" in codes(v)


class TestDoubt:
    """What contradicts a lethal rhythm is told as what it is, and names the rhythm: nothing is dropped."""

    def test_a_line_without_any_signal_is_no_asystole_and_no_less_urgent(self, second: Make) -> None:
        v = second(0, since_beat_s=6.0, flat_s=6.0, dead_s=6.0, quality=Quality(0.0, False, ("flat",)))
        said = {a.code: a for a in evaluate(v, S)}
        assert "ASYSTOLE" not in said
        assert said["NO_SIGNAL"].evidence["withheld"] == "ASYSTOLE"
        assert said["NO_SIGNAL"].evidence["doubt"] == "dead_line"
        assert RULES["NO_SIGNAL"].priority is RULES["ASYSTOLE"].priority

    def test_a_line_that_falls_silent_where_the_beats_were_is_asystole(self, second: Make) -> None:
        v = second(0, since_beat_s=6.0, flat_s=6.0, quality=Quality(0.0, False, ("flat",)))
        assert codes(v) == ["ASYSTOLE"]

    def test_an_interval_that_was_dead_stays_so_when_it_closes(self, second: Make) -> None:
        assert codes(second(0, rr_s=(0.8, 9.0), since_beat_s=0.5, dead_s=8.0)) == ["NO_SIGNAL"]

    def test_beats_end_it(self, second: Make) -> None:
        assert judge(second(0), S)["NO_SIGNAL"] is Absent.ABSENT

    def test_beats_of_noise_are_no_tachycardia(self, second: Make) -> None:
        v = second(0, rr_s=(0.25, 0.5) * 8, since_beat_s=0.1, quality=Quality(0.1, False, ("noise",)))
        said = {a.code: a for a in evaluate(v, S)}
        assert set(said) == {"POOR_SIGNAL", "POOR_SIGNAL_LONG"}
        assert said["POOR_SIGNAL"].immediate
        assert said["POOR_SIGNAL"].evidence["withheld"] == "EXTREME_TACHY"
        assert said["POOR_SIGNAL"].evidence["doubt"] == "irregular_in_noise"
        assert "EXTREME_TACHY not judged: HR 160 > 140" in said["POOR_SIGNAL"].message

    @pytest.mark.parametrize(
        ("rr_s", "sqi"), [((0.35,) * 16, 0.05), ((0.25, 0.5) * 8, 0.2)], ids=["regular", "not so poor"]
    )
    def test_all_else_in_noise_is(self, second: Make, rr_s: tuple[float, ...], sqi: float) -> None:
        assert "EXTREME_TACHY" in codes(second(0, rr_s=rr_s, since_beat_s=0.1, quality=Quality(sqi, False, ("noise",))))


class TestAtrialFibrillation:
    """The intervals decide, the student is heard."""

    @pytest.mark.parametrize(
        ("odds", "opinion", "holds"),
        [
            (0.5, None, True),
            (0.49, None, False),
            (0.1, 1.0, True),  # the student agrees
            (0.09, 1.0, False),
            (0.89, 0.05, False),  # it clearly does not
            (0.9, 0.05, True),
            (0.5, 0.5, True),  # it does not know
            (-5.0, 1.0, False),  # regular: whatever it reads
        ],
    )
    def test_boundaries(self, second: Make, odds: float, opinion: float | None, holds: bool) -> None:
        verdict = judge(second(0, irregularity=odds), S, opinion).get("AFIB")
        assert isinstance(verdict, Assertion) is holds

    def test_between_its_limits_it_neither_holds_nor_clears(self, second: Make) -> None:
        assert "AFIB" not in judge(second(0, irregularity=0.3), S)
        assert judge(second(0, irregularity=0.2), S)["AFIB"] is Absent.ABSENT

    def test_onset_lies_a_quarter_of_the_intervals_back(self, second: Make, t0_us: int) -> None:
        assert only(second(0, irregularity=2.0)).onset_us == t0_us - 4_800_000

    def test_noise_can_end_it_and_not_begin_it(self, second: Make, noise: Quality) -> None:
        assert "AFIB" not in judge(second(0, irregularity=3.0, quality=noise), S)
        assert judge(second(0, irregularity=-3.0, quality=noise), S)["AFIB"] is Absent.ABSENT

    def test_frequent_ectopy(self, second: Make, noise: Quality) -> None:
        assert codes(second(0, ectopic_per_min=10.0)) == ["PVC_FREQUENT"]
        assert codes(second(0, ectopic_per_min=9.9)) == []
        assert "PVC_FREQUENT" not in judge(second(0, ectopic_per_min=9.9), S)
        assert judge(second(0, ectopic_per_min=7.0), S)["PVC_FREQUENT"] is Absent.ABSENT
        assert "PVC_FREQUENT" not in judge(second(0, ectopic_per_min=30.0, quality=noise), S)


class TestLeadOff:
    """A loose electrode shows no beat either."""

    def test_flat_line_with_the_flag_is_lead_off_at_once(self, second: Make) -> None:
        q = Quality(0.0, False, ("lead_off", "flat"))
        v = second(0, lead_off=True, flat_s=20.0, since_beat_s=20.0, quality=q)
        assert codes(v) == ["LEAD_OFF_LONG", "LEAD_OFF"]

    def test_flat_line_without_the_flag_is_asystole(self, second: Make) -> None:
        v = second(0, flat_s=5.0, since_beat_s=None, rr_s=(), quality=Quality(0.0, False, ("flat",)))
        assert codes(v) == ["ASYSTOLE"]

    def test_ends_nothing(self, second: Make) -> None:
        verdicts = judge(second(0, lead_off=True), S)
        assert Absent.ABSENT not in [
            verdicts.get(c) for c in ("ASYSTOLE", "VF", "VT", "EXTREME_BRADY", "EXTREME_TACHY")
        ]

    def test_a_flag_beside_a_clean_signal_does_not_silence_a_fast_rhythm(self, second: Make) -> None:
        v = second(0, lead_off=True, rr_s=(0.35,) * 16, since_beat_s=0.1)
        assert "EXTREME_TACHY" in codes(v)


def test_signal_after_a_gap_is_no_beat(second: Make) -> None:
    """The tracker counts from the gap until a beat is seen; that alone ends nothing."""
    after = {"signal_s": 2.0, "since_beat_s": 2.0, "rr_s": ()}
    assert not {"ASYSTOLE", "PAUSE", "VT", "EXTREME_BRADY", "EXTREME_TACHY"} & set(judge(second(0, **after), S))
    assert judge(second(0, **after | {"since_beat_s": 1.9}), S)["ASYSTOLE"] is Absent.ABSENT


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("EXTREME_TACHY", {"rr_s": (60 / 139,) * 16, "since_beat_s": 0.1}),
        ("EXTREME_BRADY", {"rr_s": (60 / 41,) * 4, "since_beat_s": 0.1}),
        ("VT", {"ventricular_run": 6, "ventricular_rate_bpm": 99.0}),
        ("VF", {"fibrillation_s": 1.0}),
    ],
)
def test_hysteresis_just_inside_a_limit_neither_holds_nor_clears(
    second: Make, code: str, changes: dict[str, Any]
) -> None:
    assert code not in judge(second(0, **changes), S)
