"""The teacher as training sees it: calibrated logits of clean recordings, cached, and a live network for layers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from inference.model.reading import Reader
from inference.preprocess import Batch
from inference.train.calibrate import Floats, fit_temperature, probabilities
from inference.train.data import Examples


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
    """Teachers with their temperatures; the mean of their probabilities is what they say."""

    readers: tuple[Reader, ...]
    temperatures: tuple[float, ...]

    def probabilities(self, x: Batch) -> Floats:
        """[n, classes] of `x` float32 [n, leads, samples]."""
        each = [probabilities(logits(r, x), t) for r, t in zip(self.readers, self.temperatures, strict=True)]
        return np.asarray(np.mean(each, axis=0))

    def logits(self, x: Batch) -> Floats:
        """The same as logits."""
        p = np.clip(self.probabilities(x), 1e-5, 1 - 1e-5)
        return np.asarray(np.log(p / (1 - p)))

    def guide(self, labelled: Examples, pool: Examples | None) -> Guide:
        """What the ensemble says, cached; its first member is the one whose layers are read."""
        return Guide(self.logits(labelled.x), self.logits(pool.x) if pool else None, frozen(self.readers[0]))


def calibrated(readers: Sequence[Reader], validation: Examples) -> Ensemble:
    """An ensemble, each member with the temperature at which `validation` is likeliest."""
    return Ensemble(tuple(readers), tuple(fit_temperature(logits(r, validation.x), validation.y) for r in readers))


def logits(reader: Reader, x: Batch) -> npt.NDArray[np.float64]:
    """Logits float64 [n, classes] of `x` [n, leads, samples], in fp32; leads beyond the reader's are not read."""
    reader.eval()
    place = next(reader.parameters()).device
    with torch.inference_mode():
        parts = [
            reader.read(torch.from_numpy(x[i : i + 64, : reader.leads]).to(place)).logits.double().cpu().numpy()
            for i in range(0, len(x), 64)
        ]
    return np.concatenate(parts) if parts else np.zeros((0, reader.classes))


def frozen(reader: Reader) -> Reader:
    """The same reader in evaluation mode, its weights out of any graph; changes `reader`."""
    return reader.eval().requires_grad_(False)
