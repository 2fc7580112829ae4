"""A teacher in closed form: kernel ridge regression on the median beats of all leads.

With some hundred labels it knows the superclasses as well as a convolution does and the statements better, in a second;
and it errs elsewhere, so that the mean of both beats either (notebook, 2026-11-22). What it says of a recording it
learned from is what it would say without it (leave one out), exactly.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from inference.model.beats import BeatBranch, BeatShape
from inference.preprocess import Batch
from inference.train.calibrate import Floats
from inference.train.data import Examples

_BATCH = 64
_SURE = 0.002  # a regression may leave 0 to 1


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """What is read, and how smooth the answer is."""

    components: int = 80
    whitening: float = 0.5
    gamma: float = 0.01  # of exp(-gamma |a - b|^2)
    ridge: float = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class KernelTeacher:
    """Probabilities of windows from `support` float64 [n, features] and `weights` [n, classes] around `prior`."""

    branch: BeatBranch
    settings: KernelSettings
    support: Floats
    weights: Floats
    prior: Floats

    def probabilities(self, x: Batch) -> Floats:
        """[n, classes] of `x` float32 [n, leads, samples]."""
        kernel = _kernel(_features(self.branch, x), self.support, self.settings.gamma)
        return np.asarray(np.clip(self.prior + kernel @ self.weights, _SURE, 1 - _SURE))

    def left_out(self, y: npt.ArrayLike) -> Floats:
        """What it would have said of each recording it learned from, had that one not been there."""
        n = len(self.support)
        inverse = np.linalg.inv(
            _kernel(self.support, self.support, self.settings.gamma) + self.settings.ridge * np.eye(n)
        )
        error = self.weights / np.diag(inverse)[:, None]
        return np.asarray(np.clip(np.asarray(y, np.float64) - error, _SURE, 1 - _SURE))


def fit_kernel(labelled: Examples, pool: Examples | None, settings: KernelSettings) -> KernelTeacher:
    """The teacher of `labelled`; `pool` helps only to tell along which axes beats vary. All labels must be known."""
    if not labelled.known.all():
        raise ValueError("the kernel teacher needs recordings all of whose labels are known")
    branch = branch_for(labelled.x.shape[1], len(labelled.classes), settings)
    branch.look(labelled.x if pool is None else np.concatenate([labelled.x, pool.x]))
    support, y = _features(branch, labelled.x), labelled.y.astype(np.float64)
    prior = y.mean(axis=0)
    regular = _kernel(support, support, settings.gamma) + settings.ridge * np.eye(len(support))
    return KernelTeacher(branch.eval(), settings, support, np.linalg.solve(regular, y - prior), prior)


def branch_for(leads: int, classes: int, settings: KernelSettings) -> BeatBranch:
    """What reads the beats; its layers are not used."""
    return BeatBranch(leads, classes, BeatShape(settings.components, settings.whitening, hidden=1))


def _features(branch: BeatBranch, x: Batch) -> Floats:
    with torch.inference_mode():
        parts = [
            branch.features(torch.from_numpy(x[i : i + _BATCH, : branch.leads])).double().numpy()
            for i in range(0, len(x), _BATCH)
        ]
    return np.concatenate(parts)


def _kernel(a: Floats, b: Floats, gamma: float) -> Floats:
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.asarray(np.exp(-gamma * np.maximum(square, 0.0)))
