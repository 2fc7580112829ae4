"""What a student makes of windows: the features that its last layer reads, and its probabilities. Bounded batches."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from inference.model.checkpoint import load_student
from inference.preprocess import Batch

Floats = npt.NDArray[np.float64]
_AT_ONCE: Final = 64


class Embedder:
    """A student of a folder. Raises Misconfigured for one that cannot be read."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        self._student, self.card = load_student(folder)
        self._place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._student.to(self._place)
        self._temperature = np.array([self.card.temperature[c] for c in self.card.classes])

    def __call__(self, x: Batch) -> tuple[Floats, Floats]:
        """Embeddings [n, d] and probabilities [n, classes] of preprocessed `x` float32 [n, 1000]."""
        pooled, logits = [], []
        with torch.inference_mode():
            for at in range(0, len(x), _AT_ONCE):
                reading = self._student.read(torch.from_numpy(x[at : at + _AT_ONCE, None]).to(self._place))
                pooled.append(reading.pooled.double().cpu().numpy())
                logits.append(reading.logits.double().cpu().numpy())
        if not pooled:
            return np.zeros((0, self._student.pooled_size)), np.zeros((0, len(self.card.classes)))
        z = np.concatenate(logits) / self._temperature
        return np.concatenate(pooled), np.asarray(0.5 * (1 + np.tanh(0.5 * z)))
