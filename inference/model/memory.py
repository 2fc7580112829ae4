"""What a student remembers of the beats it was taught: some hundred of them, and what was said of each.

A kernel machine over landmarks (Nystroem; Williams & Seeger 2001), its answers solved for in closed form after training
(`inference.distill.recall`). It errs elsewhere than the layers beside it, which is what makes the mean of both better.
"""

import torch
from torch import nn

SURE = 0.002  # a regression may leave 0 to 1
GAMMA = 0.01  # of exp(-gamma |a - b|^2), as the kernel teacher has it


class BeatMemory(nn.Module):
    """Logits [b, classes] of what is read of windows [b, features], by their likeness to `n` remembered ones."""

    full: torch.Tensor  # whether anything is remembered yet
    asked: torch.Tensor  # of which classes

    def __init__(self, n: int, features: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("full", torch.tensor(False))
        self.register_buffer("asked", torch.ones(classes, dtype=torch.bool))
        self.beats = nn.Parameter(torch.zeros(n, features), requires_grad=False)  # solved for, not descended to
        self.answers = nn.Parameter(torch.zeros(n, classes), requires_grad=False)
        self.prior = nn.Parameter(torch.full((classes,), 0.5), requires_grad=False)

    def forward(self, read: torch.Tensor) -> torch.Tensor:
        """The logits; those of the prior before anything is remembered."""
        p = (self.prior + likeness(read, self.beats) @ self.answers).clamp(SURE, 1 - SURE)
        return p.log() - (1 - p).log()


def likeness(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The kernel [n, m] between rows of `a` [n, features] and `b` [m, features]; 1 where they are the same."""
    square = a.square().sum(dim=1, keepdim=True) + b.square().sum(dim=1) - 2 * a @ b.T
    return (-GAMMA * square.clamp_min(0)).exp()
