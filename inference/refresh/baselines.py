"""What a refresh is measured beside: usual ways to adapt without labels, with the same steps, windows and rehearsal."""

import copy
from dataclasses import replace
from typing import Final, Literal, get_args

from inference.model.student import Student
from inference.refresh.adapt import renormalise
from inference.refresh.grow import REFRESH, RefreshSettings, Stored, refresh
from inference.refresh.rehearsal import Rehearsal

Baseline = Literal["none", "norm", "self-training", "mean-teacher"]
BASELINES: Final[tuple[Baseline, ...]] = get_args(Baseline)


def adapt(
    name: Baseline,
    champion: Student,
    stored: Stored,
    rehearsal: Rehearsal | None,
    settings: RefreshSettings = REFRESH,
    *,
    seed: int = 0,
) -> Student:
    """The champion as it is; its batch norms measured on the new windows (Li et al. 2017); taught by its own hard
    labels where it is sure (Lee 2013); or agreeing with its slow average (Tarvainen & Valpola 2017).
    """
    match name:
        case "none":
            return copy.deepcopy(champion).eval()
        case "norm":
            own = copy.deepcopy(champion).eval()
            renormalise(own, stored.x)
            return own
        case "self-training":
            plain = replace(settings, translate=False, own="hard", own_weight=1.0)
        case "mean-teacher":
            plain = replace(settings, translate=False, own="mean", own_weight=10.0)
    return refresh(champion, stored, rehearsal, plain, seed=seed).student
