"""Real recordings of many sets, as a device would store them: one lead each, int16."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from benchmarks.signals import PACK, ROOT, Signal, packs
from deploy.environment import environment
from liteheart.signal import Samples

NORMAL_SHARE: Final = 0.98  # of record 100's beats 98.5 % are normal
_PACKS: Final = {  # set: (pack, lead, one record in so many)
    "cinc2015_250hz": ("cinc2015_alarms", 0, 8),
    "cinc2017_300hz": ("cinc2017_parts01", 0, 20),
    "ludb_500hz": ("ludb", 1, 1),
    "ptbxl_100hz_1uv": ("ptbxl_folds1to4", 0, 8),
    "cpsc2021_200hz": ("cpsc2021_sample", 0, 1),
}


def folder() -> Path | None:
    """Where the packs lie, None without them."""
    found = Path(environment().get("LITEHEART_ECG", ROOT.parent / "shared" / "ecg"))
    return found if (found / PACK).is_file() and (found / "ecgpack.py").is_file() else None


def sets(at: Path) -> Iterator[tuple[str, list[Signal]]]:
    """Every set but MIT-BIH as it is: name and signals, one pack in memory at a time."""
    for name, (pack, lead, every) in _PACKS.items():
        if (at / f"{pack}.ecg.xz").is_file():
            yield name, [_signal(r, lead) for r in packs(at).load(at / f"{pack}.ecg.xz")[::every]]


def at_250_hz(signal: Signal) -> Signal:
    """Resampled and rounded to 5 uV: what a wearable with one lead stores."""
    mv = resample_poly(signal.millivolts(), 250, round(signal.fs_hz))
    return Signal(f"{signal.name}_250hz", 250.0, _int16(mv * 200.0), 200.0, signal.beats)


def like_100(at: Path) -> set[str]:
    """MIT-BIH records like record 100, which is not in the packs: lead MLII, nearly all beats normal."""
    found = set()
    for record in packs(at).load(at / PACK):
        beats = [s for s in record.labels["symbol"] if s in "NLRBAaJSVrFejnE/fQ?"]
        if record.leads[0] == "MLII" and beats.count("N") >= NORMAL_SHARE * len(beats):
            found.add(record.name.split("-")[-1])
    return found


def _signal(record: Any, lead: int) -> Signal:
    samples = np.ascontiguousarray(record.adc[lead], np.int16)
    return Signal(record.name, record.fs_hz, samples, float(record.gain[lead]), np.empty(0, np.int64))


def _int16(values: npt.NDArray[np.float64]) -> Samples:
    return np.asarray(np.rint(values).clip(-32768, 32767), np.int16)
