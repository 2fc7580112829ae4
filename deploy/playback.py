"""Stored or recorded signal once more through the live path's own parts, for what-ifs: nothing is stored, sent or told.

    frames, in order of arrival --analyse--> vitals and findings --judge--> alarm events

The first step takes the time and does not depend on a limit or a delay; so it is done once, and the second as often as
there are settings to compare. What comes out is what `deploy.monitor` does, and a test holds the two together.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from alerts.engine import AlarmEngine
from alerts.settings import AlarmSettings
from alerts.watch import WATCHED, watch
from inference.rhythm import RhythmBank
from ingest.settings import IngestSettings
from ingest.stream import PatientStream
from liteheart.alarm import Alarm, AlarmEvent
from liteheart.board import PatientState
from liteheart.clock import US_PER_S
from liteheart.errors import Poison
from liteheart.finding import Finding, Vitals
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Chunk, Frame, Window

Score = Callable[[Sequence[Window]], Sequence[Finding | None]]
_WINDOWS: Final = 64  # scored together
_CHUNKS: Final = 256  # analysed in one call
_TICK_US: Final = 1  # just after a limit is crossed


@dataclass(frozen=True, slots=True)
class Said:
    """Something that the analysis said, and when on the arrival clock."""

    what: Vitals | Finding
    now_us: int


@dataclass(frozen=True, slots=True)
class Analysed:
    """One patient's signal as the rules see it."""

    patient: PatientId
    said: tuple[Said, ...]
    arrivals_us: tuple[int, ...]  # when frames came; silence lies between them
    signal_s: float  # received
    first_us: int  # event time of the first sample, 0 without any
    last_us: int  # just after the last

    @property
    def vitals(self) -> list[Vitals]:
        """Of every second."""
        return [s.what for s in self.said if isinstance(s.what, Vitals)]

    @property
    def findings(self) -> list[Finding]:
        """Of every window that was read."""
        return [s.what for s in self.said if isinstance(s.what, Finding)]


def analyse(patient: PatientId, frames: Iterable[Frame], ingest: IngestSettings, score: Score | None) -> Analysed:
    """What is known of each second and of each window; without `score` there are no findings.

    `frames` of this patient in the order in which they arrived, stamped with the time of it. Raises Poison for a
    signal that cannot be analysed.
    """
    stream = PatientStream(patient, ingest)
    chunks: list[tuple[Chunk, int]] = []  # with the moment at which each was released
    waiting: list[tuple[int, Window]] = []  # after how many chunks the window was complete
    arrivals: list[int] = []
    signal_us, first_us, last_us = 0, 0, 0

    def take(now_us: int) -> None:
        released = stream.advance(now_us)
        chunks.extend((chunk, now_us) for chunk in released.chunks)
        waiting.extend((len(chunks), window) for window in released.windows)

    for frame in frames:
        if stream.waiting:  # a monitor gives up on what is missing when its time is over, not at the next frame
            take(min(frame.arrival_us, arrivals[-1] + round(ingest.reorder_s * US_PER_S)))
        arrivals.append(max(frame.arrival_us, arrivals[-1] if arrivals else 0))
        if stream.push(frame) != "duplicate":
            signal_us += frame.t1_us - frame.t0_us
            first_us = min(first_us or frame.t0_us, frame.t0_us)
            last_us = max(last_us, frame.t1_us)
        take(arrivals[-1])
    if arrivals:
        take(arrivals[-1] + round(ingest.reorder_s * US_PER_S))
    vitals = _vitals(chunks)
    found = _findings([window for _, window in waiting], score) if score is not None else [None] * len(waiting)
    said: list[Said] = []
    at = 0
    for (place, _), finding in zip(waiting, found, strict=True):  # as the monitor has it: vitals first
        said += [s for some in vitals[at:place] for s in some]
        at = place
        if finding is not None:
            said.append(Said(finding, chunks[place - 1][1]))
    said += [s for some in vitals[at:] for s in some]
    return Analysed(patient, tuple(said), tuple(arrivals), signal_us / US_PER_S, first_us, last_us)


def _vitals(chunks: Sequence[tuple[Chunk, int]]) -> list[list[Said]]:
    """What each chunk completes."""
    bank = RhythmBank()
    told: list[list[Said]] = []
    for a in range(0, len(chunks), _CHUNKS):
        part = chunks[a : a + _CHUNKS]
        for (chunk, now_us), result in zip(part, bank.push([c for c, _ in part]), strict=True):
            if isinstance(result, Exception):
                raise Poison("signal", f"{chunk.patient} cannot be analysed: {result}") from result
            told.append([Said(v, now_us) for v in result])
    return told


def _findings(windows: Sequence[Window], score: Score) -> list[Finding | None]:
    """The reading of each window, in batches."""
    return [f for a in range(0, len(windows), _WINDOWS) for f in score(windows[a : a + _WINDOWS])]


def judge(analysed: Analysed, settings: AlarmSettings) -> list[AlarmEvent]:
    """The alarm events of these settings, silence of the stream included, in the order of the clock."""
    engine = AlarmEngine(analysed.patient, settings)
    events: list[AlarmEvent] = []
    for said in analysed.said:
        if isinstance(said.what, Vitals):
            events += engine.on_vitals(said.what, said.now_us)
        else:
            events += engine.on_finding(said.what, said.now_us)
    silent = silences(analysed, settings)
    return sorted([*events, *silent], key=lambda e: e.at_us) if silent else events


def silences(analysed: Analysed, settings: AlarmSettings) -> list[AlarmEvent]:
    """What the watch over silent streams would have told between two arrivals, and nothing after the last one."""
    limits = [settings.rules[code].persistence_s for code in WATCHED if code in settings.rules]
    if not limits:
        return []
    crossings = [round(s * US_PER_S) + _TICK_US for s in sorted({*limits, settings.discharged_s})]
    state = PatientState(analysed.patient, DeviceId(""), "", 0.0, 0, 0)
    events: list[AlarmEvent] = []
    for last_us, next_us in zip(analysed.arrivals_us, analysed.arrivals_us[1:], strict=False):
        if next_us - last_us <= crossings[0]:
            continue
        is_open: dict[PatientId, Alarm] = {}
        looks = [(last_us + c, last_us) for c in crossings if last_us + c < next_us] + [(next_us, next_us)]
        for now_us, arrival_us in looks:
            told = watch([replace(state, last_arrival_us=arrival_us)], is_open, now_us, settings)
            events += told
            if told:  # nothing new leaves what is open as it is
                is_open = {e.alarm.patient: e.alarm for e in told if e.alarm.active}
    return events
