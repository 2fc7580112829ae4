"""Region maps: the mass lies where the evidence is, and taking it away costs more than taking away anything else."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from inference.ports import Network
from inference.preprocess import Batch
from inference.serve.engine import Engine, load_engine
from inference.serve.explain import BINS, importance, regions, without
from inference.serve.network import load_network
from inference.settings import InferenceSettings
from inference.train.data import read_ptbxl
from liteheart.conditions import SCORED, SUPERCLASSES
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Window


def _window(mv: npt.NDArray[np.float64], fs_hz: float = 100.0) -> Window:
    valid = np.ones(len(mv), np.bool_)
    return Window(PatientId("p"), DeviceId("d"), "I", 0, fs_hz, mv.astype(np.float32), valid)


def _strip(ectopic_s: float | None = None) -> npt.NDArray[np.float64]:
    """Sinus rhythm of 75 a minute; with a wide, early beat and the pause after it."""
    t, x = np.arange(1000) / 100, np.zeros(1000)
    for at in np.arange(0.4, 10, 0.8):
        if ectopic_s is not None and abs(at - ectopic_s - 0.25) < 0.4:
            continue
        for size, shift, width in ((0.12, -0.17, 0.025), (1.0, 0, 0.012), (-0.2, 0.03, 0.01), (0.3, 0.25, 0.05)):
            x += size * np.exp(-(((t - at - shift) / width) ** 2))
    if ectopic_s is not None:
        x += 1.6 * np.exp(-(((t - ectopic_s) / 0.06) ** 2)) - 0.6 * np.exp(-(((t - ectopic_s - 0.28) / 0.09) ** 2))
    return x + np.random.default_rng(0).normal(0, 0.005, 1000)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load_engine(device="cpu")


def _reads(start: int, end: int) -> Network:
    """A network of two logits: energy of samples start to end, and its negative."""

    def network(x: Batch) -> Batch:
        energy = np.square(x[:, start:end]).sum(axis=1)
        return np.stack([energy, -energy], axis=1).astype(np.float32)

    return network


def test_what_is_read_at_one_place_is_shown_there() -> None:
    x = np.sin(np.arange(1000)).astype(np.float32)
    shown = regions(_reads(400, 440), x, {"A": 0, "B": 1})
    a = np.array(shown["A"])
    assert len(a) == BINS
    assert a.max() == 1.0
    assert set(np.argsort(-a)[:2]) == {20, 21}
    assert a[[20, 21]].sum() > 0.6 * a.sum()
    assert not a[:19].any()
    assert not a[23:].any()
    assert not any(shown["B"][19:23])  # nothing there speaks for it


def test_nothing_to_show_is_all_zero() -> None:
    x = np.zeros(1000, np.float32)
    assert regions(_reads(0, 1000), x, {"A": 0}) == {"A": [0.0] * BINS}


def test_one_window_at_a_time() -> None:
    with pytest.raises(ValueError, match=r"\[1000\] expected"):
        regions(_reads(0, 10), np.zeros((1, 1000), np.float32), {"A": 0})


def test_a_place_taken_away_is_a_straight_line() -> None:
    x = np.arange(1000, dtype=np.float32) + 5.0 * (np.arange(1000) == 210)
    bins = np.zeros(BINS, np.bool_)
    bins[10] = True
    assert np.allclose(without(x, bins), np.arange(1000))
    assert not without(x, np.ones(BINS, np.bool_)).any()


@pytest.mark.parametrize("at_s", [2.5, 4.9, 7.3])
def test_an_ectopic_beat_is_seen_where_it_is(engine: Engine, at_s: float) -> None:
    window = _window(_strip(at_s))
    (finding,) = engine.score([window])
    shown = np.array(engine.explain(window, replace(finding, codes=("PVC",)))["PVC"])
    near = np.abs((np.arange(BINS) + 0.5) * 0.2 - at_s) <= 0.5
    assert shown[near].sum() > 2 * near.mean() * shown.sum()


def test_every_code_found_has_a_map_and_an_abstention_has_none(engine: Engine) -> None:
    window, flat = _window(_strip()), _window(np.zeros(1000))
    found, abstained = engine.score([window, flat])
    assert found.codes
    shown = engine.explain(window, found)
    assert tuple(shown) == found.codes
    assert all(len(v) == BINS and 0 <= min(v) <= max(v) <= 1 for v in shown.values())
    assert engine.explain(flat, abstained) == {}
    (likeliest,) = engine.explain(window, replace(found, codes=()))
    assert likeliest == max(SUPERCLASSES, key=lambda c: found.scores[c])


@pytest.mark.ecg
def test_taking_away_what_is_shown_costs_more_than_anything_else(ecg_folder: Path) -> None:
    examples = read_ptbxl(ecg_folder, SCORED)
    windows = np.ascontiguousarray(examples.x[examples.folds == 8][:60, 0])
    network = load_network(InferenceSettings(device="cpu"))
    rng = np.random.default_rng(0)
    shown_cost, other_cost = [], []
    for x in windows:
        (logits,) = network(x[None])
        at = int(np.argmax(logits[: len(SUPERCLASSES)]))
        shown = np.array(regions(network, x, {"top": at})["top"])
        if not shown.any():
            continue
        chosen = [np.argsort(-shown)[:8], *(rng.permutation(BINS)[:8] for _ in range(4))]
        lost = logits[at] - network(np.stack([without(x, _bins(c)) for c in chosen]))[:, at]
        shown_cost.append(lost[0])
        other_cost.append(lost[1:].mean())
    assert len(shown_cost) > 50
    assert np.mean(shown_cost) > 1.4 * np.mean(other_cost)
    assert np.mean(np.array(shown_cost) > np.array(other_cost)) > 0.7


def _bins(chosen: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    out = np.zeros(BINS, np.bool_)
    out[chosen] = True
    return out


def test_twelve_leads_lose_the_same_moment() -> None:
    x = np.tile(np.sin(np.arange(1000)).astype(np.float32), (12, 1))
    shown = importance(lambda windows: np.square(windows[:, 7, 600:640]).sum(axis=1, keepdims=True), x)
    assert shown.shape == (BINS, 1)
    assert set(np.flatnonzero(shown[:, 0] > 0.6)) <= {29, 30, 31, 32}
    gone = without(x, np.arange(BINS) == 30)
    assert np.ptp(np.diff(gone[3, 600:620])) < 1e-5
    assert np.array_equal(gone[:, :600], x[:, :600])
