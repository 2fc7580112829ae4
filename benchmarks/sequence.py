"""R peaks of whole recordings in noise, as `liteheart beats` finds them and as the detector alone does: records of
MIT-BIH with the noise of the stress test, in turns with clean stretches as there.

The weights are fitted to one half of the records with the second channel of the noise; they have not seen the other
half, nor the first channel. The few settings of the sequence were chosen with some of both. `--quick`: three others.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.figures import Figure, Options
from benchmarks.noise import FS_HZ, Floats, in_turns, kinds, qrs_power, records
from benchmarks.quality import LEARNING_S, marks
from inference.beats import detect_r_peaks
from inference.evidence import WEIGHTS
from inference.report.matching import match
from inference.sequence import SequenceSettings, beats_of_recording, candidates_in_noise
from inference.train.data import Recording

FITTED: Final = ("101", "106", "109", "114", "116", "122", "201", "205", "208", "215", "223", "102", "107")
OTHERS: Final = ("118", "119", "203", "108", "112", "115", "124", "207", "209", "220", "230", "104", "217")
SAME_S: Final = 0.10  # a candidate so near to a beat is that beat
# noise, dB, samples by which it is moved: what the weights were fitted to
LESSONS: Final = (("em", 6, 50_000), ("em", 0, 90_000), ("em", 12, 150_000), ("ma", 6, 0), ("ma", 0, 0), ("bw", 0, 0))
LEARNING: Final = SequenceSettings(noisy=0.5)  # a little more than is decided upon
Counts = npt.NDArray[np.int64]  # pairs, beats, found


class Noises:
    """The stress test's noise, with the power that it takes for each."""

    def __init__(self, noise: dict[str, Recording], clean: Recording) -> None:
        self._channels = {name: kind.channels for name, kind in kinds(noise, clean).items()}
        at = marks(clean)
        own = [qrs_power(mv.astype(np.float64), FS_HZ, at) for mv in clean.mv]
        self._power = {"em": (own[0] * 10**0.6, own[1] * 10**0.6)}  # that of 118 at -6 dB: as the stress test has it
        for name in ("bw", "ma"):
            self._power[name] = (_noise_power(self._channels[name][0]), _noise_power(self._channels[name][1]))

    def add(self, record: Recording, name: str, snr_db: float, channel: int, moved: int = 0) -> Floats:
        """The first lead of `record` with one of them."""
        mv, noise = record.mv[0].astype(np.float64), self._channels[name][channel]
        if moved:
            loud = np.flatnonzero(in_turns(np.zeros_like(mv), np.ones_like(mv), 1.0, 1.0, 0.0))
            noise = noise.copy()
            noise[loud] = np.roll(noise[loud], moved)
        power = qrs_power(mv, FS_HZ, marks(record))
        return in_turns(mv, noise - (0.0 if name == "em" else noise.mean()), power, self._power[name][channel], snr_db)


def benchmark(options: Options) -> Iterator[Figure]:
    """NSTDB 118; other records with its noise; all records as they are; what a new fit of the weights says."""
    mitdb, noise = records("mitdb_ds1_and_paced"), records("nstdb")
    noises = Noises(noise, mitdb["118"])
    mv = noise["118e06"].mv[0].astype(np.float64)
    yield from _both("nstdb_118e06", [_counts(noise["118e06"], mv)], "the record of the stress test")
    for half, names in (("others", OTHERS[: 3 if options.quick else None]), ("fitted", FITTED)):
        if half == "fitted" and options.quick:
            continue
        for kind, snr_db in (("em", 12), ("em", 6), ("em", 0), ("ma", 6)):
            each = []
            for name in names:
                each.append(_counts(mitdb[name], noises.add(mitdb[name], kind, snr_db, 0)))
                if (kind, snr_db) == ("em", 6):
                    yield from _both(f"{name}_em_6_db", each[-1:], half)
            yield from _both(f"{half}_{kind}_{snr_db}_db", each, f"{len(names)} records, first channel of the noise")
    clean = list(mitdb.values())[: 3 if options.quick else None]
    yield from _both("clean", [_counts(r, r.mv[0].astype(np.float64)) for r in clean], "as they were recorded")
    if not options.quick:
        again = fit(mitdb, noises)
        apart = float(np.max(np.abs(again - np.array(WEIGHTS))))
        said = ", ".join(f"{w:.2f}" for w in again)
        yield Figure("weights_apart", apart, "of log odds", note=f"largest difference of a new fit: {said}")


