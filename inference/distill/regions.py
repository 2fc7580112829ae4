"""Region-aware distillation: look where the teacher looks, and see there what it sees.

Published is the idea, a module "that imitates cardiologists looking at diagnostically relevant regions". The formulas
are our choice. For maps F [b, channels, time] of teacher and student on one grid in time:

    a(F) = softmax_t( z_t / tau )            z_t: energy of F at t, mean over channels of F^2, standardised over time
    L_map = mean_b KL( a(F_T) || a(F_S) )
    L_feat = mean_b sum_t a(F_T)_t |n(W F_S)_t - n(F_T)_t|^2 / channels        n: layer norm over channels, W: 1x1

tau is the teacher's, found for each window so that a(F_T) spreads over a third of the grid (perplexity = share x time):
QRS complexes stand out by ten standard deviations, and at tau = 1 nothing else would ever be looked at.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from inference.distill.step import LIVE, Step, Term
from inference.model.beatview import waves
from inference.model.reading import Reader, Reading
from inference.preprocess import FS_HZ

Source = Literal["act", "grad", "attn", "delin", "uniform", "shuffled"]


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """Where regions come from and what is matched.

    act: energy of the teacher's map; grad: Grad-CAM of its probabilities; attn: mass that its time steps give each
    other; delin: where P, QRS and ST-T lie, whatever the teacher thinks; uniform, shuffled: the controls that tell
    whether the region matters at all.
    """

    source: Source = "act"
    share: float = 1 / 3  # perplexity of a teacher's map, of its length
    pairs: tuple[tuple[int, int], ...] = ((1, 1), (2, 2))  # student's and teacher's maps of one length
    map_weight: float = 1.0
    feature_weight: float = 1.0


class Regions(Term):
    """Sum of map and feature losses, mean over the pairs of maps."""

    needs = LIVE
    ramped = True

    def __init__(self, settings: RegionSettings, student: Reader, teacher: Reader) -> None:
        super().__init__()
        self.settings, self.fs_hz = settings, teacher.fs_hz
        self.lift = nn.ModuleList(
            nn.Conv1d(student.map_channels[i], teacher.map_channels[j], 1) for i, j in settings.pairs
        )

    def forward(self, step: Step) -> torch.Tensor:
        """The mean over pairs; `step.live` must have a graph when the source is `grad`."""
        teacher, s = step.teacher(), self.settings
        total = step.student.logits.new_zeros(())
        for (i, j), lift in zip(s.pairs, self.lift, strict=True):
            z = self._importance(step, j)
            tau = temperature(z, s.share)
            a_t = torch.softmax(z / tau, dim=1)
            if s.source == "shuffled":
                a_t = a_t.gather(1, torch.rand_like(a_t).argsort(dim=1))
            own, theirs = step.student.maps[i].float(), teacher.maps[j].float()
            log_a_s = torch.log_softmax(energy(own) / tau, dim=1)
            map_loss = F.kl_div(log_a_s, a_t, reduction="batchmean")
            gap = (_channel_norm(lift(own)) - _channel_norm(theirs)).square().mean(dim=1)
            total = total + s.map_weight * map_loss + s.feature_weight * (a_t * gap).sum(dim=1).mean()
        return total / len(s.pairs)

    def _importance(self, step: Step, index: int) -> torch.Tensor:
        reading = step.with_graph()
        if self.settings.source != "delin":
            return importance(reading, index, self.settings.source)
        if step.seen is None:
            raise ValueError("regions by waves need the windows that the teacher read")
        return delineated(step.seen, self.fs_hz, reading.maps[index].shape[2])


def delineated(x: torch.Tensor, fs_hz: int, steps: int) -> torch.Tensor:
    """Standardised share [b, steps] of P, QRS and ST-T in each step of windows `x` float [b, leads, samples]."""
    every = fs_hz // FS_HZ  # beats are looked for at 100 Hz
    slow = F.avg_pool1d(x.float(), every) if every > 1 else x
    return _standard(F.adaptive_avg_pool1d(waves(slow)[:, None].float(), steps)[:, 0])


def importance(reading: Reading, index: int, source: Source) -> torch.Tensor:
    """Standardised importance [b, time] of the steps of a reading's map, without a graph."""
    if source == "grad":
        return _grad_cam(reading, index)
    x = reading.maps[index].detach().float()
    if source == "attn":
        keys = x / x.shape[1] ** 0.25
        return _standard(torch.softmax(keys.transpose(1, 2) @ keys, dim=2).mean(dim=1))
    if source == "uniform":
        return torch.zeros_like(x[:, 0])
    return energy(x)


def energy(x: torch.Tensor) -> torch.Tensor:
    """Standardised energy over time [b, time] of a map [b, channels, time]."""
    return _standard(x.square().mean(dim=1))


def temperature(z: torch.Tensor, share: float, rounds: int = 12) -> torch.Tensor:
    """tau [b, 1] at which softmax(z / tau) has the perplexity share x time, by bisection in 0.01 to 100."""
    goal = math.log(share * z.shape[1])
    low, high = torch.full_like(z[:, :1], -4.6), torch.full_like(z[:, :1], 4.6)
    with torch.no_grad():
        for _ in range(rounds):
            middle = (low + high) / 2
            log_a = torch.log_softmax(z.detach() / middle.exp(), dim=1)
            wide = -(log_a.exp() * log_a).sum(dim=1, keepdim=True) > goal
            low, high = torch.where(wide, low, middle), torch.where(wide, middle, high)
    return ((low + high) / 2).exp()


def _grad_cam(reading: Reading, index: int) -> torch.Tensor:
    """relu(sum_c w_c F_ct), w_c the mean over time of d(sum_k p_k s_k)/dF: all classes at once, each by its p."""
    found = (torch.sigmoid(reading.logits.detach()) * reading.logits).sum()
    (slope,) = torch.autograd.grad(found, [reading.maps[index]], retain_graph=True)
    weight = slope.float().mean(dim=2, keepdim=True)
    return _standard(torch.relu((weight * reading.maps[index].detach().float()).sum(dim=1)))


def _standard(x: torch.Tensor) -> torch.Tensor:
    return (x - x.mean(dim=1, keepdim=True)) / (x.std(dim=1, keepdim=True) + 1e-6)


def _channel_norm(x: torch.Tensor) -> torch.Tensor:
    return F.layer_norm(x.transpose(1, 2), x.shape[1:2]).transpose(1, 2)
