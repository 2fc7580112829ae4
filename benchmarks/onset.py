"""Seconds from the onset of a scripted lethal rhythm to its HIGH alarm, clean and under recorded noise.

40 s of sinus rhythm at 72, then the rhythm; the noise lies over all of it. Onset is where the script has it, but for a
sinus node that slows down over some beats: extreme bradycardia begins with its first interval below the limit's rate.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from alerts.engine import AlarmEngine
from alerts.settings import AlarmSettings
from benchmarks.figures import Figure, Options
from benchmarks.followers import chunk_of
from benchmarks.noise import Kind, added, kinds, qrs_power, records
from deploy.commands.report import T0_US
from inference.rhythm import RhythmTracker
from ingest.sources.simulate import Episode, Simulated, simulate
from liteheart.alarm import Kind as AlarmKind
from liteheart.alarm import Priority
from liteheart.clock import US_PER_S
from liteheart.ids import PatientId

FS_HZ: Final = 250.0
BEFORE_S: Final = 40.0
PROMISE_S: Final = 10.0
P: Final = PatientId("p")

LETHAL: Final[dict[str, tuple[str, Episode]]] = {
    "asystole": ("ASYSTOLE", Episode("asystole", 20)),
    "brady30": ("EXTREME_BRADY", Episode("sinus", 30, rate_bpm=30)),
    "brady36": ("EXTREME_BRADY", Episode("sinus", 30, rate_bpm=36)),
    "svt160": ("EXTREME_TACHY", Episode("svt", 25, rate_bpm=160)),
    "svt172": ("EXTREME_TACHY", Episode("svt", 25, rate_bpm=172)),
    "vt140": ("VT", Episode("vt", 16, rate_bpm=140)),
    "vt176": ("VT", Episode("vt", 16, rate_bpm=176)),
    "vf": ("VF", Episode("vf", 20)),
    "flutter": ("VF", Episode("flutter", 12)),
}
HARMLESS: Final[dict[str, Episode]] = {
    "sinus": Episode("sinus", 30),
    "tachy128": Episode("sinus", 40, rate_bpm=128),
    "af110": Episode("af", 60, rate_bpm=110),
}
RATIOS_DB: Final = (20, 10, 0)


@dataclass(frozen=True, slots=True)
class Told:
    """Alarms of one run: (seconds after onset, condition, whether it is HIGH, whether it is technical)."""

    alarms: tuple[tuple[float, str, bool, bool], ...]

    def first_s(self, code: str) -> float:
        """When `code` was told, infinite where it never was."""
        return min((t for t, condition, _, _ in self.alarms if condition == code and t > 0), default=float("inf"))

    def instead_s(self) -> float:
        """When a technical alarm or another HIGH one stood, before or after onset."""
        return min((t for t, _, high, technical in self.alarms if technical or (high and t > 0)), default=float("inf"))


def benchmark(options: Options) -> Iterator[Figure]:
    """The share told in time for each rhythm and each noise, and HIGH alarms where there was nothing lethal."""
    noise = kinds(records("nstdb"), records("mitdb_ds1_and_paced")["118"])
    seeds = range(options.seed - 1, options.seed + (0 if options.quick else 3))
    ratios = (0,) if options.quick else RATIOS_DB
    covers = [(None, 0), *((kind, snr_db) for kind in noise.values() for snr_db in ratios)]
    late, told, false = Counter[str](), list[tuple[str, str, float, float]](), 0
    for cover, snr_db in covers:
        name = f"{cover.name}{snr_db}" if cover else "clean"
        for rhythm, (code, episode) in LETHAL.items():
            for seed in seeds:
                run = play(episode, cover, snr_db, seed)
                took = run.first_s(code)
                late[f"{rhythm} {name}"] += took > PROMISE_S
                told.append((rhythm, name, took, run.instead_s()))
        for episode in HARMLESS.values():
            for seed in seeds:
                false += sum(high for _, _, high, _ in play(episode, cover, snr_db, seed).alarms)
    yield from _figures(told, late)
    hours = len(covers) * len(seeds) * sum(BEFORE_S + e.duration_s for e in HARMLESS.values()) / 3600
    note = "sinus rhythm at 72 and 128 and atrial fibrillation at 110 under the same noise"
    yield Figure("false_high_per_hour", false / hours, "alarms/h", note=note)


def _figures(told: list[tuple[str, str, float, float]], late: Counter[str]) -> Iterator[Figure]:
    note = "9 rhythms; noise of the stress test, its definition of the ratio, over the whole signal"
    yield Figure("within_10s", _share(told), "of runs", note=f"{len(told)} runs; {note}")
    for column, word in ((1, "noise"), (0, "rhythm")):
        for name in dict.fromkeys(row[column] for row in told):
            rows = [row for row in told if row[column] == name]
            worst = max(row[2] for row in rows)
            said = f"{len(rows)} runs, {sum(row[2] > PROMISE_S for row in rows)} late; slowest " + (
                f"{worst:.0f} s" if np.isfinite(worst) else "never"
            )
            yield Figure(f"within_10s_{word}_{name}", _share(rows), "of runs", note=said)
    missed = [row for row in told if row[2] > PROMISE_S]
    spoken = sum(row[3] <= PROMISE_S for row in missed)
    which = ", ".join(f"{name} ({count})" for name, count in late.items() if count)
    yield Figure(
        "late_and_silent", float(len(missed) - spoken), "runs", note="late, without a technical or another HIGH alarm"
    )
    yield Figure("late", float(len(missed)), "runs", note=which or "none")


def _share(rows: list[tuple[str, str, float, float]]) -> float:
    return sum(row[2] <= PROMISE_S for row in rows) / len(rows)


def play(episode: Episode, cover: Kind | None, snr_db: float, seed: int) -> Told:
    """One run through the beat path and the rules, a second at a time."""
    made = simulate([Episode("sinus", BEFORE_S, rate_bpm=72), episode], FS_HZ, seed)
    mv = np.nan_to_num(made.mv.astype(np.float64))
    if cover is not None:
        own = cover.stretch(np.random.default_rng(seed), len(mv) / FS_HZ, FS_HZ)
        before = made.r_peaks[made.r_peaks < BEFORE_S * FS_HZ]
        mv = added(mv, own, qrs_power(mv, FS_HZ, before), snr_db)
    onset_s = _onset_s(made, episode)
    tracker, engine, step = RhythmTracker(P), AlarmEngine(P, AlarmSettings(model_expected=False)), round(FS_HZ)
    alarms = []
    for second in range(1, len(mv) // step + 1):
        chunk = chunk_of(P, mv[(second - 1) * step : second * step].astype(np.float32), second, FS_HZ)
        for vitals in tracker.push(chunk):
            at_s = (vitals.t_us - T0_US) / US_PER_S - onset_s
            for event in engine.on_vitals(vitals, chunk.arrival_us):
                if event.action in ("raised", "reactivated"):
                    alarm = event.alarm
                    technical = alarm.kind is AlarmKind.TECHNICAL
                    alarms.append((at_s, alarm.condition, alarm.priority is Priority.HIGH and not technical, technical))
    return Told(tuple(alarms))


def _onset_s(made: Simulated, episode: Episode) -> float:
    """Where the rhythm begins that the alarm is for."""
    limit_s = 60.0 / AlarmSettings().brady_bpm
    if episode.condition != "sinus" or episode.rate >= AlarmSettings().brady_bpm:
        return BEFORE_S
    peaks: npt.NDArray[np.float64] = made.r_peaks / made.fs_hz
    long = np.flatnonzero((np.diff(peaks) > limit_s) & (peaks[1:] > BEFORE_S))
    return float(peaks[long[0]])
