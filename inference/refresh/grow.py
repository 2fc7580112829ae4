"""A better student from the one that serves, and windows that nobody labelled: one run, bounded, resumable, repeatable.

    windows --by device--> guess of the device --> rehearsal as that device would have sent it --+
    rehearsal as it was -------------------------------------------------------------------------+-> one batch, one pass
    windows, strongly disturbed, beside what the slow average says of them mildly disturbed -----+   and one norm
    what people said of windows -----------------------------------------------------------------+
                                                       --steps--> layers --solved anew--> memory --fold 7--> calibration

Each step draws from a generator of its own number: what is done does not depend on how often the run was interrupted.
Without rehearsal there is nothing to translate: the slow average and the champion's own words hold the student.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inference.model.student import Student
from inference.refresh.adapt import Calibration, MemorySettings, calibrate_anew, remember_both
from inference.refresh.device import Guess, guess, noise_like
from inference.refresh.rehearsal import Rehearsal
from inference.refresh.state import fingerprint, load_state, save_state
from inference.refresh.steps import Run
from inference.refresh.task import REFRESH, Diverged, RefreshSettings, Stored
from liteheart.errors import LiteHeartError

__all__ = ["REFRESH", "Diverged", "Grown", "Paused", "RefreshSettings", "Stored", "refresh"]

log = logging.getLogger(__name__)
Progress = Callable[[float, str], None]


class Paused(LiteHeartError):
    """A refresh has used up its seconds; what it has is in its state file, and the same call goes on from there."""


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
    run = Run(champion, stored, rehearsal, devices, settings, seed)
    taught = rehearsal.soft if rehearsal is not None else None
    mark = fingerprint(champion, (stored.x, stored.devices, stored.said, taught), settings, seed)
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
        if told is None:
            continue
        known = told.distance <= settings.most_distance
        log.info("device %s %s %s", names[i], "seems to be" if known else "is like no lead, not even", told)
        if known:
            found.append((told, float(counts[i])))
    total = sum(share for _, share in found)
    return [(told, share / total) for told, share in found]


def _finish(run: Run, rehearsal: Rehearsal | None, settings: RefreshSettings, seed: int) -> Grown:
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
