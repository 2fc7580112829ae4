"""An arm is a word; its objective is the supervised loss plus named, weighted terms.

scratch, kd, mld, fitnet, attention, vid, rkd, crd, mvkt, pseudo, fixmatch, mean-teacher, liteheart
WORD+u            unlabelled recordings take part
WORD:LEARNER      window: the student without its beat half; layers: without its memory; thirds: its convolution counts
                  a third
liteheart:OPTION  act grad attn delin uniform shuffled | learned all diag last vid-layers | no-region no-mutual
WORD:OPTION       sure (what the teacher is sure of counts more) | t=2 (its temperature) | TERM=weight
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, cast, get_args

import torch
from torch import nn
from torch.nn import functional as F

from inference.distill.mutual import Layers, MutualSettings, VariationalInformation, mutual
from inference.distill.regions import Regions, RegionSettings, Source
from inference.distill.semi import FixMatch, MeanTeacher, PseudoLabels, SoftSettings, SoftTargets
from inference.distill.step import Step, Term
from inference.distill.transfer import AttentionTransfer, Contrast, FitNet, Relations
from inference.model.reading import Reader

# layers: without the memory; thirds: convolution, layers and memory weigh the same
Learner = Literal["student", "student12", "teacher1", "layers", "window", "thirds"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to train: which terms at which weight, on what, by which network."""

    word: str
    terms: Mapping[str, float] = field(default_factory=dict)
    unlabelled: bool = False
    learner: Learner = "student"
    soft: SoftSettings = field(default_factory=SoftSettings)
    region: RegionSettings = field(default_factory=RegionSettings)
    mutual: MutualSettings = field(default_factory=MutualSettings)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a step costs, and of what it is made: each part as it enters the sum, ready to log."""

    loss: torch.Tensor
    parts: dict[str, torch.Tensor]


class Objective(nn.Module):
    """Supervised loss plus the terms of an arm. Its weights are trained with the student's and then thrown away."""

    def __init__(self, arm: Arm, student: Reader, teacher: Reader | None) -> None:
        super().__init__()
        self.arm = arm
        self.terms = nn.ModuleDict({name: _term(name, arm, student, teacher) for name in arm.terms})

    @property
    def needs(self) -> frozenset[str]:
        """What a step must hold: soft, live, own, ema; graph when the teacher's reading must keep one."""
        found = frozenset().union(*(cast(Term, t).needs for t in self.terms.values()))
        return found | {"graph"} if "region" in self.arm.terms and self.arm.region.source == "grad" else found

    def forward(self, step: Step) -> Outcome:
        """The loss and its parts by name."""
        parts = {"supervised": supervised(step)} if step.labelled else {}
        for name, module in self.terms.items():
            term = cast(Term, module)
            parts[name] = self.arm.terms[name] * (step.ramp if term.ramped else 1.0) * term(step)
        return Outcome(torch.stack(list(parts.values())).sum(), parts)


def supervised(step: Step) -> torch.Tensor:
    """Binary cross-entropy, mean over the labels that are known."""
    logits = step.student.logits[: step.labelled]
    each = F.binary_cross_entropy_with_logits(logits, step.y, reduction="none")
    return (each * step.known).sum() / step.known.sum().clamp_min(1.0)


ARMS: Final[dict[str, Arm]] = {
    arm.word: arm
    for arm in (
        Arm("scratch"),
        Arm("student12", learner="student12"),
        Arm("teacher1", learner="teacher1"),
        Arm("kd", {"soft": 1.0}),
        Arm("mld", {"soft": 0.1}, soft=SoftSettings(summed=True)),
        Arm("fitnet", {"soft": 1.0, "fitnet": 0.1}),
        Arm("attention", {"soft": 1.0, "attention": 1.0}),
        Arm("vid", {"soft": 1.0, "vid": 0.1}),
        Arm("rkd", {"soft": 1.0, "rkd": 0.1}),
        Arm("crd", {"soft": 1.0, "crd": 0.02}),
        Arm("mvkt", {"soft": 0.1, "mvkt": 0.02}, soft=SoftSettings(summed=True)),
        Arm("pseudo", {"pseudo": 1.0}, unlabelled=True),
        Arm("fixmatch", {"fixmatch": 1.0}, unlabelled=True),
        Arm("mean-teacher", {"mean-teacher": 1.0}, unlabelled=True),
        Arm("liteheart", {"soft": 1.0, "region": 0.1, "mutual": 0.02}, unlabelled=True),
    )
}


def arm(word: str) -> Arm:
    """The arm that `word` names, options included. Raises ValueError."""
    name, *options = word.split(":")
    plain = name.removesuffix("+u")
    if plain not in ARMS:
        raise ValueError(f"{word!r}: no arm is called {plain!r}; there are {', '.join(ARMS)}")
    found = replace(ARMS[plain], word=word, unlabelled=ARMS[plain].unlabelled or name.endswith("+u"))
    for option in options:
        found = _with(found, option)
    return found


def _with(found: Arm, option: str) -> Arm:
    name, _, value = option.partition("=")
    if option in get_args(Source):
        return replace(found, region=replace(found.region, source=cast(Source, option)))
    layers = option.removesuffix("-layers")
    if layers in get_args(Layers):
        return replace(found, mutual=replace(found.mutual, layers=cast(Layers, layers)))
    if option in get_args(Learner):
        return replace(found, learner=cast(Learner, option))
    if option == "sure":
        return replace(found, soft=replace(found.soft, power=1.0))
    if option.startswith("no-"):
        return replace(found, terms={k: v for k, v in found.terms.items() if k != option[3:]})
    amount = _amount(value)
    if name == "t" and "soft" in found.terms and amount:
        return replace(found, soft=replace(found.soft, temperature=amount))
    if name in found.terms and amount is not None:
        return replace(found, terms=dict(found.terms) | {name: amount})
    raise ValueError(f"{found.word!r}: no option is called {option!r}")


def _amount(text: str) -> float | None:
    """A number from 0 on, or None."""
    try:
        amount = float(text)
    except ValueError:
        return None
    return amount if 0 <= amount < math.inf else None


def _term(name: str, arm: Arm, student: Reader, teacher: Reader | None) -> Term:
    """The term `name` of `arm`. Raises ValueError when it reads layers of a teacher that is absent."""
    free: dict[str, Term] = {
        "soft": SoftTargets(arm.soft),
        "pseudo": PseudoLabels(),
        "fixmatch": FixMatch(),
        "mean-teacher": MeanTeacher(),
    }
    if name in free:
        return free[name]
    if teacher is None:
        raise ValueError(f"arm {arm.word!r}: {name} reads a teacher's layers, and no teacher is given")
    match name:
        case "region":
            return Regions(arm.region, student, teacher)
        case "mutual":
            return mutual(arm.mutual, student, teacher)
        case "vid":
            return VariationalInformation(student, teacher)
        case "fitnet":
            return FitNet(student, teacher)
        case "attention":
            return AttentionTransfer()
        case "rkd":
            return Relations()
        case "crd" | "mvkt":
            return Contrast(student, teacher, aware=name == "mvkt")
    raise ValueError(f"arm {arm.word!r}: no term is called {name!r}")
