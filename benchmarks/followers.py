"""What follows the streams: a bank that takes a second of all of them at once, as the monitor does."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from deploy.commands.report import T0_US
from inference.rhythm import RhythmBank
from inference.seconds import Seconds
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Chunk

Rows = Sequence[npt.NDArray[np.float32]]


class Follower:
    """Whole seconds of many streams."""

    name = "RhythmBank"

    def __init__(self, patients: Sequence[PatientId], fs_hz: float) -> None:
        self._fs_hz, self._patients, self._bank = fs_hz, patients, RhythmBank()

    def follow(self, rows: Rows, second: int) -> Seconds:
        """What the second that ends at `second` completes of each stream; `rows` float32 [n] each."""
        pairs = zip(self._patients, rows, strict=True)
        seconds = self._bank.follow([chunk_of(patient, mv, second, self._fs_hz) for patient, mv in pairs])
        for error in seconds.failed.values():
            raise error
        return seconds


def chunk_of(patient: PatientId, mv: npt.NDArray[np.float32], second: int, fs_hz: float) -> Chunk:
    """A second of signal that ends at `second`, the first of them 1."""
    t0_us = T0_US + (second - 1) * US_PER_S
    gap_s = float("inf") if second == 1 else 0.0
    return Chunk(patient, DeviceId("d"), "I", t0_us, fs_hz, mv, gap_s, arrival_us=t0_us + US_PER_S)
