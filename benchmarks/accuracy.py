"""Speed says nothing without this: how many of the beats are found, by our detector and by the peer's."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.figures import Figure, Options
from benchmarks.peer import PerRecord
from benchmarks.signals import Signal, signals
from inference.beats import detect_r_peaks
from inference.settings import SHIPPED

PART_S = 10.0  # the peer sees windows of this length


def beats_f1(options: Options) -> Figure:
    """F1 of the R peaks within 150 ms, ours and the peer's."""
    found = signals(2 if options.quick else 26, 60.0 if options.quick else 1800.0, options.seed)
    mine, theirs = [], []
    for signal in found.items:
        mv, peer = signal.millivolts(), PerRecord(SHIPPED, signal.fs_hz)
        mine.append(_counts(signal, detect_r_peaks(mv, signal.fs_hz)))
        n = round(PART_S * signal.fs_hz)
        parts = [peer.r_peaks(mv[a : a + n]) + a for a in range(0, len(mv) - n + 1, n)]
        theirs.append(_counts(signal, np.concatenate(parts)))
    ours, other = _f1(mine), _f1(theirs)
    ratio = (1 - other) / (1 - ours) if ours < 1 else None
    note = f"{found.source}; within 150 ms; the ratio is of what is missed, 1 - F1"
    return Figure("beats_f1", ours, "F1", "find_peaks, 10 s at a time", other, ratio, note=note)


def _counts(signal: Signal, found: npt.NDArray[np.int64]) -> tuple[int, int, int]:
    """Beats that both have, the annotators' and those found, outside what the annotators left undecided."""
    true = signal.beats
    for a, b in signal.undecided:
        true, found = (x[(x < a) | (x > b)] for x in (true, found))
    reach, i, j, both = 0.15 * signal.fs_hz, 0, 0, 0
    while i < len(true) and j < len(found):
        apart = int(found[j]) - int(true[i])
        both += abs(apart) <= reach
        i, j = i + (apart >= -reach), j + (apart <= reach)
    return both, len(true), len(found)


def _f1(counts: Sequence[tuple[int, int, int]]) -> float:
    both, true, found = (sum(c[k] for c in counts) for k in range(3))
    return 2 * both / (true + found)
