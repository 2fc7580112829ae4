"""Stored frames as contiguous stretches, cut to what was asked for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from liteheart.clock import US_PER_S
from liteheart.signal import Frame


@dataclass(slots=True)
class Segment:
    """Samples without a gap. `mv` holds millivolts, rounded to 0.1 uV."""

    t0_us: int
    fs_hz: float
    lead: str
    lead_off: bool
    mv: list[float] = field(default_factory=list)

    @property
    def t1_us(self) -> int:
        """Time just after the last sample."""
        return self.t0_us + round(len(self.mv) * US_PER_S / self.fs_hz)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the API."""
        return {
            "t0_us": self.t0_us,
            "fs_hz": self.fs_hz,
            "lead": self.lead,
            "lead_off": self.lead_off,
            "mv": self.mv,
        }


def segments(frames: Iterable[Frame], t0_us: int, t1_us: int) -> Iterator[Segment]:
    """Segments within [t0_us, t1_us), oldest first; where frames overlap, the earlier one wins.

    frames    |~~~~~~|~~~~~~|      |~~~~~~|
    asked         t0 --------------------- t1
    segments      |~~~~~~~~~|      |~~~~~~|
    """
    current: Segment | None = None
    for frame in sorted(frames, key=lambda f: f.t0_us):
        period_us = US_PER_S / frame.fs_hz
        start_us = t0_us if current is None else max(t0_us, current.t1_us)
        first = max(0, int(np.ceil((start_us - frame.t0_us) / period_us - 0.5)))
        last = min(len(frame.samples), int(np.ceil((t1_us - frame.t0_us) / period_us)))
        if first >= last:
            continue
        begins_us = frame.t0_us + round(first * period_us)
        if current is None or not _follows(current, frame, begins_us):
            if current is not None:
                yield current
            current = Segment(begins_us, frame.fs_hz, frame.lead, frame.lead_off)
        current.mv += np.round(frame.millivolts()[first:last].astype(np.float64), 4).tolist()
    if current is not None:
        yield current


def _follows(segment: Segment, frame: Frame, begins_us: int) -> bool:
    same = (segment.fs_hz, segment.lead, segment.lead_off) == (frame.fs_hz, frame.lead, frame.lead_off)
    return same and abs(begins_us - segment.t1_us) * frame.fs_hz < 0.75 * US_PER_S
