"""Limits of one patient: within bounds, and no lethal rule out of reach."""

import pytest

from alerts.engine import AlarmEngine
from alerts.limits import BOUNDS, checked, told, with_limits
from alerts.settings import AlarmSettings
from liteheart.errors import Poison
from liteheart.ids import PatientId

WARD = AlarmSettings()


def test_limits_replace_those_of_the_ward() -> None:
    limits = checked(WARD, {"tachy_bpm": 160, "asystole_s": 5})
    own = with_limits(WARD, limits)
    assert (own.tachy_bpm, own.asystole_s, own.brady_bpm) == (160.0, 5.0, WARD.brady_bpm)
    assert own.rules == WARD.rules
    assert with_limits(WARD, {}) is WARD


@pytest.mark.parametrize("name", BOUNDS)
def test_no_limit_can_be_put_out_of_reach(name: str) -> None:
    least, greatest, _, _ = BOUNDS[name]
    assert least <= getattr(WARD, name) <= greatest, "the ward's own limit can be chosen"
    for value in (least - 0.1, greatest + 0.1, 0, -1, 1e9):
        with pytest.raises(Poison) as wrong:
            checked(WARD, {name: value})
        assert wrong.value.field == name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "140", None, True, [1]])
def test_a_limit_is_a_number(value: object) -> None:
    with pytest.raises(Poison, match=r"^tachy_bpm:"):
        checked(WARD, {"tachy_bpm": value})


@pytest.mark.parametrize("name", ["rules", "thresholds", "model_expected", "merge_s", "nonsense", "promised_s"])
def test_nothing_else_can_be_set(name: str) -> None:
    with pytest.raises(Poison) as wrong:
        checked(WARD, {name: 1.0})
    assert wrong.value.field == name


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(Poison, match=r"^pause_s:"):
        checked(WARD, {"pause_s": 3.5, "asystole_s": 3.0})


def test_every_limit_is_told_with_its_bounds() -> None:
    assert {row["name"] for row in told(WARD)} == set(BOUNDS)
    assert all(row["least"] < row["greatest"] and row["says"] and row["unit"] for row in told(WARD))


def test_the_engine_alarms_by_the_patients_own_limit(second, play) -> None:
    fast = [second(t, heart_rate_bpm=150.0, rr_s=(0.4,) * 24, since_beat_s=0.2) for t in range(60, 66)]

    def raised(settings: AlarmSettings) -> list[str]:
        engine = AlarmEngine(PatientId("p1"), settings)
        return [e.alarm.condition for e in play(engine, fast) if e.action == "raised"]

    assert raised(WARD) == ["EXTREME_TACHY"]
    assert raised(with_limits(WARD, checked(WARD, {"tachy_bpm": 160}))) == []


def test_lethal_rules_stay_whatever_is_set(second, play) -> None:
    worst = {"brady_bpm": 20, "tachy_bpm": 220, "asystole_s": 6, "pause_s": 5, "vt_bpm": 150, "vf_s": 6}
    settings = with_limits(WARD, checked(WARD, worst))
    still = [second(t, since_beat_s=float(t - 60), flat_s=float(t - 60)) for t in range(61, 70)]
    events = play(AlarmEngine(PatientId("p1"), settings), still)
    assert [e.alarm.condition for e in events if e.action == "raised"] == ["ASYSTOLE"]
