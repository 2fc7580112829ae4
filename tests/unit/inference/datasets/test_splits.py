"""No patient on two sides, every label on each, the same split from the same seed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.datasets.record import Listed
from inference.datasets.splits import Index, cessl, folds, htuning, load_index
from inference.datasets.stratify import deal
from inference.train.split import PatientLeak
from liteheart.errors import Unreadable

LABELS = ("SR", "AFIB", "PVC", "CLBBB", "PACE", "WPW")


def _listed(n: int = 1200, seed: int = 0, repeats: bool = True) -> list[Listed]:
    """Records with labels from common (half) to rare (one in a hundred), a third of the patients with several."""
    rng = np.random.default_rng(seed)
    out, patient = [], 0
    while len(out) < n:
        for _ in range(int(rng.integers(1, 5)) if repeats and rng.random() < 0.33 else 1):
            shares = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
            labels = frozenset(c for c, p in zip(LABELS, shares, strict=True) if rng.random() < p)
            out.append(Listed(f"r{len(out)}", "ptbxl", f"p{patient}", labels, fold=patient % 10 + 1))
        patient += 1
    return out[:n]


def _groups(listed: list[Listed], index: Index) -> dict[str, set[str]]:
    of = {r.key: r.group for r in listed}
    return {side: {of[k] for k in keys} for side, keys in index.sides.items()}


PLANS: list[Callable[[list[Listed]], Index]] = [
    lambda listed: cessl(listed, ratio=0.1, seed=1),
    lambda listed: htuning(listed, seed=1),
    folds,
]


@pytest.mark.parametrize("plan", PLANS)
def test_every_record_is_on_one_side_and_every_patient_too(plan: Callable[[list[Listed]], Index]) -> None:
    listed = _listed()
    index = plan(listed)
    keys = [k for side in index.sides.values() for k in side]
    assert sorted(keys) == sorted(r.key for r in listed)
    groups = list(_groups(listed, index).values())
    assert sum(map(len, groups)) == len(set().union(*groups))


def test_shapes_of_the_published_splits() -> None:
    listed = _listed(2000, repeats=False)
    sizes = {side: len(keys) for side, keys in cessl(listed, ratio=0.05, seed=0).sides.items()}
    assert sizes == pytest.approx({"train": 72, "validation": 18, "unlabelled": 1710, "test": 200}, abs=4)
    sizes = {side: len(keys) for side, keys in htuning(listed, seed=0).sides.items()}
    assert sizes == pytest.approx({"train": 160, "validation": 40, "test": 1800}, abs=4)


def test_rare_labels_are_split_by_the_shares_too() -> None:
    listed = _listed(4000)
    sides = deal(listed, (0.7, 0.2, 0.1), seed=3)
    for code in LABELS:
        total = sum(code in r.labels for r in listed)
        for side, share in zip(sides, (0.7, 0.2, 0.1), strict=True):
            assert sum(code in r.labels for r in side) == pytest.approx(share * total, abs=4), code
    worst = 0.0
    for seed in range(5):  # what dealing without looking at labels does to the rarest
        mask = np.random.default_rng(seed).random(len(listed)) < 0.1
        rare = [LABELS[-1] in r.labels for r in listed]
        worst = max(worst, abs(float(np.sum(mask & np.array(rare))) - 0.1 * sum(rare)))
    assert worst > 1


def test_the_seed_decides() -> None:
    listed = _listed()
    assert cessl(listed, ratio=0.1, seed=4) == cessl(listed, ratio=0.1, seed=4)
    assert cessl(listed, ratio=0.1, seed=4).sides != cessl(listed, ratio=0.1, seed=5).sides


@settings(max_examples=30, deadline=None)
@given(st.integers(30, 200), st.integers(0, 2**32 - 1))
def test_dealing_loses_and_doubles_nothing(n: int, seed: int) -> None:
    listed = _listed(n, seed)
    sides = deal(listed, (0.6, 0.4), seed=seed)
    assert sorted(r.key for side in sides for r in side) == sorted(r.key for r in listed)
    assert not {r.group for r in sides[0]} & {r.group for r in sides[1]}


@pytest.mark.parametrize("shares", [(1.0,), (0.5, 0.6), (1.0, 0.0), ()])
def test_odd_shares_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="shares"):
        deal(_listed(20), shares, seed=0)


def test_unlabelled_records_are_never_tested_on() -> None:
    listed = [replace(r, labelled=i % 3 > 0) for i, r in enumerate(_listed())]
    unlabelled = {r.key for r in listed if not r.labelled}
    for index in (cessl(listed, ratio=0.1, seed=0), folds(listed)):
        assert not unlabelled & {k for side in ("train", "validation", "test") for k in index.sides[side]}
        assert unlabelled & set(index.sides["unlabelled"])
        index.check(listed)


def test_one_patient_on_two_sides_raises() -> None:
    listed = _listed()
    index = cessl(listed, ratio=0.1, seed=0)
    index.check(listed)
    moved = index.sides["test"][0]
    owner = next(r for r in listed if r.key == moved).group
    thief = next(r for r in listed if r.key == index.sides["train"][0])
    with pytest.raises(PatientLeak, match=f"{owner} is on side"):
        index.check([replace(r, group=owner) if r is thief else r for r in listed])
    with pytest.raises(KeyError, match="is not among the records"):
        index.check(listed[1:])


def test_a_fold_that_splits_a_patient_raises() -> None:
    listed = _listed()
    twin = next(r for r in listed if r.fold == 1)
    with pytest.raises(PatientLeak):
        folds([*listed, replace(twin, name="other", fold=10)])
    with pytest.raises(ValueError, match="has no fold"):
        folds([*listed, replace(twin, name="other", fold=None)])


def test_patients_that_are_not_known_cannot_be_split() -> None:
    listed = [replace(r, group="ptbxl/unknown patients") for r in _listed(100)]
    with pytest.raises(ValueError, match="100 records of 1 known patients"):
        cessl(listed, ratio=0.1, seed=0)


@pytest.mark.parametrize("ratio", [0.0, 1.0, -1.0])
def test_ratios_are_shares(ratio: float) -> None:
    with pytest.raises(ValueError, match="ratio"):
        cessl(_listed(50), ratio=ratio, seed=0)


def test_an_index_comes_back_from_its_file(tmp_path: Path) -> None:
    index = cessl(_listed(), ratio=0.05, seed=2)
    path = tmp_path / "index.json"
    index.save(path)
    assert load_index(path) == index
    assert set(json.loads(path.read_text())) == {"plan", "seed", "ratio", "of", "sides"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nothing", "not an index"),
        ('{"plan": "cessl"}', "not an index"),
        ("[]", "not an index"),
        ('{"plan": "x", "seed": 0, "ratio": 0.1, "of": "", "sides": {"a": ["k"], "b": ["k"]}}', "names a record twice"),
    ],
)
def test_a_broken_index_is_unreadable(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "index.json"
    path.write_text(text)
    with pytest.raises(Unreadable, match=reason):
        load_index(path)
    with pytest.raises(Unreadable, match="No such file"):
        load_index(tmp_path / "none.json")
