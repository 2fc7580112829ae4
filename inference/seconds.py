"""Whole seconds of many patients at once, as columns. A `Vitals` is made of one only where somebody asks for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from inference.quality import reasons_of
from liteheart.finding import Quality, Vitals
from liteheart.signal import Chunk

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# columns of `figures`, which are those of the results in `inference/stream/state.py`
_SINCE_BEAT_S, _RATE_BPM, _FIBRILLATION_S, _RUN, _FLAT_S, _SQI, _REASONS, _INTERVALS = 1, 2, 3, 4, 6, 7, 8, 9
_IRREGULAR, _ECTOPIC = 11, 12
NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 13)), np.zeros((0, 24)))  # no second
_UNKNOWN = -99.0  # of irregularity, see `irregular.UNKNOWN`


@dataclass(frozen=True, slots=True, eq=False)
class Seconds:
    """What `chunks` have completed: n seconds in the order of the chunks, the oldest first. Figures are not rounded."""

    chunks: Sequence[Chunk]
    chunk: Sequence[int]  # [n] the number of each one's chunk, never falling
    t_us: I64  # [n] event time just after it
    figures: F64  # [n, RESULTS]
    rr_s: F64  # [n, RR_MOST] latest intervals, oldest first, 0 beyond the newest
    failed: Mapping[int, Exception]  # by number of a chunk that could not be worked on
    usable_from: float  # quality

    def __len__(self) -> int:
        return len(self.chunk)

    def of_chunks(self) -> Iterator[range]:
        """The seconds of each chunk."""
        begin = 0
        for k in range(len(self.chunks)):
            end = begin
            while end < len(self.chunk) and self.chunk[end] == k:
                end += 1
            yield range(begin, end)
            begin = end

    @property
    def arrival_us(self) -> I64:
        """[n] gateway time of the newest frame behind each."""
        return np.array([self.chunks[k].arrival_us for k in self.chunk], np.int64)

    @property
    def sound(self) -> Mask:
        """[n] where a reader may trust the signal, and the electrode holds."""
        on = np.array([not self.chunks[k].lead_off for k in self.chunk], np.bool_)
        sound: Mask = on & (self.figures[:, _SQI] >= self.usable_from) & (self.figures[:, _REASONS] == 0)
        return sound

    @property
    def intervals(self) -> I64:
        """[n] how many intervals are known."""
        return self.figures[:, _INTERVALS].astype(np.int64)

    @property
    def since_beat_s(self) -> F64:
        """[n] NaN where no signal could show a beat."""
        return self.figures[:, _SINCE_BEAT_S]

    @property
    def fibrillation_s(self) -> F64:
        """[n] 0 without such waves."""
        return self.figures[:, _FIBRILLATION_S]

    @property
    def flat_s(self) -> F64:
        """[n] 0 where the line is not flat."""
        return self.figures[:, _FLAT_S]

    @property
    def ventricular_run(self) -> F64:
        """[n] beats."""
        return self.figures[:, _RUN]

    @property
    def irregularity(self) -> F64:
        """[n] log odds, NaN where they are not known."""
        odds = self.figures[:, _IRREGULAR]
        return np.where(odds <= _UNKNOWN, np.nan, odds)

    @property
    def ectopic_per_min(self) -> F64:
        """[n] NaN where it is not known."""
        return self.figures[:, _ECTOPIC]

    def vitals(self, i: int) -> Vitals:
        """The second number `i`."""
        k = self.chunk[i]
        return _vitals(
            self.chunks[k], int(self.t_us[i]), self.figures[i].tolist(), self.rr_s[i].tolist(), self.usable_from
        )

    def lasting(self, i: int) -> tuple[float | None, float | None]:
        """Of the second number `i` irregularity and ventricular beats a minute, as `vitals` has them."""
        lead_off = self._lead_off(i)
        return (
            _known_odds(self.figures.item(i, _IRREGULAR), lead_off),
            None if lead_off else _known(self.figures.item(i, _ECTOPIC)),
        )

    def shown(self, i: int) -> tuple[float | None, Quality, bool]:
        """Of the second number `i` what a screen shows: heart rate, quality, lead off, as `vitals` has them."""
        rate, sqi, lead_off = self.figures.item(i, _RATE_BPM), self.figures.item(i, _SQI), self._lead_off(i)
        quality = _quality(sqi, self.figures.item(i, _REASONS), lead_off, self.usable_from)
        return _known(rate), quality, lead_off

    def _lead_off(self, i: int) -> bool:
        return self.chunks[self.chunk[i]].lead_off


def _vitals(chunk: Chunk, t_us: int, row: list[float], rr: list[float], usable_from: float) -> Vitals:
    """The order of `row` is that of the results in `inference/stream/state.py`."""
    signal_s, since_s, rate, fibrillation_s, run, run_bpm, flat_s, sqi, bits, intervals, dead_s, odds, ectopic = row
    lead_off = chunk.lead_off
    return Vitals(  # in the order of its fields: their names would cost a tenth of the time
        chunk.patient,
        chunk.device,
        t_us,
        _quality(sqi, bits, lead_off, usable_from),
        _known(rate),
        tuple(rr[: int(intervals)]),
        None if lead_off or since_s != since_s else round(since_s, 3),
        round(signal_s, 3),
        fibrillation_s,
        int(run),
        _known(run_bpm),
        round(flat_s, 3) if flat_s else 0.0,
        lead_off,
        chunk.arrival_us,
        round(dead_s, 3) if dead_s and not lead_off else 0.0,
        _known_odds(odds, lead_off),
        None if lead_off else _known(ectopic),
    )


def _known(value: float) -> float | None:
    return None if value != value else round(value, 1)  # NaN: not known


def _known_odds(odds: float, lead_off: bool) -> float | None:
    return None if lead_off or odds <= _UNKNOWN else round(odds, 3)


def _quality(sqi: float, bits: float, lead_off: bool, usable_from: float) -> Quality:
    reasons = _reasons(int(bits), lead_off)
    return Quality(round(sqi, 4), sqi >= usable_from and not reasons, reasons)


_reasons = lru_cache(maxsize=64)(reasons_of)
