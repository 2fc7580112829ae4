"""What the beat path keeps from one second to the next is what it would find anew."""

import numpy as np
import numpy.typing as npt
import pytest

from inference.rhythm import DEFAULT
from inference.stream import peaks, shapes
from inference.stream.lane import Lane
from inference.stream.plan import plan_of
from inference.stream.state import (
    ALIKE,
    BEAT_COUNT,
    COMPARED,
    END,
    FIRST_BEAT,
    LOW_USED,
    NEIGHBOUR,
    PEAKS,
    SECOND_PEAKS,
    SETTLED,
    UNKNOWN,
    Plan,
    State,
)

I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]


def signal(fs: int, seconds: int, seed: int) -> F32:
    """Beats of two shapes over noise that comes and goes, so that peaks stand out or do not, with gaps up to 1 s."""
    rng = np.random.default_rng(seed)
    t = np.arange(fs * seconds) / fs
    x = 0.05 * (1 + np.sin(t / 7)) * rng.standard_normal(len(t))
    for at in np.cumsum(rng.uniform(0.5, 0.8, 2 * seconds)):
        width = 0.012 if rng.random() < 0.8 else 0.03
        x += np.exp(-((t - at) ** 2) / (2 * width**2)) - 0.3 * np.exp(-((t - at - 0.03) ** 2) / (2 * width**2))
    for at in rng.integers(0, len(x) - fs, seconds // 6):
        x[at : at + rng.integers(1, fs)] = np.nan
    return x.astype(np.float32)


@pytest.mark.parametrize("fs", [250, 360])
def test_what_is_kept_is_what_is_found_anew(fs: int) -> None:
    """Long enough for rows to be moved to their front: envelopes every 12 s, beats once there are 192."""
    plan, lane, rng = plan_of(DEFAULT, float(fs)), Lane(DEFAULT, float(fs)), np.random.default_rng(fs)
    row, x, at, checked, first, moved = lane.enter(), signal(fs, 190, fs), 0, 0, 0, 0
    while at < len(x):
        part = x[at : at + (fs if rng.random() < 0.9 else int(rng.integers(1, 3 * fs)))]
        due = bool(rng.random() < 0.95)
        lane.forward([row], [part], [due])
        at += len(part)
        if due and at > fs:
            _same_peaks(row, plan, lane._state)
            checked += _same_likeness(row, plan, lane._state)
            before, first = first, int(lane._state.tally[row, FIRST_BEAT])
            moved += first < before
    assert moved
    assert checked > 10_000


@pytest.mark.parametrize("fs", [250, 360])
def test_places_and_shapes_that_are_kept_are_those_found_anew(fs: int) -> None:
    """The other lane is told that nothing is settled, so that it keeps nothing of the newest beats."""
    rng, x, at, kept = np.random.default_rng(fs), signal(fs, 100, fs + 1), 0, 0
    lanes = [Lane(DEFAULT, float(fs)) for _ in range(2)]
    rows = [lane.enter() for lane in lanes]
    while at < len(x):
        part = x[at : at + (fs if rng.random() < 0.9 else int(rng.integers(1, 3 * fs)))]
        due = bool(rng.random() < 0.95)
        told, again = (lane.forward([row], [part], [due]) for lane, row in zip(lanes, rows, strict=True))
        at += len(part)
        one, other = (lane._state for lane in lanes)
        count = one.tally[rows[0]]
        live = slice(count[FIRST_BEAT], count[FIRST_BEAT] + count[BEAT_COUNT])
        for name in ("top", "place", "at", "middle", "strength", "size"):
            mine, theirs = getattr(one, name)[rows[0], live], getattr(other, name)[rows[1], live]
            assert np.array_equal(mine, theirs), (name, at)
        assert np.allclose(one.wave[rows[0], live], other.wave[rows[1], live], rtol=0, atol=1e-5)
        whole = one.kind[rows[0], live, ALIKE] > UNKNOWN
        mine, theirs = one.kind[rows[0], live][whole], other.kind[rows[1], live][whole]
        assert np.allclose(mine[:, NEIGHBOUR], theirs[:, NEIGHBOUR], rtol=0, atol=1e-4)
        if due:
            assert np.allclose(told[0], again[0], rtol=0, atol=1e-4, equal_nan=True)
            assert np.array_equal(told[1], again[1])
        kept += int(np.count_nonzero(one.at[rows[0], live] >= count[END] - 3 * fs))
        other.tally[rows[1], SETTLED] = 0
    assert kept > 100


def _same_peaks(p: int, plan: Plan, st: State) -> None:
    count = st.tally[p]
    end, used = count[END] // plan.q, count[LOW_USED]
    low = min(end, plan.window)
    for which, row, detector, column, n in (
        (0, st.envelope, plan.first, PEAKS, low),
        (1, st.second, plan.second, SECOND_PEAKS, min(low, plan.quality.context)),
    ):
        found = np.empty(n // detector.limits.near + 2, np.int64)
        held = peaks.tops(row[p][used - n : used], detector.limits, 0, n, 0, found)
        assert st.peak[p, which, : count[column]].tolist() == (found[:held] + end - n).tolist()


def _same_likeness(p: int, plan: Plan, st: State) -> int:
    """How many pairs were looked at."""
    first, stop = int(st.tally[p, FIRST_BEAT]), int(st.tally[p, COMPARED])
    assert stop <= first + st.tally[p, BEAT_COUNT]
    if stop - first < 2:
        return 0
    wanted = np.atleast_2d(np.corrcoef(st.wave[p, first:stop].astype(np.float64)))
    clear = (np.abs(wanted - plan.shape.alike) > 1e-4) & ~np.eye(stop - first, dtype=bool)
    number = np.arange(first, stop)
    told = (st.like[p, first:stop][:, number // 64] >> (number % 64)) & 1
    assert np.array_equal(told[clear] == 1, wanted[clear] >= plan.shape.alike)
    return int(clear.sum())


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 26, 40])
def test_middle_is_the_median(n: int) -> None:
    rng = np.random.default_rng(n)
    for values in (rng.standard_normal(n), rng.integers(0, 4, n), np.full(n, -2.5)):
        x = values.astype(np.float32)
        assert peaks.middle(np.append(x, np.float32(99)), n) == pytest.approx(np.median(x), abs=1e-6)


def test_an_interval_is_overdue_beside_the_middle_of_those_around() -> None:
    rr = np.random.default_rng(2).uniform(60, 300, 40).astype(np.float32)
    padded = np.pad(rr.astype(np.float64), 4, "edge")
    for times in (1.0, 1.4, 1.66):
        wanted = [bool(rr[k] > times * np.median(padded[k : k + 9])) for k in range(len(rr))]
        assert [bool(peaks._is_overdue(rr, k, times)) for k in range(len(rr))] == wanted
        assert 0 < sum(wanted) < len(rr)


def test_bits_are_counted() -> None:
    for value in (0, 1, -1, 0x7FFFFFFFFFFFFFFF, -0x8000000000000000, 0x0123456789ABCDEF):
        assert shapes.ones(value) == (value & 0xFFFFFFFFFFFFFFFF).bit_count()
