"""Puts the frames of one patient back in order. Pure: the arrival clock is an argument.

A frame that follows the last one leaves at once. One that does not waits for the missing ones, at most `reorder_s`
after its arrival; what comes after its place has passed is late. Who has been seen is remembered as the few
intervals of sequence numbers that were *not*, so memory does not grow with the stream.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ingest.settings import IngestSettings
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId
from liteheart.signal import Frame

Status = Literal["new", "duplicate", "late"]
Source = tuple[DeviceId, int]  # device and boot: what counts frames

_MAX_HELD = 256  # frames that wait; more leave early
_MAX_SOURCES = 16  # boots remembered
_MAX_MISSING = 256  # intervals remembered of each


@dataclass(slots=True)
class Cursor:
    """Which sequence numbers of one boot have been seen: all below `next`, the `missing` intervals [a, b) aside."""

    next: int = 0
    missing: list[tuple[int, int]] = field(default_factory=list)

    def skip_to(self, sequence: int) -> None:
        """Go on behind `sequence`, remembering what was jumped over."""
        if sequence > self.next:
            self.missing.append((self.next, sequence))
            if len(self.missing) > _MAX_MISSING:  # forget that anything between the two oldest was seen: storing
                self.missing[:2] = [(self.missing[0][0], self.missing[1][1])]  # it again changes nothing
        self.next = sequence + 1

    def late(self, sequence: int) -> Status:
        """`sequence` is below `next`: the first time it is late, after that a duplicate."""
        i = bisect_right(self.missing, sequence, key=lambda interval: interval[0]) - 1
        if i < 0 or sequence >= self.missing[i][1]:
            return "duplicate"
        start, stop = self.missing[i]
        self.missing[i : i + 1] = [(a, b) for a, b in ((start, sequence), (sequence + 1, stop)) if a < b]
        return "late"


@dataclass(slots=True)
class _Held:
    frame: Frame
    since_us: int | None = None  # set when `take` is first told the time


class Reorder:
    """Order for one patient's frames. `offer` every frame, then `take` until there is none."""

    def __init__(self, settings: IngestSettings) -> None:
        self._wait_us = round(settings.reorder_s * US_PER_S)
        self._backlog_us = round(settings.catch_up_s * US_PER_S)
        self._cursors: dict[Source, Cursor] = {}
        self._held: list[_Held] = []
        self._arrival_us: int | None = None
        self.current: Source | None = None  # whose frame was last placed in time

    @property
    def waiting(self) -> bool:
        """Whether frames are held back for others that should come before them."""
        return bool(self._held)

    def see(self, arrival_us: int) -> None:
        """The arrival clock has come to `arrival_us`, as a frame shows that is about to be offered."""
        self._arrival_us = arrival_us if self._arrival_us is None else max(arrival_us, self._arrival_us)

    def offer(self, frame: Frame) -> Status:
        """Accept a frame, or say that it is a duplicate, or late: of a place in the sequence that was given up."""
        cursor = self._cursors.get((frame.device, frame.boot))
        if cursor is not None and frame.sequence < cursor.next:
            return cursor.late(frame.sequence)
        if any(h.frame.key == frame.key for h in self._held):
            return "duplicate"
        self._held.append(_Held(frame))
        return "new"

    def take(self, now_us: int | None, continues: Callable[[Frame], bool]) -> Frame | None:
        """The next frame whose turn it is, or None.

        `continues` tells whether a frame starts where the signal ends, so that nothing can be missing between.
        Without `now_us` only the arrival clock counts.
        """
        if not self._held:
            return None
        if now_us is not None:
            for held in self._held:
                held.since_us = self._since(held, now_us)
        for held in self._held:
            if self._is_next(held.frame, continues):
                return self._leave(held)
        overdue = [h for h in self._held if self._is_overdue(h, now_us)]
        if not overdue and len(self._held) <= _MAX_HELD:
            return None
        starts: dict[Source, int] = {}
        for h in self._held:
            source = (h.frame.device, h.frame.boot)
            starts[source] = min(h.frame.t0_us, starts.get(source, h.frame.t0_us))

        def turn(h: _Held) -> tuple[bool, int, Source, int]:
            source = (h.frame.device, h.frame.boot)
            return (source != self.current, starts[source], source, h.frame.sequence)

        due = min(overdue or self._held, key=turn)
        before = (h for h in self._held if h.frame.device == due.frame.device and turn(h) <= turn(due))
        return self._leave(min(before, key=turn))

    def _since(self, held: _Held, now_us: int) -> int:
        if held.since_us is not None:
            return held.since_us
        arrival_us = held.frame.arrival_us
        # a worker that catches up sees frames long after their arrival; each then waits from now on
        return arrival_us if 0 <= now_us - arrival_us <= self._backlog_us else now_us

    def _is_overdue(self, held: _Held, now_us: int | None) -> bool:
        if self._arrival_us is not None and self._arrival_us - held.frame.arrival_us >= self._wait_us:
            return True
        return now_us is not None and held.since_us is not None and now_us - held.since_us >= self._wait_us

    def _is_next(self, frame: Frame, continues: Callable[[Frame], bool]) -> bool:
        source = (frame.device, frame.boot)
        if source == self.current and frame.sequence == self._cursors[source].next:
            return True
        if self.current is None:
            return frame.sequence == 0
        return continues(frame)

    def _leave(self, held: _Held) -> Frame:
        frame = held.frame
        self._held.remove(held)
        source = (frame.device, frame.boot)
        cursor = self._cursors.pop(source, None) or Cursor()
        self._cursors[source] = cursor  # the youngest is last
        cursor.skip_to(frame.sequence)
        if self.current is None:
            self.current = source
        for old in [s for s in self._cursors if s != self.current][: max(0, len(self._cursors) - _MAX_SOURCES)]:
            del self._cursors[old]
        return frame
