"""What one step of training knows, and what a term of an objective is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from inference.model.reading import Reading


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One batch of b windows, the labelled ones first. What no term of the arm asked for is None.

    y, known 0 or 1 [labelled, classes]; student: its reading of the strong view; live: the teacher's reading of seen,
    the weak view [b, leads, samples] of the same moments; soft [b, classes]: the teachers' calibrated logits of the
    clean recordings; own, ema [b - labelled, classes]: logits that the student itself, or its slow average, gives the
    weak unlabelled views.
    """

    y: torch.Tensor
    known: torch.Tensor
    student: Reading
    live: Reading | None = None
    seen: torch.Tensor | None = None
    soft: torch.Tensor | None = None
    own: torch.Tensor | None = None
    ema: torch.Tensor | None = None
    ramp: float = 1.0  # 0 at the first step, 1 after the first tenth

    @property
    def labelled(self) -> int:
        """Number of labelled windows, which come first."""
        return len(self.y)

    def teacher(self) -> Reading:
        """The live reading, without its graph. Raises ValueError when the loop made none."""
        return self.with_graph().detach()

    def with_graph(self) -> Reading:
        """The live reading as it was made, for gradients of the teacher with respect to its layers."""
        if self.live is None:
            raise ValueError("this term reads the teacher's layers, and no teacher was given")
        return self.live

    def softened(self) -> torch.Tensor:
        """The teachers' logits [b, classes]: the cached ones, else the live ones. Raises ValueError without either."""
        return self.soft if self.soft is not None else self.teacher().logits


class Term(nn.Module, ABC):
    """One part of an objective: a step to a scalar. Its own weights, if any, are trained and then thrown away."""

    needs: ClassVar[frozenset[str]] = frozenset({"soft"})  # of soft, live, own, ema
    ramped: ClassVar[bool] = False  # grows from nothing over the first tenth of the steps

    @abstractmethod
    def forward(self, step: Step) -> torch.Tensor:
        """The term's value."""


LIVE = frozenset({"live"})
