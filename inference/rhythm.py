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

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from inference.beats import DEFAULT as FIRST
from inference.beats import BeatSettings, detect_r_peaks
from inference.fibrillation import DEFAULT as FIBRILLATION
from inference.fibrillation import FibrillationSettings
from inference.quality import DEFAULT as QUALITY
from inference.quality import QualitySettings, assess
from inference.runs import Run, Work
from inference.seconds import NOTHING, Seconds
from inference.ventricular import IrregularSettings, RunSettings, VentricularSettings
from liteheart.finding import Vitals
from liteheart.ids import PatientId
from liteheart.signal import Chunk

if TYPE_CHECKING:
    from inference.stream.lane import Lane

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
_Told = tuple[I64, I64, F64, F64]  # number of the chunk, event time, figures and intervals of each second
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
        self._runs: dict[PatientId, Run] = {}

    def follow(self, chunks: Sequence[Chunk]) -> Seconds:
        """The seconds that `chunks` complete, all at once. A patient's chunks come in order.

        Where a chunk cannot be worked on, that patient's state is dropped, and the others go on.
        """
        failed: dict[int, Exception] = {}
        work: dict[float, Work] = {}
        left: list[Run] = []
        for k, chunk in enumerate(chunks):
            try:
                self._plan(k, chunk, work, left)
            except Exception as error:  # whatever it is, it is this patient's alone
                failed[k] = error
                self._leave(chunk.patient, left)
        told = [_forward(self._lanes[fs_hz], part, failed) for fs_hz, part in work.items() if part.row]
        for run in left:
            run.lane.leave(run.row)
        owner, t_us, figures, rr_s = told[0] if len(told) == 1 else _together(told)
        return Seconds(chunks, owner.tolist(), t_us, figures, rr_s, failed, self._settings.quality.usable)

    def push(self, chunks: Sequence[Chunk]) -> list[list[Vitals] | Exception]:
        """The same as objects: for each chunk the vitals of its seconds, oldest first, or what stood against them."""
        seconds = self.follow(chunks)
        return [
            seconds.failed[k] if k in seconds.failed else [seconds.vitals(i) for i in rows]
            for k, rows in enumerate(seconds.of_chunks())
        ]

    def drop(self, patient: PatientId) -> None:
        """Forget a patient, if known."""
        left: list[Run] = []
        self._leave(patient, left)
        for run in left:
            run.lane.leave(run.row)

    def _leave(self, patient: PatientId, left: "list[Run]") -> None:
        if run := self._runs.pop(patient, None):
            left.append(run)

    def _plan(self, k: int, chunk: Chunk, work: "dict[float, Work]", left: "list[Run]") -> None:
        """Note what chunk number `k` adds to its patient's row."""
        mv = np.asarray(chunk.mv, np.float32)
        if mv.ndim != 1:
            raise ValueError(f"mv: one lead expected, got shape {mv.shape}")
        if chunk.lead_off:  # what an open lead shows is no signal
            mv = np.full_like(mv, np.nan)
        run, gap_s = self._runs.get(chunk.patient), chunk.gap_s
        if run is None or gap_s > self._settings.gap_s or run.source != (chunk.device, chunk.lead, chunk.fs_hz):
            self._leave(chunk.patient, left)
            run, gap_s = self._runs.setdefault(chunk.patient, Run(chunk, self._lane(chunk.fs_hz))), 0.0
        part = work.get(chunk.fs_hz)
        if part is None:
            part = work[chunk.fs_hz] = Work()
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


def _forward(lane: "Lane", work: Work, failed: Mapping[int, Exception]) -> _Told:
    """The seconds that are whole."""
    figures, rr_s = lane.forward(work.row, work.samples, work.due)
    chunk, t_us = np.array(work.chunk), np.array(work.t_us)
    if all(work.due) and not failed:
        return chunk, t_us, figures, rr_s
    kept = np.array(work.due) & ~np.isin(chunk, list(failed))
    return chunk[kept], t_us[kept], figures[kept], rr_s[kept]


def _together(told: Sequence[_Told]) -> _Told:
    """Of all sampling rates, in the order of the chunks."""
    if not told:
        return NOTHING
    chunk, t_us, figures, rr_s = (np.concatenate(parts) for parts in zip(*told, strict=True))
    order = np.argsort(chunk, kind="stable")
    return chunk[order], t_us[order], figures[order], rr_s[order]
