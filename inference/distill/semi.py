"""Learning from recordings that nobody labelled: from the teacher, or from the student's own better moments.

KD      the teacher reads all leads of the clean or weak view, the student one lead of the strong view:
        mean_bk w_bk t^2 KL( sigmoid(s_T / t) || sigmoid(s_S / t) ),  w = |2 p_T - 1|^power
        once over the labelled and once over the unlabelled windows, each a mean
pseudo  the same with hard labels p_T > .5, where the teacher is sure
fixmatch, mean teacher: no teacher; the student's own weak view, or its slow average, stands for one
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from inference.distill.step import Step, Term


@dataclass(frozen=True, slots=True)
class SoftSettings:
    """How the teacher's opinion counts."""

    temperature: float = 1.0
    power: float = 0.0  # of the class confidence |2 p - 1|; 1 halves what a teacher at p = .25 says
    summed: bool = False  # over classes, as multi-label distillation has it, in place of the mean
    labelled: bool = True  # False: the teacher speaks of unlabelled windows only


class SoftTargets(Term):
    """Logit distillation, label by label."""

    def __init__(self, settings: SoftSettings) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, step: Step) -> torch.Tensor:
        """Labelled mean plus ramped unlabelled mean."""
        soft, own, n = step.softened(), step.student.logits, step.labelled
        each = binary_kl(own, soft, self.settings.temperature) * confidence(soft, self.settings.power)
        each = each.sum(dim=1) if self.settings.summed else each.mean(dim=1)
        total = own.new_zeros(())
        if n and self.settings.labelled:
            total = total + each[:n].mean()
        return total + step.ramp * each[n:].mean() if len(each) > n else total


class PseudoLabels(Term):
    """Hard labels of a teacher for unlabelled windows, where it is sure."""

    def __init__(self, sure: float = 0.6) -> None:
        super().__init__()
        self.sure = sure

    def forward(self, step: Step) -> torch.Tensor:
        """Mean over sure labels, of all."""
        n = step.labelled
        return step.ramp * _hard(step.student.logits[n:], step.softened()[n:], self.sure)


class FixMatch(Term):
    """Sohn et al. 2020, label by label: what the student is sure of in the weak view holds in the strong one."""

    needs = frozenset({"own"})

    def __init__(self, sure: float = 0.9) -> None:
        super().__init__()
        self.sure = sure

    def forward(self, step: Step) -> torch.Tensor:
        """Mean over sure labels, of all; `sure` .9 is p > .95 or p < .05."""
        if step.own is None:
            raise ValueError("FixMatch needs the weak view")
        return step.ramp * _hard(step.student.logits[step.labelled :], step.own, self.sure)


class MeanTeacher(Term):
    """Tarvainen & Valpola 2017: agree with the slow average of oneself."""

    needs = frozenset({"ema"})

    def forward(self, step: Step) -> torch.Tensor:
        """Mean squared difference of probabilities."""
        if step.ema is None:
            raise ValueError("the mean teacher needs the average's reading")
        p = torch.sigmoid(step.student.logits[step.labelled :])
        return step.ramp * (p - torch.sigmoid(step.ema)).square().mean()


def binary_kl(student: torch.Tensor, teacher: torch.Tensor, t: float = 1.0) -> torch.Tensor:
    """t^2 KL( sigmoid(teacher / t) || sigmoid(student / t) ) of each label, from logits of one shape."""
    p = torch.sigmoid(teacher / t)
    cross = F.binary_cross_entropy_with_logits(student / t, p, reduction="none")
    entropy = F.binary_cross_entropy_with_logits(teacher / t, p, reduction="none")
    return t * t * (cross - entropy)


def confidence(logits: torch.Tensor, power: float) -> torch.Tensor:
    """|2 p - 1|^power of each label."""
    return torch.tanh(logits / 2).abs() ** power


def _hard(student: torch.Tensor, teacher: torch.Tensor, sure: float) -> torch.Tensor:
    if not len(student):
        return student.new_zeros(())
    keep = confidence(teacher, 1.0) > sure
    loss = F.binary_cross_entropy_with_logits(student, (teacher > 0).float(), reduction="none")
    return (loss * keep).mean()


@torch.no_grad()
def follow(average: nn.Module, learner: nn.Module, decay: float) -> None:
    """Move the slow average, `decay` of which stays, towards the learner; counters are copied."""
    for slow, fast in zip(average.state_dict().values(), learner.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, 1 - decay)
        else:
            slow.copy_(fast)
