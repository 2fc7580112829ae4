"""From a folder of packs to shipped weights: train, calibrate, measure, write the card."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inference.model.checkpoint import Card, save_checkpoint
from inference.model.student import Student, StudentShape, parameters
from inference.train.calibrate import PRECISE, fit_temperature, fit_thresholds, precise_threshold, probabilities
from inference.train.data import Examples, read_cinc2017, read_ptbxl
from inference.train.evaluate import (
    auroc,
    f1,
    interval,
    macro_auroc,
    macro_average_precision,
    macro_f1,
)
from inference.train.loop import TrainSettings, fit, predict
from inference.train.provenance import ABOUT, CINC2017, PTBXL
from inference.train.split import by_fold
from liteheart.conditions import SCORED, SUPERCLASSES

log = logging.getLogger(__name__)


def train_student(
    pack_folder: Path,
    out: Path,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int = 24,
    handheld: bool = True,
    settings: TrainSettings | None = None,
    name: str = "student-fast-1",
) -> Card:
    """Train a student a seed on the packs of `pack_folder`, keep the best on fold 7, write weights and card to `out`.

    With `handheld`, CinC-2017 recordings teach AFIB beside PTB-XL. Fold 8 is only measured, never chosen by.
    `settings` replace the shipped recipe, `epochs` included.
    Raises Unreadable for a missing pack and PatientLeak for a split that is none.
    """
    settings = settings or TrainSettings(epochs=epochs, extra_batch=64 if handheld else 0, other_lead_share=0.25)
    sides = by_fold(read_ptbxl(pack_folder, SCORED, ("I", "II") if settings.other_lead_share else ("I",)))
    extra = by_fold(read_cinc2017(pack_folder, SCORED)) if handheld else None
    students = {
        seed: fit(sides[0], StudentShape(len(SCORED)), settings, seed=seed, extra=extra and extra[0]) for seed in seeds
    }
    chosen, figures = _best(students, sides[1])
    student = students[chosen]
    temperature, thresholds = _calibrate(student, sides[1], extra and extra[1])
    metrics = measure(student, temperature, sides[2], thresholds)
    if settings.other_lead_share:
        metrics["lead_ii"] = measure(student, temperature, sides[2], thresholds, lead=1)["superclasses"]
    if extra:
        metrics["handheld"] = measure_handheld(student, temperature, extra[2], thresholds["AFIB"])
    card = Card(
        name=name,
        classes=SCORED,
        temperature=dict.fromkeys(SCORED, round(temperature, 4)),
        thresholds=thresholds,
        about=ABOUT
        | {
            "data": [PTBXL, CINC2017] if handheld else [PTBXL],
            "training": _recipe(settings, student)
            | {
                "seed": chosen,
                "fold7_macro_auroc_by_seed": figures,
                "windows": len(sides[0]),
                "handheld_windows": len(extra[0]) if extra else 0,
            },
            "thresholds_by": {"default": "best F1 on fold 7, median over resamplings"}
            | {c: f"precision {p} on the windows of fold 7, handheld included" for c, p in PRECISE.items()},
            "metrics": metrics,
        },
    )
    return save_checkpoint(out, student, card)


def _calibrate(student: Student, validation: Examples, handheld: Examples | None) -> tuple[float, dict[str, float]]:
    logits = predict(student, validation.x[:, 0])
    temperature = fit_temperature(logits, validation.y)
    p = probabilities(logits, temperature)
    thresholds = fit_thresholds(p, validation.y, validation.classes)
    if handheld is not None:
        for code, precision in PRECISE.items():
            i = validation.classes.index(code)
            more = probabilities(predict(student, handheld.x[:, 0]), temperature)[:, i]
            both = np.concatenate([p[:, i], more]), np.concatenate([validation.y[:, i], handheld.y[:, i]])
            thresholds[code] = round(precise_threshold(*both, precision), 4)
    return temperature, thresholds


def measure(
    student: Student, temperature: float, test: Examples, thresholds: dict[str, float], *, lead: int = 0
) -> dict[str, Any]:
    """Figures of the student on one lead of `test`, with 95 % intervals over patients."""
    p = probabilities(predict(student, test.x[:, lead]), temperature)
    limits = np.array([thresholds[c] for c in test.classes])
    upper = np.array([c in SUPERCLASSES for c in test.classes])
    out: dict[str, Any] = {"windows": len(test), "patients": len(np.unique(test.patients))}
    for group, keep in (("superclasses", upper), ("statements", ~upper | (np.array(test.classes) == "NORM"))):
        metrics = {
            "macro_auroc": macro_auroc,
            "macro_average_precision": macro_average_precision,
            "macro_f1": macro_f1(limits[keep]),
        }
        out[group] = {
            key: [_number(v) for v in interval(metric, p[:, keep], test.y[:, keep], test.patients)]
            for key, metric in metrics.items()
        }
    a, f = auroc(p, test.y), f1(p >= limits, test.y)
    out["by_condition"] = {
        c: {"positives": int(test.y[:, i].sum()), "auroc": _number(a[i]), "f1": _number(f[i])}
        for i, c in enumerate(test.classes)
    }
    return out


def measure_handheld(student: Student, temperature: float, test: Examples, threshold: float) -> dict[str, Any]:
    """AFIB on handheld recordings: a recording's score is the mean over its windows."""
    at = test.classes.index("AFIB")
    p = probabilities(predict(student, test.x[:, 0]), temperature)[:, at]
    names, owner = np.unique(test.patients, return_inverse=True)
    score = np.bincount(owner, p) / np.bincount(owner)
    y = np.bincount(owner, test.y[:, at]) > 0
    said = score >= threshold
    hit = float((said & y).sum())
    return {
        "recordings": len(names),
        "af": int(y.sum()),
        "auroc": [_number(v) for v in interval(macro_auroc, score[:, None], y[:, None], names)],
        "f1": [_number(v) for v in interval(macro_f1([threshold]), score[:, None], y[:, None], names)],
        "sensitivity": round(hit / max(int(y.sum()), 1), 4),
        "precision": round(hit / max(int(said.sum()), 1), 4),
    }


def _best(students: dict[int, Student], validation: Examples) -> tuple[int, dict[str, float]]:
    figures = {s: macro_auroc(predict(m, validation.x[:, 0]), validation.y) for s, m in students.items()}
    chosen = max(figures, key=lambda s: figures[s])
    log.info("fold 7 macro AUROC by seed: %s; kept seed %d", figures, chosen)
    return chosen, {str(s): round(v, 4) for s, v in figures.items()}


def _recipe(settings: TrainSettings, student: Student) -> dict[str, Any]:
    return {
        "method": "supervised, no teacher; AdamW, one cycle",
        "epochs": settings.epochs,
        "batch": settings.batch,
        "learning_rate": settings.learning_rate,
        "handheld_batch": settings.extra_batch,
        "handheld_weight": settings.extra_weight,
        "lead_ii_share": settings.other_lead_share,
        "parameters": parameters(student),
    }


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
