"""Signal to measure on: MIT-BIH records where the packs are at hand, else simulated patients."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from deploy.environment import environment
from ingest.sources.simulate import Episode, simulate
from liteheart.signal import Samples

ROOT: Final = Path(__file__).resolve().parents[1]
PACK: Final = "mitdb_ds1_and_paced.ecg.xz"
_BEATS: Final = frozenset("NLRBAaJSVrFejnE/fQ?")  # MIT-BIH's symbols of beats


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """One lead. mV = samples / gain."""

    name: str
    fs_hz: float
    samples: Samples  # int16 [n], 0 at 0 mV
    gain: float
    beats: npt.NDArray[np.int64]  # where the annotators, or the simulator, put R peaks
    undecided: tuple[tuple[int, int], ...] = ()  # stretches of flutter, in which beats are not counted

    def millivolts(self) -> npt.NDArray[np.float64]:
        """float64 [n]."""
        return self.samples / self.gain


@dataclass(frozen=True, slots=True)
class Signals:
    """Signals, and the words for where they come from."""

    source: str
    items: tuple[Signal, ...]


def signals(count: int, seconds: float, seed: int) -> Signals:
    """The first `count` records, `seconds` of each at most."""
    folder = Path(environment().get("LITEHEART_ECG", ROOT.parent / "shared" / "ecg"))
    if (folder / PACK).is_file() and (folder / "ecgpack.py").is_file():
        records = packs(folder).load(folder / PACK)[:count]
        return Signals("MIT-BIH, first lead, 360 Hz, 11 bit", tuple(_recorded(r, seconds) for r in records))
    simulated = tuple(_simulated(k, min(seconds, 600.0), seed) for k in range(count))
    return Signals("simulated, 250 Hz: no recordings at hand", simulated)


def packs(folder: Path) -> Any:
    """The reader that lies beside the packs."""
    spec = importlib.util.spec_from_file_location("ecgpack", folder / "ecgpack.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder / 'ecgpack.py'} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules["ecgpack"] = module
    spec.loader.exec_module(module)
    return module


def _recorded(record: Any, seconds: float) -> Signal:
    n = round(seconds * record.fs_hz)
    sample, symbol = np.asarray(record.labels["sample"], np.int64), np.asarray(record.labels["symbol"])
    beats = sample[np.isin(symbol, list(_BEATS)) & (sample < n)]
    flutter = zip(sample[symbol == "["].tolist(), sample[symbol == "]"].tolist(), strict=False)
    samples = (record.adc[0, :n] - round(float(record.baseline[0]))).astype(np.int16)
    name = record.name.split("-")[-1]
    return Signal(name, record.fs_hz, samples, float(record.gain[0]), beats, tuple(flutter))


def _simulated(k: int, seconds: float, seed: int) -> Signal:
    made = simulate([Episode("sinus", seconds, rate_bpm=60 + 5 * (k % 8))], fs_hz=250.0, seed=seed + k)
    return Signal(f"simulated{k}", made.fs_hz, made.adc, made.gain, made.r_peaks)
