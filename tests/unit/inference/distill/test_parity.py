"""The parity profile learns by the same loop, and its windows are what the group's networks read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.distill.benchmark import Source, load_scored, run_benchmark, run_path
from inference.distill.cost import macs
from inference.distill.loop import Budget
from inference.distill.parity import ParitySettings, ParityTeachers, prepare_parity
from inference.distill.scarce import Material
from inference.model.backbone import Backbone, BackboneShape
from inference.preprocess import SAMPLES
from inference.train.data import Examples, unlabelled

CLASSES = ("NORM", "AFIB")


def _strip(fs_hz: float, seconds: float = 10.0) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    t = np.arange(round(fs_hz * seconds)) / fs_hz
    beat = np.exp(-(((t % 0.8 - 0.4) / 0.02) ** 2))
    return np.stack([beat + 0.5 * np.sin(0.6 * t), 0.1 * beat, np.zeros_like(t)])


@pytest.mark.parametrize("fs_hz", [100, 257, 500, 1000])
def test_a_window_is_filtered_of_spread_one_and_padded(fs_hz: float) -> None:
    x = prepare_parity(_strip(fs_hz), fs_hz)
    assert (x.shape, x.dtype) == ((3, 6144), np.float32)
    lived = x[:, :5000]
    assert np.allclose(lived[:2].std(axis=1), 1.0, atol=0.02)
    assert np.abs(x[:, 5010:]).max() == 0.0
    assert not x[2].any()  # a flat lead has no spread to be divided by
    assert np.corrcoef(lived[0], lived[1])[0, 1] > 0.99  # neither wander nor amplitude is left


def test_a_longer_strip_is_cut_and_what_is_missing_is_bridged() -> None:
    whole = _strip(500, 20.0)
    holed = whole.copy()
    holed[:, 2100:2140] = np.nan  # between two beats
    assert np.isfinite(prepare_parity(holed, 500)).all()
    assert np.abs(prepare_parity(holed, 500) - prepare_parity(whole, 500)).max() < 0.2
    assert not prepare_parity(np.full((2, 5000), np.nan), 500).any()


@pytest.mark.parametrize(("shape", "fs_hz"), [((5000,), 500), ((2, 100), 500), ((2, 5000), 10)])
def test_what_is_no_strip_is_refused(shape: tuple[int, ...], fs_hz: float) -> None:
    with pytest.raises(ValueError, match=r"mv|fs_hz"):
        prepare_parity(np.zeros(shape), fs_hz)


def test_the_students_cost_is_the_published_one() -> None:
    assert macs(Backbone(BackboneShape(18))) == pytest.approx(101e6, rel=0.03)


def test_the_same_benchmark_runs_at_this_profile(tmp_path: Path) -> None:
    short = Budget(steps=2, batch=2, unlabelled_batch=2)
    settings = ParitySettings("10", teachers=ParityTeachers(width=16, layers=1, first=short), budget=short)
    material = _noise()
    arms = ["teacher", "student12", "liteheart:delin", "fixmatch"]
    run_benchmark(
        tmp_path, tmp_path / "out", settings, seeds=[0], arms=arms, source=Source("noise", lambda _: material)
    )
    for word in arms:
        assert load_scored(run_path(tmp_path / "out", word, 0).with_suffix(".npz")).p.shape == (4, 2)
    run_benchmark(
        tmp_path,
        tmp_path / "out",
        settings,
        seeds=[0],
        arms=arms,
        source=Source("noise", lambda _: pytest.fail("again")),
    )
    for other, source in ((replace(settings, labels="5"), "noise"), (settings, "hearts")):
        with pytest.raises(ValueError, match="other settings"):
            run_benchmark(
                tmp_path, tmp_path / "out", other, seeds=[0], arms=arms, source=Source(source, lambda _: material)
            )


def test_the_beat_half_belongs_to_the_main_profile() -> None:
    with pytest.raises(ValueError, match="no beat half"):
        ParitySettings().learner("window", 3)
    assert ParitySettings().learner("student", 18).samples != SAMPLES


def _noise() -> Material:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((16, 12, 6144)).astype(np.float32)
    y = np.arange(32).reshape(16, 2) % 3 == 0
    every = Examples(CLASSES, x, y, np.ones_like(y), np.array([f"p{i}" for i in range(16)]), np.zeros(16, np.int64))
    rows = np.split(np.arange(16), 4)
    return Material(every.take(rows[0]), unlabelled(every.take(rows[1])), every.take(rows[2]), every.take(rows[3]))
