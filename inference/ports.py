"""What inference asks of others, and what it offers to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from inference.preprocess import Batch
from liteheart.finding import Finding
from liteheart.ids import ModelVersion
from liteheart.signal import Millivolts, Window


class Network(Protocol):
    """Anything that turns preprocessed windows into logits: torch today, another runtime tomorrow."""

    def __call__(self, x: Batch) -> Batch:
        """float32 [b, classes] logits of `x` float32 [b, 1000]."""
        ...


class Scorer(Protocol):
    """Anything that reads windows."""

    @property
    def model(self) -> ModelVersion:
        """The version that every finding carries."""
        ...

    def score(self, windows: Sequence[Window]) -> list[Finding]:
        """One finding a window, in order."""
        ...


class Waveform(Protocol):
    """A recording as its reader gives it."""

    @property
    def fs_hz(self) -> float:
        """Sampling rate."""
        ...

    @property
    def leads(self) -> tuple[str, ...]:
        """Names as the file has them."""
        ...

    @property
    def gain(self) -> npt.NDArray[np.float64]:
        """[leads] ADC units per mV as the file has them."""
        ...

    def millivolts(self, lead: int) -> Millivolts:
        """float32 [n], NaN where a sample is missing."""
        ...


class RecordReader(Protocol):
    """Whoever reads recordings. It travels to other processes, so it must be a function of a module."""

    def __call__(self, path: Path, /) -> Waveform:
        """The recording whose header is at `path`. Raises Unreadable."""
        ...
