"""A device is told from its windows: lead, gain, band and noise, of other patients than those it is compared with."""

import numpy as np
import pytest

from inference.preprocess import SAMPLES, preprocess
from inference.refresh.device import Guess, guess, noise_like, translate
from inference.refresh.scenario import Device, draw_device, through


def recordings(n: int, seed: int) -> np.ndarray:
    """[n, 4, 1000] mV: four leads of hearts whose waves differ from patient to patient."""
    rng = np.random.default_rng(seed)
    at = (np.arange(SAMPLES) / 100 + rng.random((n, 1))) % (0.7 + 0.3 * rng.random((n, 1))) - 0.3
    waves = np.stack(
        [np.exp(-(((at - m) / w) ** 2)) for m, w in ((-0.15, 0.03), (0, 0.02), (0.05, 0.02), (0.22, 0.05))]
    )
    usual = np.array([[0.1, 1.0, -0.2, 0.3], [0.15, 0.7, -0.1, -0.2], [0.05, 0.3, -1.2, 0.5], [0.1, 1.5, -0.8, 0.6]])
    size = usual[:, :, None] * np.exp(0.3 * rng.standard_normal((4, 4, n)))
    x = np.einsum("lwn,wnt->nlt", size, waves) + 0.01 * rng.standard_normal((n, 4, SAMPLES))
    return np.asarray(x, np.float32)


def clean(mv: np.ndarray) -> np.ndarray:
    return np.asarray(preprocess(mv.reshape(-1, SAMPLES), 100).reshape(mv.shape))


@pytest.mark.parametrize(
    ("lead", "gain", "band", "zero_phase"),
    [(0, 1.0, None, True), (2, 0.6, (0.5, 20.0), True), (1, 1.5, (1.0, 25.0), False), (3, 0.6, (0.67, 16.0), False)],
)
def test_lead_gain_band_and_phase_are_found(
    lead: int, gain: float, band: tuple[float, float] | None, zero_phase: bool
) -> None:
    names = ("I", "II", "V2", "V4")
    device = Device(names[lead], gain, band, zero_phase)
    windows = through(recordings(150, 1), device, None, "learn", 0, names)
    found = guess(windows, clean(recordings(150, 2)), seed=0)
    assert found is not None
    assert (found.lead, found.sign) == (lead, 1)
    assert found.gain == pytest.approx(gain, rel=0.12)
    high = band[1] if band else 40.0
    assert 0.75 * high <= found.band_hz[1] <= 1.4 * high
    if band is not None:
        assert found.zero_phase == zero_phase


def test_a_lead_worn_the_wrong_way_round_is_found() -> None:
    found = guess(-clean(recordings(120, 1))[:, 2:3], clean(recordings(120, 2)))
    assert found is not None
    assert (found.lead, found.sign) == (2, -1)


def test_noise_is_found_and_made_alike() -> None:
    rng = np.random.default_rng(3)
    x = clean(recordings(150, 1))[:, :1] + 0.05 * rng.standard_normal((150, 1, SAMPLES)).astype(np.float32)
    found = guess(x, clean(recordings(150, 2)))
    assert found is not None
    assert found.noise_mv == pytest.approx(0.05, rel=0.25)
    assert noise_like(found, 400, SAMPLES, rng).std() == pytest.approx(found.noise_mv, rel=0.15)
    quiet = guess(clean(recordings(150, 1))[:, :1], clean(recordings(150, 2)))
    assert quiet is not None
    assert quiet.noise_mv < 0.03  # other patients differ in more than noise


def test_the_same_windows_give_the_same_guess_and_few_give_none() -> None:
    x, known = clean(recordings(80, 1))[:, 1:2], clean(recordings(80, 2))
    one, two = guess(x, known, seed=1), guess(x, known, seed=1)
    assert str(one) == str(two)
    assert guess(x[:10], known) is None


def test_windows_without_beats_do_not_break_it() -> None:
    known = clean(recordings(60, 2))
    assert guess(np.zeros((60, 1, SAMPLES), np.float32), known) is None
    half = np.concatenate([np.zeros((60, 1, SAMPLES), np.float32), known[:, 1:2]])
    found = guess(half, known)
    assert found is not None
    assert found.lead == 1
    assert np.isfinite(translate(known, found)).all()


def test_what_a_device_does_is_what_is_said_of_it() -> None:
    x = clean(recordings(5, 1))
    same = Guess(1, -1, 2.0, (0.05, 40.0), True, np.zeros(101), 0.0)
    assert np.allclose(translate(x, same)[:, 0], np.clip(-2 * x[:, 1], -5, 5), atol=1e-6)
    assert str(same).startswith("lead -II, gain 2.00")
    assert draw_device(1) == draw_device(1) != draw_device(2)
