"""What a window says when its beat is stated instead of learned: the kernel machine alone, on one lead or on twelve."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from inference.distill.benchmark import BenchmarkSettings, make_material
from inference.distill.figures import groups
from inference.distill.kernel import KernelSettings, fit_kernel
from inference.distill.scarce import Material
from inference.train.data import LEADS, Examples, read_ptbxl_all
from inference.train.evaluate import macro_auroc
from liteheart.conditions import SCORED

READERS: Final = {  # leads that are read, and how
    "I": (1, KernelSettings(components=40, whitening=0.25)),
    "12": (len(LEADS), KernelSettings()),
}
GROUPS: Final = ("superclasses", "statements")


def kernel_figures(packs: Path, *, seeds: Sequence[int] = (0, 1, 2)) -> dict[str, Any]:
    """Macro AUROC on validation folds 7, 5, 3 (seed 0, 1, 2; each with its own labels), never on a test fold.

    By share of the labels ("10", "full") and leads read ("I", "12"): the mean and each fold. Raises Unreadable.
    """
    return kernel_table(read_ptbxl_all(packs, SCORED, LEADS), seeds=seeds)


def kernel_table(everything: tuple[Examples, Examples], *, seeds: Sequence[int]) -> dict[str, Any]:
    """The same of recordings with and without labels, as `read_ptbxl_all` gives them."""
    out: dict[str, Any] = {}
    for share in ("10", "full"):
        settings = BenchmarkSettings(share, rotate=True)
        each = [_of(make_material(everything, settings, seed)) for seed in seeds]
        out[share] = {
            leads: {
                group: {"mean": _round(np.mean(values)), "folds": values}
                for group in GROUPS
                if (values := [row[leads][group] for row in each])
            }
            for leads in READERS
        }
    return out


def _of(material: Material) -> dict[str, dict[str, float]]:
    said = {}
    for name, (leads, settings) in READERS.items():
        m, few = material.validation, _leads(material.labelled, leads)
        p = fit_kernel(few, _leads(material.pool, leads), settings).probabilities(m.x[:, :leads])
        keep = groups(m.classes)
        said[name] = {g: _round(macro_auroc(p[:, keep[g]], m.y[:, keep[g]])) for g in GROUPS}
    return said


def _leads(examples: Examples, count: int) -> Examples:
    return replace(examples, x=examples.x[:, :count])


def _round(value: Any) -> float:
    return round(float(value), 4)
