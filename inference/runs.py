"""A run of signal from one device, and how it is cut into whole seconds."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from liteheart.clock import US_PER_S
from liteheart.signal import Chunk

if TYPE_CHECKING:
    from inference.stream.lane import Lane

Samples = npt.NDArray[np.float32]


@dataclass(slots=True)
class Work:
    """What one call does in one lane, a line each."""

    row: list[int] = field(default_factory=list)
    samples: list[Samples] = field(default_factory=list)
    due: list[bool] = field(default_factory=list)
    t_us: list[int] = field(default_factory=list)
    chunk: list[int] = field(default_factory=list)


class Run:
    """A run of signal from one device and lead without a long gap."""

    __slots__ = ("_end", "_fs", "_next_us", "_t0_us", "_waiting", "_waits", "lane", "row", "source")

    def __init__(self, first: Chunk, lane: "Lane") -> None:
        self.source = (first.device, first.lead, first.fs_hz)
        self.lane, self.row = lane, lane.enter()
        self._fs, self._t0_us = first.fs_hz, first.t0_us
        self._next_us = (first.t0_us // US_PER_S + 1) * US_PER_S
        self._end = 0
        self._waiting: list[Samples] = []  # samples of the second that is not whole yet
        self._waits = 0

    def align(self, t0_us: int) -> None:
        """Follow the device's clock where it has drifted from its nominal rate by more than half a sample."""
        drift_us = t0_us - self._t0_us - round(self._end * US_PER_S / self._fs)
        if abs(drift_us) * self._fs > US_PER_S / 2:
            self._t0_us += drift_us

    def extend(self, mv: Samples, chunk: int, work: Work) -> None:
        """Add samples (NaN: missing) and note the seconds they complete."""
        at, n, most = 0, len(mv), self.lane.most
        while at < n:
            due = math.ceil((self._next_us - self._t0_us) * self._fs / US_PER_S - 1e-6)  # samples before it
            room = min(max(1, due - self._end), most - self._waits)
            part = mv if at == 0 and n <= room else mv[at : at + room]
            at += len(part)
            self._end += len(part)
            is_due = self._end >= due
            if not is_due and self._waits + len(part) < most:
                self._waiting.append(part)
                self._waits += len(part)
                continue
            work.row.append(self.row)
            work.samples.append(np.concatenate([*self._waiting, part]) if self._waiting else part)
            work.due.append(is_due)
            work.t_us.append(self._next_us)
            work.chunk.append(chunk)
            self._waiting, self._waits = [], 0
            if is_due:
                self._next_us += US_PER_S
