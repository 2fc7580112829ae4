"""A shift of a site is seen, chance is not taken for one, and a patient counts once."""

import numpy as np
import pytest

from inference.refresh.drift import DriftSettings, Profile, drifts, stability_index


def ward(patients: int, seed: int, *, shift: float = 0.0, windows: int = 50, own: float = 20.0) -> Profile:
    """Heart rates about each patient's own, abstaining now and then."""
    rng, profile = np.random.default_rng(seed), Profile()
    for p in range(patients):
        mean = rng.normal(78 + shift, own)
        for rate in rng.normal(mean, 3, windows):
            profile.add(f"{seed}-{p}", {"heart_rate_bpm": rate, "abstained": float(rng.uniform() < 0.1)})
    return profile


def test_a_shift_is_told_with_its_size() -> None:
    (drift,) = drifts("north / patch-2", ward(40, 1), ward(40, 2, shift=45))
    assert (drift.kind, drift.feature, drift.patients) == ("input", "heart_rate_bpm", (40, 40))
    assert drift.index > 0.2
    assert "north / patch-2" in str(drift)


def test_other_patients_of_the_same_kind_are_no_drift() -> None:
    """Few patients with many windows: windows taken as independent would call nearly every pair a drift."""
    alarms = [bool(drifts("g", ward(12, s, windows=400), ward(12, s + 1000, windows=400))) for s in range(60)]
    assert sum(alarms) <= 3


def test_one_patient_with_very_many_windows_shifts_nothing() -> None:
    recent = ward(20, 2)
    for _ in range(20_000):
        recent.add("loud", {"heart_rate_bpm": 190.0, "abstained": 1.0})
    assert drifts("g", ward(20, 1), recent) == []


def test_what_is_said_is_watched_as_well() -> None:
    reference, recent = Profile(), Profile()
    for p in range(30):
        for k in range(40):
            reference.add(f"a{p}", {"AFIB": float(k % 20 == 0)})
            recent.add(f"b{p}", {"AFIB": float(k % 2 == 0)})
    (drift,) = drifts("g", reference, recent)
    assert (drift.kind, drift.feature) == ("output", "AFIB")


def test_too_few_patients_and_missing_values_say_nothing() -> None:
    few = DriftSettings(least_patients=8)
    assert drifts("g", ward(7, 1), ward(40, 2, shift=60), few) == []
    profile = Profile()
    profile.add("p", {"sqi": None, "heart_rate_bpm": float("nan")})
    assert profile.counts == {}


def test_the_index_is_that_of_the_textbook_and_blind_to_order() -> None:
    old, new = np.array([0.5, 0.5]), np.array([0.2, 0.8])
    assert np.isclose(stability_index(old, new), 0.3 * np.log(2.5) + 0.3 * np.log(1.6))
    assert np.isclose(stability_index(old, new), stability_index(new, old))
    assert stability_index(old, old) == 0
    assert np.isfinite(stability_index(np.array([1.0, 0.0]), np.array([0.0, 1.0])))


def test_a_profile_outlives_its_process() -> None:
    profile = ward(3, 5)
    again = Profile.of_json(profile.to_json())
    assert again.to_json() == profile.to_json()


def test_many_features_that_are_looked_at_raise_no_more_alarms_than_one() -> None:
    """At a chance of .01 each, forty features would cry wolf over a third of the wards."""

    def everything(patients: int, seed: int) -> Profile:
        rng, profile = np.random.default_rng(seed), Profile()
        for p in range(patients):
            for _ in range(3):
                profile.add(f"{seed}-{p}", {f"C{k}": float(rng.uniform() < 0.3) for k in range(40)})
        return profile

    reference = everything(300, 1).spreads()
    assert sum(bool(drifts("g", reference, everything(10, 100 + s))) for s in range(40)) <= 3


def test_the_chance_that_is_told_is_that_of_any_feature() -> None:
    one, many = Profile(), Profile()
    for p in range(30):
        one.add(f"{p}", {"AFIB": float(p < 2)})
        many.add(f"{p}", {"AFIB": float(p < 2)} | {f"C{k}": 0.0 for k in range(9)})
    recent = Profile()
    for p in range(30):
        recent.add(f"n{p}", {"AFIB": float(p < 20)} | {f"C{k}": 0.0 for k in range(9)})
    (alone,), (among,) = drifts("g", one, recent), drifts("g", many, recent)
    assert alone.index == among.index
    assert among.chance > alone.chance
    assert among.chance <= 0.01


def test_a_reference_without_names_says_what_the_profile_said() -> None:
    profile, recent = ward(40, 1), ward(40, 2, shift=45)
    spreads = profile.spreads()
    assert spreads["heart_rate_bpm"].patients == 40
    assert spreads["heart_rate_bpm"].mean.sum() == pytest.approx(1)
    assert drifts("g", spreads, recent) == drifts("g", profile, recent)


def test_it_is_said_what_the_reference_was() -> None:
    (drift,) = drifts("g", ward(40, 1), ward(40, 2, shift=45), since="made")
    assert "heart_rate_bpm is not what the student learned from" in str(drift)


def test_unusable_signal_is_an_input_and_abstention_an_output() -> None:
    old, new = Profile(), Profile()
    for p in range(30):
        old.add(f"{p}", {"unusable": 0.0, "abstained": 0.0})
        new.add(f"n{p}", {"unusable": float(p < 20), "abstained": float(p < 20)})
    assert {d.feature: d.kind for d in drifts("g", old, new)} == {"unusable": "input", "abstained": "output"}


@pytest.mark.parametrize(
    ("feature", "was", "now"),
    [
        ("sqi", 0.95, 0.5),
        ("heart_rate_bpm", 70.0, 120.0),
        ("amplitude_mv", 1.0, 0.5),
        ("baseline_mv", 0.02, 0.3),
        ("noise_mv", 0.005, 0.05),
        ("distance", 1.1, 1.8),
    ],
)
def test_every_measure_of_the_input_can_drift(feature: str, was: float, now: float) -> None:
    old, new, same = Profile(), Profile(), Profile()
    for p in range(20):
        old.add(f"{p}", {feature: was})
        same.add(f"s{p}", {feature: was})
        new.add(f"n{p}", {feature: now})
    (drift,) = drifts("g", old, new)
    assert (drift.feature, drift.kind) == (feature, "input")
    assert drifts("g", old, same) == []


def test_a_reference_of_a_window_each_and_a_ward_of_many_windows_each_can_be_compared() -> None:
    """As a student's world and a ward are: what differs is how far patients spread, not what they are like."""
    reference = ward(1500, 1, windows=1).spreads()
    assert sum(bool(drifts("g", reference, ward(12, 100 + s, windows=60))) for s in range(40)) <= 2
    (drift,) = drifts("g", reference, ward(12, 3, windows=60, shift=45))
    assert drift.feature == "heart_rate_bpm"
