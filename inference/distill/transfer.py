"""Published ways to hand on what lies between the layers, each as its authors describe it: what ours must beat.

Weights of these terms are set by the arm; the published ones are for images and do not carry over.
"""

import torch
from torch import nn
from torch.nn import functional as F

from inference.distill.mutual import info_nce, same_reading
from inference.distill.step import LIVE, Step, Term
from inference.model.reading import Reader

Pairs = tuple[tuple[int, int], ...]
DEEP: Pairs = ((1, 1), (2, 2))


class FitNet(Term):
    """Romero et al. 2015: a map in the middle equals the teacher's after a 1x1 convolution; mean square."""

    needs = LIVE

    def __init__(self, student: Reader, teacher: Reader, pair: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.pair = pair
        self.lift = nn.Conv1d(student.map_channels[pair[0]], teacher.map_channels[pair[1]], 1)

    def forward(self, step: Step) -> torch.Tensor:
        """mean (W F_S - F_T)^2."""
        i, j = self.pair
        return F.mse_loss(self.lift(step.student.maps[i].float()), step.teacher().maps[j].float())


class AttentionTransfer(Term):
    """Zagoruyko & Komodakis 2017: mean-square maps over time, of unit length, are alike."""

    needs = LIVE

    def __init__(self, pairs: Pairs = DEEP) -> None:
        super().__init__()
        self.pairs = pairs

    def forward(self, step: Step) -> torch.Tensor:
        """|q_S - q_T|^2, mean over windows and pairs."""
        total = step.student.logits.new_zeros(())
        for i, j in self.pairs:
            own, theirs = (
                F.normalize(m.float().square().mean(dim=1), dim=1)
                for m in (step.student.maps[i], step.teacher().maps[j])
            )
            total = total + (own - theirs).square().sum(dim=1).mean()
        return total / len(self.pairs)


class Relations(Term):
    """RKD, Park et al. 2019: distances and angles among the windows of a batch are the teacher's."""

    needs = LIVE

    def __init__(self, angle: float = 2.0) -> None:
        super().__init__()
        self.angle = angle

    def forward(self, step: Step) -> torch.Tensor:
        """Huber loss of distances plus `angle` times that of angles."""
        own, theirs = step.student.pooled.float(), step.teacher().pooled.float()
        distance = F.smooth_l1_loss(_distances(own), _distances(theirs))
        return distance + self.angle * F.smooth_l1_loss(_angles(own), _angles(theirs))


class Contrast(Term):
    """InfoNCE of what the last layers read, as in CRD (Tian et al. 2020) with the batch for a memory.

    With `aware`, windows that the teacher reads alike are no negatives: the contrastive transfer of MVKT-ECG (2023).
    """

    needs = LIVE

    def __init__(self, student: Reader, teacher: Reader, *, aware: bool, size: int = 128, tau: float = 0.07) -> None:
        super().__init__()
        self.aware, self.tau = aware, tau
        self.own, self.theirs = nn.Linear(student.pooled_size, size), nn.Linear(teacher.pooled_size, size)

    def forward(self, step: Step) -> torch.Tensor:
        """The mean of both directions."""
        teacher = step.teacher()
        own = F.normalize(self.own(step.student.pooled.float()), dim=1)
        theirs = F.normalize(self.theirs(teacher.pooled.float()), dim=1)
        alike = same_reading(teacher.logits, 0.95 if self.aware else 2.0)
        return info_nce(own, theirs, torch.tensor(self.tau, device=own.device), alike)


def _distances(x: torch.Tensor) -> torch.Tensor:
    """Pairwise distances [n, n], their mean 1; the square root is kept away from 0, where it has no slope."""
    square = x.square().sum(dim=1)
    d = (square[:, None] + square[None, :] - 2 * x @ x.T).clamp_min(1e-6).sqrt()
    return d / d.mean().clamp_min(1e-6)


def _angles(x: torch.Tensor) -> torch.Tensor:
    """Cosines [n, n, n] at each window between any two others."""
    way = F.normalize(x[None] - x[:, None], dim=2)
    return way @ way.transpose(1, 2)
