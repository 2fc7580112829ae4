"""One step of a refresh: what is shown, what each part of it costs, and who follows. No step knows of another."""

import copy
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from inference.distill.semi import binary_kl, follow
from inference.model.student import Student, channels_last
from inference.preprocess import Batch
from inference.refresh.device import Guess, noise_like, translate
from inference.refresh.rehearsal import Rehearsal
from inference.refresh.state import Bench
from inference.refresh.task import Diverged, Own, RefreshSettings, Stored
from inference.train.calibrate import Floats
from inference.train.measure import predict
from inference.train.views import STEADY, WEAK, disturb, move

Rows = npt.NDArray[np.int64]
_NONE: Final = np.zeros(0, np.int64)
_SURE: Final = 0.9  # |2 p - 1| of a hard pseudo-label


class Run:
    """What is trained, and one step of it."""

    def __init__(
        self,
        champion: Student,
        stored: Stored,
        rehearsal: Rehearsal | None,
        devices: list[tuple[Guess, float]],
        settings: RefreshSettings,
        seed: int,
    ) -> None:
        self.stored, self.rehearsal, self.settings, self.seed = stored, rehearsal, settings, seed
        self.devices = devices
        self.shown = [translate(rehearsal.train.x, told) for told, _ in devices] if rehearsal is not None else []
        learner = channels_last(copy.deepcopy(champion)).requires_grad_(True).train()
        if learner.beats is not None and learner.beats.memory is not None:
            learner.beats.memory.requires_grad_(False)  # it is solved for
        weights = [p for p in learner.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        self.bench = Bench(learner, copy.deepcopy(learner).requires_grad_(False).eval(), optimiser)
        self.champion = copy.deepcopy(champion).requires_grad_(False).eval()
        self.own: Own = "agree" if settings.own == "none" and rehearsal is None else settings.own
        self.word = predict(self.champion, stored.x) if self.own == "hard" or rehearsal is None else None
        self.said = np.flatnonzero(np.isfinite(stored.said).any(axis=1)) if stored.said is not None else _NONE
        self.soft = None if rehearsal is None else _logits(rehearsal.soft)

    def step(self, number: int) -> None:
        """One step, the same whatever happened before it but for the weights."""
        settings = self.settings
        torch.manual_seed(1_000_003 * self.seed + number)
        g = torch.Generator().manual_seed(2_000_003 * self.seed + number)
        rng = np.random.default_rng([self.seed, number])
        for group in self.bench.optimiser.param_groups:
            group["lr"] = settings.learning_rate * _pace(number, settings)
        loss = self._loss(rng, g, ramp=min(1.0, 10 * number / settings.steps))
        if not torch.isfinite(loss):
            raise Diverged(f"the loss is {loss.item()} at step {number}")
        self.bench.optimiser.zero_grad()
        torch.autograd.backward(loss)
        self.bench.optimiser.step()
        follow(self.bench.average, self.bench.learner, min(settings.average, number / (number + 10)))

    def _loss(self, rng: np.random.Generator, g: torch.Generator, ramp: float) -> torch.Tensor:
        known, rows = self._rehearsed(rng)
        said = self._rows(self.said, self.settings.said_batch, rng)
        new = self._new(rng)
        x = np.concatenate([*known, self.stored.x[said], self.stored.x[new]])
        moved = move(torch.from_numpy(x), STEADY, g)
        logits = self._read(self.bench.learner, disturb(moved, STEADY, g))
        a, b = len(rows), len(rows) + len(said)
        loss = logits.new_zeros(())
        if a:
            loss = loss + self._taught(logits[:a], rows)
        if len(said):
            loss = loss + self.settings.said_weight * self._heard(logits[a:b], said)
        if len(new):
            loss = loss + self.settings.own_weight * ramp * self._own(logits[b:], moved[b:], new, g)
        return loss + self._handheld(rng, g)

    def _rehearsed(self, rng: np.random.Generator) -> tuple[list[Batch], Rows]:
        """Windows of rehearsal, as they were and through devices, and which they are."""
        if self.rehearsal is None:
            return [], _NONE
        x, n = self.rehearsal.train.x, len(self.rehearsal.train)
        rows = rng.integers(0, n, self.settings.batch)
        lead = np.where(rng.random(len(rows)) < self.settings.other_lead_share, 1, 0) if x.shape[1] > 1 else 0
        parts, chosen = [x[rows, lead][:, None]], [rows]
        if self.devices:
            rows = rng.integers(0, n, self.settings.batch)
            of = rng.choice(len(self.devices), len(rows), p=[share for _, share in self.devices])
            for i, (device, _) in enumerate(self.devices):
                mine = rows[of == i]
                parts.append(self.shown[i][mine] + noise_like(device, len(mine), x.shape[2], rng))
                chosen.append(mine)
        return parts, np.concatenate(chosen)

    def _rows(self, among: Rows, count: int, rng: np.random.Generator) -> Rows:
        return among[rng.integers(0, len(among), count)] if len(among) else _NONE

    def _new(self, rng: np.random.Generator) -> Rows:
        n = len(self.stored.x)
        wanted = self.own != "none" and n > 0
        return rng.integers(0, n, self.settings.pool_batch) if wanted else _NONE

    def _taught(self, logits: torch.Tensor, rows: Rows) -> torch.Tensor:
        """By labels where they are known, and by the teacher of all leads."""
        if self.rehearsal is None or self.soft is None:
            raise ValueError("nothing to rehearse")
        train = self.rehearsal.train
        y, known = (torch.from_numpy(a[rows].astype(np.float32)) for a in (train.y, train.known))
        each = F.binary_cross_entropy_with_logits(logits, y, reduction="none")
        told: torch.Tensor = (each * known).sum() / known.sum().clamp_min(1.0)
        return told + binary_kl(logits, torch.from_numpy(self.soft[rows]).float()).mean()

    def _heard(self, logits: torch.Tensor, rows: Rows) -> torch.Tensor:
        """By what people said: a probability for few classes of each window."""
        if self.stored.said is None:
            raise ValueError("nobody said anything")
        p = torch.from_numpy(self.stored.said[rows]).float()
        heard = torch.isfinite(p)
        each = F.binary_cross_entropy_with_logits(logits, torch.where(heard, p, 0.0), reduction="none")
        return (each * heard).sum() / heard.sum().clamp_min(1)

    def _own(self, logits: torch.Tensor, moved: torch.Tensor, rows: Rows, g: torch.Generator) -> torch.Tensor:
        """Of windows that nobody labelled: the slow average's word, or the champion's."""
        settings = self.settings
        loss = logits.new_zeros(())
        if self.word is not None:
            champion = torch.from_numpy(self.word[rows]).float()
            if self.own == "hard":
                sure = torch.tanh(champion / 2).abs() > _SURE
                each = F.binary_cross_entropy_with_logits(logits, (champion > 0).float(), reduction="none")
                return (each * sure).mean()
            loss = loss + settings.anchor * binary_kl(logits, champion).mean()
        with torch.no_grad():
            slow = self._read(self.bench.average, disturb(moved, WEAK, g))
        if self.own == "mean":
            return loss + (torch.sigmoid(logits) - torch.sigmoid(slow)).square().mean()
        return loss + binary_kl(logits, slow).mean()

    def _handheld(self, rng: np.random.Generator, g: torch.Generator) -> torch.Tensor:
        """Of the second set: read with the batch norms at rest, as when the champion was trained."""
        if self.rehearsal is None or self.rehearsal.handheld is None or not self.settings.handheld_batch:
            return torch.zeros(())
        extra, learner = self.rehearsal.handheld[0], self.bench.learner
        rows = rng.integers(0, len(extra), self.settings.handheld_batch)
        shown = disturb(move(torch.from_numpy(extra.x[rows, :1]), STEADY, g), STEADY, g)
        learner.eval()
        logits = self._read(learner, shown)
        learner.train()
        y, known = (torch.from_numpy(a[rows].astype(np.float32)) for a in (extra.y, extra.known))
        each = F.binary_cross_entropy_with_logits(logits, y, reduction="none")
        return self.settings.handheld_weight * (each * known).sum() / known.sum().clamp_min(1.0)

    def _read(self, reader: Student, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.bf16):
            return reader.read(x).logits.float()


def _pace(number: int, settings: RefreshSettings) -> float:
    """Share of the learning rate: a line up, then half a cosine down."""
    warm = max(settings.warm * settings.steps, 1.0)
    if number < warm:
        return (number + 1) / warm
    return 0.5 * (1 + float(np.cos(np.pi * (number - warm) / max(settings.steps - warm, 1.0))))


def _logits(p: Floats) -> Floats:
    q = np.clip(p, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(q / (1 - q)))
