"""What needs no steps: the memory solved anew for both worlds, batch norms of a mix, temperature and thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import nn

from inference.distill.recall import RECALL, Lessons, read_beats, refill
from inference.distill.scarce import together
from inference.distill.ship import calibrate
from inference.model.card import Card
from inference.model.student import Student
from inference.preprocess import Batch
from inference.refresh.device import Guess, noise_like, translate
from inference.refresh.rehearsal import Rehearsal
from inference.train.calibrate import Floats, fit_undecided, probabilities
from inference.train.data import Examples
from inference.train.measure import predict

_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """What counts how much where the memory is solved anew; a window through a device counts one."""

    share: float  # of the beats that come from new devices
    old_weight: float  # of a window as it was
    said_weight: float = 1.0  # of what people said of a window


@dataclass(frozen=True, slots=True)
class Calibration:
    """From logits to findings; as in a card."""

    temperature: float
    thresholds: dict[str, float]
    undecided_from: dict[str, float]

    def on(self, card: Card, name: str) -> Card:
        """A card of that name with this calibration; its checksum and figures are yet to be made."""
        temperature = dict.fromkeys(card.classes, round(self.temperature, 4))
        return replace(
            card,
            name=name,
            temperature=temperature,
            thresholds=self.thresholds,
            undecided_from=self.undecided_from,
            sha256="",
            onnx={},
        )


def remember_both(
    student: Student,
    rehearsal: Rehearsal,
    shown: Sequence[Batch],
    windows: Batch,
    said: Floats | None,
    settings: MemorySettings,
    *,
    seed: int,
) -> None:
    """Solve the memory of `student` anew, some of its beats from `shown`: rehearsal as new devices would send it.

    The other beats it has already. What people `said` [n, classes] of `windows` is answered too, and no beat of theirs
    is remembered. In place.
    """
    branch = student.beats
    if branch is None or branch.memory is None:
        return
    target, weight = _targets(rehearsal)
    own = [Lessons(read_beats(branch, rehearsal.train.x), target, settings.old_weight * weight)]
    others = [Lessons(read_beats(branch, x), target, weight / len(shown)) for x in shown]
    few = round(settings.share * len(branch.memory.beats)) if others else 0
    taught, full = list[Lessons](), bool(branch.memory.full)
    if said is not None and (heard := np.isfinite(said)).any():
        rows = heard.any(axis=1)
        word, weigh = np.where(heard, said, 0.0)[rows], settings.said_weight * heard[rows].astype(np.float64)
        taught.append(Lessons(read_beats(branch, windows[rows]), word, weigh))
    refill(branch, own, others, few=few, seed=seed, ridge=RECALL.ridge, taught=taught, keep=full)


def _targets(rehearsal: Rehearsal) -> tuple[Floats, Floats]:
    y, known = rehearsal.train.y.astype(np.float64), rehearsal.train.known
    share = np.where(known, RECALL.soft_share, 1.0)  # of what nobody labelled the teacher alone speaks
    return y + share * (rehearsal.soft - y), np.ones_like(y)


def calibrate_anew(student: Student, rehearsal: Rehearsal, devices: Sequence[Guess], *, seed: int) -> Calibration:
    """On validation recordings as they were and as each device would have sent them; never on what was learned from."""
    mix = mixed(rehearsal.validation, devices, seed)
    temperature, thresholds = calibrate(student, mix, rehearsal.handheld and rehearsal.handheld[1])
    p = probabilities(predict(student, mix.x), temperature)
    return Calibration(temperature, thresholds, fit_undecided(p, mix.classes, thresholds))


def mixed(examples: Examples, devices: Sequence[Guess], seed: int) -> Examples:
    """`examples` by their first lead, and once more through each device; x [n, 1, 1000]."""
    rng = np.random.default_rng([seed, 7])
    n = examples.x.shape[2]
    parts = [replace(examples, x=examples.x[:, :1])]
    for device in devices:
        seen = translate(examples.x, device)
        parts.append(replace(examples, x=seen + noise_like(device, len(seen), n, rng)))
    return together(*parts)


def renormalise(student: Student, *worlds: Batch) -> None:
    """Set the running statistics of every batch norm to those of `worlds` [n, 1, 1000] in equal parts; in place."""
    norms = [m for m in student.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
        norm.train()
    size = max(_BATCH // max(len(worlds), 1), 1)
    batches = min(len(x) for x in worlds) // size
    with torch.inference_mode():
        for i in range(max(batches, 1)):
            student.read(torch.from_numpy(np.concatenate([x[i * size : (i + 1) * size] for x in worlds])))
    for norm in norms:
        norm.momentum = 0.1
        norm.eval()
