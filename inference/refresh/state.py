"""Where a refresh stands, in one file: written beside and renamed into place, refused when it is of another refresh."""

import hashlib
import logging
import os
import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from inference.model.student import Student

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What changes from step to step."""

    learner: Student
    average: Student
    optimiser: torch.optim.AdamW

    def _told(self) -> dict[str, Any]:
        return {
            "learner": self.learner.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }


def fingerprint(champion: Student, arrays: Iterable[npt.NDArray[Any] | None], settings: object, seed: int) -> str:
    """Of all that decides what a refresh does: another champion, pool, word, rehearsal or setting makes another one."""
    digest = hashlib.sha256(f"{settings!r} {seed}".encode())
    for value in champion.state_dict().values():
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    for array in arrays:
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def save_state(path: Path, mark: str, bench: Bench, step: int) -> None:
    """Replace the state, whole or not at all. Raises OSError."""
    part = path.with_suffix(path.suffix + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with part.open("wb") as file:
        torch.save({"mark": mark, "step": step} | bench._told(), file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load_state(path: Path, mark: str, bench: Bench) -> int:
    """The step to go on with, and `bench` as it was then; 0 where there is no state, or one of another refresh."""
    if not path.is_file():
        return 0
    try:
        told = torch.load(path, weights_only=True)
        if told["mark"] != mark:
            log.info("%s is of another refresh: starting anew", path)
            return 0
        step = int(told["step"])
        bench.learner.load_state_dict(told["learner"])
        bench.average.load_state_dict(told["average"])
        bench.optimiser.load_state_dict(told["optimiser"])
    except (OSError, RuntimeError, KeyError, ValueError, EOFError, TypeError, pickle.UnpicklingError) as error:
        log.warning("%s cannot be read (%s): starting anew", path, error)
        return 0
    return step
