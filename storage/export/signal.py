"""Recordings: what is exported as one file. Gap-free, one lead of one device, a day at most, a day in memory."""

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Protocol

from liteheart.clock import US_PER_S
from liteheart.errors import Conflict, Poison
from liteheart.ids import PatientId
from liteheart.signal import Stretch

log = logging.getLogger(__name__)

LONGEST_US: Final = 24 * 3600 * US_PER_S  # of one recording: 43 MB at 250 Hz
_AHEAD_US: Final = 300 * US_PER_S


class Stretches(Protocol):
    """The archive, as the export reads it."""

    def stretches(self, patient: PatientId, t0_us: int, t1_us: int) -> Iterator[Stretch]:
        """Gap-free runs of the samples that were taken in [t0_us, t1_us), in the order in which they begin.

        Two ranges that touch give each sample once between them.
        """
        ...


def recordings(source: Stretches, patient: PatientId, t0_us: int, t1_us: int) -> Iterator[Stretch]:
    """Of [t0_us, t1_us), in order of time. What was recorded for longer than a day is cut every 24 hours."""
    for begin_us in range(t0_us, t1_us, LONGEST_US):
        yield from source.stretches(patient, begin_us, min(begin_us + LONGEST_US, t1_us))


class Readable:
    """The archive without what cannot be read: damaged, or sealed with a key that is gone. That is counted and told."""

    def __init__(self, source: Stretches) -> None:
        self._source = source
        self.unreadable = 0  # ranges of which not everything was read

    def stretches(self, patient: PatientId, t0_us: int, t1_us: int) -> Iterator[Stretch]:
        """As the archive's, up to the first that cannot be read."""
        try:
            yield from self._source.stretches(patient, t0_us, t1_us)
        except (Poison, Conflict) as error:
            log.warning("signal left out: %s", error, extra={"patient": patient, "t0_us": t0_us})
            self.unreadable += 1


class Ahead:
    """Windows one after another, read some minutes at a time. For one reader."""

    def __init__(self, source: Stretches) -> None:
        self._source = source
        self._of: PatientId | None = None
        self._span = (0, 0)
        self._held: list[Stretch] = []

    def window(self, patient: PatientId, t0_us: int, t1_us: int) -> list[Stretch]:
        """The gap-free pieces of [t0_us, t1_us)."""
        begin_us, end_us = self._span
        if self._of != patient or not begin_us <= t0_us <= t1_us <= end_us:
            self._of, self._span = patient, (t0_us, max(t1_us, t0_us + _AHEAD_US))
            self._held = list(self._source.stretches(patient, *self._span))
        return [piece for s in self._held if (piece := cut(s, t0_us, t1_us)) is not None]


def cut(stretch: Stretch, t0_us: int, t1_us: int) -> Stretch | None:
    """The samples that were taken in [t0_us, t1_us), give or take a microsecond; None where there are none."""
    first, last = (min(max(_index(stretch, t), 0), len(stretch.samples)) for t in (t0_us, t1_us))
    if first >= last:
        return None
    if (first, last) == (0, len(stretch.samples)):
        return stretch
    begin_us = stretch.t0_us + round(first * US_PER_S / stretch.fs_hz)
    return replace(stretch, t0_us=begin_us, samples=stretch.samples[first:last])


def _index(stretch: Stretch, t_us: int) -> int:
    """The first sample at or after a time."""
    return math.ceil((t_us - stretch.t0_us - 1) * stretch.fs_hz / US_PER_S)
