"""R peaks of a whole recording: where noise is high, chosen together, with what came before and comes after known.

    mv --> bursts of the detector --> seconds in noise? no: as they are
                                      yes: more candidates --> evidence of each --> likeliest sequence of beats

In noise one burst is as good as another; but the shapes of this recording's beats, and how far they lie apart, are
known from its clean stretches. Where there are none, or no noise, the beats are the detector's. For recordings only:
the live path cannot wait for what comes after, and does not use this.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.beats import Bursts, bridge, detect_bursts
from inference.evidence import WEIGHTS, Candidates, Shape, find_candidates, learn_shapes
from inference.noise import cleanness, noise_of
from inference.zerophase import decimate

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

WINDOW_S: Final = 10  # over which noise is measured, every half of it
LOW_RATE_HZ: Final = 180.0  # at least, where the recording has it
_STEP: Final = 0.01  # of the logarithm of an interval
_LOG: Final = np.arange(-200, 161) * _STEP
_NOTHING: Final = -7.0  # evidence below which a burst is not looked at


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    """When and how beats are chosen together. Chosen on MIT-BIH DS1 and the paced records with the noise of the stress
    test, and as recorded: `python -m benchmarks sequence`.
    """

    noisy: float = 0.35  # cleanness of a window below which its beats are chosen together
    clean: tuple[float, ...] = (0.9, 0.7, 0.5)  # shapes and intervals are learnt from seconds this clean, the first
    clean_beats: int = 60  # of these that has so many beats
    usual_beats: int = 24  # around a stretch, whose median interval is the usual one there
    same_s: float = 0.25  # two beats are no nearer
    overdue: float = 3.0  # intervals: beyond, one waits no longer, and a pause costs no more
    prior: float = 2.0  # log odds that a beat brings for being one more
    rhythm: float = 1.0  # weight of the intervals against that of the shapes
    any_rhythm: float = 0.5  # share of intervals that follow no pattern of this recording,
    any_spread: float = 0.5  # spread of their logarithms
    own_spread: float = 0.05  # and by which one of the others may differ from those seen
    pause: float = 1e-3  # density of an interval that was never seen


DEFAULT: Final = SequenceSettings()


def beats_of_recording(mv: npt.ArrayLike, fs_hz: float, settings: SequenceSettings = DEFAULT) -> Indices:
    """Sample indices int64 [k] of the R peaks of `mv` float [n], one lead, increasing. Samples that are not finite are
    bridged. Outside of noise they are those of `detect_r_peaks`.

    Raises ValueError as `detect_r_peaks` does.
    """
    x, bursts = bridge(np.asarray(mv, np.float64)), detect_bursts(mv, fs_hz)
    learnt = _learn(x, fs_hz, bursts, settings)
    if learnt is None:
        return bursts.sample
    sure = bursts.sample[~learnt.noisy[_second(bursts.sample, fs_hz)]]
    kept = [sure]
    for a, b, found in _candidates(x, fs_hz, bursts, learnt):
        chosen = _choose(found, fs_hz, sure[sure < a][-1:], sure[sure >= b][:1], learnt.rhythm, settings)
        kept.append(found.r_peak[chosen])
    return np.unique(np.concatenate(kept))


def candidates_in_noise(mv: npt.ArrayLike, fs_hz: float, settings: SequenceSettings = DEFAULT) -> list[Candidates]:
    """What there is to choose from, for each stretch of noise in `mv` float [n]: weights are fitted to these.

    Raises ValueError as `detect_r_peaks` does.
    """
    x, bursts = bridge(np.asarray(mv, np.float64)), detect_bursts(mv, fs_hz)
    learnt = _learn(x, fs_hz, bursts, settings)
    return [] if learnt is None else [found for _, _, found in _candidates(x, fs_hz, bursts, learnt)]


def cleanness_of_seconds(x: Floats, fs_hz: float, beats: Indices) -> Floats:
    """Worst cleanness, in [0, 1], of the windows that hold each second of `x`, the last of which may be a part."""
    n, step = round(WINDOW_S * fs_hz), WINDOW_S // 2
    out = np.ones(int(len(x) / fs_hz) + 1)
    last = max(0, (len(x) - n) / fs_hz)
    for start_s in [*range(0, int(last) + 1, step), last]:
        a = round(start_s * fs_hz)
        i, j = np.searchsorted(beats, (a, a + n))
        value = cleanness(noise_of(x[a : a + n], fs_hz, beats[i:j] - a))
        part = slice(int(start_s), int(np.ceil(start_s + WINDOW_S)))
        out[part] = np.minimum(out[part], value)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Rhythm:
    """The intervals of clean stretches."""

    at_s: Floats  # [m] where they end
    interval_s: Floats  # [m]
    log_density: Floats  # of the logarithm of an interval over the usual one, at `_LOG`

    def usual_s(self, t_s: float, count: int) -> float:
        """Median of the intervals around `t_s`."""
        k = int(np.searchsorted(self.at_s, t_s))
        return float(np.median(self.interval_s[max(0, k - count // 2) : k + count // 2]))


@dataclass(frozen=True, slots=True, eq=False)
class _Learnt:
    """What the clean stretches of a recording tell, and which seconds of it are noise."""

    noisy: Flags
    low: Floats  # the recording at a low rate,
    rate: float  # this one,
    q: int  # so many times lower
    shapes: list[Shape]
    rhythm: _Rhythm


def _learn(x: Floats, fs_hz: float, bursts: Bursts, s: SequenceSettings) -> _Learnt | None:
    """None where nothing is noise, or too little is clean."""
    if len(bursts.sample) < s.clean_beats:
        return None
    clean = cleanness_of_seconds(x, fs_hz, bursts.sample)
    noisy, known = clean < s.noisy, _clean_beats(bursts, fs_hz, clean, s)
    if known is None or not noisy.any():
        return None
    low, rate, q = decimate(x, fs_hz, LOW_RATE_HZ)
    shapes = learn_shapes(low, rate, q, bursts.centre[known], bursts.sample[known])
    rhythm = _rhythm(bursts.sample / fs_hz, known, s)
    return _Learnt(noisy, low, rate, q, shapes, rhythm) if shapes and rhythm is not None else None


def _candidates(x: Floats, fs_hz: float, bursts: Bursts, learnt: _Learnt) -> Iterator[tuple[int, int, Candidates]]:
    """Of each stretch of noise: where it begins and ends, and what there is to choose from."""
    q = learnt.q
    for begin, stop in _stretches(learnt.noisy):
        a, b = round(begin * fs_hz), min(round(stop * fs_hz), len(x))
        some = (bursts.sample >= a) & (bursts.sample < b)
        detected = (bursts.centre[some], bursts.sample[some])
        yield a, b, find_candidates(learnt.low, learnt.rate, q, a // q, b // q, detected, learnt.shapes)


def _clean_beats(bursts: Bursts, fs_hz: float, clean: Floats, s: SequenceSettings) -> Flags | None:
    """Which beats to learn from."""
    value = clean[_second(bursts.sample, fs_hz)]
    for level in s.clean:
        learnt = value >= level
        if np.count_nonzero(learnt) >= s.clean_beats:
            return np.asarray(learnt)
    return None


def _second(sample: Indices, fs_hz: float) -> Indices:
    return np.asarray(sample / fs_hz, np.int64)


def _stretches(noisy: Flags) -> list[tuple[int, int]]:
    edge = np.flatnonzero(np.diff(np.concatenate([[False], noisy, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edge.reshape(-1, 2)]


def _rhythm(t: Floats, learnt: Flags, s: SequenceSettings) -> _Rhythm | None:
    """None where too few intervals are known."""
    gap = np.diff(t)
    both = learnt[1:] & learnt[:-1] & (gap < 3.0)
    if np.count_nonzero(both) < s.usual_beats:
        return None
    plain = _Rhythm(t[1:][both], gap[both], np.zeros(len(_LOG)))
    ratio = np.log([r / plain.usual_s(at, s.usual_beats) for at, r in zip(plain.at_s, plain.interval_s, strict=True)])
    seen = np.histogram(ratio, bins=np.append(_LOG, _LOG[-1] + _STEP) - _STEP / 2)[0] / len(ratio)
    near = np.exp(-0.5 * (np.arange(-30, 31) * _STEP / s.own_spread) ** 2)
    own = np.convolve(seen, near / (near.sum() * _STEP), mode="same")
    broad = np.exp(-0.5 * (_LOG / s.any_spread) ** 2) / (s.any_spread * np.sqrt(2 * np.pi))
    density = (1 - s.any_rhythm) * own + s.any_rhythm * broad + s.pause
    return _Rhythm(plain.at_s, plain.interval_s, np.log(density))


def _choose(
    found: Candidates, fs_hz: float, before: Indices, after: Indices, rhythm: _Rhythm, s: SequenceSettings
) -> Indices:
    """Which of the candidates make the likeliest sequence between two beats that are sure, either of which may lack."""
    worth = found.measures @ np.array(WEIGHTS) + s.prior
    looked = np.flatnonzero(worth - s.prior > _NOTHING)
    t = found.sample[looked] / fs_hz
    if not len(t):
        return looked
    usual = rhythm.usual_s(float(t[len(t) // 2]), s.usual_beats)
    t, worth = (
        np.concatenate([before / fs_hz, t, after / fs_hz]),
        np.concatenate([np.zeros(len(before)), worth[looked], np.zeros(len(after))]),
    )
    path = np.array(likeliest(t, worth, usual, rhythm.log_density, (len(before) > 0, len(after) > 0), s), np.int64)
    path -= len(before)
    return np.asarray(looked[path[(path >= 0) & (path < len(looked))]])


def likeliest(
    t: Floats, worth: Floats, usual: float, log_density: Floats, held: tuple[bool, bool], s: SequenceSettings
) -> list[int]:
    """Indices of the path through instants `t` [k] that has the largest sum of worths and of logarithmic densities of
    its intervals; it begins at the first and ends at the last where those are held.
    """
    n, pause = len(t), s.rhythm * float(np.log(s.pause))
    best, back = np.full(n, -np.inf), np.full(n, -1, np.int64)
    top = np.full(n, -1, np.int64)  # the best of those up to each
    first, last = np.searchsorted(t, t - s.overdue * usual), np.searchsorted(t, t - s.same_s, side="right")
    for i in range(n):
        a, b = int(first[i]), int(last[i])
        start = 0.0 if i == 0 or (not held[0] and t[i] - t[0] < s.overdue * usual) else pause
        score, source = (start, -1) if i == 0 or not held[0] else (-np.inf, -1)
        if b > a:
            step = np.rint(np.log((t[i] - t[a:b]) / usual) / _STEP).astype(np.int64) + 200
            values = best[a:b] + s.rhythm * log_density[np.clip(step, 0, len(_LOG) - 1)]
            k = int(np.argmax(values))
            if values[k] > score:
                score, source = float(values[k]), a + k
        if a > 0 and best[top[a - 1]] + pause > score:
            score, source = float(best[top[a - 1]]) + pause, int(top[a - 1])
        best[i], back[i] = score + worth[i], source
        top[i] = i if i == 0 or best[i] > best[top[i - 1]] else top[i - 1]
    i = n - 1 if held[1] and np.isfinite(best[-1]) else int(np.argmax(best))
    path = list[int]()
    while i >= 0:
        path.append(i)
        i = int(back[i])
    return path[::-1]
