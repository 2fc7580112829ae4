"""Figures of a model on labelled windows, with the intervals that patients leave open.

Scores and labels are [n, classes]; a class without a positive or without a negative has no figure (NaN) and is left out
of a mean.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Metric = Callable[[Floats, Flags], float]


def auroc(scores: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
    """Area under the ROC curve of each class, [classes]; ties count half."""
    s, positive = np.asarray(scores, np.float64), np.asarray(y, np.bool_)
    n1 = positive.sum(axis=0)
    n0 = len(positive) - n1
    ranks = np.asarray(rankdata(s, axis=0), np.float64)
    above = np.where(positive, ranks, 0).sum(axis=0) - n1 * (n1 + 1) / 2
    return np.where((n1 > 0) & (n0 > 0), above / np.maximum(n1 * n0, 1), np.nan)


def average_precision(scores: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
    """Mean precision at the rank of each positive, [classes]."""
    s, positive = np.asarray(scores, np.float64), np.asarray(y, np.bool_)
    hit = np.take_along_axis(positive, np.argsort(-s, axis=0, kind="stable"), axis=0)
    precision = np.cumsum(hit, axis=0) / np.arange(1, len(hit) + 1)[:, None]
    n1 = hit.sum(axis=0)
    return np.where(n1 > 0, (precision * hit).sum(axis=0) / np.maximum(n1, 1), np.nan)


def f1(decisions: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
    """F1 of yes-or-no `decisions` of each class, [classes]; NaN for a class without a positive."""
    d, positive = np.asarray(decisions, np.bool_), np.asarray(y, np.bool_)
    hit = (d & positive).sum(axis=0)
    n1 = positive.sum(axis=0)
    return np.where(n1 > 0, 2 * hit / np.maximum(d.sum(axis=0) + n1, 1), np.nan)


def macro(values: npt.ArrayLike) -> float:
    """Mean over the classes that have a figure; NaN when none has."""
    v = np.asarray(values, np.float64)
    v = v[np.isfinite(v)]
    return float(v.mean()) if len(v) else float("nan")


def macro_auroc(scores: Floats, y: Flags) -> float:
    """Mean AUROC over classes."""
    return macro(auroc(scores, y))


def macro_average_precision(scores: Floats, y: Flags) -> float:
    """Mean average precision over classes."""
    return macro(average_precision(scores, y))


def calibration_error(p: Floats, y: Flags, *, bins: int = 10) -> float:
    """Expected calibration error, mean over classes: what is said against what holds, in bins of equal width."""
    errors = []
    for c in range(p.shape[1]):
        at = np.minimum((p[:, c] * bins).astype(np.int64), bins - 1)
        n = np.bincount(at, minlength=bins)
        said, held = (np.bincount(at, v, minlength=bins) for v in (p[:, c], y[:, c].astype(np.float64)))
        errors.append(float(np.abs(said - held).sum() / max(n.sum(), 1)))
    return float(np.mean(errors))


def macro_f1(thresholds: npt.ArrayLike) -> Metric:
    """Mean F1 over classes at the given thresholds [classes]."""
    limits = np.asarray(thresholds, np.float64)
    return lambda scores, y: macro(f1(scores >= limits, y))


def interval(
    metric: Metric, scores: Floats, y: Flags, patients: npt.NDArray[np.str_], *, draws: int = 500, seed: int = 0
) -> tuple[float, float, float]:
    """The metric, and the ends of its 95 % interval when patients are drawn anew with all their windows."""
    rng = np.random.default_rng(seed)
    _, owner = np.unique(patients, return_inverse=True)
    rows = np.argsort(owner, kind="stable")
    ends = np.cumsum(np.bincount(owner))
    groups = np.split(rows, ends[:-1])
    values = []
    for _ in range(draws):
        pick = np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])
        values.append(metric(scores[pick], y[pick]))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return metric(scores, y), float(low), float(high)
