"""What a database holds, as values: a recording with its labels, and what was remarked about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from inference.preprocess import Batch
from liteheart.signal import Millivolts

Sex = Literal["F", "M"]
TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


class Verdict(StrEnum):
    """What became of a file."""

    NOTED = "noted"  # usable as it is
    CORRECTED = "corrected"  # usable, changed as the reason says
    REJECTED = "rejected"  # readable, and not to be learned from
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Remark:
    """What a guard has to say: its own name, the verdict, and the reason for a person."""

    guard: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A recording without its samples: all that a split needs."""

    name: str
    database: str
    group: str  # a patient, or what may not be told apart from one; never on two sides of a split
    labels: frozenset[str] = frozenset()  # codes of `liteheart.conditions`
    labelled: bool = True  # False: nobody said what it shows, which is not "nothing"
    fold: int | None = None  # of the database's own split

    @property
    def key(self) -> str:
        """The recording's name among all databases."""
        return f"{self.database}/{self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRecord:
    """One recording of a database. `mv` float32 [leads, n], NaN where a sample is missing."""

    listed: Listed
    fs_hz: float
    leads: tuple[str, ...]  # standard names in standard order, others after them
    mv: Batch
    unknown: tuple[str, ...] = ()  # labels of the database that the table of conditions does not name
    age: float | None = None  # years; 90 stands for "over 89"
    sex: Sex | None = None

    @property
    def key(self) -> str:
        """Database and name."""
        return self.listed.key

    @property
    def name(self) -> str:
        """Name within the database."""
        return self.listed.name

    @property
    def database(self) -> str:
        """Code of the database."""
        return self.listed.database

    @property
    def group(self) -> str:
        """Patient or group, unique among all databases."""
        return self.listed.group

    @property
    def labels(self) -> frozenset[str]:
        """Codes of `liteheart.conditions`, the superclasses they imply among them."""
        return self.listed.labels

    @property
    def seconds(self) -> float:
        """Length."""
        return float(self.mv.shape[1] / self.fs_hz)

    def lead(self, name: str) -> Millivolts:
        """float32 [n] of a lead by name. Raises KeyError."""
        if name not in self.leads:
            raise KeyError(f"{self.key} has no lead {name}, only {', '.join(self.leads)}")
        return np.asarray(self.mv[self.leads.index(name)], np.float32)
