"""Whether a candidate may go on: one exam for it and the champion, every bound of the plan told with its value.

Nothing is judged that was not measured: a figure that is missing or no number fails its check.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from inference.refresh.plan import Plan
from inference.train.evaluate import Flags, Floats, auroc, calibration_error, macro, macro_auroc

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """What both students said of the frozen test set.

    y bool, champion and candidate float64 [n, classes]; patients [n]; groups: name of a kind of subgroup to [n] names.
    """

    classes: tuple[str, ...]
    y: Flags
    champion: Floats
    candidate: Floats
    patients: npt.NDArray[np.str_]
    groups: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Function:
    """What was measured of the candidate beside its reading."""

    parameters: int
    latency_ratio: float  # candidate / champion
    burden_ratio: float  # alarms in the backtest, candidate / champion
    missed_lethal: int


@dataclass(frozen=True, slots=True)
class Check:
    """One bound: `value` against `bound`; `judged` is False where too little is there to judge."""

    name: str
    value: float
    bound: float
    ok: bool
    judged: bool = True

    def __str__(self) -> str:
        told = "passed" if self.ok else "failed"
        return f"{self.name} {self.value:.4g}, bound {self.bound:.4g}: {told if self.judged else 'too few to judge'}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks, and whether every one that was judged holds."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Only what was judged counts; the macro figure always is."""
        return all(c.ok for c in self.checks if c.judged)

    @property
    def reason(self) -> str:
        """The checks that failed, in words."""
        return "; ".join(str(c) for c in self.checks if c.judged and not c.ok)


def judge(exam: Exam, function: Function, plan: Plan) -> Verdict:
    """Put the candidate to every bound of the plan. Raises ValueError for an exam whose arrays do not fit."""
    shape = exam.y.shape
    if exam.champion.shape != shape or exam.candidate.shape != shape or len(exam.patients) != len(exam.y):
        raise ValueError("an exam is of the same windows for both")
    if not np.isfinite(exam.candidate).all():
        return Verdict((Check("answers that are numbers", float(np.isfinite(exam.candidate).mean()), 1.0, ok=False),))
    draws = _draws(exam.patients, plan.exam.resamples)
    checks = [*_macro(exam, draws, plan), *_conditions(exam, draws, plan), *_subgroups(exam, plan)]
    return Verdict((*checks, *_calibration(exam, plan), *_function(function, plan)))


def _macro(exam: Exam, draws: list[Rows], plan: Plan) -> list[Check]:
    change = macro_auroc(exam.candidate, exam.y) - macro_auroc(exam.champion, exam.y)
    low = _lowest(exam, draws, macro_auroc)
    return [
        _at_least("macro AUROC, change", change, -plan.margins.mean),
        _at_least("macro AUROC, change at least", low, -plan.margins.macro),
    ]


def _conditions(exam: Exam, draws: list[Rows], plan: Plan) -> list[Check]:
    ours, theirs = (
        np.array([auroc(said[rows], exam.y[rows]) for rows in draws]) for said in (exam.candidate, exam.champion)
    )
    checks = []
    for i, code in enumerate(exam.classes):
        positives = int(exam.y[:, i].sum())
        change = (ours - theirs)[:, i]
        change = change[np.isfinite(change)]
        low = float(np.percentile(change, 2.5)) if len(change) else math.nan
        judged = plan.exam.least_positives <= positives <= len(exam.y) - plan.exam.least_positives
        checks.append(_at_least(f"AUROC of {code}, change at least", low, -plan.margins.of(code), judged=judged))
    return checks


def _subgroups(exam: Exam, plan: Plan) -> list[Check]:
    checks = []
    for kind, names in sorted(exam.groups.items()):
        for name in np.unique(names):
            rows = np.flatnonzero(names == name)
            part = Exam(exam.classes, exam.y[rows], exam.champion[rows], exam.candidate[rows], exam.patients[rows])
            enough = len(rows) >= plan.margins.least_subgroup
            change = macro(auroc(part.candidate, part.y) - auroc(part.champion, part.y))
            label = f"macro AUROC of {kind} {name}, change"
            checks.append(_at_least(label, change, -plan.margins.subgroup, judged=enough))
    return checks


def _calibration(exam: Exam, plan: Plan) -> list[Check]:
    ours, theirs = (calibration_error(p, exam.y) for p in (exam.candidate, exam.champion))
    return [
        _at_most("calibration error", ours, plan.calibration.most),
        _at_most("calibration error, change", ours - theirs, plan.calibration.most_worse),
    ]


def _function(found: Function, plan: Plan) -> list[Check]:
    rules = plan.function
    return [
        _at_most("parameters", found.parameters, rules.most_parameters),
        _at_most("latency ratio", found.latency_ratio, rules.most_latency_ratio),
        _at_most("alarm burden ratio", found.burden_ratio, rules.most_burden_ratio),
        _at_most("lethal alarms missed", found.missed_lethal, rules.most_missed_lethal),
    ]


def _lowest(exam: Exam, draws: list[Rows], metric: Callable[[Floats, Flags], float]) -> float:
    """Lower end of the 95 % interval of the paired difference."""
    change = [metric(exam.candidate[r], exam.y[r]) - metric(exam.champion[r], exam.y[r]) for r in draws]
    return float(np.nanpercentile(change, 2.5)) if np.isfinite(change).any() else math.nan


def _draws(patients: npt.NDArray[np.str_], count: int) -> list[Rows]:
    """Rows of patients drawn anew, the same ones each time the gate is asked."""
    rng = np.random.default_rng(0)
    _, owner = np.unique(patients, return_inverse=True)
    by_patient = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    picks = (rng.integers(0, len(by_patient), len(by_patient)) for _ in range(count))
    return [np.concatenate([by_patient[i] for i in pick]) for pick in picks]


def _at_least(name: str, value: float, bound: float, *, judged: bool = True) -> Check:
    return Check(name, value, bound, bool(value >= bound), judged)  # NaN is not at least anything


def _at_most(name: str, value: float, bound: float) -> Check:
    return Check(name, value, bound, bool(value <= bound))
