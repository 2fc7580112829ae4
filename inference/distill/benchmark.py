"""Every arm, every seed, the same labels, recordings and steps; resumable, one JSON and one .npz a run.

Thresholds and temperatures come from the validation windows; the test windows are scored once, when a run is finished.
"""

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from inference.distill.cost import latency_ms, macs
from inference.distill.figures import Scored, measure, thresholds
from inference.distill.guide import Ensemble, Guide
from inference.distill.loop import Budget, distil
from inference.distill.objective import Arm, Learner, arm
from inference.distill.scarce import Material, scarce, together
from inference.distill.teachers import WELL_TAUGHT, TeacherSettings, load_ensemble, save_ensemble, teach
from inference.model.beats import BEATS
from inference.model.reading import Reader
from inference.model.student import Student, StudentShape, parameters
from inference.model.teacher import Teacher, TeacherShape
from inference.train.calibrate import Floats, fit_temperature, probabilities
from inference.train.data import LEADS, Examples, read_ptbxl_all
from inference.train.measure import predict
from inference.train.split import TEST, TRAIN, VALIDATION, by_fold
from liteheart.conditions import SCORED

log = logging.getLogger(__name__)
SHARES: Final = {"full": 1.0, "10": 0.10, "5": 0.05}  # of the labelled training patients that keep their labels
TEACHER: Final = "teacher"  # the arm that is no student: the ensemble itself, all leads


@dataclass(frozen=True, slots=True)
class BenchmarkSettings:
    """What all arms share. A folder holds runs of one of these only."""

    labels: str = "10"
    rotate: bool = False  # seed s tests on another fold each time: more test windows, the same work
    teachers: TeacherSettings = field(default_factory=TeacherSettings)
    budget: Budget = field(default_factory=lambda: Budget(steps=800))

    def learner(self, kind: Learner, classes: int) -> Reader:
        """The untrained network of an arm."""
        shape = StudentShape(classes)
        match kind:
            case "student":
                return Student(shape)
            case "student12":
                return Teacher(TeacherShape(classes, channels=shape.channels, depths=(1, 1, 1), beats=shape.beats))
            case "teacher1":
                return Teacher(TeacherShape(classes, leads=1, beats=shape.beats))
            case "layers":
                return Student(replace(shape, beats=replace(BEATS, memory=0)))
            case "thirds":
                return Student(replace(shape, beats=replace(BEATS, window_share=1 / 3)))
            case "window":
                return Student(replace(shape, beats=None))


@dataclass(frozen=True, slots=True)
class Source:
    """What to learn from and to be measured on, in place of the PTB-XL packs."""

    name: str  # told apart by it: a folder holds runs of one source
    material: Callable[[int], Material]  # of a seed


def settings_for(labels: str, *, rotate: bool = False) -> BenchmarkSettings:
    """The settings of a label share of `SHARES`. Full labels bear more steps and larger batches."""
    if labels != "full":  # a fifth of the teacher's weights does as well on 200 recordings, at twice the speed
        return BenchmarkSettings(labels, rotate, TeacherSettings(channels=(48, 96, 96), depths=(1, 1, 1)))
    return BenchmarkSettings(labels, rotate, WELL_TAUGHT, Budget(steps=1200, batch=64, unlabelled_batch=32))


def run_benchmark(
    packs: Path,
    out: Path,
    settings: BenchmarkSettings,
    *,
    seeds: Sequence[int],
    arms: Sequence[str],
    source: Source | None = None,
    progress: Callable[[str], None] = log.info,
) -> None:
    """Do what `out` does not hold yet. Raises ValueError for an arm that is none or a folder of other settings.

    Without a `source` all is read from the PTB-XL packs in `packs`.
    """
    for word in arms:
        if word != TEACHER:
            arm(word)
    _claim(out, settings, source)
    todo = {seed: [word for word in arms if not run_path(out, word, seed).exists()] for seed in seeds}
    if not any(todo.values()):
        return
    material = source.material if source else None
    if material is None:
        everything = read_ptbxl_all(packs, SCORED, LEADS)
        material = partial(make_material, everything, settings)
    for seed, words in todo.items():
        if words:
            own = material(seed)
            ensemble = _teachers(out, own, settings, seed, progress)
            guide = ensemble.guide(own.labelled, own.pool)
        for word in words:
            start = time.monotonic()
            learner = None if word == TEACHER else _learn(arm(word), own, guide, settings, seed)
            figures = _finish(out, word, seed, own, learner or ensemble, time.monotonic() - start)
            progress(f"seed {seed} {word}: " + ", ".join(f"{g} AUROC {f['auroc']}" for g, f in figures.items()))


