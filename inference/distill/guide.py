"""The teacher as training sees it: calibrated logits of clean recordings, cached, and a live network for layers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.distill.kernel import KernelTeacher
from inference.model.reading import Reader
from inference.preprocess import Batch
from inference.train.calibrate import Floats, fit_temperature, probabilities
from inference.train.data import Examples
from inference.train.measure import predict


@dataclass(frozen=True, slots=True, eq=False)
class Guide:
    """What a teacher says of labelled and unlabelled recordings, logits [n, classes] in their order, and who says it.

    Without cached logits the live ones are asked; without `reader` no term may read layers.
    """

    labelled: Floats | None = None
    pool: Floats | None = None
    reader: Reader | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """Teachers with their temperatures; the mean of their probabilities is what they say, half of it the kernel's."""

    readers: tuple[Reader, ...]
    temperatures: tuple[float, ...]
    kernel: KernelTeacher | None = None

    def probabilities(self, x: Batch) -> Floats:
        """[n, classes] of `x` float32 [n, leads, samples]."""
        each = [probabilities(predict(r, x), t) for r, t in zip(self.readers, self.temperatures, strict=True)]
        mean = np.asarray(np.mean(each, axis=0))
        return mean if self.kernel is None else (mean + self.kernel.probabilities(x)) / 2

    def guide(self, labelled: Examples, pool: Examples | None) -> Guide:
        """What the ensemble says, cached; its first member is the one whose layers are read.

        `labelled` are the recordings it learned from, in order. Of these the kernel alone speaks, leaving each one out:
        the networks know them by heart, and what is known by heart says no more than the labels.
        """
        own = self.kernel.left_out(labelled.y) if self.kernel else self.probabilities(labelled.x)
        return Guide(_logits(own), _logits(self.probabilities(pool.x)) if pool else None, frozen(self.readers[0]))


def _logits(p: Floats) -> Floats:
    p = np.clip(p, 1e-5, 1 - 1e-5)
    return np.asarray(np.log(p / (1 - p)))


def calibrated(readers: Sequence[Reader], validation: Examples, kernel: KernelTeacher | None = None) -> Ensemble:
    """An ensemble, each reader with the temperature at which `validation` is likeliest."""
    temperatures = tuple(fit_temperature(predict(r, validation.x), validation.y) for r in readers)
    return Ensemble(tuple(readers), temperatures, kernel)


def frozen(reader: Reader) -> Reader:
    """The same reader in evaluation mode, its weights out of any graph; changes `reader`."""
    return reader.eval().requires_grad_(False)
