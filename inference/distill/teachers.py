"""The teachers of one run: an ensemble from the labels there are, refined on the recordings that have none.

Generation 1 learns from the labels. Each later one is trained anew on labels and on what the ensemble before it says of
every recording, strongly disturbed: a noisy student (Xie et al. 2020) that sees all leads.
"""

import io
import json
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from inference.distill.guide import Ensemble, calibrated
from inference.distill.kernel import KernelSettings, KernelTeacher, branch_for, fit_kernel
from inference.distill.loop import Budget, distil
from inference.distill.objective import arm
from inference.distill.scarce import Material
from inference.model.reading import Reader
from inference.model.teacher import Teacher, TeacherShape
from inference.train.views import STRONG

log = logging.getLogger(__name__)
# Half of the leads hidden: with few labels a teacher of 12 leads overfits to how leads agree.
HIDING: Final = replace(STRONG, lead_loss=0.5)
_KERNEL: Final = ("support", "weights", "prior")  # arrays of the kernel teacher


@dataclass(frozen=True, slots=True)
class TeacherSettings:
    """How teachers are made."""

    count: int = 3  # in an ensemble
    generations: int = 1  # a second one cost twice the time and gained nothing, see the notebook
    channels: tuple[int, int, int] = (64, 128, 192)
    depths: tuple[int, int, int] = (1, 2, 2)
    dropout: float = 0.3
    kernel: KernelSettings | None = field(default_factory=KernelSettings)  # of the beats; None: convolutions only
    first_arm: str = "scratch"
    later_arm: str = "kd+u"
    first: Budget = field(default_factory=lambda: Budget(steps=400, view=HIDING))
    later: Budget = field(default_factory=lambda: Budget(steps=500, view=HIDING))

    def shape(self, classes: int) -> TeacherShape:
        """The shape of each of them."""
        return TeacherShape(classes, channels=self.channels, depths=self.depths, dropout=self.dropout)

    def build(self, classes: int) -> Reader:
        """One of them, untrained."""
        return Teacher(self.shape(classes))


# Whose word the shipped student heard, with every label: .899 / .907 on fold 8 in five minutes.
WELL_TAUGHT: Final = TeacherSettings(
    count=2, channels=(48, 96, 96), depths=(1, 1, 1), first=Budget(steps=500, batch=64, view=HIDING)
)


def teach(material: Material, settings: TeacherSettings, *, seed: int) -> Ensemble:
    """The last generation's ensemble, calibrated on the validation windows."""
    ensemble: Ensemble | None = None
    kernel = fit_kernel(material.labelled, material.pool, settings.kernel) if settings.kernel else None
    for generation in range(settings.generations):
        members = []
        guide = ensemble.guide(material.labelled, material.pool) if ensemble else None
        for i in range(settings.count):
            member = settings.build(len(material.labelled.classes))
            own = 1000 * seed + 10 * generation + i
            todo, budget = (
                (settings.first_arm, settings.first) if guide is None else (settings.later_arm, settings.later)
            )
            members.append(
                distil(member, material.labelled, arm(todo), budget, seed=own, pool=material.pool, guide=guide)
            )
        ensemble = calibrated(members, material.validation, kernel)
        log.info("seed %d: teachers of generation %d of %d are ready", seed, generation + 1, settings.generations)
    if ensemble is None:
        raise ValueError("generations: at least one")
    return ensemble


def save_ensemble(path: Path, ensemble: Ensemble) -> None:
    """All weights and temperatures in one .npz, no code in it."""
    arrays = {
        f"{i}.{name}": value.detach().cpu().numpy()
        for i, reader in enumerate(ensemble.readers)
        for name, value in reader.state_dict().items()
    }
    if (kernel := ensemble.kernel) is not None:
        arrays |= {f"kernel.{name}": getattr(kernel, name) for name in _KERNEL}
        arrays |= {f"kernel.branch.{name}": value.numpy() for name, value in kernel.branch.state_dict().items()}
    meta = json.dumps({"temperatures": ensemble.temperatures}).encode()
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, meta=np.frombuffer(meta, np.uint8), **arrays)
    part = path.with_suffix(".part")
    part.write_bytes(buffer.getvalue())
    part.replace(path)


def load_ensemble(path: Path, settings: TeacherSettings, classes: int) -> Ensemble:
    """What `save_ensemble` wrote. Raises OSError, KeyError or RuntimeError for another file or other settings."""
    with np.load(path, allow_pickle=False) as arrays:
        temperatures = tuple(json.loads(bytes(arrays["meta"]))["temperatures"])
        readers = []
        for i in range(len(temperatures)):
            reader = settings.build(classes)
            reader.load_state_dict(_state(arrays, f"{i}."))
            readers.append(reader.eval())
        kernel = None
        if settings.kernel is not None:
            branch = branch_for(readers[0].leads, classes, settings.kernel)
            branch.load_state_dict(_state(arrays, "kernel.branch."))
            kernel = KernelTeacher(branch.eval(), settings.kernel, *(arrays[f"kernel.{name}"] for name in _KERNEL))
    return Ensemble(tuple(readers), temperatures, kernel)


def _state(arrays: Any, prefix: str) -> dict[str, torch.Tensor]:
    return {n.removeprefix(prefix): torch.from_numpy(arrays[n]) for n in arrays.files if n.startswith(prefix)}
