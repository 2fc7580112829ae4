"""A new device, and what a refresh on its unlabelled windows brings back: a scripted drift, three times, beside others.

    champion on fold 8, lead I (original) | through the device (drifted) --refresh on folds 1-6 through it--> recovered

A share is (refreshed - drifted) / (original - drifted) in macro AUROC over all conditions; the figure sums both over
the seeds, and of no seed more than what was lost, though another lead may show more than lead I does. Intervals draw
patients of fold 8 anew, the same for all arms. Each arm of each seed is kept when it is done: a run that was stopped
goes on, for the same champion, settings and code.
"""

import hashlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.figures import Figure, Options
from benchmarks.signals import ROOT
from deploy.environment import environment
from inference.model.card import Card
from inference.model.checkpoint import load_student
from inference.model.student import Student
from inference.refresh import grow
from inference.refresh.baselines import BASELINES, Baseline, adapt
from inference.refresh.grow import REFRESH, RefreshSettings, Stored, refresh
from inference.refresh.rehearsal import Rehearsal, read_rehearsal
from inference.refresh.scenario import Device, NoiseBank, draw_device, heard, nurses, read_noise, through
from inference.refresh.verdicts import weigh
from inference.settings import SHIPPED
from inference.train.calibrate import probabilities
from inference.train.data import labels_of, ptbxl_recordings
from inference.train.evaluate import Flags, Floats, macro_auroc
from inference.train.measure import predict
from inference.train.split import TEST, TRAIN
from liteheart.errors import Misconfigured

