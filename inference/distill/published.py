"""What a benchmark learns from and is measured on, out of a published database in its own folder.

records after their guards --12 leads--> windows, labels, groups --index of a split by patient--> Material
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.datasets.labels import targets
from inference.datasets.record import TWELVE, LabelledRecord, Listed
from inference.datasets.splits import Index, cessl, htuning
from inference.distill.scarce import Material
from inference.preprocess import Batch
from inference.train.data import Examples, unlabelled
from liteheart.conditions import CONDITIONS, merged

Prepare = Callable[[npt.NDArray[np.float32], float], Batch]  # mv [leads, n] at a rate to a network's input
MINIMUM: Final = 200  # records with a condition, from which the group's papers count it
_FULL: Final = 0.9  # of the records keep their labels, a fifth of these to validate; the others are the test


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """The twelve-lead records of one database as windows, in the order of `listed`."""

    listed: tuple[Listed, ...]
    examples: Examples


def collect(records: Iterable[LabelledRecord], prepare: Prepare, *, minimum: int = MINIMUM) -> Collected:
    """Windows and labels of `records`; classes are the conditions that `minimum` of them have, equivalents as one.

    Raises ValueError where they are of several databases, since one's silence is no "no" of another, where none has
    twelve leads, or where no condition is that common.
    """
    listed, windows = [], []
    for r in records:
        if r.leads[: len(TWELVE)] == TWELVE:
            listed.append(r.listed)
            windows.append(prepare(r.mv[: len(TWELVE)], r.fs_hz))
    databases = sorted({r.database for r in listed})
    if len(databases) != 1:
        raise ValueError(f"twelve-lead records of one database expected, found {', '.join(databases) or 'none'}")
    counts = Counter(code for r in listed if r.labelled for code in merged(r.labels))
    classes = tuple(c.code for c in CONDITIONS if counts[c.code] >= max(minimum, 1))
    if not classes:
        raise ValueError(f"{databases[0]}: no condition has {minimum} records of {len(listed)}")
    y, known = targets(listed, classes, minimum=minimum)
    return Collected(
        tuple(listed),
        Examples(
            classes=classes,
            x=np.stack(windows),
            y=y,
            known=known,
            patients=np.array([r.group for r in listed]),
            folds=np.array([r.fold or 0 for r in listed]),
        ),
    )


def split_for(listed: tuple[Listed, ...], share: float, seed: int) -> Index:
    """CE-SSL's shape where a share of the labels is kept, H-Tuning's where all are. Raises ValueError."""
    return cessl(listed, ratio=share, seed=seed) if share < 1 else htuning(listed, seed=seed, ratio=_FULL)


def divide(collected: Collected, index: Index) -> Material:
    """The sides of `index`. Raises PatientLeak, KeyError for a record of the index that is not there."""
    index.check(collected.listed)
    row = {r.key: i for i, r in enumerate(collected.listed)}

    def side(name: str) -> Examples:
        return collected.examples.take(np.array([row[key] for key in index.sides.get(name, ())], np.int64))

    return Material(side("train"), unlabelled(side("unlabelled")), side("validation"), side("test"))
