"""Everything in the signal that is not a beat: noise of body and mains, fibrillation waves, artefacts.

Each source carries its state from block to block, so that the signal has no seams.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from ingest.sources.simulate.episode import Span
from ingest.sources.simulate.rhythm import RESPIRATION_HZ

Signal = npt.NDArray[np.float64]


class Drift:
    """Noise below `cut_hz` of standard deviation 1: two smoothing filters in a row on white noise."""

    def __init__(self, rng: np.random.Generator, fs_hz: float, cut_hz: float) -> None:
        self._rng = rng
        a = math.exp(-2 * math.pi * cut_hz / fs_hz)
        self._b, self._a = [(1 - a) ** 2], [1.0, -2 * a, a * a]
        self._scale = math.sqrt((1 - a * a) ** 3 / (1 + a * a)) / (1 - a) ** 2
        self._state = np.zeros(2)
        self.take(round(2 * fs_hz / cut_hz))  # settle

    def take(self, n: int) -> Signal:
        """The next `n` samples. float64 [n]."""
        out, self._state = lfilter(self._b, self._a, self._rng.standard_normal(n), zi=self._state)
        return np.asarray(out) * self._scale


class Oscillation:
    """A wave whose frequency and height wander: fibrillation, of the atria or the ventricles. Height about 1."""

    def __init__(self, rng: np.random.Generator, fs_hz: float, hz: float, spread_hz: float, depth: float) -> None:
        self._fs_hz, self._hz, self._spread_hz, self._depth = fs_hz, hz, spread_hz, depth
        self._frequency = Drift(rng.spawn(1)[0], fs_hz, 0.9)
        self._height = Drift(rng.spawn(1)[0], fs_hz, 0.7)
        self._phase = float(rng.uniform(0, 2 * math.pi))

    def take(self, n: int) -> Signal:
        """The next `n` samples. float64 [n]."""
        hz = np.maximum(self._hz + self._spread_hz * self._frequency.take(n), 0.4 * self._hz)
        phase = self._phase + np.cumsum(2 * np.pi * hz / self._fs_hz)
        self._phase = float(phase[-1] % (2 * np.pi))
        height = np.maximum(1 + self._depth * self._height.take(n), 0.1)
        return height * (np.sin(phase) + 0.28 * np.sin(2 * phase + 0.6))


class Background:
    """Baseline wander with the breath, slow drift, muscle noise and mains: a patient at rest."""

    def __init__(self, rng: np.random.Generator, fs_hz: float, mains_hz: float) -> None:
        self._breath_mv, self._drift_mv = rng.uniform(0.01, 0.03), rng.uniform(0.012, 0.03)
        self._muscle_mv = rng.uniform(0.007, 0.014) * math.sqrt(fs_hz / 250)
        self._mains_mv = rng.uniform(0.001, 0.005) if mains_hz < 0.45 * fs_hz else 0.0
        self._mains_hz = mains_hz
        self._phase = rng.uniform(0, 2 * math.pi, 2)
        self._slow = Drift(rng.spawn(1)[0], fs_hz, 0.12)
        self._muscle = rng.spawn(1)[0]

    def breath(self, t: Signal) -> Signal:
        """Depth of the breath in [-1, 1] at times `t` in s."""
        angle = 2 * np.pi * RESPIRATION_HZ * t + self._phase[0] + 0.6 * np.sin(2 * np.pi * 0.031 * t)
        return np.asarray(np.sin(angle), np.float64)

    def take(self, t: Signal, muscle: Signal | float) -> Signal:
        """mV at the next times `t`, the muscle noise scaled by `muscle`. float64 [n]."""
        out = self._breath_mv * self.breath(t) + self._drift_mv * self._slow.take(len(t))
        out += self._muscle_mv * muscle * self._muscle.standard_normal(len(t))
        out += self._mains_mv * np.sin(2 * np.pi * self._mains_hz * t + self._phase[1])
        return np.asarray(out, np.float64)


class Artefact:
    """A patient who moves: swings of the baseline, muscle bursts, and an electrode that pops."""

    def __init__(self, rng: np.random.Generator, fs_hz: float) -> None:
        self._pops = rng.spawn(1)[0]
        self._swing, self._burst = Drift(rng.spawn(1)[0], fs_hz, 2.5), Drift(rng.spawn(1)[0], fs_hz, 0.5)
        self._muscle = rng.spawn(1)[0]
        self._fs_hz, self._pop_mv = fs_hz, np.zeros(1)

    def take(self, n: int) -> Signal:
        """The next `n` samples in mV. float64 [n]."""
        vigour = np.abs(self._burst.take(n)) + 0.35
        muscle = 0.22 * self._muscle.standard_normal(n)
        struck = self._pops.random(n) < 0.35 / self._fs_hz
        blows = np.where(struck, self._pops.uniform(-2.5, 2.5, n), 0.0)
        pops, self._pop_mv = lfilter([1.0], [1.0, -math.exp(-1 / (0.18 * self._fs_hz))], blows, zi=self._pop_mv)
        return np.asarray(vigour * (0.8 * self._swing.take(n) + muscle) + pops)


def envelope(t: Signal, spans: Sequence[Span], ramp_s: float = 0.15) -> Signal:
    """1 within the spans, 0 outside, with ramps inside the edges; 1 throughout where one follows another."""
    out = np.zeros(len(t))
    for k, span in enumerate(spans):
        rise = np.ones(len(t)) if k and spans[k - 1].t1_s == span.t0_s else np.clip((t - span.t0_s) / ramp_s, 0, 1)
        fall = (
            np.ones(len(t))
            if k + 1 < len(spans) and spans[k + 1].t0_s == span.t1_s
            else np.clip((span.t1_s - t) / ramp_s, 0, 1)
        )
        out += np.where((t >= span.t0_s) & (t < span.t1_s), rise * fall, 0.0)
    return out
