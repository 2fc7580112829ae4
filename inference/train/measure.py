"""What a student is worth on windows with labels: the figures of its card."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from inference.model.card import Card
from inference.model.reading import Reader
from inference.preprocess import Batch
from inference.train.calibrate import Flags, Floats, probabilities
from inference.train.data import Examples
from inference.train.evaluate import (
    auroc,
    calibration_error,
    f1,
    interval,
    macro_auroc,
    macro_average_precision,
    macro_f1,
)
from liteheart.conditions import SUPERCLASSES


def measure(
    student: Reader, temperature: float, test: Examples, thresholds: Mapping[str, float], *, lead: int = 0
) -> dict[str, Any]:
    """Figures of the student on one lead of `test`, with 95 % intervals over patients."""
    p = probabilities(predict(student, test.x[:, lead : lead + 1]), temperature)
    limits = np.array([thresholds[c] for c in test.classes])
    upper = np.array([c in SUPERCLASSES for c in test.classes])
    out: dict[str, Any] = {
        "windows": len(test),
        "patients": len(np.unique(test.patients)),
        "calibration_error": round(calibration_error(p, test.y), 4),
    }
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


def measure_handheld(student: Reader, temperature: float, test: Examples, threshold: float) -> dict[str, Any]:
    """AFIB on handheld recordings: a recording's score is the mean over its windows."""
    at = test.classes.index("AFIB")
    p = probabilities(predict(student, test.x), temperature)[:, at]
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


def measure_undecided(p: Floats, y: Flags, card: Card) -> dict[str, Any]:
    """How often windows lie in a condition's band below its threshold, and how many of those have it.

    `p`, `y` [n, classes] of windows that are read.
    """
    limits, low = (np.array([of[c] for c in card.classes]) for of in (card.thresholds, card.undecided_from))
    band = (p >= low) & (p < limits)
    share = band.mean(axis=0)
    held = np.array([y[inside, i].mean() if inside.any() else np.nan for i, inside in enumerate(band.T)])
    return {
        "windows": len(p),
        "mean_share": _number(share.mean()),
        "most": [card.classes[int(share.argmax())], _number(share.max())],
        "by_condition": {
            c: {"share": _number(share[i]), "have_it": _number(held[i])} for i, c in enumerate(card.classes)
        },
    }


def measure_false(student: Reader, temperature: float, examples: Examples, code: str, threshold: float) -> float | None:
    """Share of the windows without `code`, of those of which it is known, that are called it."""
    at = examples.classes.index(code)
    rows = examples.take(examples.known[:, at] & ~examples.y[:, at])
    return _number((probabilities(predict(student, rows.x), temperature)[:, at] >= threshold).mean())


def predict(student: Reader, x: Batch) -> Floats:
    """Logits float64 [n, classes] of `x` float32 [n, leads, 1000], in fp32; leads beyond the reader's are not read."""
    student.eval()
    place = next(student.parameters()).device
    with torch.inference_mode():
        parts = [
            student.read(torch.from_numpy(x[i : i + 64, : student.leads]).to(place)).logits.double().cpu().numpy()
            for i in range(0, len(x), 64)
        ]
    return np.concatenate(parts) if parts else np.zeros((0, student.classes))


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
