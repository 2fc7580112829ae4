"""What a beat looks like in lead I: a sum of bell curves, each with its own left and right width.

Medians and spreads follow lead I of PTB-XL's normal records (P 0.08, R 0.69, S -0.04, T 0.20 mV; T peak 260 ms after R
at 69/min) and of LUDB's sinus records (PR 156 ms, P 106 ms, QRS 92 ms, QT 0.41 s * RR^0.35).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingest.sources.simulate.rhythm import Beat

Waves = npt.NDArray[np.float64]  # [k, 4]: centre s after the R peak, left sigma s, right sigma s, height mV

BEFORE_S, AFTER_S = 0.45, 0.75  # no wave of a beat reaches further from its R peak
_QT_EXPONENT = 0.35


@dataclass(frozen=True, slots=True)
class Morphology:
    """One patient's beat at one beat a second. Heights in mV, times in s."""

    p_mv: float
    p_at_s: float  # middle of the P wave before the R peak
    q_mv: float
    r_mv: float
    r_sigma_s: float
    s_mv: float
    slur_mv: float  # a notch on the downslope of R
    t_mv: float
    t_at_s: float
    v_mv: float  # main deflection of a ventricular beat, up or down
    v_sigma_s: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Morphology":
        """A healthy adult's."""

        def around(median: float, spread: float, low: float, high: float) -> float:
            return float(np.clip(median * np.exp(rng.normal(0, spread)), low, high))

        r_mv = around(0.72, 0.28, 0.45, 1.2)
        return cls(
            p_mv=around(0.088, 0.22, 0.06, 0.14),
            p_at_s=around(0.142, 0.07, 0.12, 0.165),
            q_mv=-around(0.05, 0.5, 0.01, 0.12),
            r_mv=r_mv,
            r_sigma_s=around(0.0096, 0.09, 0.0082, 0.0118),
            s_mv=-around(0.06, 0.55, 0.01, 0.2),
            slur_mv=r_mv * float(rng.uniform(0.0, 0.10)),
            t_mv=around(0.225, 0.2, 0.15, 0.36) * (0.7 + 0.3 * r_mv / 0.72),
            t_at_s=around(0.275, 0.05, 0.245, 0.305),
            v_mv=around(1.0, 0.15, 0.75, 1.4) * (1 if rng.random() < 0.7 else -1),
            v_sigma_s=around(0.036, 0.08, 0.031, 0.042),
        )

    def waves(self, beat: Beat) -> Waves:
        """The waves of one beat. float64 [k, 4]."""
        return self._ventricular(beat) if beat.kind == "V" else self._conducted(beat)

    def _conducted(self, beat: Beat) -> Waves:
        stretch = beat.rr_s**_QT_EXPONENT
        p_at = -self.p_at_s * (0.87 + 0.13 * beat.rr_s)
        p = self.p_mv * beat.p_wave
        t = self.t_mv * beat.t_wave * min(1.0, 0.2 + 0.9 * beat.rr_s)  # flatter when fast
        rows = [
            (-0.024, 0.007, 0.006, self.q_mv),
            (0.0, self.r_sigma_s, self.r_sigma_s * 1.05, self.r_mv),
            (0.016, 0.005, 0.008, self.slur_mv),
            (0.028, 0.006, 0.010, self.s_mv),
            (self.t_at_s * stretch, 0.052 * stretch, 0.040 * stretch, t),
        ]
        if p:
            rows += [(p_at - 0.012, 0.019, 0.019, 0.68 * p), (p_at + 0.016, 0.018, 0.018, 0.6 * p)]
        return np.array(rows)

    def _ventricular(self, beat: Beat) -> Waves:
        stretch = beat.rr_s**_QT_EXPONENT
        sigma, v = self.v_sigma_s, self.v_mv
        return np.array(
            [
                (-0.060, 0.010, 0.010, -0.10 * v),
                (0.0, 0.66 * sigma, sigma, v),
                (0.055, 0.010, 0.014, 0.24 * v),  # the notch of slow conduction through muscle
                (min(0.30 * stretch, 0.5 * beat.rr_s + 0.04), 0.055 * stretch, 0.042 * stretch, -0.27 * v),
            ]
        )


def paint(
    mv: npt.NDArray[np.float64], first: int, fs_hz: float, beats: Iterable[tuple[Beat, float]], patient: Morphology
) -> None:
    """Add beats, each scaled, to `mv` [n], whose first sample is number `first` since the start."""
    for beat, scale in beats:
        a = max(0, int((beat.t_s - BEFORE_S) * fs_hz) - first)
        b = min(len(mv), int((beat.t_s + AFTER_S) * fs_hz) + 1 - first)
        if a >= b:
            continue
        t = (first + np.arange(a, b)) / fs_hz - beat.t_s
        centre, left, right, height = patient.waves(beat).T[:, :, None]
        x = t - centre
        x /= np.where(x < 0, left, right)
        mv[a:b] += scale * (height * np.exp(-0.5 * x * x)).sum(axis=0)
