"""What follows the streams: a bank that takes a second of all of them at once, as the monitor does."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from deploy.commands.report import T0_US
from inference.rhythm import RhythmBank
from liteheart.clock import US_PER_S
from liteheart.finding import Vitals
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Chunk

Rows = Sequence[npt.NDArray[np.float32]]


class Follower:
    """Vitals of many streams."""

    name = "RhythmBank"

    def __init__(self, patients: Sequence[PatientId], fs_hz: float) -> None:
        self._fs_hz, self._patients, self._bank = fs_hz, patients, RhythmBank()

    def follow(self, rows: Rows, second: int) -> Iterator[tuple[int, Vitals]]:
        """(stream, vitals) of what the second that ends at `second` completes; `rows` float32 [n] each."""
        pairs = zip(self._patients, rows, strict=True)
        chunks = [chunk_of(patient, mv, second, self._fs_hz) for patient, mv in pairs]
        for i, result in enumerate(self._bank.push(chunks)):
            if isinstance(result, Exception):
                raise result
            for vitals in result:
                yield i, vitals


def chunk_of(patient: PatientId, mv: npt.NDArray[np.float32], second: int, fs_hz: float) -> Chunk:
    """A second of signal that ends at `second`, the first of them 1."""
    t0_us = T0_US + (second - 1) * US_PER_S
    gap_s = float("inf") if second == 1 else 0.0
    return Chunk(patient, DeviceId("d"), "I", t0_us, fs_hz, mv, gap_s, arrival_us=t0_us + US_PER_S)
