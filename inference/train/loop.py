"""The plain supervised student: AdamW, one cycle, the last step's weights."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from inference.model.student import Student, StudentShape, channels_last
from inference.train.augment import LIGHT, AugmentSettings, augment
from inference.train.data import Examples

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """The recipe."""

    epochs: int = 24
    batch: int = 64
    learning_rate: float = 3e-3  # peak of the one cycle
    weight_decay: float = 0.01
    extra_batch: int = 0  # windows of the second data set beside each batch
    extra_weight: float = 0.3  # of their loss; they know one label only, which must not drown the others
    other_lead_share: float = 0.0  # of the windows that are drawn from another lead than the first
    bf16: bool = True  # twice the speed where the CPU has it, same figures
    threads: int = 1
    augment: AugmentSettings = LIGHT


def fit(
    data: Examples, shape: StudentShape, settings: TrainSettings, *, seed: int, extra: Examples | None = None
) -> Student:
    """A student trained on `data`, and on `extra` where its labels are known; the same seed gives the same student."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    student = channels_last(Student(shape)).train()
    steps = len(data) // settings.batch * settings.epochs
    optimiser = torch.optim.AdamW(student.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps)
    for step, (x, y, weight) in enumerate(_batches(data, extra, settings, rng)):
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bf16):
            logits = student(augment(x, settings.augment, generator)).float()
        loss = (F.binary_cross_entropy_with_logits(logits, y, reduction="none") * weight).sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        if (step + 1) % max(steps // 8, 1) == 0:
            log.info("seed %d: step %d of %d, loss %.4f", seed, step + 1, steps, loss.item())
    return student.eval()


def predict(student: Student, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Logits float64 [n, classes] of `x` [n, 1000], in fp32."""
    student.eval()
    with torch.inference_mode():
        parts = [student(torch.from_numpy(x[i : i + 64])).double().numpy() for i in range(0, len(x), 64)]
    return np.concatenate(parts)


Part = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]  # x, y, weight of each label


def _batches(
    data: Examples, extra: Examples | None, settings: TrainSettings, rng: np.random.Generator
) -> Iterator[tuple[torch.Tensor, ...]]:
    for _ in range(settings.epochs):
        order = rng.permutation(len(data))
        for start in range(0, len(order) - settings.batch + 1, settings.batch):
            parts = [_draw(data, order[start : start + settings.batch], 1.0, settings, rng)]
            if extra is not None and settings.extra_batch:
                pick = _balanced(extra, settings.extra_batch, rng)
                parts.append(_draw(extra, pick, settings.extra_weight, settings, rng))
            yield tuple(torch.from_numpy(np.concatenate(column)) for column in zip(*parts, strict=True))


def _draw(
    data: Examples, rows: npt.NDArray[np.int64], weight: float, settings: TrainSettings, rng: np.random.Generator
) -> Part:
    """The labels' weights sum to `weight`, so that a loss is a mean over the labels that are known."""
    leads = data.x.shape[1]
    other = rng.integers(1, leads, len(rows)) if leads > 1 else np.zeros(len(rows), np.int64)
    lead = np.where(rng.random(len(rows)) < settings.other_lead_share, other, 0)
    known = data.known[rows].astype(np.float32)
    return data.x[rows, lead], data.y[rows].astype(np.float32), weight * known / max(known.sum(), 1.0)


def _balanced(extra: Examples, n: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Half of the draws have a label that holds, as far as any does."""
    holds = (extra.y & extra.known).any(axis=1)
    pools = [p for p in (np.flatnonzero(holds), np.flatnonzero(~holds)) if len(p)]
    return np.concatenate([rng.choice(pool, n // len(pools)) for pool in pools])
