"""The beat of a window: found, aligned, the same wherever the window starts, and harmless where there is none."""

import numpy as np
import pytest
import torch

from inference.model.beats import BeatBranch, BeatShape
from inference.model.beatview import BEFORE, LENGTH, RHYTHM, beat_view, masked_median
from inference.model.student import Student, StudentShape

FS = 100


def _ecg(rr_s: float = 0.8, *, invert: bool = False, shift: int = 0, noise: float = 0.0, seed: int = 0) -> torch.Tensor:
    """A window [1, 1, 1000] of a QRS and a T wave every `rr_s`."""
    t = np.arange(1000)
    x = np.zeros(1000)
    for at in np.arange(40 + shift, 1000, rr_s * FS):
        x += (
            np.exp(-((t - at) ** 2) / 4.5)
            - 0.2 * np.exp(-((t - at - 4) ** 2) / 4)
            + 0.25 * np.exp(-((t - at - 28) ** 2) / 80)
        )
    x += noise * np.random.default_rng(seed).normal(size=1000)
    return torch.tensor((-x if invert else x).astype(np.float32))[None, None]


def test_the_median_beat_is_the_beat_and_the_rate_the_rate() -> None:
    beat, rhythm = beat_view(_ecg())
    assert beat.shape == (1, 1, LENGTH)
    assert rhythm.shape == (1, RHYTHM)
    assert abs(int(beat[0, 0].argmax()) - BEFORE) <= 3
    assert beat.max() == pytest.approx(np.log1p(5.0), rel=0.05)
    assert rhythm[0, 0].exp() == pytest.approx(0.8, rel=0.01)
    assert rhythm[0, 2] < 0.02  # regular


@pytest.mark.parametrize("invert", [False, True])
def test_noise_leaves_the_median_beat_nearly_as_it_was(invert: bool) -> None:
    clean, noisy = (beat_view(_ecg(noise=sd, invert=invert))[0][0, 0] for sd in (0.0, 0.05))
    single = np.log1p(5 * 0.05)
    assert (clean - noisy).square().mean().sqrt() < 0.6 * single  # of what one noisy beat would be off


def test_where_the_window_starts_does_not_matter() -> None:
    one, two = (beat_view(_ecg(shift=s))[0] for s in (0, 17))
    assert torch.allclose(one, two, atol=0.02)


def test_irregular_rhythm_is_told_from_a_regular_one() -> None:
    rng = np.random.default_rng(1)
    t, x, at = np.arange(1000), np.zeros(1000), 40.0
    while at < 990:
        x += np.exp(-((t - at) ** 2) / 4.5)
        at += FS * rng.uniform(0.45, 1.1)
    _, irregular = beat_view(torch.tensor(x, dtype=torch.float32)[None, None])
    _, regular = beat_view(_ecg())
    assert irregular[0, 3] > 5 * regular[0, 3].clamp_min(0.01)


@pytest.mark.parametrize("x", [torch.zeros(2, 1, 1000), torch.full((2, 1, 1000), 5.0), torch.zeros(2, 12, 500)])
def test_no_beats_is_an_answer_too(x: torch.Tensor) -> None:
    beat, rhythm = beat_view(x)
    assert not beat.any()
    assert rhythm.isfinite().all()


def test_masked_median_is_the_median_of_what_is_kept() -> None:
    x = torch.tensor([[3.0, 1.0, 9.0, 2.0, 7.0]])
    for keep in ([1, 1, 0, 1, 0], [1, 1, 0, 1, 1], [0, 0, 0, 0, 0], [0, 0, 1, 0, 0]):
        mask = torch.tensor([keep], dtype=torch.bool)
        expected = float(np.median(x[mask].numpy())) if mask.any() else 0.0
        assert masked_median(x, mask, dim=1).item() == expected


def test_axes_are_fitted_once_and_need_no_label() -> None:
    torch.manual_seed(0)
    windows = torch.cat([_ecg(0.6 + 0.02 * i, noise=0.02, seed=i) for i in range(24)]).numpy()
    student = Student(StudentShape(3, beats=BeatShape(components=5, hidden=16)))
    assert isinstance(student.beats, BeatBranch)
    student.look(windows)
    axes = student.beats.axes.clone()
    read = student.beats.features(torch.from_numpy(windows))
    assert read.shape == (24, 5 + RHYTHM)
    assert read[:, :5].std() == pytest.approx(1.0, rel=0.1)
    student.look(windows[:4])
    assert torch.equal(student.beats.axes, axes)


def test_in_training_a_window_is_read_by_one_half_and_served_by_both() -> None:
    torch.manual_seed(0)
    student = Student(StudentShape(3, beats=BeatShape(components=5, hidden=16, dropout=0.0, noise=0.0)))
    x = torch.cat([_ecg(0.7 + 0.03 * i) for i in range(16)])
    assert student.beats is not None
    beats = student.beats(x)[1]
    taught = student.read(x).logits  # in training mode
    by_beats = (taught - beats).abs().amax(dim=1) < 1e-6
    assert 0 < int(by_beats.sum()) < 16
    student.eval()
    with torch.no_grad():
        served = student.read(x).logits
        window = 2 * served - student.beats(x)[1]
    assert not torch.allclose(served, beats, atol=1e-4)
    assert torch.isfinite(window).all()
