"""What device sent these windows, told from them alone beside recordings of 12 leads: lead, gain, band, noise.

    windows of the pool --median beats--> their distribution          nearest over leads, polarity, band and phase
    recordings, each lead --filter, gain--> median beats --> theirs  /         |
                                              what is left in the power spectrum --> noise
                                                                               v
                         labelled recordings are shown as that device would have sent them

Nobody's windows are paired with anybody's recordings: distributions are compared, so that patients may be strangers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.signal import butter, sosfilt, sosfiltfilt, welch

from inference.model.beatview import beat_view
from inference.preprocess import CLIP_MV, FS_HZ, Batch
from inference.train.data import LEADS

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_BATCH: Final = 64
_PAD: Final = 300  # samples mirrored before a filter that only looks back
_SEGMENT: Final = 200  # samples of a spectrum's segments: half a hertz apart
_EDGE_HZ: Final = 40.0  # above it, preprocessing leaves nothing to tell a band by


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """How much is looked at, and among what."""

    windows: int = 600  # of the pool and of the recordings
    least_windows: int = 40  # fewer tell nothing
    upper_hz: tuple[float, ...] = (_EDGE_HZ, 35.0, 30.0, 25.0, 20.0, 16.0, 12.0)
    lower_hz: tuple[float, ...] = (0.05, 0.5, 0.67, 1.0, 1.5, 2.0)
    rounds: int = 2  # through lead, phase, upper and lower edge


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """One device. Its windows are: lead, times sign and gain, within the band, plus noise of that spectrum."""

    lead: int  # index of the recordings' leads
    sign: int
    gain: float
    band_hz: tuple[float, float]
    zero_phase: bool
    noise: Floats  # mV^2 / Hz at 0, 0.5, ... 50 Hz
    distance: float  # of the distributions of beats, Frechet

    def __str__(self) -> str:
        low, high = self.band_hz
        name = LEADS[self.lead] if self.lead < len(LEADS) else str(self.lead)
        phase = "" if self.zero_phase else ", looking back"
        return (
            f"lead {'-' if self.sign < 0 else ''}{name}, gain {self.gain:.2f}, {low:g}-{high:g} Hz{phase}, "
            f"noise {1000 * self.noise_mv:.0f} uV, distance {self.distance:.2f}"
        )

    @property
    def noise_mv(self) -> float:
        """Root mean square."""
        return float(np.sqrt(self.noise.sum() * FS_HZ / _SEGMENT))


def guess(windows: Batch, recordings: Batch, settings: DeviceSettings | None = None, *, seed: int = 0) -> Guess | None:
    """The device of `windows` float32 [n, 1, 1000], by `recordings` [m, leads, 1000], both preprocessed.

    None where fewer windows than can tell are given, or hardly one holds a beat.
    """
    settings = settings or DeviceSettings()
    if len(windows) < settings.least_windows:
        return None
    rng = np.random.default_rng(seed)
    windows = windows[_some(len(windows), settings.windows, rng)]
    recordings = recordings[_some(len(recordings), settings.windows, rng)]
    beats = _beats(windows[:, 0])
    if len(beats) < settings.least_windows // 2:
        return None
    search = _Search(_World.of(beats), recordings.astype(np.float64), settings)
    found = search.run()
    return replace(found, noise=_excess(windows[:, 0], translate(recordings, found)[:, 0]))


def translate(recordings: Batch, device: Guess) -> Batch:
    """[n, 1, 1000]: what `device` would have sent of `recordings` [n, leads, 1000], without its noise."""
    x = device.sign * recordings[:, device.lead].astype(np.float64)
    x = device.gain * _filtered(x, device.band_hz, zero_phase=device.zero_phase)
    return np.clip(x, -CLIP_MV, CLIP_MV).astype(np.float32)[:, None]


def noise_like(device: Guess, n: int, samples: int, rng: np.random.Generator, *, spread: float = 0.5) -> Batch:
    """[n, 1, samples] mV of the device's spectrum, the level of each drawn log-normally around it."""
    hz = np.fft.rfftfreq(samples, 1 / FS_HZ)
    density = np.interp(hz, np.fft.rfftfreq(_SEGMENT, 1 / FS_HZ), device.noise)
    size = np.sqrt(density * samples * FS_HZ / 2)
    parts = rng.standard_normal((2, n, len(hz))) * size
    x = np.fft.irfft((parts[0] + 1j * parts[1]) / np.sqrt(2), samples, axis=1)
    level = np.exp(spread * rng.standard_normal((n, 1)) - spread**2)  # the mean power stays
    return (level * x).astype(np.float32)[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class _World:
    """Mean and covariance of median beats, a root of the latter, and the usual size of a beat in mV."""

    mean: Floats
    covariance: Floats
    root: Floats
    size: float

    @classmethod
    def of(cls, beats: Floats) -> "_World":
        covariance = np.cov(beats.T)
        values, axes = np.linalg.eigh(covariance)
        root = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
        return cls(beats.mean(axis=0), covariance, root, _size(beats))

    def distance(self, beats: Floats) -> float:
        """Of Frechet, to the distribution of `beats` [n, 80]."""
        other = np.cov(beats.T)
        shared = np.sqrt(np.maximum(np.linalg.eigvalsh(self.root @ other @ self.root), 0)).sum()
        apart = self.mean - beats.mean(axis=0)
        return float(apart @ apart + np.trace(self.covariance) + np.trace(other) - 2 * shared)


class _Search:
    """Through leads, then phase and edges of the best, and again: which lead is the nearest depends on the band."""

    def __init__(self, seen: _World, recordings: Floats, settings: DeviceSettings) -> None:
        self._seen, self._recordings, self._settings = seen, recordings, settings
        self._known: dict[tuple[int, int, tuple[float, float], bool], Guess] = {}

    def run(self) -> Guess:
        settings = self._settings
        low, high = settings.lower_hz[0], settings.upper_hz[0]
        leads = range(self._recordings.shape[1])
        best = self._best([(lead, sign, (low, high), True) for lead in leads for sign in (1, -1)])
        for _ in range(settings.rounds):
            both = [self._edges(replace(best, zero_phase=zero_phase)) for zero_phase in (True, False)]
            best = min(both, key=lambda found: found.distance)
            near = self._nearest(best)
            best = self._best([(lead, sign, best.band_hz, best.zero_phase) for lead, sign in near])
        return best

    def _edges(self, best: Guess) -> Guess:
        """The best edges for this lead and this phase: what one edge lacks the other phase would seem to mend."""
        settings = self._settings
        for _ in range(2):
            upper = [(best.band_hz[0], high) for high in settings.upper_hz]
            best = self._best([(best.lead, best.sign, band, best.zero_phase) for band in upper])
            lower = [(low, best.band_hz[1]) for low in settings.lower_hz]
            best = self._best([(best.lead, best.sign, band, best.zero_phase) for band in lower])
        return best

    def _nearest(self, best: Guess) -> list[tuple[int, int]]:
        """The best lead and the three that came next to it."""
        first = sorted(self._known.values(), key=lambda found: found.distance)
        names = dict.fromkeys([(best.lead, best.sign), *((found.lead, found.sign) for found in first)])
        return list(names)[:4]

    def _best(self, asked: Sequence[tuple[int, int, tuple[float, float], bool]]) -> Guess:
        return min((self._told(*key) for key in asked), key=lambda found: found.distance)

    def _told(self, lead: int, sign: int, band_hz: tuple[float, float], zero_phase: bool) -> Guess:
        key = (lead, sign, band_hz, zero_phase)
        if key not in self._known:
            x = _filtered(sign * self._recordings[:, lead], band_hz, zero_phase=zero_phase)
            beats = _beats(x.astype(np.float32))
            gain = self._seen.size / max(_size(beats), 1e-6)
            away = self._seen.distance(_logs(gain * _millivolts(beats)))
            self._known[key] = Guess(lead, sign, gain, band_hz, zero_phase, np.zeros(_SEGMENT // 2 + 1), away)
        return self._known[key]


def _filtered(x: Floats, band_hz: tuple[float, float], *, zero_phase: bool) -> Floats:
    low, high = band_hz
    parts = []
    if high < _EDGE_HZ:
        parts.append(butter(2, high, "lowpass", fs=FS_HZ, output="sos"))
    if low > 0.1:
        parts.append(butter(2, low, "highpass", fs=FS_HZ, output="sos"))
    if not parts:
        return x
    sos, pad = np.concatenate(parts), min(_PAD, x.shape[1] - 1)
    if zero_phase:
        return np.asarray(sosfiltfilt(sos, x, axis=1, padlen=pad))
    before = 2 * x[:, :1] - x[:, pad:0:-1]
    return np.asarray(sosfilt(sos, np.concatenate([before, x], axis=1), axis=1)[:, pad:])


def _beats(x: Batch) -> Floats:
    """Median beats [n, 80] of windows [n, 1000], as the student reads them; those without a beat are left out."""
    parts = [beat_view(torch.from_numpy(x[i : i + _BATCH, None]))[0][:, 0] for i in range(0, len(x), _BATCH)]
    beats = np.asarray(torch.cat(parts).numpy(), np.float64)
    return np.asarray(beats[np.abs(beats).max(axis=1) > 0])


def _size(beats: Floats) -> float:
    return float(np.median(np.ptp(_millivolts(beats), axis=1))) if len(beats) else 0.0


def _millivolts(beats: Floats) -> Floats:
    return np.asarray(np.sign(beats) * np.expm1(np.abs(beats)) / 5)


def _logs(mv: Floats) -> Floats:
    return np.asarray(np.sign(mv) * np.log1p(5 * np.abs(mv)))


def _excess(windows: Batch, translated: Batch) -> Floats:
    """Power of the windows that the translated recordings lack, mV^2 / Hz; of medians, so that few count little."""
    ours, theirs = (
        np.median(welch(x.astype(np.float64), FS_HZ, nperseg=_SEGMENT, axis=1)[1], axis=0)
        for x in (windows, translated)
    )
    return np.asarray(np.maximum(ours - theirs, 0.0))


def _some(n: int, most: int, rng: np.random.Generator) -> Rows:
    return np.sort(rng.permutation(n)[:most])
