"""A shift of a site is seen, chance is not taken for one, and a patient counts once."""

import numpy as np

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
