"""The frozen test set: fold 8 of the packs, by leads I and II, pinned by the plan; and what a candidate costs.

Nobody learns from these windows, and nobody chooses by them. Where they are not those that the plan names, there is no
exam, and without one nothing passes.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from inference.datasets.header import age_of
from inference.datasets.sidecars import ptbxl_sex
from inference.model.card import Card
from inference.model.student import Student
from inference.preprocess import FS_HZ, SAMPLES, Batch, preprocess
from inference.refresh.gate import Exam
from inference.refresh.plan import Plan
from inference.train.calibrate import Flags, Floats, probabilities
from inference.train.data import Recording, labels_of, ptbxl_recordings
from inference.train.measure import predict
from inference.train.split import TEST
from liteheart.errors import Misconfigured

Names = npt.NDArray[np.str_]
LEADS: Final = ("I", "II")
_AGES: Final = (40.0, 60.0, 80.0)  # years at which a band ends
_WINDOWS: Final = 64  # a pass whose time is taken
_ROUNDS: Final = 9


@dataclass(frozen=True, slots=True, eq=False)
class TestSet:
    """x float32 [n, 1, 1000], y bool [n, classes], patients [n], groups as `gate.Exam` has them."""

    __test__ = False  # not one of pytest's

    classes: tuple[str, ...]
    x: Batch
    y: Flags
    patients: Names
    groups: Mapping[str, Names]


def read_test_set(packs: Path, classes: tuple[str, ...], plan: Plan) -> TestSet:
    """Raises Unreadable for packs that are not there, Misconfigured for others than those the plan names."""
    rows = [r for r in ptbxl_recordings(packs, labelled=True) if int(r.labels["fold"]) in TEST]
    if (found := digest(rows)) != plan.exam.sha256:
        raise Misconfigured("refresh.plan", f"exam.sha256: {packs} holds the test set {found[:16]}, another one")
    return make_test_set(rows, classes)


def make_test_set(rows: list[Recording], classes: tuple[str, ...]) -> TestSet:
    """Each recording once by each of `LEADS`."""
    mv = np.concatenate([np.stack([r.mv[r.leads.index(lead), :SAMPLES] for r in rows]) for lead in LEADS])
    y = np.array([labels_of(r, classes) for r in rows])
    ages = np.array([_age(str(r.labels["age"])) for r in rows])
    sexes = np.array([ptbxl_sex(str(r.labels["sex"])) or "unknown" for r in rows])
    patients = np.array([str(r.labels["patient"] or r.name) for r in rows])
    each = len(LEADS)
    return TestSet(
        classes,
        preprocess(mv, FS_HZ)[:, None],
        np.tile(y, (each, 1)),
        np.tile(patients, each),
        {"age": np.tile(ages, each), "sex": np.tile(sexes, each), "lead": np.repeat(np.array(LEADS), len(rows))},
    )


def digest(rows: list[Recording]) -> str:
    """Of samples, labels and patients, in order; exact on every machine."""
    found = hashlib.sha256()
    for r in rows:
        said = [r.name, r.fs_hz, r.leads, r.labels["patient"], r.labels["scp"]]
        found.update(json.dumps(said, sort_keys=True).encode())
        found.update(np.round(1000 * r.mv.astype(np.float64)).astype("<i4").tobytes())
    return found.hexdigest()


def examine(test: TestSet, champion: tuple[Student, Card], candidate: tuple[Student, Card]) -> Exam:
    """What both say of it. Raises Misconfigured when one of them knows other conditions than the test set."""
    return Exam(test.classes, test.y, _said(test, *champion), _said(test, *candidate), test.patients, dict(test.groups))


def _said(test: TestSet, student: Student, card: Card) -> Floats:
    if card.classes != test.classes:
        raise Misconfigured("refresh.plan", f"the test set is of other conditions than {card.name}")
    return probabilities(predict(student, test.x), [card.temperature[c] for c in card.classes])


def latency_ratio(champion: Student, candidate: Student, clock: Callable[[], float]) -> float:
    """Time of a pass, candidate / champion, by turns; the least of each, for what else runs only adds to it."""
    x = torch.from_numpy(np.random.default_rng(0).normal(0, 0.3, (_WINDOWS, SAMPLES)).astype(np.float32))
    took: tuple[list[float], list[float]] = ([], [])
    with torch.inference_mode():
        for _ in range(_ROUNDS):
            for i, student in enumerate((champion, candidate)):
                began = clock()
                student(x)
                took[i].append(clock() - began)
    return min(took[1]) / max(min(took[0]), 1e-9)


def _age(text: str) -> str:
    years = age_of(text)
    if years is None:
        return "unknown"
    low = 0.0
    for high in _AGES:
        if years < high:
            return f"{low:.0f}-{high - 1:.0f}"
        low = high
    return f"{low:.0f} and above"
