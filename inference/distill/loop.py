"""One training loop for teachers and students, scratch and distilled, labelled and not; every arm the same steps.

A step: draw labelled and unlabelled recordings, move them in time, show the learner its leads strongly disturbed and
the teacher all leads mildly disturbed, let the objective say what that costs. The last step's weights are kept, and
what it remembers beside them is solved for at the end.
"""

import copy
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from inference.distill.guide import Guide
from inference.distill.objective import Arm, Objective
from inference.distill.recall import remember
from inference.distill.semi import follow
from inference.distill.step import Step
from inference.model.reading import Reader, Reading
from inference.model.student import channels_last
from inference.train.data import Examples
from inference.train.views import STEADY, WEAK, ViewSettings, disturb, move

log = logging.getLogger(__name__)
R = TypeVar("R", bound=Reader)
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Budget:
    """What every arm of a comparison gets alike."""

    steps: int = 500
    batch: int = 32  # labelled windows a step
    unlabelled_batch: int = 64  # windows without labels a step, for the arms that take them
    learning_rate: float = 3e-3  # peak of the one cycle
    weight_decay: float = 0.01
    extra_batch: int = 0  # one-lead windows of a second labelled set beside each batch
    extra_weight: float = 0.3  # of their loss
    other_lead_share: float = 0.0  # of the windows of which a one-lead learner reads the second lead
    average: float = 0.99  # decay of the mean teacher's weights
    bf16: bool = True  # twice the speed where the CPU has it, same figures
    threads: int = 1
    view: ViewSettings = STEADY  # the learner's
    weak: ViewSettings = WEAK  # the teacher's


