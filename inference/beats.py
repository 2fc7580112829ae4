"""R peaks of one lead, from 50 to 2000 Hz, upright or inverted, narrow or wide.

    mv --> decimated to about 200 Hz --> 5-20 Hz band --> slope envelope --> candidates --> beats --> R at native rate

A beat is a burst of slope that stands out of the last and the next seconds, not of the whole recording; a burst
also has to reach an absolute floor, so that a flat line with wander holds no beats. The kernels are those of the
stream, in `inference/stream`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BeatSettings:
    """Limits of the detector."""

    band_hz: tuple[float, float] = (5.0, 20.0)  # QRS energy; P, T and wander lie below, muscle above
    envelope_s: float = 0.10  # about one QRS
    refractory_s: float = 0.20  # no ventricle answers twice within this
    centre_s: float = 0.06  # the middle of a burst lies within this of its peak
    t_wave_s: float = 0.36  # within this after a beat, a much weaker burst is its T wave
    t_wave_share: float = 0.6
    p_wave_s: float = 0.30  # within this before a beat, a much weaker burst is its P wave
    p_wave_share: float = 0.65
    level_s: int = 9  # stretch over which the size of the beats around is taken
    wide_s: int = 61  # and the longer one, that a pause or an artefact does not move
    wide_low: float = 0.4  # the size around is held between these shares of the longer one's
    wide_high: float = 3.0
    threshold: float = 0.35  # of the size around
    search_back: float = 0.2  # of the size around, where a beat is overdue
    overdue: float = 1.5  # in median RR intervals
    floor_mv_s: float = 0.9  # mean absolute slope below which nothing is a beat
    weak_mv_s: float = 3.0  # below this a beat must stand out of the slope around it
    weak_ratio: float = 2.5  # this many times


DEFAULT = BeatSettings()


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """When a burst in the stream is no beat; correlations are with the usual one. Chosen on scripted asystole
    in the noise of the stress test (`python -m benchmarks onset`), on MIT-BIH DS1 and the CinC-2015 alarms.
    """

    clear: float = 0.8  # correlation at which a beat is clear; the strength of those is remembered
    follow: float = 0.1  # share of the newest one in that strength
    same: float = 0.9  # median correlation of three beats with the one before each, at which they are believed
    weak: float = 0.25  # of the strength of clear beats, below which a burst is weak
    weak_alike: float = 0.8  # and doubted when it correlates less than this
    poor: float = 0.05  # quality below which nobody can read a rhythm,
    poor_alike: float = 0.5  # and bursts that correlate less than this
    poor_strength: float = 1.2  # are doubted unless they are stronger than this: an artefact hides what is beneath


@dataclass(frozen=True, slots=True, eq=False)
class Bursts:
    """Beats as bursts of slope: where, and how strong. All arrays [k], in samples at the file's own rate."""

    sample: Indices  # R peak
    centre: Indices  # middle of the burst: steadier than R where the polarity varies
    strength: Floats  # peak of the slope envelope, mV/s


def detect_r_peaks(mv: npt.ArrayLike, fs_hz: float, settings: BeatSettings = DEFAULT) -> Indices:
    """Sample indices int64 [k] of the R peaks of `mv` float [n], increasing. Samples that are not finite are bridged.

    Raises ValueError when `fs_hz` is below 50 or `mv` is not one-dimensional.
    """
    return detect_bursts(mv, fs_hz, settings).sample


def detect_bursts(
    mv: npt.ArrayLike, fs_hz: float, settings: BeatSettings = DEFAULT, *, usual: float | None = None
) -> Bursts:
    """The same beats with their strength. `usual` is the strength that earlier beats had, where that is known."""
    x = np.asarray(mv, np.float64)
    if x.ndim != 1:
        raise ValueError(f"mv: one lead expected, got shape {x.shape}")
    if not fs_hz >= 50:
        raise ValueError(f"fs_hz: {fs_hz} is too low to see a QRS complex")
    from inference.stream.recording import find_beats  # the compiler is slow to import, and not all roles need it

    return Bursts(*find_beats(bridge(x), fs_hz, settings, usual or 0.0))


def bridge(x: Floats) -> Floats:
    """`x` [n] with straight lines over samples that are not finite; zeros when none is."""
    good = np.isfinite(x)
    if good.all():
        return x
    if not good.any():
        return np.zeros_like(x)
    return np.interp(np.arange(len(x)), np.flatnonzero(good), x[good])
