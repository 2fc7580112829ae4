"""The peer: what a careful engineer writes with scipy and torch, one record at a time.

Less is asked of it than of the monitor: no order, no gaps, no quality, no lethal rhythms, no alarms, no storage.
"""

from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.signal import butter, find_peaks, resample_poly, sosfiltfilt

from inference.model.checkpoint import load_student
from inference.preprocess import FS_HZ, SAMPLES

Floats = npt.NDArray[np.float64]


class PerRecord:
    """Filters designed once, the student folded and in inference mode: nothing is wasted but the batch."""

    def __init__(self, model_dir: Path, fs_hz: float) -> None:
        self._student, card = load_student(model_dir)
        self._classes = card.classes
        self._limits = np.array([card.thresholds[c] for c in card.classes])
        self._temperature = np.array([card.temperature[c] for c in card.classes])
        self._fs = fs_hz
        self._band = np.asarray(butter(2, (0.5, 40.0), "bandpass", fs=fs_hz, output="sos"))
        self._qrs = np.asarray(butter(2, (5.0, 20.0), "bandpass", fs=fs_hz, output="sos"))
        self._ratio = Fraction(FS_HZ / fs_hz).limit_denominator(1000)

    def r_peaks(self, mv: Floats) -> npt.NDArray[np.int64]:
        """Peaks of the squared, smoothed slope of the QRS band."""
        slope = np.diff(sosfiltfilt(self._qrs, mv), prepend=0.0)
        width = round(0.12 * self._fs)
        energy = np.convolve(slope * slope, np.full(width, 1.0 / width), "same")
        found, _ = find_peaks(energy, height=0.25 * np.percentile(energy, 98), distance=round(0.25 * self._fs))
        return np.asarray(found, np.int64)

    def rate(self, mv: Floats) -> float | None:
        """Beats a minute."""
        peaks = self.r_peaks(mv)
        return 60.0 * self._fs * (len(peaks) - 1) / float(peaks[-1] - peaks[0]) if len(peaks) > 2 else None

    def window(self, mv: Floats) -> tuple[float | None, list[str]]:
        """Heart rate and conditions of ten seconds."""
        clean = sosfiltfilt(self._band, mv)
        x = np.clip(resample_poly(clean, self._ratio.numerator, self._ratio.denominator)[:SAMPLES], -5.0, 5.0)
        with torch.inference_mode():
            logits = self._student(torch.from_numpy(x.astype(np.float32)[None])).numpy()[0]
        p = 1.0 / (1.0 + np.exp(-logits / self._temperature))
        return self.rate(mv), [c for c, hit in zip(self._classes, p >= self._limits, strict=True) if hit]
