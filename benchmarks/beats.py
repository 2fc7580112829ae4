"""How many live streams one core follows: beats, signal quality and rules each second, beside the usual libraries.

The libraries have no memory between calls, so a monitor built on them must look at a window again and again. They get
the last 10 s of every stream each second, as ours looks each second; and, at a tenth of that price, once per 10 s,
with which no monitor alarms within 10 s. They find beats and no more; ours also judges the signal, fibrillation, runs
and alarms.
"""

import functools
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from alerts.engine import AlarmEngine
from alerts.quiet import hear, quiet
from alerts.settings import AlarmSettings
from benchmarks.figures import Figure, Measured, Options, alternate, figure, seconds
from benchmarks.followers import Follower
from benchmarks.signals import Signals, signals
from deploy.commands.report import live_beats
from inference.report.matching import match
from liteheart.ids import PatientId

FS_HZ: Final = 250.0
WINDOW_S: Final = 10
WARM_S: Final = 15
Floats = npt.NDArray[np.float64]
Detector = Callable[[Floats], npt.NDArray[np.int64]]
OURS: Final = "ours"
WITHOUT_RULES: Final = "ours, without the alarm rules"


def benchmark(options: Options) -> Iterator[Figure]:
    """streams_per_core with its peers, each second and once per 10 s, and how well each finds the beats."""
    rounds, hop_s, streams = (3, 2, 8) if options.quick else (7, 4, 256)
    length_s = 40 if options.quick else 120
    found = signals(4 if options.quick else 26, float(length_s), options.seed)
    mv = [_at_250_hz(s.millivolts(), s.fs_hz) for s in found.items]
    ward = _Ward(mv, streams)
    ward.run(WARM_S)
    peers = _peers()
    budget_s = 0.08 if options.quick else 0.4

    def ours(rules: bool) -> float:
        return streams * hop_s / seconds(lambda: ward.run(hop_s, rules=rules))

    speed = {name: _windows_a_second(detect, mv, budget_s) for name, detect in peers.items()}
    own = {OURS: lambda: ours(True), WITHOUT_RULES: lambda: ours(False)}
    measured = alternate(own | speed, rounds)
    note = f"{found.source}, at 250 Hz; {streams} streams; {ward.follower.name}, quality, rules; CPU time of one thread"
    yield figure("streams_per_core", "streams", measured[OURS], note=note)
    yield figure("streams_per_core_without_rules", "streams", measured[WITHOUT_RULES], note="beats and quality alone")
    for name in peers:
        each, seldom = measured[name], Measured.of([WINDOW_S * w for w in measured[name].values])
        for label, theirs in ((f"{name}, each second", each), (f"{name}, once per 10 s", seldom)):
            key = f"streams_per_core_to_{_key(label)}"
            yield figure(key, "streams", measured[OURS], (label, theirs), note=f"{note}; the peer finds beats, no more")
    yield from _accuracy(found, mv, peers)


