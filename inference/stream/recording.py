"""A recording or a window at once, with the kernels of the stream."""

import numpy as np
import numpy.typing as npt

from inference.beats import BeatSettings
from inference.quality import QualitySettings
from inference.stream import design
from inference.stream.filters import band_and_slope, power
from inference.stream.grade import appraise, grade
from inference.stream.jit import compiled
from inference.stream.locate import LEAN, centre, extremes
from inference.stream.marks import MEASURES
from inference.stream.peaks import choose, tops
from inference.stream.plan import MUSCLE_HZ, detector_of, low_rate, weights_of
from inference.stream.state import Detector, Weights

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
MOST_MV = 1000.0  # what is larger is no potential of a body, and is cut off


def find_beats(mv: F64, fs_hz: float, s: BeatSettings, usual: float) -> tuple[I64, I64, F64]:
    """R peaks, middles of their bursts and strengths, of finite `mv` [n]; `usual` is 0 where it is not known."""
    x, low, q = _two_rates(mv, fs_hz)
    d = detector_of(s, fs_hz)
    most = len(low) // d.limits.near + 2
    at, middle, strength = np.zeros(most, np.int64), np.zeros(most, np.int64), np.zeros(most, np.float32)
    count = _find(x, low, q, d, usual, at, middle, strength)
    return at[:count], middle[:count], strength[:count].astype(np.float64)


def appraise_window(mv: F64, fs_hz: float, s: QualitySettings) -> list[float]:
    """The measures of finite `mv` [n], in the order of `Measures`."""
    out = np.zeros(MEASURES)
    _window(mv, fs_hz, None, -1.0, s, out)
    return [float(v) for v in out]


def grade_window(mv: F64, fs_hz: float, beats: I64 | None, gap: float, s: QualitySettings) -> tuple[int, float]:
    """Reasons against use, and the quality in [0, 1], of finite `mv` [n], n at least two seconds."""
    out = np.zeros(MEASURES)
    return _window(mv, fs_hz, beats, gap, s, out), float(out[0])


def _window(mv: F64, fs_hz: float, beats: I64 | None, gap: float, s: QualitySettings, out: F64) -> int:
    x, low, q = _two_rates(mv, fs_hz)
    known = np.empty(0, np.int64) if beats is None else np.asarray(beats, np.int64)
    first, second = detector_of(BeatSettings(), fs_hz), detector_of(s.second, fs_hz)
    muscle = design.high(MUSCLE_HZ, fs_hz / q, 0.06)
    weights = weights_of(s, len(mv) / fs_hz, fs_hz)
    return int(_judge(x, low, q, first, second, muscle, beats is not None, known, gap, weights, out))


def _two_rates(mv: F64, fs_hz: float) -> tuple[F32, F32, int]:
    q, _ = low_rate(fs_hz)
    x = np.clip(mv, -MOST_MV, MOST_MV).astype(np.float32)
    n = len(x) // q
    return x, (x[: n * q].reshape(n, q).mean(axis=1, dtype=np.float32) if q > 1 else x), q


@compiled
def _find(x: F32, low: F32, q: int, d: Detector, usual: float, at: I64, middles: I64, strength: F32) -> int:
    """As many arrays' worth of beats as the result says."""
    n, s = len(low), d.limits
    if n < 0.5 * s.rate:
        return 0
    envelope = np.zeros(n, np.float32)
    scratch = np.empty(2 * n + 2 * len(d.taps) + 8 * len(at) + 8 * d.refine_reach + 1024, np.float32)
    band_and_slope(low, d.taps, d.half, s.rate, 0, 0, envelope, scratch)
    peaks = np.empty(len(at), np.int64)
    count = choose(envelope, s, usual, peaks[: tops(envelope, s, 0, n, 0, peaks)], middles, scratch)
    if count == 0:
        return 0
    place, size = np.empty((count, 2), np.int64), np.empty((count, 2), np.float32)
    for k in range(count):
        strength[k] = envelope[middles[k]]
        middles[k] = int(np.rint(centre(envelope, middles[k], d.centre_reach, d.centre_width, scratch))) * q
        extremes(x, middles[k], d.refine_reach, place[k], size[k], scratch)
    lean = LEAN if np.median(size[:, 0]) >= np.median(size[:, 1]) else 1 / LEAN
    last = 0
    for k in range(count):
        last = max(last, place[k, 0] if size[k, 0] * lean >= size[k, 1] else place[k, 1])
        at[k] = last
    return count


@compiled
def _judge(
    x: F32,
    low: F32,
    q: int,
    first: Detector,
    second: Detector,
    muscle: F32,
    is_known: bool,
    known: I64,
    gap: float,
    weights: Weights,
    out: F64,
) -> int:
    """Grade (result and out[0]) of a window; its measures into `out` instead where `gap` is negative."""
    n = len(low)
    most = n // first.limits.near + 2
    beats, middles, strength = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.float32)
    others = np.empty(n // second.limits.near + 2, np.int64)
    envelope, room = np.zeros(n, np.float32), np.zeros(n, np.float32)
    scratch = np.empty(2 * n + 4 * len(first.taps) + 1024 + (len(known) + most + 1) * 128, np.float32)
    powers = np.zeros(3, np.float32)
    found = known if is_known else beats[: _find(x, low, q, first, 0.0, beats, middles, strength)]
    powers[0] = band_and_slope(low, first.taps, first.half, first.limits.rate, 0, n, envelope, scratch)
    powers[1] = band_and_slope(low, second.taps, second.half, second.limits.rate, 0, n, room, scratch)
    powers[2] = power(low, muscle, n, len(first.taps) // 2, scratch)
    peaks = np.empty(len(others), np.int64)
    peaks = peaks[: tops(room, second.limits, 0, n, 0, peaks)]
    count = choose(room, second.limits, 0.0, peaks, others, scratch)
    for k in range(count):
        others[k] *= q
    if gap < 0:
        appraise(x, envelope, found, others[:count], powers, q, weights, scratch, out)
        return 0
    return grade(x, envelope, found, others[:count], powers, q, gap, weights, scratch, out)
