"""The last seconds of one patient's signal, readable on any grid of instants."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from liteheart.clock import US_PER_S
from liteheart.signal import Chunk, Mask, Millivolts


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the ring holds of a stretch of time. Missing samples are `valid` False and 0 mV."""

    mv: Millivolts  # float32 [n]
    valid: Mask  # bool [n]
    lead_off: bool  # in any of its chunks
    arrival_us: int  # of the newest chunk in it, 0 when none is


@dataclass(frozen=True, slots=True)
class _Piece:
    chunk: Chunk
    anchor_us: int  # first sample of the contiguous run that this chunk belongs to
    start: int  # samples of that run before this chunk


class Ring:
    """Chunks of one device, lead and rate; whoever fills it clears it when one of them changes."""

    def __init__(self, length_s: float) -> None:
        self._length_us = round(length_s * US_PER_S)
        self._pieces: deque[_Piece] = deque()

    def clear(self) -> None:
        """Forget everything."""
        self._pieces.clear()

    def append(self, chunk: Chunk) -> None:
        """Add what follows. Samples of a contiguous run are counted from its first one, so no rate drifts."""
        last = self._pieces[-1] if self._pieces else None
        if last is None or chunk.gap_s > 0:
            self._pieces.append(_Piece(chunk, chunk.t0_us, 0))
        else:
            self._pieces.append(_Piece(chunk, last.anchor_us, last.start + len(last.chunk.mv)))

    def trim(self) -> None:
        """Drop what is older than the ring is long."""
        while self._pieces and self._pieces[0].chunk.t1_us <= self._pieces[-1].chunk.t1_us - self._length_us:
            self._pieces.popleft()

    def end(self, t0_us: int) -> int:
        """Place just after the newest sample, counted from `t0_us`. IndexError when the ring is empty."""
        last = self._pieces[-1]
        return _place(last, t0_us) + len(last.chunk.mv)

    def read(self, t0_us: int, n: int) -> Stretch:
        """`n` samples from `t0_us` on, each the one nearest to its instant in the grid of its own run."""
        mv, valid = np.zeros(n, np.float32), np.zeros(n, np.bool_)
        lead_off, arrival_us = False, 0
        for piece in self._pieces:
            at = _place(piece, t0_us)
            low, high = max(at, 0), min(at + len(piece.chunk.mv), n)
            if low < high:
                mv[low:high] = piece.chunk.mv[low - at : high - at]
                valid[low:high] = True
                lead_off |= piece.chunk.lead_off
                arrival_us = max(arrival_us, piece.chunk.arrival_us)
        return Stretch(mv, valid, lead_off, arrival_us)


def place(instant_us: int, t0_us: int, fs_hz: float) -> int:
    """Index, on the grid that starts at `t0_us`, of the sample nearest to an instant; halves go up."""
    return math.floor((instant_us - t0_us) * fs_hz / US_PER_S + 0.5)


def _place(piece: _Piece, t0_us: int) -> int:
    return place(piece.anchor_us, t0_us, piece.chunk.fs_hz) + piece.start
