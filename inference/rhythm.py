"""The rhythm of patients, second by second: chunks in, one `Vitals` at every whole second of event time.

    chunks --> seconds --+-- two envelopes --> beats --> RR, rate, pause
                         |                       +-----> shapes --> ventricular run
                         +-- last 5 s ---> quality
                         +-- last 3 s ---> fibrillation
                         +-- last 1 s ---> flat line

Samples wait until a second is whole, and what is known changes only then: the result does not depend on how the signal
was cut into chunks, nor on whose seconds are worked on together. No checkpoint: after a restart, pushing the last 30 s
again rebuilds the state. The work is done by compiled code, see `inference/stream`.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from inference.beats import DEFAULT as FIRST
from inference.beats import BeatSettings, detect_r_peaks
from inference.fibrillation import DEFAULT as FIBRILLATION
from inference.fibrillation import FibrillationSettings
from inference.quality import DEFAULT as QUALITY
from inference.quality import QualitySettings, assess, reasons_of
from inference.ventricular import IrregularSettings, RunSettings, VentricularSettings
from liteheart.clock import US_PER_S
from liteheart.finding import Quality, Vitals
from liteheart.ids import PatientId
from liteheart.signal import Chunk

if TYPE_CHECKING:
    from inference.stream.lane import Lane

Samples = npt.NDArray[np.float32]
MAX_FS_HZ: Final = 4000.0


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """Stretches and limits of what is known of the beats."""

    search_s: float = 12.0  # signal in which beats are sought, every second
    settle_s: float = 4.0  # a beat older than this stays as it is
    memory: int = 16  # beats whose strength is the patient's usual one
    forget_s: float = 60.0  # time constant after which, with no beats, that strength is forgotten
    rate_s: float = 10.0  # stretch of the heart rate
    silent_s: float = 4.0  # with no beat for so long there is no heart rate
    learn_below_bpm: float = 100.0  # the usual shape is not learnt from a tachycardia
    first: BeatSettings = FIRST
    shape: VentricularSettings = VentricularSettings()  # noqa: RUF009  # frozen
    run: RunSettings = RunSettings()  # noqa: RUF009  # frozen
    irregular: IrregularSettings = IrregularSettings()  # noqa: RUF009  # frozen


@dataclass(frozen=True, slots=True)
class RhythmSettings:
    """Stretches of signal that each figure is taken from."""

    ring_s: float = 30.0  # nothing reported is older
    gap_s: float = 1.0  # a longer gap starts the patient anew; a shorter one is bridged
    quality_s: float = 5.0
    fibrillation_s: float = 3.0  # stretch in which the waves are measured
    bursts: float = 4.0  # slope at its peak over its mean, and
    burst_peaks: float = 8.0  # kurtosis of the slope, above both of which there are beats and no waves
    flat_mv: float = 0.05  # peak to peak in a second
    dead_mv: float = 0.003  # likewise: skin and amplifier make more noise than this
    rail_mv: float = 2.0  # a flat line so far from where the beats were shows no heart
    dead_told_s: float = 4.0  # so long such a line is still told of after its end
    beats: HeartbeatSettings = HeartbeatSettings()  # frozen
    waves: FibrillationSettings = FIBRILLATION
    quality: QualitySettings = QUALITY


DEFAULT = RhythmSettings()


class RhythmBank:
    """The rhythm of many patients, worked on together. Not thread-safe."""

    def __init__(self, settings: RhythmSettings = DEFAULT) -> None:
        self._settings = settings
        self._lanes: dict[float, Lane] = {}
        self._runs: dict[PatientId, _Run] = {}

    def push(self, chunks: Sequence[Chunk]) -> list[list[Vitals] | Exception]:
        """For each chunk the vitals of the seconds that it completes, oldest first. A patient's chunks come in order.

        An exception stands in the place of what cannot be worked on; that patient's state is dropped, the others go on.
        """
        results: list[list[Vitals] | Exception] = [[] for _ in chunks]
        work: dict[float, _Work] = {}
        left: list[_Run] = []
        for k, chunk in enumerate(chunks):
            try:
                self._plan(k, chunk, work, left)
            except Exception as error:  # whatever it is, it is this patient's alone
                results[k] = error
                self._leave(chunk.patient, left)
        for fs_hz, part in work.items():
            self._forward(self._lanes[fs_hz], part, chunks, results)
        for run in left:
            run.lane.leave(run.row)
        return results

    def drop(self, patient: PatientId) -> None:
        """Forget a patient, if known."""
        left: list[_Run] = []
        self._leave(patient, left)
        for run in left:
            run.lane.leave(run.row)

    def _leave(self, patient: PatientId, left: "list[_Run]") -> None:
        if run := self._runs.pop(patient, None):
            left.append(run)

    def _plan(self, k: int, chunk: Chunk, work: "dict[float, _Work]", left: "list[_Run]") -> None:
        """Note what chunk number `k` adds to its patient's row."""
        mv = np.asarray(chunk.mv, np.float32)
        if mv.ndim != 1:
            raise ValueError(f"mv: one lead expected, got shape {mv.shape}")
        if chunk.lead_off:  # what an open lead shows is no signal
            mv = np.full_like(mv, np.nan)
        run, gap_s = self._runs.get(chunk.patient), chunk.gap_s
        if run is None or gap_s > self._settings.gap_s or run.source != (chunk.device, chunk.lead, chunk.fs_hz):
            self._leave(chunk.patient, left)
            run, gap_s = self._runs.setdefault(chunk.patient, _Run(chunk, self._lane(chunk.fs_hz))), 0.0
        part = work.get(chunk.fs_hz)
        if part is None:
            part = work[chunk.fs_hz] = _Work()
        if gap_s > 0:
            run.extend(np.full(round(gap_s * chunk.fs_hz), np.nan, np.float32), k, part)
        run.align(chunk.t0_us)
        run.extend(mv, k, part)

    def _lane(self, fs_hz: float) -> "Lane":
        lane = self._lanes.get(fs_hz)
        if lane is None:
            if not 50 <= fs_hz <= MAX_FS_HZ:
                raise ValueError(f"fs_hz: {fs_hz} is outside 50 to {MAX_FS_HZ:g}")
            from inference.stream.lane import Lane  # the compiler is slow to import, and other roles need none

            lane = self._lanes[fs_hz] = Lane(self._settings, fs_hz)
        return lane

    def _forward(
        self, lane: "Lane", work: "_Work", chunks: Sequence[Chunk], results: list[list[Vitals] | Exception]
    ) -> None:
        if not work.row:
            return
        figures, rr = lane.forward(work.row, work.samples, work.due)
        for k, t_us, is_due, row, intervals in zip(
            work.chunk, work.t_us, work.due, figures.tolist(), rr.tolist(), strict=True
        ):
            result = results[k]
            if is_due and isinstance(result, list):
                result.append(_vitals(chunks[k], t_us, row, intervals, self._settings.quality.usable))


