"""Windows in event time: `window_s` long, one every `hop_s`, on a grid fixed to the epoch.

    signal     ~~~~~~~~~~~~~~~~~~~~~~      ~~~~~~~~~~~~~~~~
    windows    |---- k ----|    |---- k+2 ----|                 (hop = window / 2)
                     |--- k+1 ---|      gap = valid False

Each patient's grid is shifted by a part of a hop that follows from the patient's name, so that the load of many
patients spreads over the hop, and the same window has the same start on whichever worker.
"""

import math
import zlib
from collections.abc import Callable

from ingest.ring import Ring, place
from ingest.settings import IngestSettings
from liteheart.clock import US_PER_S
from liteheart.ids import PatientId
from liteheart.signal import Chunk, Window

_STEP_US = 100_000  # of the stagger: whole samples at every usual rate


def stagger_us(patient: PatientId, hop_s: float) -> int:
    """Shift of a patient's grid: a multiple of 0.1 s below the hop."""
    steps = round(hop_s * US_PER_S) // _STEP_US
    return zlib.crc32(patient.encode()) % steps * _STEP_US


class Windows:
    """Cuts one patient's chunks into windows."""

    def __init__(self, patient: PatientId, settings: IngestSettings) -> None:
        self._ring = Ring(settings.ring_s)
        self._length_s = settings.window_s
        self._length_us = round(settings.window_s * US_PER_S)
        self._hop_us = round(settings.hop_s * US_PER_S)
        self._stagger_us = stagger_us(patient, settings.hop_s)
        self._next = 0  # number of the next window on the grid, once there is a chunk
        self._last: Chunk | None = None
        self.done_until_us: int | None = None  # end of the last window that left, or was marked

    def mark(self, until_us: int) -> None:
        """Windows that end at or before `until_us` have been dealt with."""
        known = until_us if self.done_until_us is None else self.done_until_us
        self.done_until_us = max(until_us, known)

    def push(self, chunk: Chunk) -> list[Window]:
        """The windows that `chunk` completes, oldest first."""
        last, out = self._last, list[Window]()
        if last is not None and chunk.gap_s > 0:  # what ends before the new run gets no more signal
            out += self._cut_all(last, lambda t0_us: place(chunk.t0_us, t0_us, last.fs_hz))
        if last is None or chunk.gap_s > 0:
            first = self._first(chunk)
            self._next = first if last is None else max(first, self._next)
        if math.isinf(chunk.gap_s):
            self._ring.clear()
        self._ring.append(chunk)
        out += self._cut_all(chunk, self._ring.end)
        self._ring.trim()
        self._last = chunk
        return out

    def _first(self, chunk: Chunk) -> int:
        """The first window on the grid that the first sample of `chunk` belongs to."""
        n = round(self._length_s * chunk.fs_hz)
        k = (chunk.t0_us - self._stagger_us - self._length_us) // self._hop_us - 1
        while place(chunk.t0_us, self._start(k), chunk.fs_hz) >= n:
            k += 1
        return k

    def _start(self, k: int) -> int:
        return k * self._hop_us + self._stagger_us

    def _cut_all(self, of: Chunk, reached: Callable[[int], int]) -> list[Window]:
        """Windows that hold signal of `of`'s run and are complete: `reached` counts samples from a window's start."""
        n, out = round(self._length_s * of.fs_hz), list[Window]()
        while (t0_us := self._start(self._next)) < of.t1_us and reached(t0_us) >= n:
            self._next += 1
            window = self._cut(of, t0_us, n)
            if window is not None:
                out.append(window)
        return out

    def _cut(self, of: Chunk, t0_us: int, n: int) -> Window | None:
        end_us = t0_us + self._length_us
        half_us = US_PER_S / of.fs_hz / 2  # n samples may end half a sample off
        if self.done_until_us is not None and end_us <= self.done_until_us + half_us:
            return None
        stretch = self._ring.read(t0_us, n)
        if not stretch.valid.any():
            return None
        self.done_until_us = end_us
        return Window(
            patient=of.patient,
            device=of.device,
            lead=of.lead,
            t0_us=t0_us,
            fs_hz=of.fs_hz,
            mv=stretch.mv,
            valid=stretch.valid,
            lead_off=stretch.lead_off,
            arrival_us=stretch.arrival_us,
        )
