"""What inference asks of others, and what it offers to them."""

from collections.abc import Sequence
from typing import Protocol

from inference.preprocess import Batch
from liteheart.finding import Finding
from liteheart.ids import ModelVersion
from liteheart.signal import Window


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
