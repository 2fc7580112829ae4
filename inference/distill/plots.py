"""The benchmark's pictures: what each arm makes of the way from scratch to the teacher, and where the two look."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from inference.distill.benchmark import TEACHER, load_scored, run_path
from inference.distill.figures import groups
from inference.distill.guide import Ensemble
from inference.model.student import Student
from inference.preprocess import FS_HZ, SAMPLES, Batch
from inference.serve.explain import BINS, importance
from inference.train.calibrate import Floats
from inference.train.evaluate import auroc
from inference.train.measure import predict

SCRATCH: Final = "scratch"
STUDENT: Final = "student"


def by_condition(out: Path, arms: Sequence[str], seeds: Sequence[int]) -> tuple[tuple[str, ...], dict[str, Floats]]:
    """Classes, and AUROC [classes] of each arm that has a run for every seed, mean over those seeds that have one."""
    classes: tuple[str, ...] = ()
    found: dict[str, Floats] = {}
    for word in dict.fromkeys(arms):
        paths = [run_path(out, word, seed).with_suffix(".npz") for seed in seeds]
        if all(p.exists() for p in paths):
            runs = [load_scored(p) for p in paths]
            classes = runs[0].classes
            each = np.stack([auroc(s.p, s.y) for s in runs])
            n = np.isfinite(each).sum(axis=0)
            found[word] = np.where(n > 0, np.nansum(each, axis=0) / np.maximum(n, 1), np.nan)
    return classes, found


def plot_gap(path: Path, classes: tuple[str, ...], found: Mapping[str, Floats]) -> bool:
    """Write the picture to `path`; False, and nothing written, without scratch and teacher to span the way."""
    if not {SCRATCH, TEACHER} <= found.keys():
        return False
    low, high = found[SCRATCH], found[TEACHER]
    own = [word for word in found if word not in (SCRATCH, TEACHER)]
    rows = np.array([i for i in np.argsort(low - high) if np.isfinite(low[i]) and np.isfinite(high[i])])
    visible = groups(classes)["visible"]
    figure = Figure(figsize=(8, 0.24 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(rows))[::-1]
    axes.hlines(place, low[rows], high[rows], color="0.8", linewidth=4)
    axes.plot(low[rows], place, "|", color="0.3", markersize=10, label=f"{SCRATCH}, lead I")
    axes.plot(high[rows], place, "D", color="0.3", markersize=4, label=f"{TEACHER}, 12 leads")
    for word, mark in zip(own, "o^sv<>pP*X" * (1 + len(own) // 10), strict=False):
        axes.plot(found[word][rows], place, mark, markersize=5, label=word)
    axes.set_yticks(place, [classes[i] + (" *" if visible[i] else "") for i in rows])
    axes.set_xlabel("AUROC, mean over seeds   (* lead I can show it)")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8)
    _save(figure, path)
    return True


def look_at(
    teacher: Ensemble, student: Student, x: Batch, classes: Mapping[str, Sequence[str]], codes: Sequence[str]
) -> dict[str, dict[str, Floats]]:
    """Where each of both sees each of `codes`: {"teacher" or "student": {code: importance [50], the greatest 1}}.

    `x` float32 [12, 1000], preprocessed, lead I first; `classes` names the outputs of each.
    """

    def said(windows: Batch) -> Batch:
        p = teacher.probabilities(windows)
        return np.log(p / (1 - p)).astype(np.float32)

    shown = {
        TEACHER: importance(said, x),
        STUDENT: importance(lambda windows: predict(student, windows[:, None]).astype(np.float32), x[0]),
    }
    return {who: {c: of[:, classes[who].index(c)] for c in codes} for who, of in shown.items()}


def plot_regions(path: Path, lead: Batch, seen: Mapping[str, Mapping[str, Floats]]) -> None:
    """Write the picture: the strip `lead` float32 [1000], and under it a row for every condition and who sees it."""
    rows = [(code, who) for code in next(iter(seen.values())) for who in seen]
    figure = Figure(figsize=(9, 1.6 + 0.32 * len(rows)), layout="constrained")
    strip, maps = figure.subplots(2, 1, sharex=True, height_ratios=(1.3, 0.32 * len(rows)))
    strip.plot(np.arange(SAMPLES) / FS_HZ, lead, color="0.1", linewidth=0.8)
    strip.set_ylabel("lead I, mV")
    edges = np.linspace(0, SAMPLES / FS_HZ, BINS + 1)
    maps.pcolormesh(
        edges, np.arange(len(rows) + 1), np.stack([seen[who][code] for code, who in rows]), cmap="Reds", vmin=0, vmax=1
    )
    maps.set_yticks(np.arange(len(rows)) + 0.5, [f"{code}, {who}" for code, who in rows])
    maps.invert_yaxis()
    maps.set_xlabel("s   (what the answer loses without this moment, the most: 1)")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "gap"}):  # text stays text, same figures same bytes
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
