"""What is learned from: open and various windows of many people; nothing foreign, doubled, or of one alone."""

import dataclasses

import numpy as np
import pytest

from inference.refresh.pool import Candidates, PoolSettings, choose, known_world, openness
from liteheart.errors import Misconfigured

RNG = np.random.default_rng(0)
TRAINED = RNG.normal(size=(2000, 24)) @ RNG.normal(size=(24, 24))
WORLD = known_world(TRAINED)
SMALL = PoolSettings(size=200, most_per_patient=20)


def ward(n: int = 1000, patients: int = 50) -> Candidates:
    rng = np.random.default_rng(1)
    return Candidates(
        TRAINED[rng.permutation(2000)[:n]] + 0.05 * rng.normal(size=(n, 24)),
        rng.uniform(size=(n, 5)),
        rng.uniform(0.6, 1.0, n),
        np.array([f"p{i % patients}" for i in range(n)]),
    )


def with_rows(base: Candidates, **values: np.ndarray) -> Candidates:
    """`base` and more rows behind it."""
    fields = {f.name: getattr(base, f.name) for f in dataclasses.fields(base)}
    return Candidates(**{name: np.concatenate([old, values[name]]) for name, old in fields.items()})


def test_as_many_as_wanted_the_same_each_time_and_counted() -> None:
    pool = choose(ward(), WORLD, SMALL)
    assert len(pool.rows) == len(set(pool.rows)) == 200
    assert pool.rows.tolist() == choose(ward(), WORLD, SMALL).rows.tolist()
    assert len(pool.rows) + sum(pool.left_out.values()) == 1000


def test_one_patient_cannot_flood_it() -> None:
    flood = ward()
    n = 20_000
    rng = np.random.default_rng(3)
    flood = with_rows(
        flood,
        embedding=TRAINED[rng.integers(0, 2000, n)] + 0.05 * rng.normal(size=(n, 24)),
        p=np.full((n, 5), 0.5),  # as open as can be
        sqi=np.ones(n),
        patients=np.full(n, "loud"),
    )
    pool = choose(flood, WORLD, SMALL)
    assert 0 < (flood.patients[pool.rows] == "loud").sum() <= 20
    assert pool.left_out["surplus"] > 19_000


def test_what_was_sent_twice_is_taken_once() -> None:
    base = ward(100)
    rows = np.repeat(np.arange(100), 50)
    many = Candidates(base.embedding[rows], base.p[rows], base.sqi[rows], np.array([f"q{i}" for i in range(len(rows))]))
    pool = choose(many, WORLD, SMALL)
    assert len(pool.rows) <= 100
    assert pool.left_out["duplicate"] == 4900


def test_what_is_foreign_is_set_aside_and_what_is_known_is_not() -> None:
    rng = np.random.default_rng(4)
    n = 300
    strange = with_rows(
        ward(),
        embedding=TRAINED.mean(axis=0) + 30 * rng.normal(size=(n, 24)) * TRAINED.std(),
        p=np.full((n, 5), 0.5),
        sqi=np.ones(n),
        patients=np.array([f"s{i}" for i in range(n)]),
    )
    pool = choose(strange, WORLD, SMALL)
    assert pool.rows.max() < 1000
    assert 300 <= pool.left_out["foreign"] <= 320


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_unusable_or_no_number_is_left_out(value: float) -> None:
    bad = ward()
    bad.sqi[:100] = 0.2
    bad.embedding[100:150] = value
    bad.p[150:160] = value
    pool = choose(bad, WORLD, PoolSettings(size=1000, most_per_patient=1000, most_share=1.0))
    assert pool.rows.min() >= 160
    assert pool.left_out["unusable"] == 160


def test_the_open_are_preferred_and_rare_kinds_are_found() -> None:
    base = ward()
    base.p[:] = 0.01
    base.p[:50] = 0.5
    rare = np.arange(990, 1000)
    base.embedding[rare] = TRAINED.mean(axis=0) + 2.2 * np.sqrt(24) * TRAINED.std(axis=0) * np.eye(24)[:10]
    pool = choose(base, dataclasses.replace(WORLD, spread=100.0), SMALL)
    assert np.isin(np.arange(50), pool.rows).all()
    by_chance = 10 * 150 / 950
    assert np.isin(rare, pool.rows).sum() >= 3 * by_chance


def test_few_candidates_are_taken_as_far_as_everybody_s_part_goes() -> None:
    assert len(choose(ward(0), WORLD, SMALL).rows) == 0
    assert len(choose(ward(1), WORLD, SMALL).rows) == 1


def test_openness_is_entropy() -> None:
    assert openness(np.array([[0.5, 0.5], [0.0, 1.0]])) == pytest.approx([1.0, 0.0], abs=1e-4)


def test_settings_that_make_no_sense_are_named() -> None:
    with pytest.raises(Misconfigured, match="most_share"):
        PoolSettings(most_share=0)
    with pytest.raises(Misconfigured, match="size"):
        PoolSettings(size=0)
