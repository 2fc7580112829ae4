"""CinC-2017 as its Challenge scored it, by cross-validation over the recordings there are.

Every recording is answered by readers that never saw it, nor any student that did: nothing here starts from weights.
The set names no patients, so a recording stands for one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.train.beatline import BeatLine, read_beatline
from inference.train.data import HANDHELD, read_pack
from inference.train.rhythm_reader import Floats, Labels, RhythmSettings, fit_reader

RHYTHMS: Final = ("N", "A", "O", "~")  # normal, atrial fibrillation, other, too noisy
_COUNTED: Final = 3  # of them; the Challenge's figure leaves the noisy class itself out, not its recordings


@dataclass(frozen=True, slots=True, eq=False)
class Strips:
    """Recordings as their beats, and the place of each label among RHYTHMS, int64 [n]."""

    lines: Sequence[BeatLine]
    labels: Labels


def read_strips(packs: Path, names: Sequence[str] = tuple(HANDHELD)) -> Strips:
    """All recordings of the handheld packs `names`. Raises Unreadable."""
    lines, labels = [], []
    for name in names:
        for r in read_pack(packs / f"{name}.ecg.xz"):
            lines.append(read_beatline(r.mv[0], r.fs_hz))
            labels.append(RHYTHMS.index(r.labels["rhythm"]))
    return Strips(lines, np.array(labels))


def cross_validate(
    strips: Strips,
    folds: int,
    settings: RhythmSettings,
    *,
    members: int = 1,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> Floats:
    """Probabilities [n, 4] of each recording by `members` readers of the other folds. Raises ValueError."""
    if folds < 2:
        raise ValueError(f"{folds} fold: at least two")
    place = fold_of(strips.labels, folds, seed)
    out = np.zeros((len(strips.labels), len(RHYTHMS)))
    for fold in range(folds):
        learned = np.flatnonzero(place != fold)
        reader = fit_reader(
            [strips.lines[i] for i in learned.tolist()],
            strips.labels[learned],
            settings,
            seeds=[seed + 100 * fold + i for i in range(members)],
        )
        rows = np.flatnonzero(place == fold)
        out[rows] = reader.probabilities([strips.lines[i] for i in rows.tolist()])
        mean = np.nanmean(f1_by_class(out[rows].argmax(axis=1), strips.labels[rows])[:_COUNTED])
        progress(f"fold {fold + 1} of {folds}: mean F1 {mean:.3f}")
    return out


def fold_of(labels: Labels, folds: int, seed: int) -> Labels:
    """The fold int64 [n] of each recording: at random, each with its share of every label."""
    rng, out = np.random.default_rng(seed), np.zeros(len(labels), np.int64)
    for label in range(len(RHYTHMS)):
        own = rng.permutation(np.flatnonzero(labels == label))
        out[own] = np.arange(len(own)) % folds
    return out


def f1_by_class(said: Labels, true: Labels) -> Floats:
    """[4]; NaN for a rhythm that is neither there nor said."""
    classes = np.arange(len(RHYTHMS))[:, None]
    hit = ((said == classes) & (true == classes)).sum(axis=1)
    total = (said == classes).sum(axis=1) + (true == classes).sum(axis=1)
    return np.where(total > 0, 2 * hit / np.maximum(total, 1), np.nan)


def figures(p: Floats, labels: Labels, *, draws: int = 1000, seed: int = 0) -> dict[str, Any]:
    """F1 with 95 % intervals over recordings drawn anew: as the Challenge, where a noisy recording can be called any of
    four and counts against who calls it another, and of the recordings that are not noisy alone, as one of three.
    """
    clear = labels < _COUNTED
    return {
        "recordings": {rhythm: int((labels == i).sum()) for i, rhythm in enumerate(RHYTHMS)},
        "challenge": _with_intervals(p.argmax(axis=1), labels, draws, seed),
        "without_noisy": _with_intervals(p[clear, :_COUNTED].argmax(axis=1), labels[clear], draws, seed),
        "confusion": np.array([np.bincount(p[labels == i].argmax(axis=1), minlength=4) for i in range(4)]).tolist(),
    }


def _with_intervals(said: Labels, labels: Labels, draws: int, seed: int) -> dict[str, list[float]]:
    rng = np.random.default_rng(seed)
    names = [*(f"f1_{rhythm}" for rhythm in RHYTHMS), "f1_mean_N_A_O"]
    own = _row(said, labels)
    drawn = np.array([_row(said[pick], labels[pick]) for pick in rng.integers(0, len(labels), (draws, len(labels)))])
    out = {}
    for name, value, column in zip(names, own, drawn.T, strict=True):
        if np.isfinite(value):  # a rhythm that is left out has no figure
            out[name] = [round(float(v), 4) for v in (value, *np.nanpercentile(column, [2.5, 97.5]))]
    return out


def _row(said: npt.NDArray[np.int64], labels: Labels) -> Floats:
    f1 = f1_by_class(said, labels)
    return np.append(f1, f1[:_COUNTED].mean())
