"""R peaks: rates, polarities, widths, noise, and silence where there is nothing."""

import numpy as np
import numpy.typing as npt
import pytest

from inference.beats import bridge, detect_bursts, detect_r_peaks

Floats = npt.NDArray[np.float64]


def bumps(fs_hz: float, seconds: float, r_s: Floats, width_s: float = 0.012, r_mv: float = 1.0) -> Floats:
    """Heartbeats at the times `r_s`: P, QRS and T as Gaussians."""
    t = np.arange(round(seconds * fs_hz)) / fs_hz
    x = np.zeros_like(t)
    for at in r_s:
        for shift, mv, sigma in ((-0.17, 0.12, 0.025), (0.0, r_mv, width_s), (0.28, 0.25, 0.05)):
            x += mv * np.exp(-((t - at - shift) ** 2) / (2 * sigma**2))
    return x


def matched(found: npt.NDArray[np.int64], r_s: Floats, fs_hz: float, tolerance_s: float = 0.04) -> bool:
    return len(found) == len(r_s) and bool(np.all(np.abs(found / fs_hz - r_s) <= tolerance_s))


REGULAR = np.arange(0.6, 29.5, 0.83)


@pytest.mark.parametrize("fs_hz", [100, 128, 200, 250, 360, 500, 1000])
def test_finds_every_beat_once_at_each_rate(fs_hz: float) -> None:
    assert matched(detect_r_peaks(bumps(fs_hz, 30, REGULAR), fs_hz), REGULAR, fs_hz, 0.02)


@pytest.mark.parametrize(("width_s", "r_mv"), [(0.012, -1.0), (0.012, 0.3), (0.012, 6.0), (0.04, 1.5), (0.04, -1.5)])
def test_finds_inverted_small_large_and_wide_beats(width_s: float, r_mv: float) -> None:
    x = bumps(250, 30, REGULAR, width_s, r_mv)
    assert matched(detect_r_peaks(x, 250), REGULAR, 250, 0.08)


def test_finds_beats_through_wander_mains_and_muscle() -> None:
    rng = np.random.default_rng(3)
    t = np.arange(30 * 250) / 250
    noise = 0.8 * np.sin(2 * np.pi * 0.3 * t) + 0.05 * np.sin(2 * np.pi * 50 * t) + 0.04 * rng.standard_normal(len(t))
    assert matched(detect_r_peaks(bumps(250, 30, REGULAR) + noise, 250), REGULAR, 250)


def test_finds_a_wide_early_beat_among_narrow_ones() -> None:
    narrow = np.delete(REGULAR, 10)
    early = REGULAR[9] + 0.5
    x = bumps(250, 30, narrow) + bumps(250, 30, np.array([early]), 0.045, -1.8)
    found = detect_r_peaks(x, 250) / 250
    assert np.min(np.abs(found - early)) <= 0.1
    assert len(found) == len(narrow) + 1


@pytest.mark.parametrize("rate_bpm", [25, 40, 60, 120, 180, 220])
def test_rate_from_very_slow_to_very_fast(rate_bpm: float) -> None:
    r_s = np.arange(0.5, 29.5, 60 / rate_bpm)
    found = detect_r_peaks(bumps(250, 30, r_s), 250)
    assert abs(len(found) - len(r_s)) <= 1
    assert np.median(np.diff(found)) / 250 == pytest.approx(60 / rate_bpm, rel=0.02)


def test_silence_holds_no_beats() -> None:
    rng = np.random.default_rng(4)
    t = np.arange(20 * 250) / 250
    wander = 0.3 * np.sin(2 * np.pi * 0.4 * t) + 0.01 * rng.standard_normal(len(t))
    assert len(detect_r_peaks(wander, 250)) == 0
    assert len(detect_r_peaks(np.zeros(5000), 250)) == 0
    assert len(detect_r_peaks(np.full(5000, np.nan), 250)) == 0


def test_a_pause_is_not_filled_with_noise_when_the_usual_strength_is_known() -> None:
    rng = np.random.default_rng(5)
    x = bumps(250, 30, REGULAR[REGULAR < 15]) + 0.02 * rng.standard_normal(30 * 250)
    usual = float(np.median(detect_bursts(x[: 15 * 250], 250).strength))
    tail = detect_bursts(x[-12 * 250 :], 250, usual=usual).sample
    assert len(tail) == 0


def test_missing_samples_are_bridged() -> None:
    x = bumps(250, 30, REGULAR)
    x[1000:1030] = np.nan
    assert matched(detect_r_peaks(x, 250), REGULAR, 250)
    assert np.array_equal(bridge(np.array([1.0, np.nan, 3.0])), [1.0, 2.0, 3.0])


def test_result_is_increasing_indices_within_the_signal() -> None:
    x = np.random.default_rng(6).standard_normal(5000)
    found = detect_r_peaks(x, 250)
    assert found.dtype == np.int64
    assert np.all(np.diff(found) > 0)
    assert found.min() >= 0
    assert found.max() < 5000


@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_too_short_a_signal_holds_no_beats(n: int) -> None:
    assert len(detect_r_peaks(np.ones(n), 250)) == 0


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="fs_hz"):
        detect_r_peaks(np.zeros(100), 20)
    with pytest.raises(ValueError, match="fs_hz"):
        detect_r_peaks(np.zeros(100), float("nan"))
    with pytest.raises(ValueError, match="one lead"):
        detect_r_peaks(np.zeros((2, 100)), 250)
