"""How the shares of a refresh are counted."""

import numpy as np
import pytest

from benchmarks.refresh import Said, _loss, _share
from inference.train.evaluate import Floats


def _ordered(right: int, n: int = 100) -> Floats:
    """Scores [n, 1] by which the first half stands above the other, but for `n - right` that are turned round."""
    scores = np.linspace(1.0, 0.0, n)
    scores[right:] = scores[right:][::-1]
    scores[: n - right] = scores[: n - right][::-1] - (n - right) / n
    return scores[:, None]


def test_no_seed_counts_for_more_than_it_lost() -> None:
    y = (np.arange(100) < 50)[:, None]
    original: Floats = 1.0 * y + 0.01 * np.arange(100)[:, None] * ~y
    drifted, better = _ordered(70), np.asarray(2.0 * y)
    half: Floats = np.where(np.arange(100)[:, None] % 2 == 0, drifted, better)
    runs: list[Said] = [
        {"none": (drifted, original), "refresh": (better, original)},
        {"none": (half, original), "refresh": (drifted, drifted)},
    ]
    share, each = _share(y, original, runs, "refresh", slice(None))
    assert each[0] == pytest.approx(1.0, abs=0.02)
    assert each[1] < 0
    assert share < 1
    beyond: list[Said] = [{"none": (drifted, original), "refresh": (better, better)}]
    weaker: Floats = np.where(np.arange(100)[:, None] == 0, -1.0, better)  # lead I itself is not perfect
    share, each = _share(y, weaker, beyond, "refresh", slice(None))
    assert share == 1.0
    assert each[0] > 1
    assert _loss(y, original, drifted, slice(None)) > 0
    assert _loss(y, original, original, slice(None)) == 0
