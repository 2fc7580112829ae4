"""Noise of a lead: none in a clean one, more with more noise of any kind, and an arrhythmia is none."""

import numpy as np
import numpy.typing as npt
import pytest

from inference.noise import cleanness, noise_of

FS = 250
Floats = npt.NDArray[np.float64]


def ecg(kinds: str = "N", seconds: float = 10) -> Floats:
    """Beats 0.85 s apart: N narrow, V wide and the other way round; `kinds` is repeated."""
    t = np.arange(round(seconds * FS)) / FS
    x = np.zeros_like(t)
    for k, at in enumerate(np.arange(0.4, seconds, 0.85)):
        size, width = (1.0, 0.012) if kinds[k % len(kinds)] == "N" else (-1.4, 0.04)
        x += size * np.exp(-((t - at) ** 2) / (2 * width**2)) + 0.25 * np.exp(-((t - at - 0.26) ** 2) / (2 * 0.05**2))
    return x


def muscle(seed: int = 1) -> Floats:
    return np.random.default_rng(seed).standard_normal(10 * FS)


def wander(hz: float = 0.3) -> Floats:
    return np.sin(2 * np.pi * hz * np.arange(10 * FS) / FS)


@pytest.mark.parametrize("kinds", ["N", "NNV", "NV"])
@pytest.mark.parametrize("size", [0.3, 1.0, -3.0])
def test_a_clean_lead_is_clean_whatever_its_size_and_its_beats(kinds: str, size: float) -> None:
    assert cleanness(noise_of(size * ecg(kinds), FS)) > 0.9


@pytest.mark.parametrize("noise", [muscle(), wander()])
def test_more_noise_is_never_cleaner(noise: Floats) -> None:
    said = [cleanness(noise_of(ecg() + a * noise, FS)) for a in (0.0, 0.02, 0.05, 0.15, 0.5)]
    assert said == sorted(said, reverse=True)
    assert said[0] > 0.9
    assert said[-1] < 0.1


def test_each_measure_sees_its_own_noise() -> None:
    clean, rough, drifting = (noise_of(x, FS) for x in (ecg(), ecg() + 0.1 * muscle(), ecg() + 0.3 * wander()))
    assert rough.rough > 10 * clean.rough
    assert rough.drift < 0.1
    assert drifting.drift > 0.1
    assert drifting.rough < 0.01
    assert drifting.unlike_level > 2 * drifting.unlike


def test_the_measures_do_not_depend_on_size() -> None:
    x = ecg("NV") + 0.05 * muscle()
    one, ten = noise_of(x, FS), noise_of(10 * x, FS)
    assert one.rough == pytest.approx(ten.rough)
    assert one.drift == pytest.approx(ten.drift)
    assert one.unlike == pytest.approx(ten.unlike)


def test_a_line_without_beats_is_not_clean() -> None:
    assert cleanness(noise_of(np.zeros(10 * FS), FS)) < 0.5
    assert cleanness(noise_of(0.02 * muscle(), FS)) < 0.1


def test_missing_samples_are_bridged() -> None:
    x = ecg()
    x[100:120] = np.nan
    assert np.isfinite(cleanness(noise_of(x, FS)))