def device() -> torch.device:
    """A GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def distil(
    learner: R,
    labelled: Examples,
    arm: Arm,
    budget: Budget,
    *,
    seed: int,
    pool: Examples | None = None,
    guide: Guide | None = None,
    extra: Examples | None = None,
) -> R:
    """`learner` trained by `arm`, in place and returned in evaluation mode on the CPU; the same seed repeats it.

    `labelled` may be empty when `pool`, recordings of whose labels nothing is used, is not. `guide` is the teacher.
    `extra` are labelled one-lead windows that no teacher has seen. Raises ValueError when the arm lacks what it needs.
    """
    torch.set_num_threads(budget.threads)
    torch.manual_seed(seed)
    place, rng = device(), np.random.default_rng(seed)
    generator = torch.Generator(place).manual_seed(seed)
    learner.look(labelled.x if pool is None else np.concatenate([labelled.x, pool.x]))
    learner = channels_last(learner.to(place)).train()
    teacher = guide.reader.to(place) if guide and guide.reader else None
    objective = Objective(arm, learner, teacher).to(place)
    if "soft" in objective.needs and guide is None:
        raise ValueError(f"arm {arm.word!r} needs a teacher")
    weights = [*learner.parameters(), *objective.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=budget.learning_rate, weight_decay=budget.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, budget.learning_rate, total_steps=budget.steps)
    average = copy.deepcopy(learner).requires_grad_(False) if "ema" in objective.needs else None
    looks = _Looks(learner, teacher, average, objective.needs, budget, generator)
    draws = _draws(len(labelled), len(pool) if pool and arm.unlabelled else 0, len(extra) if extra else 0, budget, rng)
    for number, (rows, others, more) in enumerate(draws):
        batch = _batch(labelled, pool, guide, rows, others, looks.leads, place)
        window = _windows(extra, more, place) if extra is not None and len(more) else None
        step, told = looks(batch, window, min(1.0, 10 * number / budget.steps))
        outcome = objective(step)
        loss = outcome.loss if told is None else outcome.loss + budget.extra_weight * told
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        if average is not None:
            follow(average, learner, min(budget.average, number / (number + 10)))
        if (number + 1) % max(budget.steps // 4, 1) == 0:
            parts = ", ".join(f"{k} {v.item():.3f}" for k, v in outcome.parts.items())
            log.info("%s seed %d: step %d of %d, %s", arm.word, seed, number + 1, budget.steps, parts)
    learner = learner.to("cpu").eval()
    if learner.beats is not None:
        heard = guide if "soft" in objective.needs else None
        shown = pool if arm.unlabelled else None
        remember(learner.beats, labelled, pool=shown, guide=heard, extra=extra, seed=seed)
    return learner


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    x: torch.Tensor  # [b, leads, samples], labelled ones first
    y: torch.Tensor
    known: torch.Tensor
    soft: torch.Tensor | None


class _Looks:
    """Who reads what of a batch."""

    def __init__(
        self,
        learner: Reader,
        teacher: Reader | None,
        average: Reader | None,
        needs: frozenset[str],
        budget: Budget,
        generator: torch.Generator,
    ) -> None:
        self.learner, self.teacher, self.average = learner, teacher, average
        self.needs, self.budget, self.generator = needs, budget, generator
        second = learner.leads == 1 and budget.other_lead_share > 0
        reads = teacher.leads if teacher is not None and "live" in needs else 1
        self.leads = max(reads, 2 if second else learner.leads)  # what must be drawn of each recording

    def __call__(self, batch: _Batch, extra: _Batch | None, ramp: float) -> tuple[Step, torch.Tensor | None]:
        x, n = self._moved(batch.x), len(batch.y)
        own = self._leads(x)
        reading = self._read(self.learner, self._disturbed(own, self.budget.view))
        told = None if extra is None else self._told(extra)
        step = Step(batch.y, batch.known, reading, soft=batch.soft, ramp=ramp)
        if "live" in self.needs and self.teacher is not None:
            with torch.set_grad_enabled("graph" in self.needs):
                weak = self._disturbed(x[:, : self.teacher.leads], self.budget.weak)
                live = self._read(self.teacher, weak.requires_grad_("graph" in self.needs))
                step = replace(step, live=live, seen=weak.detach())
        for need, reader in (("own", self.learner), ("ema", self.average)):
            if need in self.needs and reader is not None:
                with torch.no_grad():
                    logits = self._read(reader, self._disturbed(own[n:], self.budget.weak)).logits
                step = replace(step, own=logits) if need == "own" else replace(step, ema=logits)
        return step, told

    def _told(self, extra: _Batch) -> torch.Tensor:
        """The loss of the second set, read as it will be served: its signal must not move the batch norms."""
        self.learner.eval()
        shown = self._disturbed(self._moved(extra.x), self.budget.view)
        logits = self._read(self.learner, shown).logits
        self.learner.train()
        each = F.binary_cross_entropy_with_logits(logits, extra.y, reduction="none")
        return (each * extra.known).sum() / extra.known.sum().clamp_min(1.0)

    def _moved(self, x: torch.Tensor) -> torch.Tensor:
        return move(x, self.budget.view, self.generator, fs_hz=self.learner.fs_hz)

    def _disturbed(self, x: torch.Tensor, view: ViewSettings) -> torch.Tensor:
        return disturb(x, view, self.generator, fs_hz=self.learner.fs_hz, limit=self.learner.limit)

    def _leads(self, x: torch.Tensor) -> torch.Tensor:
        """What the learner reads of moved recordings: its leads, or now and then the second in place of the first."""
        share = self.budget.other_lead_share
        if self.learner.leads > 1 or not share:
            return x[:, : self.learner.leads]
        second = torch.rand(len(x), generator=self.generator, device=x.device) < share
        return torch.where(second[:, None, None], x[:, 1:2], x[:, :1])

    def _read(self, reader: Reader, x: torch.Tensor) -> Reading:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.budget.bf16):
            reading = reader.read(x)
        return Reading(reading.maps, reading.pooled, reading.logits.float())


def _draws(
    labelled: int, pool: int, extra: int, budget: Budget, rng: np.random.Generator
) -> Iterator[tuple[Rows, ...]]:
    sources = [
        _cycle(labelled, budget.batch, rng),
        _cycle(pool, budget.unlabelled_batch, rng),
        _cycle(extra, budget.extra_batch, rng),
    ]
    for _ in range(budget.steps):
        yield tuple(next(source) for source in sources)


def _cycle(n: int, size: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Rows of `n`, `size` at a time, each as often as any other; nothing of nothing."""
    left = np.zeros(0, np.int64)
    while True:
        while n and len(left) < size:
            left = np.concatenate([left, rng.permutation(n)])
        yield left[:size]
        left = left[size:]


def _batch(
    labelled: Examples,
    pool: Examples | None,
    guide: Guide | None,
    rows: Rows,
    others: Rows,
    leads: int,
    to: torch.device,
) -> _Batch:
    x = labelled.x[rows, :leads]
    soft = guide.labelled[rows] if guide and guide.labelled is not None else None
    if pool is not None and len(others):
        x = np.concatenate([x, pool.x[others, :leads]])
        if guide and guide.pool is not None:
            soft = guide.pool[others] if soft is None else np.concatenate([soft, guide.pool[others]])
    return _Batch(
        torch.from_numpy(x).to(to),
        torch.from_numpy(labelled.y[rows].astype(np.float32)).to(to),
        torch.from_numpy(labelled.known[rows].astype(np.float32)).to(to),
        None if soft is None else torch.from_numpy(soft.astype(np.float32)).to(to),
    )


def _windows(extra: Examples, rows: Rows, to: torch.device) -> _Batch:
    return _batch(extra, None, None, rows, np.zeros(0, np.int64), 1, to)
