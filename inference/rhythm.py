"""One patient's rhythm, second by second: chunks in, one `Vitals` at every whole second of event time.

    chunks --> ring (30 s) --+-- last 12 s --> beats --> RR, rate, pause
                             |                   +-----> shapes --> ventricular run
                             +-- last 5 s ---> quality
                             +-- last 3 s ---> fibrillation
                             +-- last 1 s ---> flat line

A second is always computed from the same samples, so the result does not depend on how the signal was cut into
chunks. No checkpoint: after a restart, pushing the last 30 s again rebuilds the state.
"""

import math
from dataclasses import dataclass

import numpy as np

from inference.fibrillation import DEFAULT as FIBRILLATION
from inference.fibrillation import FibrillationSettings, looks_like, measure
from inference.heartbeats import Heartbeats, HeartbeatSettings
from inference.quality import assess
from inference.ring import Ring
from liteheart.clock import US_PER_S
from liteheart.finding import Quality, Vitals
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Chunk


@dataclass(frozen=True, slots=True)
class RhythmSettings:
    """Stretches of signal that each figure is taken from."""

    ring_s: float = 30.0  # nothing reported is older
    gap_s: float = 1.0  # a longer gap starts the patient anew; a shorter one is bridged
    quality_s: float = 5.0
    fibrillation_s: float = 3.0  # stretch in which the waves are measured
    flat_mv: float = 0.05  # peak to peak in a second
    beats: HeartbeatSettings = HeartbeatSettings()  # noqa: RUF009  # frozen
    waves: FibrillationSettings = FIBRILLATION


DEFAULT = RhythmSettings()


class RhythmTracker:
    """The rhythm of one patient. Not thread-safe; one per patient."""

    def __init__(self, patient: PatientId, settings: RhythmSettings = DEFAULT) -> None:
        self._patient = patient
        self._settings = settings
        self._run: _Run | None = None

    def push(self, chunk: Chunk) -> list[Vitals]:
        """Vitals of the seconds that `chunk` completes, oldest first. Raises ValueError for another patient's chunk."""
        if chunk.patient != self._patient:
            raise ValueError(f"patient: {chunk.patient} where {self._patient} was expected")
        run = self._run
        if run is None or chunk.gap_s > self._settings.gap_s or not run.continues(chunk):
            run = self._run = _Run(chunk, self._settings)
            return run.extend(chunk, np.asarray(chunk.mv, np.float32))
        vitals = []
        if chunk.gap_s > 0:
            missing = np.full(round(chunk.gap_s * chunk.fs_hz), np.nan, np.float32)
            vitals = run.extend(chunk, missing)
        run.align(chunk)
        return vitals + run.extend(chunk, np.asarray(chunk.mv, np.float32))


