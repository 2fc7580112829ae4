"""What of a window is watched for drift; `inference.refresh.drift.EDGES` says why and in which bins."""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfiltfilt

from inference.beats import detect_r_peaks
from liteheart.finding import Finding

_AROUND_S: Final = 0.3  # of an R peak, on both sides: the QRS and its T wave's begin
_QRS_S: Final = 0.12
_NOISE_HZ: Final = (20.0, 40.0)  # what every device sends: rates of 100 Hz and of 500 are to be comparable
_LEAST_S: Final = 5.0
_LEAST_HZ: Final = 50.0


def window_features(finding: Finding, mv: npt.ArrayLike | None, fs_hz: float) -> dict[str, float | None]:
    """What no student has a say in: quality, rate, abstention; of `mv`, where it was asked about, its measures too."""
    found: dict[str, float | None] = {"sqi": finding.quality.sqi, "heart_rate_bpm": finding.heart_rate_bpm}
    found |= {"abstained": float(finding.abstained), "unusable": float(not finding.quality.usable)}
    return found if mv is None else found | signal_features(mv, fs_hz)


def signal_features(mv: npt.ArrayLike, fs_hz: float) -> dict[str, float | None]:
    """`amplitude_mv`, `baseline_mv` and `noise_mv` of a window [n] of at least 5 s; None where it does not tell."""
    x = np.asarray(mv, np.float64)
    found: dict[str, float | None] = {"amplitude_mv": None, "baseline_mv": None, "noise_mv": None}
    if len(x) < _LEAST_S * fs_hz or not np.isfinite(x).all() or fs_hz < _LEAST_HZ:
        return found
    slow = sosfiltfilt(butter(2, 0.5, "lowpass", fs=fs_hz, output="sos"), x)
    found["baseline_mv"] = float(np.sqrt(np.mean((slow - slow.mean()) ** 2)))
    beats = detect_r_peaks(x, fs_hz)
    if not len(beats):
        return found
    reach = round(_AROUND_S * fs_hz)
    heights = [np.ptp(x[max(0, b - reach) : b + reach]) for b in beats]
    found["amplitude_mv"] = float(np.median(heights))
    low, high = _NOISE_HZ
    fast = sosfiltfilt(butter(2, (low, min(high, 0.45 * fs_hz)), "bandpass", fs=fs_hz, output="sos"), x)
    between = np.ones(len(x), np.bool_)
    for b in beats:
        between[max(0, b - round(_QRS_S * fs_hz)) : b + round(_QRS_S * fs_hz)] = False
    if between.any():
        found["noise_mv"] = float(np.sqrt(np.mean(fast[between] ** 2)))
    return found