log = logging.getLogger(__name__)
ARMS: Final = (*BASELINES, "refresh", "refresh+200 verdicts")
QUICK: Final = replace(REFRESH, steps=20, device=replace(REFRESH.device, windows=120, rounds=1))
_CODE: Final = ("adapt", "baselines", "device", "grow", "rehearsal", "scenario", "steps", "task", "verdicts")
_UNIT: Final = "share of the lost macro AUROC"
_VERDICTS: Final = 200
_DRAWS: Final = 500
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Recordings of 12 leads, mV, to be sent through devices: of folds 1-6, and of fold 8."""

    pool: npt.NDArray[np.float32]
    pool_y: Flags
    pool_known: npt.NDArray[np.bool_]  # [n]: label may be used, here by a simulated nurse
    test: npt.NDArray[np.float32]
    y: Flags
    patients: npt.NDArray[np.str_]
    noise: NoiseBank


def benchmark(options: Options) -> Iterator[Figure]:
    """The shares, and what each arm loses on the original test. Raises Misconfigured without the packs."""
    packs = Path(environment().get("LITEHEART_ECG", ROOT.parent / "shared" / "ecg"))
    if not packs.is_dir():
        raise Misconfigured("LITEHEART_ECG", f"{packs} is not there")
    champion, card = load_student(SHIPPED, folded=False)
    settings = QUICK if options.quick else REFRESH
    arms = ("none", "norm", "refresh") if options.quick else ARMS
    seeds = range(1 if options.quick else 3)
    world, rehearsal = _world(packs, card), read_rehearsal(packs, card.classes, handheld=not options.quick)
    original = predict(champion, through(world.test, Device(), None, "measure", 0))
    runs = [_seed(champion.eval(), card, world, rehearsal, settings, arms, seed) for seed in seeds]
    yield from _figures(world, original, runs, arms, [str(draw_device(seed)) for seed in seeds])


def _world(packs: Path, card: Card) -> World:
    rows = [r for r in ptbxl_recordings(packs) if int(r.labels["fold"]) in (*TRAIN, *TEST)]
    labelled = np.array([r.labels["label_source"] == "ptbxl_metadata" for r in rows])
    test = np.array([int(r.labels["fold"]) in TEST for r in rows])
    mv = np.stack([r.mv[:, :1000] for r in rows])
    y = np.array([labels_of(r, card.classes) for r in rows])
    patients = np.array([str(r.labels["patient"] or r.name) for r in rows])
    measured = test & labelled
    return World(mv[~test], y[~test], labelled[~test], mv[measured], y[measured], patients[measured], read_noise(packs))


Said = Mapping[str, tuple[Floats, Floats]]  # by arm: logits of the drifted and of the original test


def _seed(
    champion: Student,
    card: Card,
    world: World,
    rehearsal: Rehearsal,
    settings: RefreshSettings,
    arms: tuple[str, ...],
    seed: int,
) -> Said:
    """Every arm on the device of `seed`; also the seed of the training."""
    device = draw_device(seed)
    stored = Stored(through(world.pool, device, world.noise, "learn", seed), np.full(len(world.pool), "new"), said=None)
    drifted = through(world.test, device, world.noise, "measure", seed)
    original = through(world.test, Device(), None, "measure", seed)
    folder = Path(tempfile.gettempdir()) / "liteheart-refresh" / _mark(card, settings)
    out = {}
    for arm in arms:
        path = folder / f"{seed}-{arm.replace(' ', '-')}.npz"
        if not path.is_file():
            log.warning("seed %d, %s: %s", seed, device, arm)
            student = _arm(arm, champion, card, world, stored, rehearsal, settings, seed)
            folder.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part.npz")
            np.savez(part, drifted=predict(student, drifted), original=predict(student, original))
            part.replace(path)
        with np.load(path) as kept:
            out[arm] = (kept["drifted"], kept["original"])
    return out


def _arm(
    arm: str,
    champion: Student,
    card: Card,
    world: World,
    stored: Stored,
    rehearsal: Rehearsal,
    settings: RefreshSettings,
    seed: int,
) -> Student:
    if arm in BASELINES:
        name: Baseline = arm
        return adapt(name, champion, stored, rehearsal, settings, seed=seed)
    if arm == "refresh+200 verdicts":
        p = probabilities(predict(champion, stored.x), [card.temperature[c] for c in card.classes])
        limits = np.array([card.thresholds[c] for c in card.classes])
        known = np.broadcast_to(world.pool_known[:, None], p.shape)
        words = nurses(p, world.pool_y, known, limits, card.classes, count=_VERDICTS, seed=seed)
        stored = replace(stored, said=heard(words, weigh(words.said).positive, p.shape))
    return refresh(champion, stored, rehearsal, settings, seed=seed).student


def _mark(card: Card, settings: RefreshSettings) -> str:
    """Of all that decides a run but the recordings: weights, settings, and the code that refreshes."""
    found = hashlib.sha256(f"{card.sha256} {settings!r}".encode())
    for name in _CODE:
        found.update((Path(grow.__file__).parent / f"{name}.py").read_bytes())
    return found.hexdigest()[:16]


def _figures(
    world: World, original: Floats, runs: list[Said], arms: tuple[str, ...], devices: list[str]
) -> Iterator[Figure]:
    draws = _draws(world.patients)
    names = {"refresh": "recovered_share", "refresh+200 verdicts": "recovered_share_verdicts"}
    note = f"{len(runs)} devices: {'; '.join(devices)}"
    drop = [macro_auroc(original, world.y) - macro_auroc(run["none"][0], world.y) for run in runs]
    yield Figure("original_auroc", macro_auroc(original, world.y), "AUROC", note="fold 8, lead I, the champion")
    yield Figure("lost_auroc", float(np.mean(drop)), "AUROC", note=note)
    for arm in arms:
        if arm == "none":
            continue
        name = names.get(arm, f"recovered_share_{arm}")
        share, each = _share(world.y, original, runs, arm, slice(None))
        spread = [_share(world.y, original, runs, arm, rows)[0] for rows in draws]
        low, high = np.nanpercentile(spread, [2.5, 97.5])
        told = f"95 % {low:.3f} to {high:.3f} over patients; by seed {', '.join(f'{v:.3f}' for v in each)}"
        yield Figure(name, share, _UNIT, note=told)
        if arm in names:
            yield Figure(f"{name}_low", float(low), _UNIT, note="lower end of the 95 % interval over patients")
            yield Figure(f"{name}_high", float(high), _UNIT, note="upper end of it")
        loss = [_loss(world.y, original, run[arm][1], slice(None)) for run in runs]
        spread = [float(np.mean([_loss(world.y, original, run[arm][1], rows) for run in runs])) for rows in draws]
        low, high = np.nanpercentile(spread, [2.5, 97.5])
        told = f"95 % {low:.4f} to {high:.4f} over patients; by seed {', '.join(f'{v:.4f}' for v in loss)}"
        suffix = "" if arm == "refresh" else f"_{'verdicts' if arm in names else arm}"
        yield Figure(f"original_loss{suffix}", float(np.mean(loss)), "AUROC", note=told)
        if arm == "refresh":
            yield Figure("original_loss_low", float(low), "AUROC", note="lower end of the 95 % interval over patients")
            yield Figure("original_loss_high", float(high), "AUROC", note="upper end of it")


def _share(y: Flags, original: Floats, runs: list[Said], arm: str, rows: Rows | slice) -> tuple[float, list[float]]:
    """Over all seeds together, of none more than it lost; and of each, as it is."""
    top = macro_auroc(original[rows], y[rows])
    won, lost = [], []
    for run in runs:
        low = macro_auroc(run["none"][0][rows], y[rows])
        won.append(macro_auroc(run[arm][0][rows], y[rows]) - low)
        lost.append(top - low)
    return float(np.minimum(won, lost).sum() / np.sum(lost)), [
        float(w / max(v, 1e-9)) for w, v in zip(won, lost, strict=True)
    ]


def _loss(y: Flags, original: Floats, said: Floats, rows: Rows | slice) -> float:
    return macro_auroc(original[rows], y[rows]) - macro_auroc(said[rows], y[rows])


def _draws(patients: npt.NDArray[np.str_]) -> list[Rows]:
    rng = np.random.default_rng(0)
    _, owner = np.unique(patients, return_inverse=True)
    groups = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    picks = (rng.integers(0, len(groups), len(groups)) for _ in range(_DRAWS))
    return [np.concatenate([groups[i] for i in pick]) for pick in picks]
