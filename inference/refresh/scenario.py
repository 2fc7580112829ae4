"""A scripted drift: what the same patients would have sent through another device, and what nurses would have said.

    12 leads, mV --one lead--> + real noise --band--> gain error --preprocess--> windows as a ward would store them

The noise is that of the MIT-BIH noise stress test: of each of its records the first half goes to what is learned from,
the second to what is measured on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, resample_poly, sosfilt, sosfiltfilt

from inference.preprocess import FS_HZ, Batch, preprocess
from inference.refresh.verdicts import Said
from inference.train.data import LEADS, Recording, read_pack

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Side = Literal["learn", "measure"]

NOISES: Final = ("bw", "ma")  # wander of the baseline, muscle
_NEW_LEADS: Final = ("II", "III", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_UPPER_HZ: Final = (20.0, 25.0, 30.0)
_LOWER_HZ: Final = (0.5, 0.67, 1.0)
_GAINS: Final = (0.6, 1.5)
_NURSES: Final = {"n1": 0.95, "n2": 0.9, "n3": 0.85, "n4": 0.67}  # share of their words that are right
_SILENT: Final = 0.1  # of their words, those that speak of the signal or of care
_NO_ALARM: Final = frozenset({"NORM", "SR"})
_PAD: Final = 300  # samples mirrored before a filter that only looks back, so that it has settled


@dataclass(frozen=True, slots=True)
class Device:
    """A device that differs from the one a student knows."""

    lead: str = "I"
    gain: float = 1.0  # what it writes for one mV
    band_hz: tuple[float, float] | None = None
    zero_phase: bool = True  # False: a filter that only looks back, as in a real device
    noise_mv: float = 0.0  # RMS at the electrodes, within 0.5 to 40 Hz
    muscle_share: float = 0.5  # of the noise's power; the rest is wander

    def __str__(self) -> str:
        low, high = self.band_hz or (0.0, 0.0)
        band = f"{low:g}-{high:g} Hz" if self.band_hz else "full band"
        return f"lead {self.lead}, {band}, gain {self.gain:g}, noise {1000 * self.noise_mv:.0f} uV"


def draw_device(seed: int) -> Device:
    """Another lead, a narrower band, a gain error that nobody tells, and noise; all four by `seed`."""
    rng = np.random.default_rng(1000 + seed)
    return Device(
        lead=str(rng.choice(_NEW_LEADS)),
        gain=float(rng.choice(_GAINS)),
        band_hz=(float(rng.choice(_LOWER_HZ)), float(rng.choice(_UPPER_HZ))),
        zero_phase=bool(rng.integers(2)),
        noise_mv=round(float(rng.uniform(0.02, 0.06)), 3),
        muscle_share=round(float(rng.uniform(0.3, 0.8)), 2),
    )


class NoiseBank:
    """Real noise at 100 Hz, unit power within the band that is read; float64 stretches by kind and side."""

    def __init__(self, records: Mapping[str, Recording]) -> None:
        self._kinds = {name: [_unit(c, records[name].fs_hz) for c in records[name].mv] for name in NOISES}

    def stretches(self, n: int, samples: int, muscle_share: float, side: Side, rng: np.random.Generator) -> Floats:
        """[n, samples], each a mix of both kinds; their mean power is one."""
        out = np.zeros((n, samples))
        for name, share in zip(NOISES, (1 - muscle_share, muscle_share), strict=True):
            channels = self._kinds[name]
            half = min(len(c) for c in channels) // 2
            low = 0 if side == "learn" else half
            at = low + rng.integers(0, half - samples, n)
            which = rng.integers(0, len(channels), n)
            out += np.sqrt(share) * np.stack([channels[c][a : a + samples] for c, a in zip(which, at, strict=True)])
        return out


def read_noise(folder: Path) -> NoiseBank:
    """The noise of `folder`. Raises Unreadable."""
    return NoiseBank({r.name.split("-")[-1]: r for r in read_pack(folder / "nstdb.ecg.xz")})


def through(
    mv: Batch, device: Device, noise: NoiseBank | None, side: Side, seed: int, leads: Sequence[str] = LEADS
) -> Batch:
    """Preprocessed windows float32 [n, 1, 1000] that `device` makes of recordings `mv` [n, leads, samples], 100 Hz."""
    return preprocess(sent_by(mv, device, noise, side, seed, leads), FS_HZ)[:, None]


def sent_by(
    mv: Batch, device: Device, noise: NoiseBank | None, side: Side, seed: int, leads: Sequence[str] = LEADS
) -> Floats:
    """What it sends of them, [n, samples], in what it takes for mV."""
    x = mv[:, list(leads).index(device.lead)].astype(np.float64)
    if noise is not None and device.noise_mv:
        rng = np.random.default_rng([seed, side == "measure"])
        x = x + device.noise_mv * noise.stretches(len(x), x.shape[1], device.muscle_share, side, rng)
    if device.band_hz is not None:
        x = filtered(x, device.band_hz, zero_phase=device.zero_phase)
    return device.gain * x


def filtered(x: Floats, band_hz: tuple[float, float], *, zero_phase: bool) -> Floats:
    """`x` [n, samples] at 100 Hz within the band: of second order both ways, or looking back only."""
    low, high = band_hz
    sos = butter(2, (low, min(high, 0.49 * FS_HZ)), "bandpass", fs=FS_HZ, output="sos")
    if zero_phase:
        return np.asarray(sosfiltfilt(sos, x, axis=1, padlen=min(_PAD, x.shape[1] - 1)))
    pad = min(_PAD, x.shape[1] - 1)
    before = 2 * x[:, :1] - x[:, pad:0:-1]
    return np.asarray(sosfilt(sos, np.concatenate([before, x], axis=1), axis=1)[:, pad:])


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """What simulated nurses said, and of which window and condition each alarm was."""

    said: tuple[Said, ...]
    alarms: Mapping[str, tuple[int, int]]  # row, class


def nurses(
    p: Floats, y: Flags, known: Flags, thresholds: Floats, classes: Sequence[str], *, count: int = 200, seed: int = 0
) -> Words:
    """Two of four nurses judge each of `count` windows with an alarm of a student that says `p` [n, classes].

    One alarm a window, drawn among those that it raised; `y` is the truth that they are more or less right about.
    """
    rng = np.random.default_rng([seed, 200])
    alarmed = (p >= thresholds) & known & np.array([c not in _NO_ALARM for c in classes])
    rows = rng.permutation(np.flatnonzero(alarmed.any(axis=1)))[:count]
    said, alarms = [], {}
    for k, row in enumerate(rows.tolist()):
        at = int(rng.choice(np.flatnonzero(alarmed[row])))
        name = f"a{k}"
        alarms[name] = (row, at)
        for nurse in rng.choice(list(_NURSES), 2, replace=False).tolist():
            right = rng.random() < _NURSES[nurse]
            reason = "true-actioned" if y[row, at] == right else "false-algorithm"
            if rng.random() < _SILENT:
                reason = str(rng.choice(["false-artefact", "care-activity"]))
            said.append(Said(name, nurse, reason, float(p[row, at])))
    return Words(tuple(said), alarms)


def heard(words: Words, positive: Mapping[str, float], shape: tuple[int, int]) -> Floats:
    """[windows, classes] for `grow.Stored`: the probability of what was weighed, NaN elsewhere."""
    out = np.full(shape, np.nan)
    for alarm, probability in positive.items():
        out[words.alarms[alarm]] = probability
    return out


def _unit(mv: Batch, fs_hz: float) -> Floats:
    x = np.asarray(resample_poly(mv.astype(np.float64), 5, 18) if fs_hz == 360.0 else mv, np.float64)
    inside = sosfiltfilt(butter(2, (0.5, 40.0), "bandpass", fs=FS_HZ, output="sos"), x)
    return np.asarray((x - x.mean()) / inside.std())
