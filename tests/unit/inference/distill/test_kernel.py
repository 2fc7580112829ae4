"""The kernel teacher: what it leaves out is exact, and it reads unseen recordings."""

import numpy as np
import pytest

from inference.distill.kernel import KernelSettings, fit_kernel
from inference.preprocess import Batch
from inference.train.data import Examples
from inference.train.evaluate import macro_auroc

SMALL = KernelSettings(components=6, gamma=0.05, ridge=0.5)


def _hearts(n: int, seed: int = 0) -> Examples:
    """Two leads of beats, tall or not, wide or not; the labels say which."""
    rng, t = np.random.default_rng(seed), np.arange(1000)
    y = rng.random((n, 2)) < 0.5
    x: Batch = np.zeros((n, 2, 1000), np.float32)
    for i in range(n):
        width = 9.0 if y[i, 1] else 3.0
        for at in np.arange(rng.uniform(30, 60), 1000, rng.uniform(60, 100)):
            x[i] += ((1.6 if y[i, 0] else 0.9) * np.exp(-((t - at) ** 2) / width)).astype(np.float32)
        x[i] *= rng.uniform(0.9, 1.1)
    x += rng.normal(scale=0.03, size=x.shape).astype(np.float32)
    return Examples(("A", "B"), x, y, np.ones_like(y), np.array([f"p{i}" for i in range(n)]), np.ones(n, np.int64))


def test_reads_recordings_it_has_not_seen() -> None:
    teacher, test = fit_kernel(_hearts(60), None, SMALL), _hearts(80, seed=1)
    assert macro_auroc(teacher.probabilities(test.x), test.y) > 0.95


def test_leaving_out_is_exact() -> None:
    data = _hearts(24)
    whole = fit_kernel(data, None, SMALL)
    said = whole.left_out(data.y)
    for i in (0, 11, 23):
        keep = np.arange(24) != i
        regular = np.exp(
            -SMALL.gamma * ((whole.support[keep][:, None] - whole.support[keep][None]) ** 2).sum(axis=2)
        ) + SMALL.ridge * np.eye(23)
        reach = np.exp(-SMALL.gamma * ((whole.support[i] - whole.support[keep]) ** 2).sum(axis=1))
        alone = whole.prior + reach @ np.linalg.solve(regular, data.y[keep] - whole.prior)
        assert np.allclose(said[i], np.clip(alone, 0.002, 0.998), atol=1e-9)


def test_asks_for_labels_that_are_all_known() -> None:
    data = _hearts(10)
    data.known[3, 1] = False
    with pytest.raises(ValueError, match="known"):
        fit_kernel(data, None, SMALL)
