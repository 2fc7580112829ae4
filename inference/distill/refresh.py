"""The same objective from a student that already serves, on new windows that nobody labelled."""

import copy
from dataclasses import replace
from typing import Final

import numpy as np

from inference.distill.guide import Guide, frozen
from inference.distill.loop import Budget, distil
from inference.distill.objective import Arm
from inference.model.reading import Reader
from inference.model.student import Student
from inference.preprocess import Batch
from inference.train.data import Examples
from inference.train.split import check_patients

GENTLE: Final = Budget(steps=200, learning_rate=3e-4)
REFRESH: Final = Arm("refresh", {"soft": 1.0, "region": 0.1, "mutual": 0.02}, unlabelled=True)


def refresh_student(
    student: Student,
    windows: Batch,
    *,
    teacher: Reader | None = None,
    rehearsal: Examples | None = None,
    validation: Examples | None = None,
    arm: Arm = REFRESH,
    budget: Budget = GENTLE,
    seed: int = 0,
) -> Student:
    """A new student, grown from `student` on `windows` float32 [n, leads, 1000]; `student` itself is not touched.

    `teacher` reads all leads of `windows`; without one, the student as it was is the teacher of its own strongly
    disturbed views, which is what a ward with one lead has. `rehearsal` are labelled windows, against forgetting; a
    patient of `validation` in them raises PatientLeak. Raises ValueError for fewer leads than the teacher reads.
    """
    if rehearsal is not None and validation is not None:
        check_patients(rehearsal, validation)
    guiding = teacher if teacher is not None else copy.deepcopy(student)
    leads = windows.shape[1]
    if leads < guiding.leads:
        raise ValueError(f"windows have {leads} leads, the teacher reads {guiding.leads}")
    pool = _nothing_known(windows, student.classes, rehearsal)
    labelled = rehearsal if rehearsal is not None else pool.take(np.zeros(0, np.int64))
    if labelled.x.shape[1] < leads:
        raise ValueError(f"rehearsal windows have {labelled.x.shape[1]} leads, the new ones {leads}")
    own = copy.deepcopy(student).requires_grad_(True)
    found = replace(arm, unlabelled=True)
    return distil(own, labelled, found, budget, seed=seed, pool=pool, guide=Guide(reader=frozen(guiding)))


def _nothing_known(windows: Batch, classes: int, like: Examples | None) -> Examples:
    n = len(windows)
    names = like.classes if like is not None else tuple(str(i) for i in range(classes))
    none = np.zeros((n, classes), np.bool_)
    return Examples(names, windows, none, none, np.array([f"new{i}" for i in range(n)]), np.zeros(n, np.int64))
