"""Cross-layer mutual information: what any layer of the student knows of any layer of the teacher, maximised.

Published is the idea, to maximise mutual information between the layers of both networks. The estimator is our choice:
with g the unit projections [b, 64] of pooled maps and tau a learned temperature,

    N_ij = InfoNCE of the pairs (g_S,i of a window, g_T,j of the same window) against the other windows, both directions
    I(S_i; T_j) >= log b - N_ij                                     (van den Oord et al. 2018)
    L = mean_i sum_j alpha_ij N_ij,   alpha_ij = softmax_j( mean_b <q_i(g_S,i), k_j(g_T,j)> )

Windows that the teacher reads alike (cosine of probabilities > .95) are no negatives of each other.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from inference.distill.step import LIVE, Step, Term
from inference.model.reading import Reader, global_pool

Layers = Literal["learned", "all", "diag", "last", "vid"]


@dataclass(frozen=True, slots=True)
class MutualSettings:
    """Which layers meet, and how.

    learned: all pairs by learned weights; all: by equal ones; diag: same depth; last: the deepest pair only;
    vid: a Gaussian bound instead, each teacher layer predicted from the student's of the same depth.
    """

    layers: Layers = "learned"
    size: int = 64  # of a projection
    tau: float = 0.1  # the first temperature
    alike: float = 0.95  # cosine of the teacher's probabilities above which two windows are no negatives
    entropy: float = 0.01  # held against weights that collapse onto one pair


class MutualInformation(Term):
    """The negative bound, weighted over pairs of layers."""

    needs = LIVE
    ramped = True

    def __init__(self, settings: MutualSettings, student: Reader, teacher: Reader) -> None:
        super().__init__()
        self.settings = settings
        n = min(len(student.map_channels), len(teacher.map_channels))
        depth = {"diag": [(i, i) for i in range(n)], "last": [(-1, -1)]}
        every = [(i, j) for i in range(len(student.map_channels)) for j in range(len(teacher.map_channels))]
        self.pairs = depth.get(settings.layers, every)
        self.own = nn.ModuleList(_projection(c, settings.size) for c in student.map_channels)
        self.theirs = nn.ModuleList(_projection(c, settings.size) for c in teacher.map_channels)
        self.query = nn.ModuleList(nn.Linear(settings.size, settings.size) for _ in student.map_channels)
        self.key = nn.ModuleList(nn.Linear(settings.size, settings.size) for _ in teacher.map_channels)
        self.log_tau = nn.Parameter(torch.tensor(settings.tau).log())

    def forward(self, step: Step) -> torch.Tensor:
        """sum_ij alpha_ij N_ij, mean over the student's layers."""
        teacher, s = step.teacher(), self.settings
        g_s = [F.normalize(p(global_pool(m.float())), dim=1) for p, m in zip(self.own, step.student.maps, strict=True)]
        g_t = [F.normalize(p(global_pool(m.float())), dim=1) for p, m in zip(self.theirs, teacher.maps, strict=True)]
        tau = self.log_tau.clamp(-4.0, 0.0).exp()
        alike = same_reading(teacher.logits, s.alike)
        losses = {(i, j): info_nce(g_s[i], g_t[j], tau, alike) for i, j in self.pairs}
        if s.layers != "learned":
            return torch.stack(list(losses.values())).mean()
        alpha = self.weights(g_s, g_t)
        told = torch.stack([torch.stack([losses[i, j] for j in range(len(g_t))]) for i in range(len(g_s))])
        entropy = -(alpha * alpha.clamp_min(1e-9).log()).sum(dim=1).mean()
        free = alpha if step.ramp >= 1 else alpha.detach()  # weights stand still until the projections mean something
        return (free * told).sum(dim=1).mean() - s.entropy * entropy

    def weights(self, g_s: list[torch.Tensor], g_t: list[torch.Tensor]) -> torch.Tensor:
        """alpha [student layers, teacher layers]; rows sum to 1."""
        q = torch.stack([f(g) for f, g in zip(self.query, g_s, strict=True)])
        k = torch.stack([f(g) for f, g in zip(self.key, g_t, strict=True)])
        return torch.softmax(torch.einsum("ibd,jbd->ij", q, k) / q.shape[1], dim=1)


class VariationalInformation(Term):
    """VID (Ahn et al. 2019): -log N( F_T | mean(F_S), variance by channel ), mean over all, maps of equal depth."""

    needs = LIVE
    ramped = True

    def __init__(self, student: Reader, teacher: Reader, pairs: tuple[tuple[int, int], ...] = ((1, 1), (2, 2))) -> None:
        super().__init__()
        self.pairs = pairs
        self.mean = nn.ModuleList(
            nn.Sequential(nn.Conv1d(student.map_channels[i], c, 1), nn.ReLU(), nn.Conv1d(c, c, 1))
            for i, c in ((i, teacher.map_channels[j]) for i, j in pairs)
        )
        self.spread = nn.ParameterList(nn.Parameter(torch.zeros(teacher.map_channels[j], 1)) for _, j in pairs)

    def forward(self, step: Step) -> torch.Tensor:
        """The Gaussian's negative log density without its constant."""
        total = step.student.logits.new_zeros(())
        for (i, j), mean, spread in zip(self.pairs, self.mean, self.spread, strict=True):
            variance = F.softplus(spread) + 1e-3
            gap = step.teacher().maps[j].float() - mean(step.student.maps[i].float())
            total = total + (gap.square() / variance + variance.log()).mean() / 2
        return total / len(self.pairs)


def info_nce(a: torch.Tensor, b: torch.Tensor, tau: torch.Tensor, alike: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of finding row i of `b` by row i of `a`, and back; unit rows [n, d], alike bool [n, n]."""
    similar = (a @ b.T / tau).masked_fill(alike, float("-inf"))
    target = torch.arange(len(a), device=a.device)
    return (F.cross_entropy(similar, target) + F.cross_entropy(similar.T, target)) / 2


def same_reading(logits: torch.Tensor, limit: float) -> torch.Tensor:
    """bool [n, n]: other windows whose probabilities point the same way; never a window and itself."""
    p = F.normalize(torch.sigmoid(logits.detach().float()), dim=1)
    return (p @ p.T > limit) & ~torch.eye(len(p), dtype=torch.bool, device=p.device)


def mutual(settings: MutualSettings, student: Reader, teacher: Reader) -> Term:
    """The term that `settings` name."""
    if settings.layers == "vid":
        return VariationalInformation(student, teacher)
    return MutualInformation(settings, student, teacher)


def _projection(channels: int, size: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2 * channels, size), nn.ReLU(), nn.Linear(size, size))
