"""Rows of `State` for the patients of one sampling rate, and the one call that takes their seconds forward."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from inference.stream.plan import plan_of
from inference.stream.second import seconds
from inference.stream.state import GAP_FROM, RESULTS, RR_MOST, State, rows

if TYPE_CHECKING:
    from inference.rhythm import RhythmSettings

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]


class Lane:
    """Not thread-safe."""

    def __init__(self, settings: "RhythmSettings", fs_hz: float) -> None:
        self._plan = plan_of(settings, fs_hz)
        self._state = rows(self._plan, 1)
        self._free = [0]
        self.most = self._plan.keep  # samples that one call can take of a patient

    def enter(self) -> int:
        """A row for a run of signal that begins."""
        if not self._free:
            size = len(self._state.tally)
            old: tuple[Any, ...] = self._state
            more: tuple[Any, ...] = rows(self._plan, size)
            self._state = State(*(np.concatenate(both) for both in zip(old, more, strict=True)))
            self._free = list(range(2 * size - 1, size - 1, -1))
        row = self._free.pop()
        self._state.tally[row] = 0
        self._state.tally[row, GAP_FROM] = -1
        self._state.level[row] = 0
        self._state.part[row] = 0
        return row

    def leave(self, row: int) -> None:
        """The row may be another's."""
        self._free.append(row)

    def forward(self, row: list[int], samples: list[F32], due: list[bool]) -> tuple[F64, F64]:
        """samples[k] [n, at most `most`] follow in row[k], which may come more than once; where due[k], a second ends.
        Results [k, RESULTS] and RR intervals [k, RR_MOST], 0 beyond the last; without meaning where no second was due.
        """
        starts = np.zeros(len(row) + 1, np.int64)
        np.cumsum([len(s) for s in samples], out=starts[1:])
        out, rr = np.empty((len(row), RESULTS)), np.zeros((len(row), RR_MOST))
        seconds(
            np.array(row, np.int64), starts, np.concatenate(samples), np.array(due), self._plan, self._state, out, rr
        )
        return out, rr
