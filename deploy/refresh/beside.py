"""Two students over the same stored signal: how fast each answers, what each says, which alarms each would raise."""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from alerts.catalogue import STUDENT
from deploy.playback import Analysed, Said, analyse, judge
from deploy.settings import Settings
from deploy.sounded import calls
from deploy.wiring import Storage, alarm_settings, patient_alarms
from inference.ports import Network
from inference.preprocess import SAMPLES
from inference.serve.engine import Engine, load_engine, load_network
from inference.settings import InferenceSettings
from liteheart.alarm import Alarm, Kind, Priority
from liteheart.clock import US_PER_S
from liteheart.errors import Conflict, Poison
from liteheart.finding import Finding
from liteheart.ids import ModelVersion, PatientId
from liteheart.signal import Frame, Window

_ROUNDS: Final = 15  # of timing; the two take turns, so that a busy machine slows both
_BATCH: Final = 16
_NEAR_US: Final = US_PER_S // 2
_MOST: Final = 20_000  # windows of one patient in the shadow, at most
Tick = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Burden:
    """Alarms of the champion and of the candidate on the same signal."""

    champion: int
    candidate: int
    missed_lethal: int
    patient_days: float

    @property
    def ratio(self) -> float:
        """Candidate / champion; one alarm is added to both, so that none against few is no infinite ratio."""
        return (self.candidate + 1) / (self.champion + 1)

    @property
    def extra_per_day(self) -> float:
        """More alarms a patient-day."""
        return (self.candidate - self.champion) / self.patient_days if self.patient_days else 0.0


@dataclass(frozen=True, slots=True)
class Compared:
    """What both said of windows that came in."""

    windows: int
    alike: float  # sum over windows of the share of conditions of which both say the same
    alarming_alike: int  # windows with the same codes of those that alarm
    appeared: Mapping[str, int]  # codes that only the candidate found
    vanished: Mapping[str, int]
    burden: Burden

    @property
    def agreement(self) -> float:
        """Share of conditions of which both say the same, mean over windows."""
        return self.alike / self.windows if self.windows else float("nan")

    @property
    def alarming_agreement(self) -> float:
        """Share of windows with the same codes of those that alarm."""
        return self.alarming_alike / self.windows if self.windows else float("nan")


def latency_ratio(champion: Path, candidate: Path, settings: InferenceSettings) -> float:
    """Seconds a window, candidate / champion, by turns; the least of each, for what else runs only adds to it."""
    networks = [load_network(replace(settings, model_dir=folder)) for folder in (champion, candidate)]
    x = np.random.default_rng(0).normal(0, 0.2, (_BATCH, SAMPLES)).astype(np.float32)
    taken = np.array([[_timed(network, x) for network in networks] for _ in range(_ROUNDS)])
    before, after = taken.min(axis=0)
    return float(after / before)


