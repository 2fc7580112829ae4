"""Matching: by hand, against an exhaustive search, and against the library of the trade on real annotations."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from wfdb.processing import compare_annotations

from inference.beats import detect_r_peaks
from inference.report.labels import Annotations, beats_of
from inference.report.matching import match
from inference.train.data import read_pack


@pytest.mark.parametrize(
    ("reference", "found", "pairs"),
    [
        ([], [1.0], []),
        ([1.0], [], []),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [(0, 0), (1, 1), (2, 2)]),
        ([1.0], [1.15], [(0, 0)]),  # the edge belongs to the window
        ([1.0], [1.151], []),
        ([1.0], [0.9, 1.02, 1.1], [(0, 1)]),  # the closest of three
        ([1.0, 1.1], [1.06], [(1, 0)]),  # one beat found, two there: the closer
        ([1.0, 1.2], [0.9, 1.1], [(0, 0), (1, 1)]),  # nearest first would leave 1.2 alone
        ([1.0, 1.2], [1.12, 1.3], [(0, 0), (1, 1)]),
        ([0.0, 0.1, 0.2], [0.14, 0.24, 0.34], [(0, 0), (1, 1), (2, 2)]),  # three, though each is off by 140 ms
        ([1.0, 1.0], [1.0], [(0, 0)]),  # marked twice, found once
    ],
)
def test_by_hand(reference: Sequence[float], found: Sequence[float], pairs: list[tuple[int, int]]) -> None:
    got = [tuple(p) for p in match(reference, found).tolist()]
    if reference == [1.0, 1.0]:
        assert len(got) == 1
    else:
        assert got == pairs


instants = st.lists(st.integers(0, 60).map(lambda k: k / 50), max_size=9).map(sorted)


@settings(max_examples=300, deadline=None)
@given(instants, instants)
def test_no_choice_has_more_pairs_nor_closer_ones(a: list[float], b: list[float]) -> None:
    pairs = match(a, b)
    assert len(set(pairs[:, 0].tolist())) == len(set(pairs[:, 1].tolist())) == len(pairs)
    apart = [abs(a[i] - b[j]) for i, j in pairs.tolist()]
    assert all(d <= 0.15 + 1e-6 for d in apart)
    if not a or not b:
        return
    distance = np.abs(np.subtract.outer(a, b))
    cost = np.where(distance <= 0.15 + 1e-9, distance - 1000.0, 0.0)  # one more pair outweighs any distance
    best = linear_sum_assignment(cost)
    assert sum(apart) - 1000.0 * len(apart) == pytest.approx(float(cost[best].sum()))


def test_a_long_stretch_without_a_gap_is_matched_in_time_that_grows_with_its_length() -> None:
    rng = np.random.default_rng(1)
    a, b = (np.sort(rng.uniform(0, 600, 6000)) for _ in range(2))  # ten a second, both: no gap of 150 ms
    pairs = match(a, b)
    assert len(pairs) > 4000
    assert all(x < y for column in pairs.T.tolist() for x, y in itertools.pairwise(column))


def test_what_is_no_series_of_instants_is_refused() -> None:
    for bad in ([2.0, 1.0], [np.nan], [[1.0]]):
        with pytest.raises(ValueError, match="reference"):
            match(bad, [1.0])


@pytest.mark.ecg
def test_as_many_as_the_library_finds_on_mitdb(ecg_folder: Path) -> None:
    """wfdb pairs each beat with its nearest; where nothing is crowded, that is the same."""
    seen = 0
    for record in itertools.islice(read_pack(ecg_folder / "mitdb_ds1_and_paced.ecg.xz"), 0, 26, 5):
        labels = record.labels
        a = Annotations.of(np.asarray(labels["sample"]) / record.fs_hz, labels["symbol"], labels["aux"])
        reference = np.round(beats_of(a).t_s * record.fs_hz).astype(int)
        found = detect_r_peaks(record.mv[0], record.fs_hz)
        theirs = compare_annotations(reference, found, int(0.15 * record.fs_hz))
        pairs = match(reference / record.fs_hz, found / record.fs_hz)
        assert len(pairs) >= theirs.tp
        assert len(pairs) - theirs.tp <= 2, record.name
        mine = {(int(reference[i]), int(found[j])) for i, j in pairs.tolist()}
        hers = dict(zip(theirs.matched_ref_inds.tolist(), theirs.matched_test_inds.tolist(), strict=True))
        assert len(mine & {(int(reference[i]), int(found[j])) for i, j in hers.items()}) >= 0.998 * len(mine)
        seen += len(pairs)
    assert seen > 10_000
