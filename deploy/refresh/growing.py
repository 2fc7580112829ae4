"""Growing a candidate with `inference.refresh.grow`: its folder, weights, graphs and card, written once it is whole."""

import importlib.metadata
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from deploy.refresh.held import Waiting
from deploy.refresh.ports import Material, Progress
from deploy.refresh.settings import RefreshSettings
from inference.model.card import Card
from inference.model.checkpoint import load_student, save_checkpoint
from inference.model.export import export_onnx
from inference.model.student import Student, fold
from inference.refresh.grow import REFRESH, Grown, Paused, Stored, refresh
from inference.refresh.rehearsal import read_rehearsal

_FACTS: Final = "facts.json"  # written last: the candidate is whole
_CALIBRATION: Final = 256  # windows that set the ranges of eight bits


def grow(
    champion: Path, material: Material, state: Path, progress: Progress, settings: RefreshSettings
) -> Mapping[str, Any]:
    """Write a candidate into `state / "candidate"`; one that is there already is what an earlier call came to.

    Raises Waiting when the minutes are used up (the next call goes on), Diverged when numbers are none.
    """
    folder = state / "candidate"
    if (folder / _FACTS).exists():
        done: dict[str, Any] = json.loads((folder / _FACTS).read_text())
        return done
    student, card = load_student(champion, folded=False)
    rehearsal = None if settings.rehearsal is None else read_rehearsal(settings.rehearsal, card.classes)
    progress(0.02)
    stored = Stored(material.x[:, None], material.devices, material.weak)
    began = time.monotonic()
    try:
        grown = refresh(
            student,
            stored,
            rehearsal,
            replace(REFRESH, steps=settings.steps, threads=settings.threads, state_every=settings.state_every),
            state=state / "steps.pt",
            progress=lambda share, _: progress(share),
            clock=time.monotonic,
            seconds=settings.minutes * 60,
        )
    except Paused as paused:
        raise Waiting(f"learning goes on: {paused}") from None
    facts = dict(grown.facts) | {"seconds": round(time.monotonic() - began, 1)}
    _write(folder, grown, _named(card, grown, material), material, exported=bool(card.onnx))
    (folder / _FACTS).write_text(json.dumps(facts))
    return facts


def _named(card: Card, grown: Grown, material: Material) -> Card:
    """The champion's card with what is new; its checksum follows from the weights."""
    fresh = card if grown.calibration is None else grown.calibration.on(card, card.name)
    about = dict(card.about) | {"refreshed_from": card.version, "code": importlib.metadata.version("liteheart")}
    about["metrics_of_parent"] = about.pop("metrics", {})  # its own are the gate's
    about["refreshed_on"] = f"{len(material.x)} windows of {len(np.unique(material.patients))} patients"
    return replace(fresh, about=about)


def _write(folder: Path, grown: Grown, card: Card, material: Material, *, exported: bool) -> None:
    student: Student = grown.student
    save_checkpoint(folder, student, card)
    if exported:  # what serves without torch is to go on doing so
        export_onnx(fold(student), material.x[:_CALIBRATION], folder)
