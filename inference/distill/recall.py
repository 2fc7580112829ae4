"""What a student remembers, solved for once its layers are trained: kernel ridge over some of the beats it saw.

It is asked of form, not of rhythm: ten of the fifty numbers by which beats are alike tell the rhythm, and likeness in
all of them makes a memory unsure of what those ten would settle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from inference.distill.guide import Guide
from inference.model.beats import BeatBranch
from inference.model.memory import likeness
from inference.preprocess import Batch
from inference.train.calibrate import Floats
from inference.train.data import Examples
from liteheart.conditions import BY_CODE

_BATCH = 256
_JITTER = 1e-6  # beats that are alike must not make the system singular


@dataclass(frozen=True, slots=True)
class RecallSettings:
    """How smooth the answers are, and what counts how much."""

    ridge: float = 1.0
    soft_share: float = 0.5  # of the target of a known label: the teacher's part
    extra_weight: float = 0.3  # of a window of the second set
    extra_share: float = 0.25  # of the remembered beats that come from it


RECALL: Final = RecallSettings()


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Targets [n, classes] of what is read [n, features], and what each counts [n, classes]."""

    read: torch.Tensor
    target: Floats
    weight: Floats


def remember(
    branch: BeatBranch,
    labelled: Examples,
    *,
    pool: Examples | None,
    guide: Guide | None,
    extra: Examples | None,
    seed: int,
    settings: RecallSettings = RECALL,
) -> None:
    """Fill the memory of `branch`, if it has one: from labels, and from what the teacher said of either set.

    `pool` teaches only by a teacher's cached word, `extra` (one lead, labels) only what is known of it.
    """
    memory = branch.memory
    if memory is None or not len(labelled):
        return
    own = [_labelled(branch, labelled, guide, settings)]
    if pool is not None and len(pool) and guide is not None and guide.pool is not None:
        own.append(Lessons(read_beats(branch, pool.x), _sigmoid(guide.pool), np.ones(guide.pool.shape)))
    others = []
    if extra is not None and branch.leads == 1:
        others = [
            Lessons(
                read_beats(branch, extra.x), extra.y.astype(np.float64), np.float64(settings.extra_weight) * extra.known
            )
        ]
    few = round(settings.extra_share * len(memory.beats)) if others else 0
    refill(branch, own, others, few=few, seed=seed, ridge=settings.ridge)
    with torch.no_grad():
        memory.asked.copy_(torch.tensor([not _of_rhythm(code) for code in labelled.classes]))


def refill(
    branch: BeatBranch,
    own: Sequence[Lessons],
    others: Sequence[Lessons],
    *,
    few: int,
    seed: int,
    ridge: float,
    taught: Sequence[Lessons] = (),
    keep: bool = False,
) -> None:
    """Remember beats of `own`, `few` of them of `others`, and solve for what is answered to them from both.

    With `keep` those of `own` are what is remembered already, as many as there is room for. Of `taught` the answers are
    learned too, but no beat is remembered.

    Raises ValueError for a branch without memory.
    """
    memory = branch.memory
    if memory is None:
        raise ValueError("this branch has no memory")
    rng, n = np.random.default_rng(seed), len(memory.beats)
    beats = memory.beats[torch.from_numpy(rng.permutation(n)[: n - few])] if keep else _some(own, n - few, rng)
    if few:
        beats = torch.cat([beats, _some(others, few, rng)])
    prior = _mean(own)
    answers = _solve([*own, *others, *taught], beats, prior, ridge)
    with torch.no_grad():
        memory.beats.copy_(beats)
        memory.answers.copy_(torch.from_numpy(answers))
        memory.prior.copy_(torch.from_numpy(prior))
        memory.full.fill_(True)


def _of_rhythm(code: str) -> bool:
    return code in BY_CODE and BY_CODE[code].superclass == "RHYTHM"


def _labelled(branch: BeatBranch, labelled: Examples, guide: Guide | None, settings: RecallSettings) -> Lessons:
    target, weight = labelled.y.astype(np.float64), labelled.known.astype(np.float64)
    if guide is not None and guide.labelled is not None:
        soft = _sigmoid(guide.labelled)
        share = np.where(labelled.known, settings.soft_share, 1.0)  # of what nobody labelled the teacher alone speaks
        target, weight = target + share * (soft - target), np.ones_like(target)
    return Lessons(read_beats(branch, labelled.x), target, weight)


def _solve(lessons: Sequence[Lessons], beats: torch.Tensor, prior: Floats, ridge: float) -> Floats:
    """Answers [m, classes]: least weighted squares with the kernel's norm as price; one system per way to weigh."""
    among = likeness(beats.double(), beats.double()).numpy()
    kernel = np.concatenate([likeness(part.read.double(), beats.double()).numpy() for part in lessons])
    target, weight = (np.concatenate([getattr(part, name) for part in lessons]) for name in ("target", "weight"))
    price = ridge * among + _JITTER * np.eye(len(beats))
    answers = np.zeros((len(beats), target.shape[1]))
    ways, way = np.unique(weight, axis=1, return_inverse=True)
    for i, w in enumerate(ways.T):
        these, weighed = way.ravel() == i, kernel * w[:, None]
        rest = target[:, these] - prior[these]
        answers[:, these] = np.linalg.solve(weighed.T @ kernel + price, weighed.T @ rest)
    return answers


def _mean(lessons: Sequence[Lessons]) -> Floats:
    total = sum((part.weight * part.target).sum(axis=0) for part in lessons)
    return np.asarray(total / np.maximum(sum(part.weight.sum(axis=0) for part in lessons), 1.0))


def _some(lessons: Sequence[Lessons], n: int, rng: np.random.Generator) -> torch.Tensor:
    """`n` rows at random; with repetition where there are fewer."""
    read = torch.cat([part.read for part in lessons])
    rows: npt.NDArray[np.int64] = rng.choice(len(read), n, replace=len(read) < n)
    return read[torch.from_numpy(rows)]


def read_beats(branch: BeatBranch, x: Batch) -> torch.Tensor:
    """What `branch` reads of windows float32 [n, leads, samples]: [n, features]."""
    with torch.inference_mode():
        parts = [branch.features(torch.from_numpy(x[i : i + _BATCH, : branch.leads])) for i in range(0, len(x), _BATCH)]
    return torch.cat(parts).clone()


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logits)))
