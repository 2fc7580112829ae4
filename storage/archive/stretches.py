"""Frames laid one after another: gap-free runs in which every stored sample of a lead is given back once.

    frames     [ 0 ][ 1 ]      [ 3 ]
                   [ 1b ]             of another boot, over the end of 1
    stretches  [ 0   1 b]      [ 3 ]  only what is new of 1b

Within a run samples are counted, not timed. A frame that follows in sequence joins when it begins within `JOIN_US` of
the run's end, as in the live path; any other within half a sample, and what it repeats is left out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId
from liteheart.signal import Frame, Samples, Stretch

JOIN_US: Final = 100_000  # jitter of a device's clock between consecutive frames
Lane = tuple[str, str, float, float]  # device, lead, rate, gain


@dataclass(slots=True)
class _Run:
    """A stretch that may go on."""

    last: Frame  # that it took from
    t0_us: int
    parts: list[Samples] = field(default_factory=list)
    n: int = 0
    end_us: int = 0  # time just after its last sample

    @property
    def place(self) -> tuple[int, str, str]:
        """Among other runs."""
        return (self.t0_us, self.last.device, self.last.lead)

    def take(self, frame: Frame, samples: Samples) -> None:
        """Go on with these."""
        self.last = frame
        self.parts.append(samples)
        self.n += len(samples)
        self.end_us = self.t0_us + round(self.n * US_PER_S / frame.fs_hz)

    def made(self) -> Stretch:
        """What it came to."""
        f, samples = self.last, self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts)
        return Stretch(f.patient, DeviceId(f.device), f.lead, self.t0_us, f.fs_hz, f.gain, samples)


def joined(frames: Iterable[Frame], t0_us: int, t1_us: int) -> Iterator[Stretch]:
    """Stretches of the samples whose time lies within [t0_us, t1_us), in the order in which they begin.

    `frames` of one patient in order of time. Runs of several leads or devices may lie side by side.
    """
    going: dict[Lane, _Run] = {}
    done: list[_Run] = []  # ended, while one that began before goes on
    for frame in frames:
        for lane in [lane for lane, run in going.items() if frame.t0_us > run.end_us + JOIN_US]:
            done.append(going.pop(lane))  # nothing that begins now or later reaches it
        if done:
            yield from _first(done, min((run.place for run in going.values()), default=None))
        at_us, samples = _inside(frame, t0_us, t1_us)
        if not len(samples):
            continue
        lane = (frame.device, frame.lead, frame.fs_hz, frame.gain)
        run = going.get(lane)
        skip = 0 if run is None else _repeated(run, frame, at_us)
        if run is not None and skip is None:
            done.append(going.pop(lane))
            run, skip = None, 0
        if run is None:
            run = going[lane] = _Run(frame, at_us)
        if skip is not None and skip < len(samples):
            run.take(frame, samples[skip:])
    yield from _first([*done, *going.values()], None)


def _repeated(run: _Run, frame: Frame, at_us: int) -> int | None:
    """How many samples of a frame the run holds already; None when it does not join."""
    ahead_us = at_us - run.end_us
    if frame.boot == run.last.boot and frame.sequence == run.last.sequence + 1:
        return 0 if abs(ahead_us) <= JOIN_US else None
    half_us = US_PER_S / frame.fs_hz / 2
    return None if ahead_us > half_us else max(0, round(-ahead_us * frame.fs_hz / US_PER_S))


def _inside(frame: Frame, t0_us: int, t1_us: int) -> tuple[int, Samples]:
    """Of a frame the samples within a range, and the time of the first."""
    if t0_us <= frame.t0_us and frame.t1_us <= t1_us:
        return frame.t0_us, frame.samples
    first, last = _place(frame, t0_us), _place(frame, t1_us)
    return (_time(frame, first) if first < last else frame.t0_us), frame.samples[first:last]


def _place(frame: Frame, at_us: int) -> int:
    """Of the first sample that lies at a time or after it; how many there are when none does."""
    n = len(frame.samples)
    place = min(max(round((at_us - frame.t0_us) * frame.fs_hz / US_PER_S), 0), n)
    while place > 0 and _time(frame, place - 1) >= at_us:  # the guess is off by one at most
        place -= 1
    while place < n and _time(frame, place) < at_us:
        place += 1
    return place


def _time(frame: Frame, place: int) -> int:
    return frame.t0_us + round(place * US_PER_S / frame.fs_hz)


def _first(done: list[_Run], going: tuple[int, str, str] | None) -> Iterator[Stretch]:
    """Take out those that come before every run that goes on."""
    done.sort(key=lambda run: run.place)
    while done and (going is None or done[0].place < going):
        yield done.pop(0).made()
