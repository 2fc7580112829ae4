"""What of a window's signal is watched for drift; `inference.refresh.drift.EDGES` says why and in which bins."""

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfiltfilt

from inference.beats import detect_r_peaks

_AROUND_S = 0.3  # of an R peak, on both sides: the QRS and its T wave's begin
_QRS_S = 0.12


def signal_features(mv: npt.ArrayLike, fs_hz: float) -> dict[str, float | None]:
    """`amplitude_mv`, `baseline_mv` and `noise_mv` of a window [n] of at least 5 s; None where it does not tell."""
    x = np.asarray(mv, np.float64)
    found: dict[str, float | None] = {"amplitude_mv": None, "baseline_mv": None, "noise_mv": None}
    if len(x) < 5 * fs_hz or not np.isfinite(x).all() or fs_hz < 50:
        return found
    slow = sosfiltfilt(butter(2, 0.5, "lowpass", fs=fs_hz, output="sos"), x)
    found["baseline_mv"] = float(np.sqrt(np.mean((slow - slow.mean()) ** 2)))
    beats = detect_r_peaks(x, fs_hz)
    if not len(beats):
        return found
    reach = round(_AROUND_S * fs_hz)
    heights = [np.ptp(x[max(0, b - reach) : b + reach]) for b in beats]
    found["amplitude_mv"] = float(np.median(heights))
    fast = sosfiltfilt(butter(2, 20.0, "highpass", fs=fs_hz, output="sos"), x)
    between = np.ones(len(x), np.bool_)
    for b in beats:
        between[max(0, b - round(_QRS_S * fs_hz)) : b + round(_QRS_S * fs_hz)] = False
    if between.any():
        found["noise_mv"] = float(np.sqrt(np.mean(fast[between] ** 2)))
    return found
