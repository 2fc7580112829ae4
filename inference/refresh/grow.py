"""A better student from the one that serves, and windows that nobody labelled: one run, bounded, resumable, repeatable.

    windows --by device--> guess of the device --> rehearsal as that device would have sent it --+
    rehearsal as it was -------------------------------------------------------------------------+-> one batch, one pass
    windows, strongly disturbed, beside what the slow average says of them mildly disturbed -----+   and one norm
    what people said of windows -----------------------------------------------------------------+
                                                       --steps--> layers --solved anew--> memory --fold 7--> calibration

Each step draws from a generator of its own number: what is done does not depend on how often the run was interrupted.
Without rehearsal there is nothing to translate: the slow average and the champion's own words hold the student.
"""

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from inference.distill.semi import binary_kl
from inference.model.student import Student, channels_last
from inference.preprocess import Batch
from inference.refresh.adapt import Calibration, MemorySettings, calibrate_anew, remember_both
from inference.refresh.device import DeviceSettings, Guess, guess, noise_like, translate
from inference.refresh.rehearsal import Rehearsal
from inference.refresh.state import Bench, fingerprint, load_state, save_state
from inference.train.calibrate import Floats
from inference.train.measure import predict
from inference.train.views import STEADY, WEAK, disturb, move
from liteheart.errors import LiteHeartError

log = logging.getLogger(__name__)
Progress = Callable[[float, str], None]
Rows = npt.NDArray[np.int64]
Own = Literal["none", "agree", "hard", "mean"]
_SURE: Final = 0.9  # |2 p - 1| of a hard pseudo-label


class Diverged(LiteHeartError):
    """A refresh led nowhere: its loss or its answers are no numbers. The champion is as it was; nothing is kept."""


class Paused(LiteHeartError):
    """A refresh has used up its seconds; what it has is in its state file, and the same call goes on from there."""


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """How much is learned, and from what. What was tried beside these values: docs/notebook.md."""

    steps: int = 800
    batch: int = 24  # windows a step: so many of rehearsal as it was, as many through devices
    pool_batch: int = 24  # windows a step that nobody labelled
    said_batch: int = 8  # windows a step of which somebody said something
    handheld_batch: int = 8
    handheld_weight: float = 0.3
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warm: float = 0.1  # of the steps
    translate: bool = True  # rehearsal through the guessed devices
    # What unlabelled windows say of their conditions: agree with the slow average (which stands in for none where there
    # is no rehearsal), the champion's hard yes and no, or the mean teacher of Tarvainen & Valpola.
    own: Own = "agree"
    own_weight: float = 1.0
    said_weight: float = 0.02  # of the mean over what was said: a word is one label, not a window of 36
    average: float = 0.99  # decay of the slow average
    other_lead_share: float = 0.2  # of rehearsal as it was, read by its second lead: what is known of it is kept
    anchor: float = 1.0  # without rehearsal: weight of the champion's answers
    memory_share: float = 0.35  # of the remembered beats that come from the new devices
    old_weight: float = 2.0  # in the memory, of a window as it was beside one through a device
    most_devices: int = 4  # that are guessed, those with most windows first
    device: DeviceSettings = field(default_factory=DeviceSettings)
    state_every: int = 50  # steps
    threads: int = 1
    bf16: bool = True