class RhythmTracker:
    """The rhythm of one patient: a bank of one. Not thread-safe."""

    def __init__(self, patient: PatientId, settings: RhythmSettings = DEFAULT) -> None:
        self._patient = patient
        self._bank = RhythmBank(settings)

    def push(self, chunk: Chunk) -> list[Vitals]:
        """Vitals of the seconds that `chunk` completes, oldest first. Raises ValueError for another patient's chunk."""
        if chunk.patient != self._patient:
            raise ValueError(f"patient: {chunk.patient} where {self._patient} was expected")
        (result,) = self._bank.push([chunk])
        if isinstance(result, Exception):
            raise result
        return result


def warm(fs_hz: float = 250.0) -> None:
    """Compile, or load what was compiled before. Call it in a thread at start, so that no stream waits for it."""
    from inference.stream.lane import Lane

    detect_r_peaks(np.zeros(round(fs_hz)), fs_hz)
    assess(np.zeros(round(5 * fs_hz)), fs_hz)
    lane = Lane(DEFAULT, fs_hz)
    lane.forward([lane.enter()], [np.zeros(1, np.float32)], [True])


class Warming:
    """`warm` in a thread of its own, begun at birth."""

    def __init__(self) -> None:
        self._thread = threading.Thread(target=warm, name="warming", daemon=True)
        self._thread.start()

    def done(self) -> bool:
        """Whether nobody need wait any more."""
        return not self._thread.is_alive()


