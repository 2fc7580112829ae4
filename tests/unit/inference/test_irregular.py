"""Atrial fibrillation from intervals: what is irregular without a pattern, and what only looks so."""

import numpy as np
import numpy.typing as npt
import pytest

from inference.stream.irregular import MOST, UNKNOWN, odds
from inference.ventricular import IrregularSettings

Floats = npt.NDArray[np.float64]
S = IrregularSettings()
WEIGHT = np.array([*S.weights, S.bias])


def score(rr: Floats, usual: npt.NDArray[np.bool_] | None = None) -> float:
    usual = np.ones(len(rr), np.bool_) if usual is None else usual
    return float(odds(rr.copy(), usual, WEIGHT, np.empty(256, np.float32)))


def sinus(rng: np.random.Generator) -> Floats:
    return 0.8 + 0.03 * np.sin(np.arange(MOST) / 3) + 0.01 * rng.standard_normal(MOST)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mean_s", [0.5, 0.7, 0.9])
def test_no_two_intervals_alike(seed: int, mean_s: float) -> None:
    rng = np.random.default_rng(seed)
    assert score(mean_s * np.exp(0.22 * rng.standard_normal(MOST))) > 0


@pytest.mark.parametrize("seed", range(5))
def test_a_node_that_breathes_is_regular(seed: int) -> None:
    assert score(sinus(np.random.default_rng(seed))) < -2


def test_a_fast_regular_rhythm_is_regular() -> None:
    assert score(0.35 + 0.003 * np.random.default_rng(0).standard_normal(MOST)) < -2


def test_bigeminy_has_a_pattern() -> None:
    assert score(np.tile([0.5, 1.1], MOST // 2) + 0.01 * np.random.default_rng(0).standard_normal(MOST)) < -1


def test_extra_beats_are_taken_out() -> None:
    rr = sinus(np.random.default_rng(1))
    for at in (3, 9, 16, 22):
        rr[at : at + 2] = 0.5, 2 * 0.8 - 0.5
    assert score(rr) < 0


def test_intervals_beside_odd_beats_do_not_count() -> None:
    rng = np.random.default_rng(2)
    rr, usual = sinus(rng), np.ones(MOST, np.bool_)
    for at in (2, 7, 12, 17, 24):
        rr[at : at + 2], usual[at : at + 2] = rng.uniform(0.4, 1.2, 2), False
    assert score(rr, usual) < -1


def test_too_few_usual_intervals_say_nothing() -> None:
    usual = np.zeros(MOST, np.bool_)
    usual[:7] = True
    assert score(np.full(MOST, 0.8), usual) == UNKNOWN
