"""What the refresh needs of the method; windows bear salted names here, never a pseudonym."""

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from deploy.students import write_whole
from inference.preprocess import Batch
from inference.refresh.gate import Exam
from inference.refresh.known import Known
from inference.refresh.plan import Plan
from liteheart.errors import Misconfigured

Floats = npt.NDArray[np.float64]
Progress = Callable[[float], None]  # share done, 0 to 1; raises Conflict when the attempt is another's by now
FILE = "material.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What is learned from.

    x float32 [n, 1000] preprocessed; weak float64 [n, classes]: probability that a person's word gives a condition,
    NaN where nobody said anything; patients [n], salted; devices [n], the kind of each.
    """

    classes: tuple[str, ...]
    x: Batch
    weak: Floats
    patients: npt.NDArray[np.str_]
    devices: npt.NDArray[np.str_]

    def of(self, names: set[str]) -> "Material":
        """Without the windows of anybody else."""
        keep = np.isin(self.patients, sorted(names))
        return Material(self.classes, self.x[keep], self.weak[keep], self.patients[keep], self.devices[keep])

    @property
    def digest(self) -> bytes:
        """SHA-256 of windows and labels; the names, salted anew each time, are not in it."""
        told = hashlib.sha256("\\n".join(self.classes).encode())
        for array in (self.x, self.weak):
            told.update(np.ascontiguousarray(array).tobytes())
        return told.digest()

    def save(self, folder: Path) -> None:
        """Whole or not at all. Raises Misconfigured where nothing can be written."""
        buffer = io.BytesIO()
        named = {"classes": np.array(self.classes), "patients": self.patients, "devices": self.devices}
        np.savez(buffer, allow_pickle=False, x=self.x, weak=self.weak, **named)
        write_whole(folder, {FILE: buffer.getvalue()})

    @classmethod
    def load(cls, folder: Path) -> "Material | None":
        """None where there is none; raises Misconfigured for one that is damaged."""
        path = folder / FILE
        try:
            with np.load(path, allow_pickle=False) as found:
                classes = tuple(str(c) for c in found["classes"])
                return cls(classes, found["x"], found["weak"], found["patients"], found["devices"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError) as error:
            raise Misconfigured("refresh", f"{path} is damaged ({error})") from None


class Lacking(Misconfigured):
    """This host has no test set; what goes on elsewhere is not judged by that."""


class Method(Protocol):
    """How a student is grown from another one, and examined."""

    def check(self, plan: Plan) -> str:
        """Digest of the frozen test set. Raises Lacking where it is missing, Misconfigured where it is another one."""
        ...

    def world(self, champion: Path) -> Known | None:
        """What the champion saw when it was made; None where it came without. Raises Misconfigured."""
        ...

    def grow(self, champion: Path, material: Material, state: Path, progress: Progress) -> Mapping[str, Any]:
        """Write a candidate into `state / "candidate"`, going on where an earlier call broke off; facts to keep.

        Raises Misconfigured where nothing sensible came of it.
        """
        ...

    def examine(self, champion: Path, candidate: Path, plan: Plan) -> Exam:
        """What both say of the frozen test set. Raises Misconfigured."""
        ...
