"""Signal quality: a clean lead is usable; flat, clipped, missing and noisy ones say why not."""

import numpy as np
import numpy.typing as npt
import pytest

from inference.quality import assess

FS = 250


def ecg(seconds: float = 10) -> npt.NDArray[np.float64]:
    t = np.arange(round(seconds * FS)) / FS
    phase = (t + 0.4) % 0.85
    x = 1.0 * np.exp(-((phase - 0.4) ** 2) / (2 * 0.012**2)) + 0.25 * np.exp(-((phase - 0.66) ** 2) / (2 * 0.05**2))
    return x + 0.1 * np.exp(-((phase - 0.23) ** 2) / (2 * 0.025**2))


@pytest.mark.parametrize("seconds", [5, 10])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_clean_lead_is_usable(seconds: float, sign: float) -> None:
    quality = assess(sign * ecg(seconds), FS)
    assert quality.usable
    assert quality.sqi > 0.8
    assert quality.reasons == ()


def test_more_noise_is_never_better() -> None:
    noise = np.random.default_rng(1).standard_normal(10 * FS)
    sqi = [assess(ecg() + a * noise, FS).sqi for a in (0.01, 0.1, 0.3, 1.0)]
    assert sqi == sorted(sqi, reverse=True)
    assert sqi[-1] < 0.2


def test_noise_is_named() -> None:
    quality = assess(np.random.default_rng(2).standard_normal(10 * FS), FS)
    assert not quality.usable
    assert quality.reasons == ("noise",)


def test_flat_is_flat() -> None:
    for mv in (0.0, 3.0):
        assert assess(np.full(10 * FS, mv), FS).reasons == ("flat",)


def test_clipping_is_named() -> None:
    quality = assess(np.clip(4 * np.sin(np.arange(10 * FS) / 40), -1, 1), FS)
    assert not quality.usable
    assert "saturated" in quality.reasons


def test_missing_samples_lower_the_score_and_many_forbid_use() -> None:
    valid = np.ones(10 * FS, bool)
    whole = assess(ecg(), FS, valid).sqi
    valid[500:750] = False
    assert assess(ecg(), FS, valid).sqi < whole
    valid[500:1500] = False
    quality = assess(ecg(), FS, valid)
    assert not quality.usable
    assert "gap" in quality.reasons


@pytest.mark.parametrize("mv", [np.empty(0), np.full(1000, np.nan), np.ones(3)])
def test_nothing_is_a_gap(mv: npt.NDArray[np.float64]) -> None:
    quality = assess(mv, FS)
    assert (quality.sqi, quality.usable, quality.reasons) == (0.0, False, ("gap",))


def test_an_open_lead_is_never_usable() -> None:
    quality = assess(ecg(), FS, lead_off=True)
    assert not quality.usable
    assert "lead_off" in quality.reasons
