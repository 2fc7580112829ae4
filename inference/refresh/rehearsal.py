"""What a student learned from once, kept at hand so that it does not forget: recordings of 12 leads and their teacher.

The teacher is the kernel machine on median beats of all leads (`inference.distill.kernel`), solved in closed form from
the same recordings: of those it learned from it says what it would say without each one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.distill.kernel import KernelSettings, fit_kernel
from inference.distill.scarce import together
from inference.train.calibrate import Floats
from inference.train.data import LEADS, Examples, read_cinc2017, read_ptbxl_all
from inference.train.split import TRAIN, VALIDATION, by_fold, check_patients


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    """Recordings to learn from (of some no label is known), what a teacher says of them, and others to calibrate on.

    soft float64 [n, classes], probabilities; no patient of `train` is in `validation`, else PatientLeak.
    """

    train: Examples
    soft: Floats
    validation: Examples
    handheld: tuple[Examples, Examples] | None = None  # one lead: to learn from, to calibrate on

    def __post_init__(self) -> None:
        check_patients(self.train, self.validation)
        if self.handheld is not None:
            check_patients(*self.handheld)
        if self.soft.shape != self.train.y.shape:
            raise ValueError(f"the teacher speaks of {self.soft.shape}, the recordings are {self.train.y.shape}")


def make_rehearsal(
    labelled: Examples,
    others: Examples | None,
    validation: Examples,
    handheld: tuple[Examples, Examples] | None = None,
    kernel: KernelSettings | None = None,
) -> Rehearsal:
    """With the kernel teacher of `labelled`. Raises PatientLeak."""
    teacher = fit_kernel(labelled, others, kernel or KernelSettings())
    soft = teacher.left_out(labelled.y)
    if others is None or not len(others):
        return Rehearsal(labelled, soft, validation, handheld)
    soft = np.concatenate([soft, teacher.probabilities(others.x)])
    return Rehearsal(together(labelled, others), soft, validation, handheld)


def read_rehearsal(packs: Path, classes: Sequence[str], *, handheld: bool = True) -> Rehearsal:
    """Folds 1-6 of the packs to learn from, 7 to calibrate on. Raises Unreadable and PatientLeak."""
    everything, unnamed = read_ptbxl_all(packs, classes, LEADS)
    labelled, validation, _ = by_fold(everything)
    others = unnamed.take(np.isin(unnamed.folds, np.array(TRAIN)))
    words = None
    if handheld:
        train, held, _ = by_fold(read_cinc2017(packs, classes, {"cinc2017_parts01": 1}), TRAIN, VALIDATION)
        words = (train, held)
    return make_rehearsal(labelled, others, validation, words)