def _timed(network: Network, x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    began = time.perf_counter()
    network(x)
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Rules:
    """By what alarms are judged: `deploy.settings.Settings`, and each patient's own limits."""

    system: Settings
    limits: Mapping[PatientId, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Part:
    """A patient, from one event time to another."""

    patient: PatientId
    since_us: int
    until_us: int


class Beside:
    """Champion and candidate, each in a folder. Raises Misconfigured for one that cannot be loaded."""

    def __init__(self, storage: Storage, champion: Path, candidate: Path, settings: InferenceSettings) -> None:
        self._storage = storage
        self.champion = load_engine(settings, model_dir=champion)
        self.candidate = load_engine(settings, model_dir=candidate)

    def newest(self, patients: Sequence[PatientId], most: int, hours: float) -> list[Part]:
        """The last `hours` of those of `patients` of whom signal came last."""
        states = [s for s in self._storage.board.patients() if s.patient in patients]
        states.sort(key=lambda s: (-s.last_sample_us, s.patient))
        length_us = round(hours * 3600 * US_PER_S)
        return [Part(s.patient, s.last_sample_us - length_us, s.last_sample_us + 1) for s in states[:most]]

    def burden(self, parts: Sequence[Part], settings: Rules, tick: Tick) -> Burden:
        """Alarms of both, each having read every window anew."""
        total = Burden(0, 0, 0, 0.0)
        for i, part in enumerate(parts):
            tick(i / len(parts))
            frames = self._frames(part)
            if frames is None:
                continue
            second = _Second(self.candidate)
            analysed = analyse(part.patient, frames, settings.system.ingest, second.scored_by(self.champion))
            total = _added(total, _played(analysed, second.findings, settings, part.patient, self))
        return total

    def compare(self, parts: Sequence[Part], model: ModelVersion, settings: Rules, tick: Tick) -> Compared:
        """The candidate's reading beside the stored one of `model`, of the windows that it has read."""
        conditions, alarming = len(self.champion.thresholds), self.champion.thresholds.keys() & STUDENT
        alike, alarming_alike, windows = 0.0, 0, 0
        appeared, vanished = dict[str, int](), dict[str, int]()
        burden = Burden(0, 0, 0, 0.0)
        for i, part in enumerate(parts):
            tick(i / len(parts))
            frames = self._frames(part)
            stored = {f.t0_us: f for f in self._stored(part, model)}
            if frames is None or not stored:
                continue
            second = _Second(self.candidate)
            analysed = analyse(part.patient, frames, settings.system.ingest, second.beside(stored))
            for t0_us, theirs in second.findings.items():
                ours = stored[t0_us]
                if ours.abstained and theirs.abstained:
                    continue
                windows += 1
                before, after = set(ours.codes), set(theirs.codes)
                alike += 1 - len(before ^ after) / conditions
                alarming_alike += before & alarming == after & alarming
                _count(appeared, after - before)
                _count(vanished, before - after)
            burden = _added(burden, _played(analysed, second.findings, settings, part.patient, self))
        return Compared(windows, alike, alarming_alike, appeared, vanished, burden)

    def _frames(self, part: Part) -> list[Frame] | None:
        """In the order in which they came; None for signal that cannot be read."""
        try:
            frames = self._storage.board.strip(part.patient, part.since_us, part.until_us)
        except (Poison, Conflict):
            return None
        return sorted(frames, key=lambda f: (f.arrival_us, f.boot, f.sequence)) or None

    def _stored(self, part: Part, model: ModelVersion) -> list[Finding]:
        found = self._storage.harvest.readings(part.patient, part.since_us, part.until_us, model)
        return list(itertools.islice(found, _MOST))


class _Second:
    """Reads every window that the champion reads, and keeps that apart, by begin."""

    def __init__(self, candidate: Engine) -> None:
        self._candidate = candidate
        self.findings: dict[int, Finding] = {}

    def scored_by(self, champion: Engine) -> Callable[[Sequence[Window]], list[Finding | None]]:
        def score(windows: Sequence[Window]) -> list[Finding | None]:
            found = champion.score(windows)
            self._read(windows, found)
            return [*found]

        return score

    def beside(self, stored: Mapping[int, Finding]) -> Callable[[Sequence[Window]], list[Finding | None]]:
        places = np.array(sorted(stored), np.int64)

        def nearest(window: Window) -> Finding | None:
            at = int(places[np.abs(places - window.t0_us).argmin()])
            return stored[at] if abs(at - window.t0_us) <= _NEAR_US else None

        def score(windows: Sequence[Window]) -> list[Finding | None]:
            found = [nearest(w) for w in windows]
            self._read(windows, found)
            return found

        return score

    def _read(self, windows: Sequence[Window], found: Sequence[Finding | None]) -> None:
        there = [(w, f) for w, f in zip(windows, found, strict=True) if f is not None]
        for (_, f), own in zip(there, self._candidate.score([w for w, _ in there]), strict=True):
            self.findings[f.t0_us] = own


def _played(
    analysed: Analysed, theirs: Mapping[int, Finding], rules: Rules, patient: PatientId, both: Beside
) -> Burden:
    """The same vitals with the findings of either."""
    own = rules.limits.get(patient, {})
    swapped = tuple(
        Said(theirs.get(s.what.t0_us, s.what), s.now_us) if isinstance(s.what, Finding) else s for s in analysed.said
    )
    made = [
        [c.alarm for c in calls(judge(what, patient_alarms(alarm_settings(rules.system, engine.thresholds), own)))]
        for what, engine in ((analysed, both.champion), (replace(analysed, said=swapped), both.candidate))
    ]
    before, after = ([a for a in alarms if a.kind is Kind.PHYSIOLOGICAL] for alarms in made)
    lethal = [{a.alarm_id for a in some if _lethal(a)} for some in (before, after)]
    days = analysed.signal_s / 86_400
    return Burden(len(before), len(after), len(lethal[0] - lethal[1]), days)


def _lethal(alarm: Alarm) -> bool:
    return alarm.priority is Priority.HIGH


def _added(a: Burden, b: Burden) -> Burden:
    return Burden(
        a.champion + b.champion,
        a.candidate + b.candidate,
        a.missed_lethal + b.missed_lethal,
        a.patient_days + b.patient_days,
    )


def _count(counts: dict[str, int], codes: set[str]) -> None:
    for code in codes:
        counts[code] = counts.get(code, 0) + 1