REFRESH: Final = RefreshSettings()


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Windows that wards sent. x float32 [n, 1, 1000], preprocessed; devices [n], a name for each kind of device.

    said float64 [n, classes]: probability that a condition was there by what people said, NaN where nobody did.
    """

    x: Batch
    devices: npt.NDArray[np.str_]
    said: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """A candidate. It has passed no gate yet."""

    student: Student
    calibration: Calibration | None  # None without rehearsal: the champion's stays
    facts: Mapping[str, Any]


def refresh(
    champion: Student,
    stored: Stored,
    rehearsal: Rehearsal | None,
    settings: RefreshSettings = REFRESH,
    *,
    seed: int = 0,
    state: Path | None = None,
    progress: Progress | None = None,
    clock: Callable[[], float] | None = None,
    seconds: float | None = None,
) -> Grown:
    """A candidate grown from `champion` (not folded, and not touched).

    `state` is a file: written now and then, read when a call with the same arguments goes on, removed at the end.
    Raises Paused after `seconds` of `clock`, Diverged when numbers are none, ValueError for a pool that does not fit.
    """
    if stored.x.ndim != 3 or stored.x.shape[1] != 1 or len(stored.devices) != len(stored.x):
        raise ValueError(f"windows of shape {stored.x.shape} with {len(stored.devices)} devices are no pool")
    if not np.isfinite(stored.x).all():
        raise Diverged("the pool holds samples that are no numbers")
    torch.set_num_threads(settings.threads)
    tell = progress or (lambda share, text: None)
    until = clock() + seconds if clock is not None and seconds is not None else None
    tell(0.0, "guessing devices")
    devices = _devices(stored, rehearsal, settings, seed)
    run = _Run(champion, stored, rehearsal, devices, settings, seed)
    mark = fingerprint(champion, stored.x, stored.said, settings, seed)
    begun = load_state(state, mark, run.bench) if state is not None else 0
    for step in range(begun, settings.steps):
        if until is not None and clock is not None and clock() >= until:
            if state is not None:
                save_state(state, mark, run.bench, step)
            raise Paused(f"step {step} of {settings.steps}")
        run.step(step)
        if (step + 1) % settings.state_every == 0:
            tell(0.05 + 0.85 * (step + 1) / settings.steps, f"step {step + 1} of {settings.steps}")
            if state is not None:
                save_state(state, mark, run.bench, step + 1)
    tell(0.9, "solving the memory anew")
    grown = _finish(run, rehearsal, settings, seed)
    if state is not None:
        state.unlink(missing_ok=True)
    tell(1.0, "grown")
    return grown


def _devices(
    stored: Stored, rehearsal: Rehearsal | None, settings: RefreshSettings, seed: int
) -> list[tuple[Guess, float]]:
    """Guesses and their shares of the windows, of those of which enough were sent."""
    if rehearsal is None or not settings.translate or not settings.steps:
        return []
    names, counts = np.unique(stored.devices, return_counts=True)
    found = []
    for i in np.argsort(-counts, kind="stable")[: settings.most_devices]:
        told = guess(stored.x[stored.devices == names[i]], rehearsal.train.x, settings.device, seed=seed)
        if told is not None:
            log.info("device %s seems to be %s", names[i], told)
            found.append((told, float(counts[i])))
    total = sum(share for _, share in found)
    return [(told, share / total) for told, share in found]


class _Run:
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
        _follow(self.bench.average, self.bench.learner, min(settings.average, number / (number + 10)))

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


_NONE: Final = np.zeros(0, np.int64)


def _finish(run: _Run, rehearsal: Rehearsal | None, settings: RefreshSettings, seed: int) -> Grown:
    student = run.bench.learner.eval().requires_grad_(False)
    rng = np.random.default_rng([seed, settings.steps])
    shown = [x + noise_like(told, len(x), x.shape[2], rng) for x, (told, _) in zip(run.shown, run.devices, strict=True)]
    calibration = None
    if rehearsal is not None and (shown or len(run.said)):
        parts = MemorySettings(settings.memory_share, settings.old_weight)
        remember_both(student, rehearsal, shown, run.stored.x, run.stored.said, parts, seed=seed)
    if rehearsal is not None:
        calibration = calibrate_anew(student, rehearsal, [told for told, _ in run.devices], seed=seed)
    if not all(bool(torch.isfinite(v).all()) for v in student.state_dict().values() if v.is_floating_point()):
        raise Diverged("the candidate's weights are no numbers")
    facts: dict[str, Any] = {
        "steps": settings.steps,
        "seed": seed,
        "windows": len(run.stored.x),
        "said": len(run.said),
        "rehearsal": 0 if rehearsal is None else len(rehearsal.train),
        "devices": [str(told) for told, _ in run.devices],
    }
    return Grown(student, calibration, facts)


def _pace(number: int, settings: RefreshSettings) -> float:
    """Share of the learning rate: a line up, then half a cosine down."""
    warm = max(settings.warm * settings.steps, 1.0)
    if number < warm:
        return (number + 1) / warm
    return 0.5 * (1 + float(np.cos(np.pi * (number - warm) / max(settings.steps - warm, 1.0))))


def _logits(p: Floats) -> Floats:
    q = np.clip(p, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(q / (1 - q)))


@torch.no_grad()
def _follow(average: Student, learner: Student, decay: float) -> None:
    for slow, fast in zip(average.state_dict().values(), learner.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, 1 - decay)
        else:
            slow.copy_(fast)
