"""Event time of one patient: lays frames one after another so that every instant is filled at most once.

    time       ------------------------------------------------------------>
    frames     [ 0 ][ 1 ]      [ 3 ]   [ 4 ]                  next in sequence
                                         [ 5 ]                starts before 4 ends
    chunks     [ 0 ][ 1 ] gap  [ 3 ]gap[ 4 ][5]               only what is new of 5

Within a contiguous stretch samples are counted, not timed: sample k lies at anchor + k/fs, so no rate drifts, and
jitter of up to `join_s` between consecutive frames is no gap.

When the device's clock steps back, its signal falls in time that has passed. The first `step_s` of it are left out
(it may as well be old signal sent again); if it goes on, the clock has really moved, and what follows is shifted to
continue after a gap: a patient is not left unwatched until the clock catches up. The shift is given back in the
next gap that is longer than it.
"""

import math
from dataclasses import dataclass

from ingest.settings import IngestSettings
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId
from liteheart.signal import Chunk, Frame


@dataclass(frozen=True, slots=True)
class _Past:
    """The first frame of those that fell in time already passed."""

    device: DeviceId
    t0_us: int
    arrival_us: int


class Timeline:
    """Places the frames of one patient, given in order."""

    def __init__(self, settings: IngestSettings) -> None:
        self._join_us = settings.join_s * US_PER_S
        self._step_us = settings.step_s * US_PER_S
        self._last: Frame | None = None  # the last frame placed
        self._anchor_us = 0  # of the contiguous stretch that goes on
        self._count = 0  # samples in it
        self._past: _Past | None = None
        self.shift_us = 0  # added to the device's time since its clock stepped back

    @property
    def newest_us(self) -> int | None:
        """Time just after the newest sample."""
        return None if self._last is None else self._instant(self._last.fs_hz)

    def continues(self, frame: Frame) -> bool:
        """Whether nothing can be missing between the signal so far and `frame`."""
        last = self._last
        return last is not None and _same_signal(last, frame) and self._joins(last, frame, self._ahead(frame))

    def place(self, frame: Frame) -> Chunk | None:
        """What is new of `frame`, or None when all of it lies in time that has passed."""
        last = self._last
        if last is None:
            return self._begin(frame, self.shift_us, math.inf)
        same, ahead_us = _same_signal(last, frame), self._ahead(frame)
        if same and self._joins(last, frame, ahead_us):
            return self._extend(frame, 0)
        if ahead_us >= 0:
            return self._after_gap(frame, ahead_us, same)
        skip = math.ceil(-ahead_us * frame.fs_hz / US_PER_S - (0.5 if same else 0.0))
        if skip >= len(frame.samples):
            return self._in_the_past(frame, same)
        if same:
            return self._extend(frame, skip)
        return self._begin(frame, self._shift(frame), math.inf, skip)

    def _instant(self, fs_hz: float) -> int:
        return self._anchor_us + round(self._count * US_PER_S / fs_hz)

    def _shift(self, frame: Frame) -> int:
        """The shift belongs to one device's clock."""
        return self.shift_us if self._last is not None and frame.device == self._last.device else 0

    def _ahead(self, frame: Frame) -> int:
        newest_us = self.newest_us
        return 0 if newest_us is None else frame.t0_us + self._shift(frame) - newest_us

    def _joins(self, last: Frame, frame: Frame, ahead_us: int) -> bool:
        follows = frame.boot == last.boot and frame.sequence == last.sequence + 1
        return abs(ahead_us) <= (self._join_us if follows else US_PER_S / frame.fs_hz / 2)

    def _after_gap(self, frame: Frame, ahead_us: int, same: bool) -> Chunk:
        shift_us = self._shift(frame)
        if ahead_us >= shift_us:
            ahead_us, shift_us = ahead_us - shift_us, 0
        return self._begin(frame, shift_us, ahead_us / US_PER_S if same else math.inf)

    def _in_the_past(self, frame: Frame, same: bool) -> Chunk | None:
        past, newest_us = self._past, self.newest_us
        if past is None or past.device != frame.device:
            self._past = _Past(frame.device, frame.t0_us, frame.arrival_us)
            return None
        if frame.arrival_us - past.arrival_us < self._step_us or newest_us is None:
            return None
        lost_us = max(0, frame.t0_us - past.t0_us)
        shift_us = newest_us + lost_us - frame.t0_us
        return self._begin(frame, shift_us, lost_us / US_PER_S if same else math.inf)

    def _begin(self, frame: Frame, shift_us: int, gap_s: float, skip: int = 0) -> Chunk:
        self.shift_us = shift_us
        self._anchor_us = frame.t0_us + shift_us + math.ceil(skip * US_PER_S / frame.fs_hz)
        self._count = 0
        return self._extend(frame, skip, gap_s)

    def _extend(self, frame: Frame, skip: int, gap_s: float = 0.0) -> Chunk:
        t0_us = self._instant(frame.fs_hz)
        self._count += len(frame.samples) - skip
        self._last, self._past = frame, None
        return Chunk(
            patient=frame.patient,
            device=frame.device,
            lead=frame.lead,
            t0_us=t0_us,
            fs_hz=frame.fs_hz,
            mv=frame.millivolts()[skip:],
            gap_s=gap_s,
            lead_off=frame.lead_off,
            arrival_us=frame.arrival_us,
        )


def _same_signal(a: Frame, b: Frame) -> bool:
    return a.device == b.device and a.lead == b.lead and a.fs_hz == b.fs_hz
