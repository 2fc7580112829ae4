"""The parity profile: the group's backbone for teacher and student, 500 Hz, 6,144 samples, each lead by its own spread.

Preprocessing, widths and batch follow the group's released sibling code; the objective is the main profile's. There is
no median beat here: the second half of the main student and the kernel teacher are ours and read 100 Hz.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, resample_poly, sosfiltfilt

from inference.distill.benchmark import BenchmarkSettings
from inference.distill.loop import Budget
from inference.distill.objective import Learner
from inference.distill.teachers import TeacherSettings
from inference.model.backbone import PARITY_FS_HZ, PARITY_SAMPLES, Backbone, BackboneShape
from inference.model.reading import Reader
from inference.preprocess import MAX_FS_HZ, MIN_FS_HZ, Batch, Floats
from inference.train.views import ViewSettings

BAND_HZ: Final = (1.0, 47.0)
_FLAT_MV: Final = 1e-6  # a lead of less spread than this has none
# Amplitudes are in standard deviations here. The method's sketch: noise of 0.05 when weak, 0.2 when strong.
_STRONG: Final = ViewSettings(roll_s=1.0, gain_sd=0.1, noise_mv=0.2, wander_mv=0.2, cutout_s=2.0)
_WEAK: Final = ViewSettings(roll_s=1.0, gain_sd=0.1, noise_mv=0.05, wander_mv=0.0)


def _budget() -> Budget:
    return Budget(steps=2000, batch=64, unlabelled_batch=64, learning_rate=1e-3, view=_STRONG, weak=_WEAK)


@dataclass(frozen=True, slots=True)
class ParityTeachers(TeacherSettings):
    """One backbone of 9.5 million weights; `width` 512 and 12 `layers` make the group's own, which asks for a GPU."""

    count: int = 1
    kernel: None = None
    width: int = 256
    layers: int = 8
    first: Budget = field(default_factory=_budget)
    later: Budget = field(default_factory=_budget)

    def build(self, classes: int) -> Reader:
        """One of them, untrained."""
        return Backbone(BackboneShape(classes, leads=12, width=self.width, layers=self.layers))


@dataclass(frozen=True, slots=True)
class ParitySettings(BenchmarkSettings):
    """What all arms share at this profile."""

    teachers: ParityTeachers = field(default_factory=ParityTeachers)
    budget: Budget = field(default_factory=_budget)

    def learner(self, kind: Learner, classes: int) -> Reader:
        """The untrained network of an arm. Raises ValueError for one of the main profile's alone."""
        networks: dict[Learner, Callable[[], BackboneShape]] = {
            "student": lambda: BackboneShape(classes),
            "student12": lambda: BackboneShape(classes, leads=12),
            "teacher1": lambda: BackboneShape(classes, width=self.teachers.width, layers=self.teachers.layers),
        }
        if kind not in networks:
            raise ValueError(f"the student of the parity profile has no beat half: {kind!r} says nothing")
        return Backbone(networks[kind]())


def prepare_parity(mv: npt.ArrayLike, fs_hz: float) -> Batch:
    """float32 [leads, 6144] at 500 Hz of `mv` [leads, n], each lead of mean 0 and spread 1; flat ones are 0.

    1-47 Hz, third order, zero phase. What is missing is bridged by a line; what is longer is cut, what is shorter
    followed by zeros. Raises ValueError for another shape or rate.
    """
    x = np.asarray(mv, np.float64)
    if x.ndim != 2 or x.shape[1] < fs_hz:
        raise ValueError(f"mv: [leads, samples] of a second at least expected, got shape {x.shape}")
    if not MIN_FS_HZ <= fs_hz <= MAX_FS_HZ:
        raise ValueError(f"fs_hz: {fs_hz} is outside {MIN_FS_HZ:g} to {MAX_FS_HZ:g}")
    x = np.stack([_bridged(row) for row in x])
    ratio = Fraction(PARITY_FS_HZ / fs_hz).limit_denominator(1000)
    if ratio != 1:
        x = resample_poly(x, ratio.numerator, ratio.denominator, axis=1, padtype="line")
    x = sosfiltfilt(_band(), x, axis=1)
    spread = x.std(axis=1, keepdims=True)
    x = np.where(spread > _FLAT_MV, (x - x.mean(axis=1, keepdims=True)) / np.maximum(spread, _FLAT_MV), 0.0)
    out = np.zeros((len(x), PARITY_SAMPLES), np.float32)
    out[:, : x.shape[1]] = x[:, :PARITY_SAMPLES]
    return out


def _bridged(row: Floats) -> Floats:
    have = np.isfinite(row)
    if have.all():
        return row
    at = np.arange(len(row))
    return np.interp(at, at[have], row[have]) if have.any() else np.zeros(len(row))


@lru_cache(maxsize=1)
def _band() -> Floats:
    return np.asarray(butter(3, BAND_HZ, "bandpass", fs=PARITY_FS_HZ, output="sos"), np.float64)
