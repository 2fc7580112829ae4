"""Few labels, many recordings: who keeps a label, and who joins the pool."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from inference.train.data import Examples, unlabelled


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What one run learns from and is measured on. Nothing of `pool` but its signals is known."""

    labelled: Examples
    pool: Examples
    validation: Examples
    test: Examples


def scarce(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    """`examples` of a `share` of the patients, with their labels, and those of all others without.

    Stratified: patients are lined up by their rarest label, at random within one, and every (1 / share)-th is taken, so
    that rare labels keep their share as nearly as whole patients allow. Raises ValueError for a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share of labels: {share} is outside 0 to 1")
    rng = np.random.default_rng(seed)
    patients, owner = np.unique(examples.patients, return_inverse=True)
    has = np.zeros((len(patients), len(examples.classes)), np.bool_)
    np.logical_or.at(has, owner, examples.y & examples.known)
    frequency = has.sum(axis=0)
    rarest = np.where(has, frequency, len(patients) + 1).argmin(axis=1)
    line = np.lexsort((rng.random(len(patients)), rarest))
    mark = np.floor((np.arange(len(patients) + 1)) * share + rng.random())
    taken = np.zeros(len(patients), np.bool_)
    taken[line] = np.diff(mark) > 0
    keep = taken[owner]
    return examples.take(keep), unlabelled(examples.take(~keep))


def together(*parts: Examples) -> Examples:
    """All windows of `parts`, in order."""
    columns: dict[str, Any] = {
        f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Examples) if f.name != "classes"
    }
    return Examples(classes=parts[0].classes, **columns)