class _Ward:
    """Streams cut from the recordings, each at its own place, that go round without an end."""

    def __init__(self, mv: Sequence[Floats], streams: int) -> None:
        n = round(FS_HZ)
        self._seconds = [x[: len(x) // n * n].reshape(-1, n).astype(np.float32) for x in mv]
        self._starts = [7 * (i // len(mv)) for i in range(streams)]
        self._patients = [PatientId(f"p{i}") for i in range(streams)]
        self._settings = AlarmSettings(model_expected=False)
        self._alarms = [AlarmEngine(p, self._settings) for p in self._patients]
        self.follower = Follower(self._patients, FS_HZ)
        self.second = 0

    def run(self, count: int, *, rules: bool = True) -> None:
        """The next `count` seconds of every stream, and what the rules say of them, as the monitor asks them."""
        for _ in range(count):
            rows = []
            for i, start in enumerate(self._starts):
                own = self._seconds[i % len(self._seconds)]
                rows.append(own[(start + self.second) % len(own)])
            self.second += 1
            seconds = self.follower.follow(rows, self.second)
            if rules:
                what = quiet(seconds, [self._settings] * len(seconds))
                for i, k in enumerate(seconds.chunk):
                    hear(self._alarms[k], seconds, i, what, what.t_us[i])


def _peers() -> dict[str, Detector]:
    """What is installed; a library that is not is named on stderr."""
    makers: dict[str, tuple[str, Callable[[Any], Detector]]] = {
        "neurokit2": ("neurokit2", _neurokit),
        "wfdb XQRS": ("wfdb.processing", _xqrs),
        "SleepECG": ("sleepecg", _sleepecg),
    }
    peers = {}
    for name, (module, make) in makers.items():
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            print(f"beats: {module} is not installed and left out", file=sys.stderr, flush=True)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peers[name] = make(importlib.import_module(module))
    return peers


def _neurokit(library: Any) -> Detector:
    def detect(mv: Floats) -> npt.NDArray[np.int64]:
        clean = library.ecg_clean(mv, sampling_rate=round(FS_HZ))
        return np.asarray(library.ecg_peaks(clean, sampling_rate=round(FS_HZ))[1]["ECG_R_Peaks"], np.int64)

    return detect


def _xqrs(library: Any) -> Detector:
    def detect(mv: Floats) -> npt.NDArray[np.int64]:
        return np.asarray(library.xqrs_detect(mv, fs=round(FS_HZ), verbose=False), np.int64)

    return detect


def _sleepecg(library: Any) -> Detector:
    return lambda mv: np.asarray(library.detect_heartbeats(mv, fs=round(FS_HZ)), np.int64)


def _quietly(detect: Detector, window: Floats) -> npt.NDArray[np.int64]:
    """None where the library fails for want of beats: that is an answer too."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return detect(window)
    except Exception:  # each library has its own kinds
        return np.zeros(0, np.int64)


def _windows(mv: Sequence[Floats]) -> list[Floats]:
    n = round(WINDOW_S * FS_HZ)
    starts = range(0, min(map(len, mv)) - n + 1, n)
    return [x[a : a + n] for a in starts for x in mv]


def _windows_a_second(detect: Detector, mv: Sequence[Floats], budget_s: float) -> Callable[[], float]:
    """A round: as many windows as fit the budget, the next ones of all recordings."""
    windows, at = _windows(mv), 0
    once = seconds(lambda: [_quietly(detect, w) for w in windows[:3]]) / 3
    once = min(once, seconds(lambda: [_quietly(detect, w) for w in windows[:3]]) / 3)  # the first call also warms it up
    count = int(np.clip(budget_s / max(once, 1e-6), 4, 2000))

    def measure() -> float:
        nonlocal at
        some = [windows[(at + i) % len(windows)] for i in range(count)]
        at += count
        return count / seconds(lambda: [_quietly(detect, w) for w in some])

    return measure


def _accuracy(found: Signals, mv: Sequence[Floats], peers: dict[str, Detector]) -> Iterator[Figure]:
    """F1 within 150 ms on the same signal, after the warm-up: ours live, the libraries 10 s at a time, and offline."""
    ways = {f"{name}, 10 s at a time": functools.partial(_by_windows, detect) for name, detect in peers.items()}
    ways |= {f"{name}, all at once": functools.partial(_at_once, detect) for name, detect in peers.items()}
    counts: dict[str, npt.NDArray[np.int64]] = {name: np.zeros(3, np.int64) for name in (OURS, *ways)}
    few = list(zip(found.items, mv, strict=True))[: 2 if len(mv) < 12 else 12]
    for signal, x in few:
        end_s = len(x) / FS_HZ - WINDOW_S
        true = signal.beats / signal.fs_hz
        said = {OURS: _live(x)} | {name: way(x) for name, way in ways.items()}
        for name, t in said.items():
            inside = [b[(b >= WARM_S) & (b < end_s)] for b in (true, t)]
            counts[name] += (len(match(inside[0], inside[1])), len(inside[0]), len(inside[1]))
    f1 = {name: float(2 * both / max(1, true + told)) for name, (both, true, told) in counts.items()}
    note = f"{found.source}, at 250 Hz, {len(few)} records; within 150 ms; the ratio is of what is wrong, 1 - F1"
    yield Figure("f1", f1[OURS], "F1", note=note)
    for name in ways:
        ratio = (1 - f1[name]) / (1 - f1[OURS]) if f1[OURS] < 1 else None
        yield Figure(f"f1_to_{_key(name)}", f1[OURS], "F1", name, f1[name], ratio, note=note)


def _live(mv: Floats) -> Floats:
    one, n = Follower([PatientId("p")], FS_HZ), round(FS_HZ)
    rows = mv[: len(mv) // n * n].reshape(-1, n).astype(np.float32)
    found = [one.follow([row], k + 1) for k, row in enumerate(rows)]
    vitals = [seconds.vitals(i) for seconds in found for i in range(len(seconds))]
    return np.array(live_beats(vitals), np.float64)


def _by_windows(detect: Detector, mv: Floats) -> Floats:
    n = round(WINDOW_S * FS_HZ)
    parts = [_quietly(detect, mv[a : a + n]) + a for a in range(0, len(mv) - n + 1, n)]
    return np.sort(np.concatenate(parts) / FS_HZ)


def _at_once(detect: Detector, mv: Floats) -> Floats:
    return _quietly(detect, mv) / FS_HZ


def _key(label: str) -> str:
    return label.replace(", ", "_").replace(" ", "_")


def _at_250_hz(mv: Floats, fs_hz: float) -> Floats:
    if fs_hz == FS_HZ:
        return mv
    ratio = Fraction(FS_HZ / fs_hz).limit_denominator(1000)
    return np.asarray(resample_poly(mv, ratio.numerator, ratio.denominator), np.float64)
