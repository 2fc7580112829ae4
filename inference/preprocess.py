"""One path from a window to the network's input, the same in training and in serving.

    mv at fs_hz --> bridge what is missing --> 100 Hz --> 0.5-40 Hz, zero phase --> clip --> zero what is missing

Stateless on purpose: a window gives the same input whenever and wherever it is scored. Amplitude is kept (no
normalisation by window), since low voltage and hypertrophy are amplitudes, and noise must not be blown up.
"""

from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, resample_poly, sosfiltfilt

VERSION: Final = "v1"  # a card names the version it was trained on; the engine refuses another
FS_HZ: Final = 100
SAMPLES: Final = 1000
BAND_HZ: Final = (0.5, 40.0)
CLIP_MV: Final = 5.0
MIN_FS_HZ: Final = 50.0
MAX_FS_HZ: Final = 2000.0
_PAD = 200  # samples mirrored at each end while filtering: two seconds outlast the 0.5 Hz edge
_TOO_SHORT = 100  # under a second nothing can be filtered

Batch = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def preprocess(mv: npt.ArrayLike, fs_hz: float, valid: npt.ArrayLike | None = None) -> Batch:
    """float32 [b, 1000] at 100 Hz within +-5 mV, from `mv` [b, n] at `fs_hz`; finite whatever comes in.

    `valid` bool [b, n] marks received samples; the others, and those that are not finite, become 0. A window longer
    than 10 s gives its last 10 s, a shorter one is followed by zeros. Raises ValueError for another shape or rate.
    """
    x = np.asarray(mv, np.float64)
    if x.ndim != 2:
        raise ValueError(f"mv: [windows, samples] expected, got shape {x.shape}")
    if not MIN_FS_HZ <= fs_hz <= MAX_FS_HZ:
        raise ValueError(f"fs_hz: {fs_hz} is outside {MIN_FS_HZ:g} to {MAX_FS_HZ:g}")
    good = np.isfinite(x)
    if valid is not None:
        good &= np.asarray(valid, np.bool_)
    out = np.zeros((len(x), SAMPLES), np.float32)
    if not len(x) or x.shape[1] < 2:
        return out
    x = _resample(_bridge(x, good), fs_hz)
    if x.shape[1] < _TOO_SHORT:
        return out
    x = sosfiltfilt(_band(), x, axis=1, padlen=min(_PAD, x.shape[1] - 1))
    x = np.where(_resample_mask(good, fs_hz, x.shape[1]), x, 0.0)
    x = np.clip(x[:, -SAMPLES:], -CLIP_MV, CLIP_MV)
    out[:, : x.shape[1]] = x
    return out


@lru_cache(maxsize=1)
def _band() -> Floats:
    return np.asarray(butter(2, BAND_HZ, "bandpass", fs=FS_HZ, output="sos"), np.float64)


def _bridge(x: Floats, good: Flags) -> Floats:
    """Straight lines over what is missing, so that neither filter rings at its edges; 0 where a row has nothing."""
    if good.all():
        return x
    x = x.copy()
    at = np.arange(x.shape[1])
    for row in np.flatnonzero(~good.all(axis=1)):
        have = good[row]
        x[row] = np.interp(at, at[have], x[row, have]) if have.any() else 0.0
    return x


def _resample(x: Floats, fs_hz: float) -> Floats:
    if fs_hz == FS_HZ:
        return x
    ratio = Fraction(FS_HZ / fs_hz).limit_denominator(1000)
    return np.asarray(resample_poly(x, ratio.numerator, ratio.denominator, axis=1, padtype="line"), np.float64)


def _resample_mask(good: Flags, fs_hz: float, n: int) -> Flags:
    nearest = np.rint(np.arange(n) * (fs_hz / FS_HZ)).astype(np.int64)
    return good[:, np.minimum(nearest, good.shape[1] - 1)]