@dataclass(slots=True)
class _Work:
    """What one call does in one lane, a line each."""

    row: list[int] = field(default_factory=list)
    samples: list[Samples] = field(default_factory=list)
    due: list[bool] = field(default_factory=list)
    t_us: list[int] = field(default_factory=list)
    chunk: list[int] = field(default_factory=list)


class _Run:
    """A run of signal from one device and lead without a long gap."""

    __slots__ = ("_end", "_fs", "_next_us", "_t0_us", "_waiting", "_waits", "lane", "row", "source")

    def __init__(self, first: Chunk, lane: "Lane") -> None:
        self.source = (first.device, first.lead, first.fs_hz)
        self.lane, self.row = lane, lane.enter()
        self._fs, self._t0_us = first.fs_hz, first.t0_us
        self._next_us = (first.t0_us // US_PER_S + 1) * US_PER_S
        self._end = 0
        self._waiting: list[Samples] = []  # samples of the second that is not whole yet
        self._waits = 0

    def align(self, t0_us: int) -> None:
        """Follow the device's clock where it has drifted from its nominal rate by more than half a sample."""
        drift_us = t0_us - self._t0_us - round(self._end * US_PER_S / self._fs)
        if abs(drift_us) * self._fs > US_PER_S / 2:
            self._t0_us += drift_us

    def extend(self, mv: Samples, chunk: int, work: _Work) -> None:
        """Add samples (NaN: missing) and note the seconds they complete."""
        at, n = 0, len(mv)
        while at < n:
            due = math.ceil((self._next_us - self._t0_us) * self._fs / US_PER_S - 1e-6)  # samples before it
            part = mv[at : at + min(max(1, due - self._end), self.lane.most - self._waits)]
            at += len(part)
            self._end += len(part)
            self._waiting.append(part)
            self._waits += len(part)
            is_due = self._end >= due
            if not is_due and self._waits < self.lane.most:
                continue
            work.row.append(self.row)
            work.samples.append(part if len(self._waiting) == 1 else np.concatenate(self._waiting))
            work.due.append(is_due)
            work.t_us.append(self._next_us)
            work.chunk.append(chunk)
            self._waiting, self._waits = [], 0
            if is_due:
                self._next_us += US_PER_S


def _vitals(chunk: Chunk, t_us: int, row: list[float], rr: list[float], usable: float) -> Vitals:
    """The order of `row` is that of the results in `inference/stream/state.py`."""
    signal_s, since_s, rate, fibrillation_s, run, run_bpm, flat_s, sqi, bits, intervals, dead_s, odds, ectopic = row
    lead_off = chunk.lead_off
    reasons = _reasons(int(bits), lead_off)
    return Vitals(  # in the order of its fields: their names would cost a tenth of the time
        chunk.patient,
        chunk.device,
        t_us,
        Quality(round(sqi, 4), sqi >= usable and not reasons, reasons),
        None if rate != rate else round(rate, 1),  # NaN: not known
        tuple(rr[: int(intervals)]),
        None if lead_off or since_s != since_s else round(since_s, 3),
        round(signal_s, 3),
        fibrillation_s,
        int(run),
        None if run_bpm != run_bpm else round(run_bpm, 1),
        round(flat_s, 3) if flat_s else 0.0,
        lead_off,
        chunk.arrival_us,
        round(dead_s, 3) if dead_s and not lead_off else 0.0,
        None if lead_off or odds <= -99.0 else round(odds, 3),  # see `irregular.UNKNOWN`
        None if lead_off or ectopic != ectopic else round(ectopic, 1),
    )


_reasons = lru_cache(maxsize=64)(reasons_of)
