"""Growing a candidate: from the champion, on harvested windows, with what people said and what it once learned."""

import importlib.metadata
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from deploy.refresh.ports import Material, Progress
from deploy.refresh.settings import RefreshSettings
from inference.distill.loop import Budget
from inference.distill.refresh import GENTLE, refresh_student
from inference.model.checkpoint import load_student, save_checkpoint
from inference.model.export import export_onnx
from inference.model.student import fold
from inference.train.data import Examples, read_ptbxl
from liteheart.errors import Misconfigured

_FACTS: Final = "facts.json"
_CALIBRATION: Final = 256


def grow(
    champion: Path, material: Material, state: Path, progress: Progress, settings: RefreshSettings
) -> Mapping[str, Any]:
    """Write a candidate into `state / "candidate"`; one that is there already is what an earlier call came to."""
    folder = state / "candidate"
    if (folder / _FACTS).exists():
        facts: dict[str, Any] = json.loads((folder / _FACTS).read_text())
        return facts
    began = time.monotonic()
    student, card = load_student(champion, folded=False)
    budget: Budget = replace(GENTLE, steps=settings.steps, threads=settings.threads)
    progress(0.05)
    known = _known(material, settings)
    grown = refresh_student(student, material.x[:, None], rehearsal=known, budget=budget)
    if not all(np.isfinite(p.detach().numpy()).all() for p in grown.parameters()):
        raise Misconfigured("refresh", "learning came to weights that are no numbers")
    progress(0.9)
    about = dict(card.about) | {"data": f"{len(material.x)} windows of {len(set(material.patients))} patients"}
    about |= {"refreshed_from": card.version, "code": importlib.metadata.version("liteheart")}
    saved = save_checkpoint(folder, grown, replace(card, about=about))
    if card.onnx:
        export_onnx(fold(grown), material.x[:_CALIBRATION], folder)
    facts = {"windows": len(material.x), "steps": settings.steps, "seconds": round(time.monotonic() - began, 1)}
    (folder / _FACTS).write_text(json.dumps(facts | {"sha256": saved.sha256}))
    return facts


def _known(material: Material, settings: RefreshSettings) -> Examples | None:
    """Windows with labels: those with a person's word, and the original ones where they are at hand."""
    said = np.isfinite(material.weak).any(axis=1)
    words = Examples(
        material.classes,
        material.x[said][:, None],
        np.nan_to_num(material.weak[said], nan=0.0) >= 0.5,
        np.isfinite(material.weak[said]),
        material.patients[said],
        np.zeros(int(said.sum()), np.int64),
    )
    if settings.rehearsal is None:
        return words if len(words) else None
    first = read_ptbxl(settings.rehearsal, material.classes)
    return Examples(
        first.classes,
        np.concatenate([first.x, words.x]),
        np.concatenate([first.y, words.y]),
        np.concatenate([first.known, words.known]),
        np.concatenate([first.patients, words.patients]),
        np.concatenate([first.folds, words.folds]),
    )
