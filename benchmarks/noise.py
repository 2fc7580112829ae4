"""The recorded noise of the MIT-BIH noise stress test, and how it is added at a ratio: figures in noise rest on it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from benchmarks.signals import ROOT
from deploy.environment import environment
from inference.train.data import Recording, read_pack
from liteheart.errors import Misconfigured

Floats = npt.NDArray[np.float64]
BEATS: Final = frozenset("NLRBAaJSVrFejnE/fQ?")  # MIT-BIH's symbols of beats
FS_HZ: Final = 360.0
_QRS_S: Final = 0.05  # the stress test takes the peaks of a QRS complex from so far around its mark


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of noise: two channels of mV at 360 Hz, and where in them there is any."""

    name: str  # bw: wander of the baseline, ma: muscle, em: motion of an electrode
    channels: tuple[Floats, Floats]
    starts: npt.NDArray[np.int64]  # where a stretch of `LONGEST_S` may begin

    def stretch(self, rng: np.random.Generator, seconds: float, fs_hz: float) -> Floats:
        """`seconds` of it without its mean, resampled; the place is drawn."""
        n = round(seconds * FS_HZ)
        at = int(rng.choice(self.starts))
        part = self.channels[int(rng.integers(2))][at : at + n]
        if fs_hz != FS_HZ:
            part = resample_poly(part, round(fs_hz), round(FS_HZ))
        return np.asarray(part - part.mean())[: round(seconds * fs_hz)]


LONGEST_S: Final = 100.0
CLEAN_S: Final = 300.0
TURN_S: Final = 120.0


def records(name: str) -> dict[str, Recording]:
    """Recordings of a pack by the last word of their names. Raises Misconfigured where it is not at hand."""
    folder = Path(environment().get("LITEHEART_ECG", ROOT.parent / "shared" / "ecg"))
    path = folder / f"{name}.ecg.xz"
    if not path.is_file():
        raise Misconfigured("LITEHEART_ECG", f"{path} is not there")
    return {r.name.split("-")[-1]: r for r in read_pack(path)}


def kinds(noise: dict[str, Recording], clean: Recording) -> dict[str, Kind]:
    """By name. That of the electrode is what 118 at -6 dB has beside `clean`, record 118 itself: only every other two
    minutes of it are noise.
    """
    made = {}
    for name in ("bw", "ma"):
        one, two = noise[name].mv.astype(np.float64)
        made[name] = Kind(name, (one, two), np.arange(0, len(one) - round(LONGEST_S * FS_HZ), 1800))
    one, two = noise["118e_6"].mv.astype(np.float64) - clean.mv.astype(np.float64)
    n = round(LONGEST_S * FS_HZ)
    noisy = [a for a in range(0, len(one) - n, 900) if min(np.std(one[a : a + n].reshape(10, -1), axis=1)) > 0.05]
    made["em"] = Kind("em", (one, two), np.array(noisy))
    return made


def qrs_power(mv: Floats, fs_hz: float, beats: npt.NDArray[np.int64]) -> float:
    """What the stress test takes for the power of a signal: an eighth of the squared QRS, median peak to peak."""
    half = round(_QRS_S * fs_hz)
    inside = beats[(beats >= half) & (beats < len(mv) - half)]
    return float(np.median([np.ptp(mv[b - half : b + half]) for b in inside])) ** 2 / 8


def added(mv: Floats, noise: Floats, power: float, snr_db: float) -> Floats:
    """`mv` [n] with `noise` [n] so large that `power` is `snr_db` above its own."""
    return np.asarray(mv + noise * np.sqrt(power / np.mean(noise**2) / 10 ** (snr_db / 10)))


def in_turns(mv: Floats, noise: Floats, power: float, noise_power: float, snr_db: float) -> Floats:
    """`mv` [n] as the stress test makes it: clean for five minutes, then two minutes with `noise` [n] and two without.
    `noise_power` is that of the noise alone.
    """
    second = np.arange(len(mv)) / FS_HZ
    on = (second >= CLEAN_S) & ((second - CLEAN_S) % (2 * TURN_S) < TURN_S)
    return np.asarray(mv + on * noise * np.sqrt(power / noise_power / 10 ** (snr_db / 10)))
