"""One patient's signal, from frames in any order to chunks in order and windows on a grid. Pure and deterministic."""

from dataclasses import dataclass

from ingest.reorder import Reorder, Status
from ingest.settings import IngestSettings
from ingest.timeline import Timeline
from ingest.window import Windows
from liteheart.ids import PatientId
from liteheart.signal import Chunk, Frame, Window


@dataclass(frozen=True, slots=True)
class Released:
    """What has become certain since the last look, oldest first."""

    chunks: list[Chunk]
    windows: list[Window]


class PatientStream:
    """Everything that ingest remembers of one patient: bounded, and rebuilt from the last `ring_s` of frames.

    To restore: `mark_processed`, then `push` the stored frames in order of arrival, each followed by `advance` to its
    arrival. Chunks come out again (detectors need them to warm up), windows that were processed do not.
    """

    def __init__(self, patient: PatientId, settings: IngestSettings) -> None:
        self.patient = patient
        self._reorder = Reorder(settings)
        self._timeline = Timeline(settings)
        self._windows = Windows(patient, settings)
        self._chunks: list[Chunk] = []
        self._out: list[Window] = []

    @property
    def newest_us(self) -> int | None:
        """Event time just after the newest sample released, None before the first."""
        return self._timeline.newest_us

    @property
    def processed_until_us(self) -> int | None:
        """End of the newest window released or marked: with `shift_us`, what a checkpoint must hold."""
        return self._windows.done_until_us

    @property
    def waiting(self) -> bool:
        """Whether frames are held, so that `advance` may release something although no frame comes."""
        return self._reorder.waiting

    @property
    def shift_us(self) -> int:
        """How far event time runs ahead of the device's clock since that stepped back; 0 for a sane device."""
        return self._timeline.shift_us

    def mark_processed(self, until_us: int, shift_us: int = 0) -> None:
        """Windows that end at or before `until_us` are not released again. Call it before the first `push`."""
        self._windows.mark(until_us)
        self._timeline.shift_us = shift_us

    def push(self, frame: Frame) -> Status:
        """Accept a frame. "duplicate": seen before. "late": worth storing, but its place has passed, no chunk comes.

        Raises ValueError for another patient's frame.
        """
        if frame.patient != self.patient:
            raise ValueError(f"patient: {frame.patient} in the stream of {self.patient}")
        self._reorder.see(frame.arrival_us)
        self._drain(None)  # what had to be given up by the time this one arrived
        status = self._reorder.offer(frame)
        if status == "new" and any(f is frame for f in self._drain(None)):
            return "late"
        return status

    def advance(self, now_us: int) -> Released:
        """What is released by `now_us`, on the arrival clock; frames in order do not wait for it."""
        self._drain(now_us)
        released = Released(self._chunks, self._out)
        self._chunks, self._out = [], []
        return released

    def _drain(self, now_us: int | None) -> list[Frame]:
        """Move on as far as order allows; the frames that found no place in time."""
        homeless: list[Frame] = []
        while (frame := self._reorder.take(now_us, self._timeline.continues)) is not None:
            chunk = self._timeline.place(frame)
            if chunk is None:
                homeless.append(frame)
                continue
            self._reorder.current = (frame.device, frame.boot)
            self._chunks.append(chunk)
            self._out += self._windows.push(chunk)
        return homeless
