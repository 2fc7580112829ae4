"""Splits by patient, always: a patient on two sides makes every figure after it a lie."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from inference.train.data import Examples

TRAIN: Final = (1, 2, 3, 4, 5, 6)
VALIDATION: Final = (7,)  # thresholds, temperature, choice of the seed
TEST: Final = (8,)  # looked at once a model is chosen


class PatientLeak(ValueError):
    """A patient is on two sides of a split; the message names one."""


def by_fold(
    examples: Examples,
    train: Iterable[int] = TRAIN,
    validation: Iterable[int] = VALIDATION,
    test: Iterable[int] = TEST,
) -> tuple[Examples, Examples, Examples]:
    """Train, validation and test by the folds of the data set. Raises PatientLeak."""
    sides = tuple(examples.take(np.isin(examples.folds, np.array(list(folds)))) for folds in (train, validation, test))
    check_patients(*sides)
    return sides[0], sides[1], sides[2]


def check_patients(*sides: Examples) -> None:
    """Raises PatientLeak when two sides share a patient."""
    seen: dict[str, int] = {}
    for side, examples in enumerate(sides):
        for patient in np.unique(examples.patients).tolist():
            if seen.setdefault(patient, side) != side:
                raise PatientLeak(f"patient {patient} is on side {seen[patient]} and on side {side} of the split")
