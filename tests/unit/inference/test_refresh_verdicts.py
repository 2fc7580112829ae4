"""Whom to believe: honest people are, who answers at random or the wrong way round is not."""

from collections.abc import Callable

import numpy as np
import pytest

from inference.refresh.verdicts import SAYS, Said, VerdictSettings, weigh
from liteheart.alarm import REASONS
from liteheart.errors import Poison

Answer = Callable[[bool, np.random.Generator], bool]


def honest(truth: bool, rng: np.random.Generator) -> bool:
    return truth if rng.uniform() < 0.93 else not truth


def flipped(truth: bool, rng: np.random.Generator) -> bool:
    return not truth


def careless(truth: bool, rng: np.random.Generator) -> bool:
    return bool(rng.uniform() < 0.5)


def always(truth: bool, rng: np.random.Generator) -> bool:
    return True


def ward(people: dict[str, Answer], seed: int, alarms: int = 200, each: int = 2) -> tuple[list[Said], dict[str, bool]]:
    """Alarms of a student that is right in six of ten, each looked at by `each` people."""
    rng = np.random.default_rng(seed)
    said, truth = [], {}
    for k in range(alarms):
        there = bool(rng.uniform() < 0.6)
        truth[f"a{k}"] = there
        p = float(np.clip(rng.normal(0.7 if there else 0.6, 0.15), 0, 1))
        for by in rng.permutation(sorted(people))[:each]:
            yes = people[by](there, rng)
            said.append(Said(f"a{k}", str(by), "true-actioned" if yes else "false-algorithm", p))
    return said, truth


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bad", [flipped, careless, always])
def test_who_cannot_be_believed_is_found_among_five_and_labels_are_right(bad: Answer, seed: int) -> None:
    people: dict[str, Answer] = dict.fromkeys(["ada", "ben", "cleo", "dora"], honest)
    said, truth = ward(people | {"mallory": bad}, seed)
    labels = weigh(said)
    assert labels.ignored == ("mallory",)
    right = [(p > 0.5) == truth[alarm] for alarm, p in labels.positive.items()]
    assert len(right) > 120
    assert np.mean(right) > 0.93
    assert min(labels.reliability[name] for name in people) > 0.8


def test_one_person_alone_is_believed_as_far_as_the_prior_goes() -> None:
    labels = weigh([Said("a", "ada", "true-no-action", 0.7), Said("b", "ada", "false-algorithm", 0.6)])
    assert labels.positive["a"] > 0.8
    assert labels.positive["b"] < 0.2
    assert labels.ignored == ()


def test_those_who_disagree_make_no_label() -> None:
    labels = weigh([Said("a", "ada", "true-actioned", 0.5), Said("a", "ben", "false-algorithm", 0.5)])
    assert labels.positive == {}
    assert labels.undecided == ("a",)


def test_an_artefact_is_no_label_of_the_heart_and_the_last_word_counts() -> None:
    labels = weigh(
        [
            Said("a", "ada", "false-artefact", 0.9),
            Said("a", "ben", "false-algorithm", 0.9),
            Said("b", "ada", "care-activity", 0.9),
            Said("b", "ada", "true-actioned", 0.9),
        ]
    )
    assert labels.artefacts == ("a",)
    assert list(labels.positive) == ["b"]


def test_a_confident_student_does_not_outvote_people() -> None:
    labels = weigh([Said(f"a{k}", by, "false-algorithm", 0.99) for k in range(20) for by in ("ada", "ben")])
    assert max(labels.positive.values()) < 0.2
    assert labels.ignored == ()


def test_every_coded_reason_has_a_meaning_and_nothing_else_has() -> None:
    assert set(SAYS) == set(REASONS)
    with pytest.raises(Poison, match="reason"):
        weigh([Said("a", "ada", "because", 0.5)])
    with pytest.raises(Poison, match="probability"):
        weigh([Said("a", "ada", "true-actioned", float("nan"))])
    assert weigh([]).positive == {}
    assert weigh([], VerdictSettings()).reliability == {}