class _Run:
    """A run of signal from one device and lead without a long gap."""

    def __init__(self, first: Chunk, settings: RhythmSettings) -> None:
        self._s = settings
        self._source = (first.device, first.lead, first.fs_hz)
        self._patient, self._device, self._fs = first.patient, first.device, first.fs_hz
        self._t0_us = first.t0_us
        self._next_us = (first.t0_us // US_PER_S + 1) * US_PER_S
        self._ring = Ring(math.ceil(settings.ring_s * first.fs_hz))
        self._beats = Heartbeats(first.fs_hz, settings.ring_s, settings.beats)
        self._seen_from = 0  # first sample since which the signal could show a beat
        self._flat_s = 0.0
        self._waves = 0  # seconds in a row that look like fibrillation

    def continues(self, chunk: Chunk) -> bool:
        """Whether `chunk` is from the same source."""
        return (chunk.device, chunk.lead, chunk.fs_hz) == self._source

    def align(self, chunk: Chunk) -> None:
        """Follow the device's clock where it has drifted from its nominal rate by more than half a sample."""
        drift_us = chunk.t0_us - self._t0_us - round(self._ring.end * US_PER_S / self._fs)
        if abs(drift_us) * self._fs > US_PER_S / 2:
            self._t0_us += drift_us

    def extend(self, chunk: Chunk, mv: np.ndarray[tuple[int], np.dtype[np.float32]]) -> list[Vitals]:
        """Append samples (NaN: missing) and return the seconds they complete."""
        vitals, at = [], 0
        while at < len(mv):
            due = self._position(self._next_us)
            part = mv[at : at + max(1, due - self._ring.end)]
            at += len(part)
            self._append(part, lead_off=chunk.lead_off)
            if self._ring.end >= due:
                vitals.append(self._second(self._next_us, chunk))
                self._next_us += US_PER_S
        return vitals

    def _position(self, t_us: int) -> int:
        """Count of samples before `t_us`."""
        return math.ceil((t_us - self._t0_us) * self._fs / US_PER_S - 1e-6)

    def _append(self, part: np.ndarray[tuple[int], np.dtype[np.float32]], *, lead_off: bool) -> None:
        if lead_off:  # what an open lead shows is no signal
            part = np.full_like(part, np.nan)
        self._ring.append(part)
        missing = np.flatnonzero(~np.isfinite(part))
        if len(missing):
            self._seen_from = self._ring.end - len(part) + int(missing[-1]) + 1

    def _second(self, t_us: int, chunk: Chunk) -> Vitals:
        fs, end = self._fs, self._ring.end
        beats = self._beats
        beats.update(self._ring)
        signal_s = (end - self._seen_from) / fs
        since_beat_s = self._since_beat_s(signal_s)
        run, rate = beats.ventricular_run(self._seen_from, end)
        return Vitals(
            patient=self._patient,
            device=DeviceId(self._device),
            t_us=t_us,
            quality=self._quality(lead_off=chunk.lead_off),
            heart_rate_bpm=beats.heart_rate_bpm(self._seen_from, end),
            rr_s=beats.rr_s(self._seen_from),
            since_beat_s=None if chunk.lead_off else since_beat_s,
            signal_s=round(signal_s, 3),
            fibrillation_s=self._fibrillation_s(signal_s),
            ventricular_run=run,
            ventricular_rate_bpm=rate,
            flat_s=self._flat(),
            lead_off=chunk.lead_off,
            arrival_us=chunk.arrival_us,
        )

    def _since_beat_s(self, signal_s: float) -> float | None:
        """From the last R peak, or from where the signal could show one, whichever is later."""
        if signal_s <= 0:
            return None
        last = self._beats.last()
        from_sample = self._seen_from if last is None else max(self._seen_from, last)
        return round((self._ring.end - from_sample) / self._fs, 3)

    def _quality(self, *, lead_off: bool) -> Quality:
        n = round(self._s.quality_s * self._fs)
        x = self._ring.last(n)
        if len(x) < n:
            x = np.concatenate([np.full(n - len(x), np.nan), x])
        start = self._ring.end - n
        return assess(x, self._fs, lead_off=lead_off, beats=self._beats.since(start) - start)

    def _fibrillation_s(self, signal_s: float) -> float:
        """Seconds of waves; the first stretch that looks like them may begin with a second of what was before."""
        stretch = self._s.fibrillation_s
        if signal_s < stretch:
            self._waves = 0
            return 0.0
        waves = measure(self._ring.last(round(stretch * self._fs)), self._fs, self._s.waves)
        self._waves = self._waves + 1 if looks_like(waves, self._s.waves, begun=self._waves > 1) else 0
        return min(signal_s, self._waves - 2 + stretch) if self._waves else 0.0

    def _flat(self) -> float:
        x = self._ring.last(round(self._fs))
        flat = bool(np.isfinite(x).all()) and float(np.ptp(x)) < self._s.flat_mv
        self._flat_s = self._flat_s + len(x) / self._fs if flat else 0.0
        return round(self._flat_s, 3)
