"""One recording as a file tells it: nothing here says whose it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from liteheart.signal import Samples


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that holds from a moment on: what the student found, or an alarm."""

    t_s: float  # since the first sample, never negative
    duration_s: float | None  # None: to the next mark of the kind, or not over yet
    kind: Literal["finding", "alarm"]
    code: str  # of `liteheart.conditions` or of an alarm; several with a blank between; "-" none, "?" abstained
    priority: str = ""  # of an alarm

    @property
    def text(self) -> str:
        """One line."""
        return f"alarm {self.code} {self.priority}" if self.kind == "alarm" else f"found {self.code}"


@dataclass(frozen=True, slots=True)
class Tape:
    """Samples with what belongs to them."""

    subject: str
    age: int | None  # years, 90 for everybody older than 89
    sex: str  # of `storage.subjects.SEXES`
    device: str  # hashed
    lead: str
    fs_hz: float
    gain: float  # ADC units per millivolt, zero at 0 mV
    begin: datetime | None  # moved; None: times are relative
    offset_s: float  # since the subject's first exported sample
    samples: Samples  # int16 [n], n >= 1
    marks: Sequence[Mark]  # by time


class Writer(Protocol):
    """A format of files with one recording each."""

    def __call__(self, folder: Path, name: str, tape: Tape) -> list[Path]:
        """Write `name` with this format's endings into `folder`; the files.

        Raises Poison naming what the format cannot hold.
        """
        ...