def fit(mitdb: dict[str, Recording], noises: Noises) -> Floats:
    """The weights of `inference/evidence.py`, from the first half of the records, with noise and without."""
    rows, hits = list[Floats](), list[npt.NDArray[np.bool_]]()
    for name in FITTED:
        record = mitdb[name]
        heard = [noises.add(record, kind, snr_db, 1, moved) for kind, snr_db, moved in LESSONS]
        for mv in (*heard, record.mv[0].astype(np.float64)):
            found = candidates_in_noise(mv, FS_HZ, LEARNING)
            if not found:
                continue
            rows.append(np.concatenate([c.measures for c in found]))
            at, right = np.concatenate([c.sample for c in found]), np.zeros(len(rows[-1]), np.bool_)
            right[match(marks(record) / FS_HZ, at / FS_HZ, SAME_S)[:, 1]] = True
            hits.append(right)
    return _logistic(np.concatenate(rows), np.concatenate(hits).astype(np.float64))


def _logistic(x: Floats, y: Floats) -> Floats:
    """Weights of `x` [n, m], whose first column is 1, for `y` [n] in {0, 1}: Newton's steps, columns standardised."""
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    mean[0], spread[0] = 0.0, 1.0
    z, w = (x - mean) / spread, np.zeros(x.shape[1])
    for _ in range(40):
        p = 1 / (1 + np.exp(-np.clip(z @ w, -30, 30)))
        step = np.linalg.solve((z * (p * (1 - p))[:, None]).T @ z + np.eye(len(w)), z.T @ (y - p) - w)
        w += step
        if np.abs(step).max() < 1e-7:
            break
    out = w / spread
    out[0] = w[0] - float(np.sum(w[1:] * mean[1:] / spread[1:]))
    return np.asarray(out)


def _noise_power(x: Floats) -> float:
    """As the stress test measures noise: mean of the standard deviations of seconds, the outer twentieths left out."""
    n = round(FS_HZ)
    spread = np.sort(x[: len(x) // n * n].reshape(-1, n).std(axis=1))
    cut = len(spread) // 20
    return float(np.mean(spread[cut : len(spread) - cut])) ** 2


def _counts(record: Recording, mv: Floats) -> tuple[Counts, Counts]:
    """Of the sequence, and of the detector alone."""
    return _matched(record, beats_of_recording(mv, FS_HZ)), _matched(record, detect_r_peaks(mv, FS_HZ))


def _matched(record: Recording, found: npt.NDArray[np.int64]) -> Counts:
    true, sample = marks(record), np.asarray(record.labels["sample"], np.int64)
    symbol = np.asarray(record.labels["symbol"])
    for on, off in zip(sample[symbol == "["].tolist(), sample[symbol == "]"].tolist(), strict=True):
        true, found = (x[(x < on) | (x > off)] for x in (true, found))  # flutter: no beats are marked
    true, found = (x[x >= LEARNING_S * FS_HZ] for x in (true, found))
    return np.array([len(match(true / FS_HZ, found / FS_HZ)), len(true), len(found)], np.int64)


def _both(name: str, each: Sequence[tuple[Counts, Counts]], note: str) -> Iterator[Figure]:
    ours, alone = (np.sum([counts[k] for counts in each], axis=0) for k in (0, 1))
    for what, k in (("se", 1), ("ppv", 2)):
        mine, theirs = float(ours[0] / ours[k]), float(alone[0] / alone[k])
        yield Figure(f"{name}_{what}", mine, "of beats", "the detector alone", theirs, note=note)
