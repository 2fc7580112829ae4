"""One path for training and serving: the same heart gives the same input at any rate, in any batch."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import resample_poly

from inference.preprocess import CLIP_MV, SAMPLES, preprocess
from inference.train.data import read_pack

ECG = Path(os.environ.get("LITEHEART_ECG", Path(__file__).parents[4] / "shared" / "ecg"))
RATES = (50.0, 128.0, 200.0, 250.0, 257.0, 300.0, 360.0, 500.0, 1000.0, 2000.0)


def _heart(fs_hz: float, seconds: float = 10.0) -> npt.NDArray[np.float64]:
    """A QRS-like bump each 0.8 s, band-limited well below 25 Hz so that every rate can carry it."""
    t = np.arange(round(seconds * fs_hz)) / fs_hz
    beat = (t - 0.35) % 0.8 - 0.4
    return 1.2 * np.exp(-((beat / 0.03) ** 2)) + 0.25 * np.exp(-(((beat - 0.22) / 0.06) ** 2))


def _inner(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return x[..., 100:-100]  # the ends of a window differ by what each rate has beyond them


@pytest.mark.parametrize("fs_hz", RATES)
def test_rate_does_not_matter(fs_hz: float) -> None:
    reference = preprocess(_heart(100.0)[None], 100.0)
    other = preprocess(_heart(fs_hz)[None], fs_hz)
    assert other.shape == (1, SAMPLES)
    assert np.abs(_inner(other) - _inner(reference)).max() < 0.03


@pytest.mark.ecg
def test_real_signal_at_250_hz_and_at_100_hz_agree() -> None:
    pack = ECG / "ludb.ecg.xz"
    if not pack.exists():
        pytest.skip(f"no ECG packs at {ECG}")
    fine = np.stack([r.mv[0, :5000] for r, _ in zip(read_pack(pack), range(20), strict=False)])
    at_250, at_100 = (resample_poly(fine, up, 10, axis=1, padtype="line") for up in (5, 2))
    a, b = preprocess(at_250, 250.0), preprocess(at_100, 100.0)
    error = np.sqrt(np.mean((_inner(a) - _inner(b)) ** 2, axis=1)) / _inner(b).std(axis=1)
    assert np.median(error) < 0.02
    assert error.max() < 0.08


def test_a_batch_is_its_windows_one_by_one() -> None:
    rng = np.random.default_rng(1)
    mv = (_heart(250.0) + 0.1 * rng.standard_normal((5, 2500))).astype(np.float32)
    valid = rng.random((5, 2500)) < 0.97
    batch = preprocess(mv, 250.0, valid)
    for i in range(5):
        assert np.array_equal(batch[i], preprocess(mv[i : i + 1], 250.0, valid[i : i + 1])[0])


def test_offset_and_wander_are_removed_and_amplitude_is_kept() -> None:
    t = np.arange(1000) / 100
    clean = preprocess(_heart(100.0)[None], 100.0)
    moved = preprocess((_heart(100.0) + 300.0 + 0.3 * np.sin(2 * np.pi * 0.1 * t))[None], 100.0)
    assert np.abs(_inner(moved) - _inner(clean)).max() < 0.05
    assert _inner(clean).max() == pytest.approx(1.2, abs=0.35)
    assert preprocess(2 * _heart(100.0)[None], 100.0) == pytest.approx(2 * clean, abs=1e-5)


def test_what_is_missing_is_zero_and_does_not_ring() -> None:
    mv = (_heart(100.0) + 2.0).astype(np.float32)
    valid = np.ones(1000, np.bool_)
    valid[400:480] = False
    holed = np.where(valid, mv, 0.0)
    out = preprocess(holed[None], 100.0, valid[None])[0]
    assert not out[400:480].any()
    whole = preprocess(mv[None], 100.0)[0]
    assert np.abs(out - whole)[valid][100:-100].max() < 0.35  # a 2 mV step left in would ring at more than 1 mV


def test_short_long_and_empty_windows() -> None:
    short = preprocess(_heart(100.0, 9.0)[None], 100.0)[0]
    assert short[:900].any()
    assert not short[900:].any()
    long = _heart(100.0, 14.0)
    assert np.abs(_inner(preprocess(long[None], 100.0)) - _inner(preprocess(long[None, -1000:], 100.0))).max() < 0.05
    assert not preprocess(np.ones((2, 20)), 100.0).any()
    assert preprocess(np.empty((0, 1000)), 100.0).shape == (0, SAMPLES)
    assert not preprocess(np.full((1, 1000), np.nan), 100.0).any()


@pytest.mark.parametrize(("shape", "fs_hz"), [((1000,), 100.0), ((1, 1000), 49.0), ((1, 1000), 2001.0)])
def test_refuses_what_it_cannot_read(shape: tuple[int, ...], fs_hz: float) -> None:
    with pytest.raises(ValueError, match=r"mv|fs_hz"):
        preprocess(np.zeros(shape), fs_hz)


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float32, (2, 300), elements=st.floats(width=32, allow_nan=True, allow_infinity=True)),
    st.sampled_from(RATES),
)
def test_output_is_finite_and_bounded_whatever_comes_in(mv: npt.NDArray[np.float32], fs_hz: float) -> None:
    out = preprocess(mv, fs_hz)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= CLIP_MV
