"""From a folder of packs to shipped weights: teachers, students, choice, calibration, figures, card."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inference.distill.guide import Ensemble
from inference.distill.loop import Budget, distil
from inference.distill.objective import arm
from inference.distill.scarce import Material
from inference.distill.teachers import WELL_TAUGHT, TeacherSettings, teach
from inference.model.checkpoint import Card, save_checkpoint
from inference.model.export import export_onnx
from inference.model.student import Student, StudentShape, fold, parameters
from inference.train.calibrate import (
    PRECISE,
    fit_temperature,
    fit_thresholds,
    fit_undecided,
    precise_threshold,
    probabilities,
)
from inference.train.data import LEADS, Examples, read_cinc2017, read_ptbxl_all
from inference.train.evaluate import macro_auroc
from inference.train.measure import measure, measure_handheld, predict
from inference.train.provenance import ABOUT, CINC2017, PTBXL
from inference.train.split import TRAIN, by_fold
from liteheart.conditions import SCORED

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShipSettings:
    """The recipe of the student that ships."""

    arm: str = "kd+u"
    budget: Budget = field(
        default_factory=lambda: Budget(steps=1500, batch=64, unlabelled_batch=32, extra_batch=64, other_lead_share=0.25)
    )
    teachers: TeacherSettings = WELL_TAUGHT
    handheld: bool = True  # CinC-2017 recordings teach AFIB beside PTB-XL
    shape: StudentShape = field(default_factory=lambda: StudentShape(len(SCORED)))


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """All that a student is made from and measured on."""

    material: Material
    handheld: tuple[Examples, Examples, Examples] | None


def read_course(packs: Path, settings: ShipSettings) -> Course:
    """Folds 1-6 to learn, 7 to choose and calibrate, 8 to measure. Raises Unreadable and PatientLeak."""
    labelled, others = read_ptbxl_all(packs, SCORED, LEADS)
    train, validation, test = by_fold(labelled)
    pool = others.take(np.isin(others.folds, np.array(TRAIN)))
    extra = by_fold(read_cinc2017(packs, SCORED)) if settings.handheld else None
    return Course(Material(train, pool, validation, test), extra)


def train_teachers(course: Course, settings: ShipSettings, *, seed: int = 0) -> Ensemble:
    """The 12-lead teachers, calibrated on fold 7."""
    return teach(course.material, settings.teachers, seed=seed)


def ship_student(
    course: Course,
    teachers: Ensemble | None,
    out: Path,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    settings: ShipSettings | None = None,
    name: str = "student-beat-1",
) -> Card:
    """A student a seed, the best on fold 7 kept, measured on fold 8; weights, graphs and card are written to `out`."""
    settings = settings or ShipSettings()
    m, extra = course.material, course.handheld
    guide = teachers.guide(m.labelled, m.pool) if teachers else None
    students = {}
    for seed in seeds:
        torch.manual_seed(seed)
        fresh, todo, more = Student(settings.shape), arm(settings.arm), extra and extra[0]
        students[seed] = distil(
            fresh, m.labelled, todo, settings.budget, seed=seed, pool=m.pool, guide=guide, extra=more
        )
    chosen, figures = _best(students, m.validation)
    student = students[chosen]
    temperature, thresholds = calibrate(student, m.validation, extra and extra[1])
    metrics = measure(student, temperature, m.test, thresholds)
    metrics["lead_ii"] = measure(student, temperature, m.test, thresholds, lead=1)["superclasses"]
    if extra:
        metrics["handheld"] = measure_handheld(student, temperature, extra[2], thresholds["AFIB"])
    card = Card(
        name=name,
        classes=SCORED,
        temperature=dict.fromkeys(SCORED, round(temperature, 4)),
        thresholds=thresholds,
        undecided_from=fit_undecided(probabilities(predict(student, m.validation.x), temperature), SCORED, thresholds),
        about=ABOUT
        | {
            "data": [PTBXL, CINC2017] if extra else [PTBXL],
            "training": _recipe(settings, student, course) | {"seed": chosen, "fold7_macro_auroc_by_seed": figures},
            "thresholds_by": {"default": "best F1 on fold 7, median over resamplings"}
            | {c: f"precision {p} on the windows of fold 7, handheld included" for c, p in PRECISE.items()},
            "metrics": metrics,
        },
    )
    card = save_checkpoint(out, student, card)
    export_onnx(fold(student), m.labelled.x[:512, 0], out)
    return card


def calibrate(student: Student, validation: Examples, handheld: Examples | None) -> tuple[float, dict[str, float]]:
    """Temperature, and the thresholds by code, of what `student` says of windows that it never learned from."""
    logits = predict(student, validation.x)
    temperature = fit_temperature(logits, validation.y)
    p = probabilities(logits, temperature)
    thresholds = fit_thresholds(p, validation.y, validation.classes)
    if handheld is not None:
        for code, precision in PRECISE.items():
            i = validation.classes.index(code)
            more = probabilities(predict(student, handheld.x), temperature)[:, i]
            both = np.concatenate([p[:, i], more]), np.concatenate([validation.y[:, i], handheld.y[:, i]])
            thresholds[code] = round(precise_threshold(*both, precision), 4)
    return temperature, thresholds


def _best(students: dict[int, Student], validation: Examples) -> tuple[int, dict[str, float]]:
    figures = {s: macro_auroc(predict(m, validation.x), validation.y) for s, m in students.items()}
    chosen = max(figures, key=lambda s: figures[s])
    log.info("fold 7 macro AUROC by seed: %s; kept seed %d", figures, chosen)
    return chosen, {str(s): round(v, 4) for s, v in figures.items()}


def _recipe(settings: ShipSettings, student: Student, course: Course) -> dict[str, Any]:
    budget = settings.budget
    return {
        "arm": settings.arm,
        "teachers": f"{settings.teachers.count} convolutional ones of 12 leads and a kernel machine on median beats",
        "steps": budget.steps,
        "batch": budget.batch,
        "unlabelled_batch": budget.unlabelled_batch,
        "learning_rate": budget.learning_rate,
        "handheld_batch": budget.extra_batch,
        "handheld_weight": budget.extra_weight,
        "lead_ii_share": budget.other_lead_share,
        "parameters": parameters(student),
        "windows": len(course.material.labelled),
        "unlabelled_windows": len(course.material.pool),
        "handheld_windows": len(course.handheld[0]) if course.handheld else 0,
    }