def make_material(everything: tuple[Examples, Examples], settings: BenchmarkSettings, seed: int) -> Material:
    """Who is labelled, in the pool, in validation and in test, for a seed. Raises PatientLeak.

    Recordings without permitted labels name no patient; those of the training folds only join the pool.
    """
    labelled, others = everything
    train: tuple[int, ...] = TRAIN
    validation, test = VALIDATION, TEST
    if settings.rotate:  # pairs of folds (7, 8), (5, 6), (3, 4), (1, 2)
        last = 8 - 2 * (seed % 4)
        validation, test = (last - 1,), (last,)
        train = tuple(f for f in range(1, 9) if f not in (*validation, *test))
    sides = by_fold(labelled, train, validation, test)
    few, rest = scarce(sides[0], SHARES[settings.labels], seed)
    pool = together(rest, others.take(np.isin(others.folds, np.array(train))))
    return Material(few, pool, sides[1], sides[2])


def run_path(out: Path, word: str, seed: int) -> Path:
    """Where the figures of a run lie; its probabilities lie beside them as .npz."""
    return out / "runs" / f"{word.replace(':', '_')}.seed{seed}.json"


def _claim(out: Path, settings: BenchmarkSettings, source: Source | None) -> None:
    (out / "runs").mkdir(parents=True, exist_ok=True)
    told = asdict(settings) | ({"source": source.name} if source else {})
    path, own = out / "settings.json", json.dumps(told, indent=1, sort_keys=True)
    if path.exists() and path.read_text(encoding="utf-8") != own:
        raise ValueError(f"{out} holds runs of other settings: give another folder")
    path.write_text(own, encoding="utf-8")


def _teachers(
    out: Path, material: Material, settings: BenchmarkSettings, seed: int, progress: Callable[[str], None]
) -> Ensemble:
    path = out / f"teachers.seed{seed}.npz"
    if path.exists():
        return load_ensemble(path, settings.teachers, len(material.labelled.classes))
    progress(f"seed {seed}: {settings.teachers.count} teachers, {settings.teachers.generations} generations")
    ensemble = teach(material, settings.teachers, seed=seed)
    save_ensemble(path, ensemble)
    return ensemble


def _learn(todo: Arm, material: Material, guide: Guide, settings: BenchmarkSettings, seed: int) -> Reader:
    torch.manual_seed(seed)
    learner = settings.learner(todo.learner, len(material.labelled.classes))
    return distil(learner, material.labelled, todo, settings.budget, seed=seed, pool=material.pool, guide=guide)


def _finish(
    out: Path, word: str, seed: int, material: Material, model: Reader | Ensemble, seconds: float
) -> dict[str, dict[str, float | None]]:
    """Thresholds from validation, one pass over the test windows, both written; the figures on test."""
    p = {side: _probabilities(model, getattr(material, side), material) for side in ("validation", "test")}
    sides, limits = (material.validation, material.test), thresholds(p["validation"], material.validation.y)
    scored = [
        Scored(e.classes, p[side], e.y, e.patients, *limits)
        for side, e in zip(("validation", "test"), sides, strict=True)
    ]
    readers = model.readers if isinstance(model, Ensemble) else (model,)
    figures: dict[str, Any] = {
        "arm": word,
        "seed": seed,
        "labelled": len(material.labelled),
        "pool": len(material.pool),
        "parameters": sum(parameters(r) for r in readers),
        "macs": sum(macs(r) for r in readers),
        "latency_ms": round(sum(latency_ms(r) for r in readers), 3),
        "seconds": round(seconds, 1),
        "validation": measure(scored[0]),
        "test": measure(scored[1]),
    }
    path = run_path(out, word, seed)
    np.savez(path.with_suffix(".npz"), **vars_of(scored[1]))
    part = path.with_suffix(".part")
    part.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    part.replace(path)  # the JSON last and at once: it is what says that a run is done
    test: dict[str, dict[str, float | None]] = figures["test"]
    return test


def _probabilities(model: Reader | Ensemble, side: Examples, material: Material) -> Floats:
    if isinstance(model, Ensemble):
        return model.probabilities(side.x)
    t = fit_temperature(predict(model, material.validation.x), material.validation.y)
    return probabilities(predict(model, side.x), t)


def vars_of(scored: Scored) -> dict[str, Any]:
    """The arrays of `scored` by name."""
    return {"classes": np.array(scored.classes)} | {
        name: getattr(scored, name) for name in ("p", "y", "patients", "for_f1", "for_f2")
    }


def load_scored(path: Path) -> Scored:
    """What a finished run wrote of its test windows."""
    with np.load(path, allow_pickle=False) as arrays:
        rest = {name: arrays[name] for name in ("p", "y", "patients", "for_f1", "for_f2")}
        return Scored(classes=tuple(arrays["classes"].tolist()), **rest)
