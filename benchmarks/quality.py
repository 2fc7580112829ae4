"""How well signal quality is told: noise added at known ratios, what experts called acceptable, and beats after gating.

`usable` means that waves can be read, `rhythm_usable` that beats can, `acceptable` that a diagnosis can: see
`deploy/commands/quality.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.figures import Figure, Options
from benchmarks.noise import BEATS, FS_HZ, Floats, added, kinds, qrs_power, records
from inference.acceptance import accept
from inference.beats import detect_r_peaks
from inference.noise import cleanness, noise_of
from inference.quality import assess, measure
from inference.report.matching import match
from inference.train.data import Recording

WINDOW_S: Final = 10.0
POOR_DB: Final = (0, 6)
CLEAN_DB: Final = (18, 24)
LEARNING_S: Final = 300.0
OWN_BELS: Final = 1.5  # a window is clean before noise is added when its beats stand so far above what is left of them


@dataclass(frozen=True, slots=True)
class Window:
    """What is said of one window of MIT-BIH with noise; `snr_db` None: as it was recorded."""

    noise: str
    snr_db: int | None
    is_own_clean: bool
    usable: bool
    rhythm_usable: bool


def benchmark(options: Options) -> Iterator[Figure]:
    """Noise-stressed windows, CinC-2011, NSTDB 118 after gating, and what is called usable on other sets."""
    mitdb, noise = records("mitdb_ds1_and_paced"), records("nstdb")
    yield from _stressed(_windows(mitdb, noise, options))
    yield from _acceptable(list(records("cinc2011_quality").values())[: 60 if options.quick else None])
    yield from _gated(noise["118e06"])
    mv = mitdb["203"].mv[0].astype(np.float64)
    yield _share("usable_203", [q for q, _ in _judged(mv)], "windows of MIT-BIH 203 in which waves can be read")
    yield _share("rhythm_usable_203", [r for _, r in _judged(mv)], "windows of MIT-BIH 203 in which beats can be told")


def _windows(mitdb: dict[str, Recording], noise: dict[str, Recording], options: Options) -> list[Window]:
    rng, covers, told = np.random.default_rng(options.seed), kinds(noise, mitdb["118"]), list[Window]()
    n = round(WINDOW_S * FS_HZ)
    for record in list(mitdb.values())[: 3 if options.quick else None]:
        beats = marks(record)
        for k in rng.choice(np.arange(3, 178), 2 if options.quick else 12, replace=False).tolist():
            mv = record.mv[0, k * n : (k + 1) * n].astype(np.float64)
            own = beats[(beats >= k * n) & (beats < (k + 1) * n)] - k * n
            if len(own) < 3:
                continue
            clean, power = measure(mv, FS_HZ).clear > OWN_BELS, qrs_power(mv, FS_HZ, own)
            told.append(Window("none", None, clean, *_both(mv)))
            for name, cover in covers.items():
                for snr_db in (*POOR_DB, *CLEAN_DB):
                    noisy = added(mv, cover.stretch(rng, WINDOW_S, FS_HZ), power, snr_db)
                    told.append(Window(name, snr_db, clean, *_both(noisy)))
    return told


def _both(mv: Floats) -> tuple[bool, bool]:
    rhythm = assess(mv, FS_HZ)
    hard = [r for r in rhythm.reasons if r != "noise"]
    return cleanness(noise_of(mv, FS_HZ)) >= 0.5 and not hard, rhythm.usable


def _stressed(windows: list[Window]) -> Iterator[Figure]:
    note = "MIT-BIH DS1 and paced, 10 s, with bw, ma and em at 0 and 6 dB (poor), 18 and 24 dB (clean)"
    for where, chosen in (("", windows), ("_of_clean_windows", [w for w in windows if w.is_own_clean])):
        said = note + ("; windows that were clean before" if where else "")
        poor = [not w.usable for w in chosen if w.snr_db in POOR_DB]
        clean = [w.usable for w in chosen if w.snr_db in CLEAN_DB]
        yield _share(f"poor_caught{where}", poor, said)
        yield _share(f"clean_passed{where}", clean, said)
    yield _share("rhythm_poor_caught", [not w.rhythm_usable for w in windows if w.snr_db in POOR_DB], note)
    yield _share("rhythm_clean_passed", [w.rhythm_usable for w in windows if w.snr_db in CLEAN_DB], note)
    yield _share("as_recorded_usable", [w.usable for w in windows if w.snr_db is None], "the same without noise")


def _acceptable(recordings: list[Recording]) -> Iterator[Figure]:
    said = np.array([accept(list(r.mv), r.fs_hz).acceptable for r in recordings])
    right = np.array([r.labels["quality"] == "acceptable" for r in recordings])
    note = f"CinC-2011, {len(right)} recordings of twelve leads; the weights were fitted to them"
    yield Figure("cinc2011_accuracy", float(np.mean(said == right)), "of recordings", note=note)
    yield _share("cinc2011_acceptable_passed", said[right].tolist(), note)
    yield _share("cinc2011_unacceptable_caught", (~said[~right]).tolist(), note)


def _gated(record: Recording) -> Iterator[Figure]:
    mv, reference, n = record.mv[0].astype(np.float64), marks(record), round(WINDOW_S * FS_HZ)
    found = detect_r_peaks(mv, FS_HZ)
    late = round(LEARNING_S * FS_HZ)
    every = _match(reference[reference >= late], found[found >= late])
    yield Figure("nstdb_118e06_se", every[0], "of beats", note="R peaks within 150 ms, first 5 minutes left out")
    yield Figure("nstdb_118e06_ppv", every[1], "of beats", note="likewise")
    for name, column in (("usable", 0), ("rhythm_usable", 1)):
        kept = [k for k, both in enumerate(_judged(mv)) if both[column] and k * n >= late]
        windows = len(mv) // n - late // n
        inside = [np.concatenate([x[(x >= k * n) & (x < (k + 1) * n)] for k in kept]) for x in (reference, found)]
        se, ppv = _match(*inside)
        note = f"windows that are not {name} left out: {1 - len(kept) / windows:.0%} of them"
        yield Figure(f"nstdb_118e06_gated_f1_{name}", 2 * se * ppv / (se + ppv), "F1", note=note)


def _match(reference: npt.NDArray[np.int64], found: npt.NDArray[np.int64]) -> tuple[float, float]:
    pairs = len(match(reference / FS_HZ, found / FS_HZ, 0.15))
    return pairs / len(reference), pairs / len(found)


def _judged(mv: Floats) -> list[tuple[bool, bool]]:
    n = round(WINDOW_S * FS_HZ)
    return [_both(mv[a : a + n]) for a in range(0, len(mv) - n + 1, n)]


def marks(record: Recording) -> npt.NDArray[np.int64]:
    """Samples of the annotators' beats."""
    symbols = np.isin(np.asarray(record.labels["symbol"]), list(BEATS))
    return np.asarray(record.labels["sample"], np.int64)[symbols]


def _share(name: str, hits: list[bool], note: str) -> Figure:
    return Figure(name, float(np.mean(hits)) if hits else 0.0, "of windows", note=note)
