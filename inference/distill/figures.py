"""Figures of one run and of the difference of two, for the table of the benchmark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.train.calibrate import Flags, Floats, f1_threshold
from inference.train.evaluate import auroc, average_precision, macro
from liteheart.conditions import BY_CODE, SUPERCLASSES

_GRID: Final = 200  # thresholds tried for F2


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What a finished run said of its test windows: p, y [n, classes], patients [n], thresholds [classes] by metric."""

    classes: tuple[str, ...]
    p: Floats
    y: Flags
    patients: npt.NDArray[np.str_]
    for_f1: Floats
    for_f2: Floats


def groups(classes: Sequence[str]) -> dict[str, Flags]:
    """Columns by group: the superclasses, the statements (NORM is both), and these by what lead I can show."""
    upper = np.array([c in SUPERCLASSES for c in classes])
    visible = np.array([BY_CODE[c].lead_i_visible for c in classes])
    return {
        "superclasses": upper,
        "statements": ~upper | (np.array(classes) == "NORM"),
        "visible": ~upper & visible,
        "hidden": ~upper & ~visible,
    }


def fbeta(decisions: Flags, y: Flags, beta: float) -> Floats:
    """F-beta by class [classes]; NaN for a class without a positive."""
    hit, said, n1 = (decisions & y).sum(axis=0), decisions.sum(axis=0), y.sum(axis=0)
    return np.where(n1 > 0, (1 + beta**2) * hit / np.maximum(said + beta**2 * n1, 1e-9), np.nan)


def thresholds(p: Floats, y: Flags) -> tuple[Floats, Floats]:
    """Thresholds [classes] for F1 and for F2, from validation windows; 0.5 for a class without a positive."""
    one = np.array([f1_threshold(p[:, i], y[:, i]) for i in range(p.shape[1])])
    two = np.full(p.shape[1], 0.5)
    for i in np.flatnonzero(y.any(axis=0)):
        tried = np.quantile(p[:, i], np.linspace(0, 1, _GRID))
        two[i] = tried[np.argmax(fbeta(p[:, i, None] >= tried, np.repeat(y[:, i, None], _GRID, 1), 2.0))]
    return one, two


Figure = Callable[[Scored, npt.NDArray[np.int64], Flags], float]  # of some rows and columns
FIGURES: Final[dict[str, Figure]] = {
    "auroc": lambda s, rows, keep: macro(auroc(s.p[rows][:, keep], s.y[rows][:, keep])),
    "f1": lambda s, rows, keep: macro(fbeta(s.p[rows][:, keep] >= s.for_f1[keep], s.y[rows][:, keep], 1.0)),
    "map": lambda s, rows, keep: macro(average_precision(s.p[rows][:, keep], s.y[rows][:, keep])),
    "f2": lambda s, rows, keep: macro(fbeta(s.p[rows][:, keep] >= s.for_f2[keep], s.y[rows][:, keep], 2.0)),
}


def measure(scored: Scored) -> dict[str, dict[str, float | None]]:
    """Every figure of every group: {group: {figure: value}}; None where no class has one."""
    rows = np.arange(len(scored.p))
    return {
        group: {name: _number(figure(scored, rows, keep)) for name, figure in FIGURES.items()}
        for group, keep in groups(scored.classes).items()
    }


def difference(
    ours: Sequence[Scored], theirs: Sequence[Scored], group: str, name: str, *, draws: int = 300, seed: int = 0
) -> tuple[float, float, float]:
    """Mean over seeds of a figure's difference, and its 95 % interval: seeds and patients drawn anew, both arms alike.

    `ours[i]` and `theirs[i]` are of one seed and of the same windows. Raises ValueError when they are not.
    """
    if [s.patients.tolist() for s in ours] != [s.patients.tolist() for s in theirs]:
        raise ValueError("a paired difference is one of the same windows and seeds")
    rng = np.random.default_rng(seed)
    keep, figure = groups(ours[0].classes)[group], FIGURES[name]
    by_patient = [_rows_by_patient(s.patients) for s in ours]

    def once(run: int, rows: npt.NDArray[np.int64]) -> float:
        return figure(ours[run], rows, keep) - figure(theirs[run], rows, keep)

    mean = float(np.mean([once(i, np.arange(len(s.p))) for i, s in enumerate(ours)]))
    drawn = []
    for _ in range(draws):
        state = rng.integers(2**32)  # runs on one test set get the same patients
        total = []
        for run in rng.integers(0, len(ours), len(ours)):
            own = np.random.default_rng(state)
            pick = own.integers(0, len(by_patient[run]), len(by_patient[run]))
            total.append(once(int(run), np.concatenate([by_patient[run][i] for i in pick])))
        drawn.append(np.mean(total))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return mean, float(low), float(high)


def gap_closed(ours: float | None, scratch: float | None, teacher: float | None) -> float | None:
    """(ours - scratch) / (teacher - scratch); None where there is no gap to close."""
    if ours is None or scratch is None or teacher is None or teacher <= scratch:
        return None
    return round((ours - scratch) / (teacher - scratch), 3)


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _rows_by_patient(patients: npt.NDArray[np.str_]) -> list[npt.NDArray[np.int64]]:
    _, owner = np.unique(patients, return_inverse=True)
    rows = np.argsort(owner, kind="stable")
    return np.split(rows, np.cumsum(np.bincount(owner))[:-1])
