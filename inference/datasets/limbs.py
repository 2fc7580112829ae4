"""Limb leads check each other: six leads, three electrodes, two independent voltages.

    Einthoven   I + III = II        Goldberger   aVR = -(I + II)/2   aVL = (I - III)/2   aVF = (II + III)/2

A negated or exchanged lead breaks these, and usually one change alone mends them: then it is certain. Electrodes on the
wrong arms break nothing; there, lead I mirrors V6, which is worth a note and proves no more than a heart on the right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.datasets.record import TWELVE, Remark, Verdict
from inference.preprocess import Batch

LIMBS: Final = TWELVE[:6]
AGREE: Final = 0.1  # residual over limb-lead size: nine times the worst of 3,356 PTB-XL records (0.011)
MENDED: Final = 0.2  # of the disagreement may be left by what is said to explain it
_SLOPE_S: Final = 0.02  # a QRS complex rises longer than noise does
MIRROR: Final = -0.8  # correlation of the slopes of I and V6; 2 of 3,356 PTB-XL records are below

Floats = npt.NDArray[np.float64]

_RELATIONS: Final = np.array(  # rows give 0 on I, II, III, aVR, aVL, aVF
    [
        [1.0, -1.0, 1.0, 0.0, 0.0, 0.0],
        [0.5, 0.5, 0.0, 1.0, 0.0, 0.0],
        [-0.5, 0.0, 0.5, 0.0, 1.0, 0.0],
        [0.0, -0.5, -0.5, 0.0, 0.0, 1.0],
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class _Repair:
    """One change of six leads: a matrix [6, 6] that undoes it, and its name."""

    name: str
    matrix: Floats  # one +-1 a row
    cost: int

    def applied(self, limbs: Batch) -> Batch:
        """The six leads mended; a missing sample stays where it is."""
        source = np.abs(self.matrix).argmax(axis=1)
        signs = self.matrix.sum(axis=1).astype(np.float32)
        return np.asarray(limbs[source] * signs[:, None], np.float32)


def check_limbs(mv: Batch, leads: Sequence[str], fs_hz: float) -> tuple[Batch, list[Remark]]:
    """`mv` [leads, n] with one negated lead or one exchanged pair put right, and the remarks."""
    if not set(LIMBS) <= set(leads):
        return mv, []
    rows = [leads.index(name) for name in LIMBS]
    limbs = mv[rows].astype(np.float64)
    limbs = limbs[:, np.isfinite(limbs).all(axis=0)]
    if not limbs.size:
        return mv, []
    limbs -= limbs.mean(axis=1, keepdims=True)
    gram = limbs @ limbs.T
    disagreement = _residual(gram, np.eye(len(LIMBS)))
    if disagreement <= AGREE:
        return mv, _mirrored(mv, leads, fs_hz)
    limit = min(AGREE, MENDED * disagreement)
    fitting = [r for r in _repairs() if _residual(gram, r.matrix) <= limit]
    cheapest = [r for r in fitting if r.cost == min(f.cost for f in fitting)]
    said = f"limb leads contradict each other by {disagreement:.0%}"
    if len(cheapest) == 1 and cheapest[0].cost == 1:
        fixed = mv.copy()
        fixed[rows] = cheapest[0].applied(mv[rows])
        return fixed, [Remark("limbs", Verdict.CORRECTED, f"{said}: {cheapest[0].name}, put right")]
    guess = f"; perhaps {' or '.join(r.name for r in cheapest[:3])}" if cheapest else ""
    return mv, [Remark("limbs", Verdict.REJECTED, said + guess)]


def _residual(gram: Floats, repair: Floats) -> float:
    """Worst relation's root mean square over that of the six leads."""
    relations = _RELATIONS @ repair
    broken = np.einsum("ri,ij,rj->r", relations, gram, relations)
    return float(np.sqrt(max(broken.max(), 0.0) / max(np.trace(gram) / len(LIMBS), 1e-12)))


@cache
def _repairs() -> tuple[_Repair, ...]:
    """Every change of one or two steps: leads negated, a pair exchanged."""
    signs = list(_negations())
    swaps = list(_exchanges())
    both = [_Repair(f"{s.name} and {n.name}", n.matrix @ s.matrix, 2) for s in swaps for n in signs if n.cost == 1]
    return (*signs, *swaps, *both)


def _negations() -> Iterator[_Repair]:
    for count in (1, 2):
        for chosen in combinations(range(len(LIMBS)), count):
            matrix = np.eye(len(LIMBS))
            matrix[chosen, chosen] = -1.0
            yield _Repair(f"{' and '.join(LIMBS[i] for i in chosen)} negated", matrix, count)


def _exchanges() -> Iterator[_Repair]:
    for a, b in combinations(range(len(LIMBS)), 2):
        matrix = np.eye(len(LIMBS))
        matrix[[a, b]] = matrix[[b, a]]
        yield _Repair(f"{LIMBS[a]} and {LIMBS[b]} exchanged", matrix, 1)


def _mirrored(mv: Batch, leads: Sequence[str], fs_hz: float) -> list[Remark]:
    if "V6" not in leads:
        return []
    lag = max(1, round(_SLOPE_S * fs_hz))
    one, six = (np.nan_to_num(mv[leads.index(name)].astype(np.float64)) for name in ("I", "V6"))
    one, six = one[lag:] - one[:-lag], six[lag:] - six[:-lag]
    if one.std() < 1e-6 or six.std() < 1e-6:
        return []
    alike = float(np.corrcoef(one, six)[0, 1])
    if alike >= MIRROR:
        return []
    return [Remark("limbs", Verdict.NOTED, f"lead I mirrors V6 ({alike:.2f}): arm electrodes may be exchanged")]
