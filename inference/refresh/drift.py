"""Whether what comes in, or what is said of it, is not what it was: for each site and device, against a reference.

    windows --features--> a histogram a patient --mean over patients--> reference | recent --index, chance--> drift

A patient counts once, however many windows came of him; and chance is asked by dealing the patients out anew, for the
windows of one patient are alike and few patients differ from few others. Many features are looked at: the chance that
is told is that of any of them. Memory grows with patients and bins alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

EDGES: Final[Mapping[str, tuple[float, ...]]] = {
    "sqi": (0.2, 0.4, 0.6, 0.8, 0.9),
    "heart_rate_bpm": (50.0, 60.0, 75.0, 90.0, 110.0, 140.0),
    "amplitude_mv": (0.2, 0.4, 0.7, 1.1, 1.7, 2.5),  # from the least to the greatest sample of a beat, median
    "baseline_mv": (0.05, 0.1, 0.2, 0.4, 0.8),  # wandering below 0.5 Hz, root mean square
    "noise_mv": (0.01, 0.02, 0.04, 0.08, 0.16),  # above 20 Hz outside of beats, root mean square
    "distance": (0.5, 1.0, 1.5, 2.0, 3.0),  # of the student's embedding from what it was trained on; 1 is usual there
}
_SHARE: Final = (0.5,)  # yes or no: abstained, unusable, a condition
_FLOOR: Final = 1e-3  # of a bin's share, or an empty one would weigh without bound
_BLOCK: Final = 500  # deals at once
INPUT: Final = frozenset({*EDGES, "unusable"})
Since = Literal["made", "seen"]  # what the reference is: where the student learned, or what this ward was like


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """When a difference is told."""

    least_index: float = 0.2  # population stability index; 0.1 is common, above 0.25 is a large shift
    least_patients: int = 8  # on each side
    most_chance: float = 0.01  # of a difference so large, in any feature, between patients dealt out anew


@dataclass(frozen=True, slots=True)
class Drift:
    """One feature that has shifted."""

    kind: Literal["input", "output"]
    group: str  # site and device model, as the caller names them
    feature: str
    index: float
    chance: float  # of any feature's being so far off
    patients: tuple[int, int]  # reference, recent
    since: Since = "seen"

    def __str__(self) -> str:
        what = "is not what the student learned from" if self.since == "made" else "has shifted"
        return (
            f"{self.group}: {self.feature} {what} (index {self.index:.2f}, chance {self.chance:.3f}, "
            f"{self.patients[0]} and {self.patients[1]} patients)"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """How patients differ in one feature: rows [u, bins], each a patient's shares of the bins, and how many have it."""

    rows: Floats
    times: Counts

    @property
    def patients(self) -> int:
        """How many."""
        return int(self.times.sum())

    @property
    def mean(self) -> Floats:
        """[bins] of all patients."""
        found: Floats = self.times @ self.rows / max(self.patients, 1)
        return found


@dataclass(slots=True)
class Profile:
    """Counts of windows of one group by feature, patient and bin."""

    counts: dict[str, dict[str, Counts]] = field(default_factory=dict)

    def add(self, patient: str, features: Mapping[str, float | None]) -> None:
        """Take in one window. What is None or NaN is left out; features without edges are taken as yes or no."""
        for name, value in features.items():
            if value is None or np.isnan(value):
                continue
            edges = EDGES.get(name, _SHARE)
            of = self.counts.setdefault(name, {})
            bins = of.get(patient)
            if bins is None:
                bins = of[patient] = np.zeros(len(edges) + 1, np.int64)
            bins[int(np.searchsorted(edges, value, side="right"))] += 1

    def spreads(self) -> dict[str, Spread]:
        """By feature, without anybody's name: who is alike is counted."""
        return {name: _spread(np.array([of[p] for p in sorted(of)], np.float64)) for name, of in self.counts.items()}

    def to_json(self) -> dict[str, dict[str, list[int]]]:
        """Plain values."""
        return {name: {p: bins.tolist() for p, bins in of.items()} for name, of in self.counts.items()}

    @classmethod
    def of_json(cls, told: Mapping[str, Mapping[str, Iterable[int]]]) -> "Profile":
        """The inverse of `to_json`."""
        return cls({n: {p: np.array(list(b), np.int64) for p, b in of.items()} for n, of in told.items()})


Reference = Profile | Mapping[str, Spread]


def drifts(
    group: str,
    reference: Reference,
    recent: Profile,
    settings: DriftSettings | None = None,
    seed: int = 0,
    since: Since = "seen",
) -> list[Drift]:
    """What of `recent` is not as in `reference`, the largest shift first; nothing where too few patients are there."""
    settings = settings or DriftSettings()
    old = reference.spreads() if isinstance(reference, Profile) else reference
    new = recent.spreads()
    asked = [
        name
        for name in sorted(old.keys() & new.keys())
        if min(old[name].patients, new[name].patients) >= settings.least_patients
    ]
    found = []
    for name in asked:
        index = stability_index(old[name].mean, new[name].mean)
        if index < settings.least_index:
            continue
        chance = len(asked) * _chance(old[name], new[name], index, settings.most_chance / len(asked), seed)
        if chance <= settings.most_chance:
            kind: Literal["input", "output"] = "input" if name in INPUT else "output"
            found.append(Drift(kind, group, name, index, chance, (old[name].patients, new[name].patients), since))
    return sorted(found, key=lambda drift: -drift.index)


def stability_index(old: Floats, new: Floats) -> float:
    """Population stability index of two distributions over the same bins: 0 for the same, without bound."""
    return float(_indices(old, new))


def _indices(old: Floats, new: Floats) -> Floats:
    """[...] of distributions [..., bins]."""
    p, q = (np.maximum(x, _FLOOR) / np.maximum(x, _FLOOR).sum(axis=-1, keepdims=True) for x in (old, new))
    found: Floats = ((q - p) * np.log(q / p)).sum(axis=-1)
    return found


def _spread(counts: Floats) -> Spread:
    """Of [patients, bins] windows."""
    shares = np.round(counts / counts.sum(axis=1, keepdims=True), 6)
    rows, times = np.unique(shares, axis=0, return_counts=True)
    return Spread(rows, times.astype(np.int64))


def _chance(old: Spread, new: Spread, index: float, most: float, seed: int) -> float:
    """How often patients dealt out anew differ as much; no longer asked once it is clear that that is above `most`."""
    rng, everybody = np.random.default_rng(seed), np.concatenate([old.rows, new.rows])
    rows, which = np.unique(everybody, axis=0, return_inverse=True)
    times = np.bincount(which.reshape(-1), np.concatenate([old.times, new.times])).astype(np.int64)
    deals, more, done = int(np.ceil(4 / most)), 0, 0
    while done < deals and more < 4:
        block = min(_BLOCK, deals - done)
        dealt = rng.multivariate_hypergeometric(times, new.patients, size=block)
        means = (times - dealt) @ rows / old.patients, dealt @ rows / new.patients
        more += int((_indices(*means) >= index * (1 - 1e-9)).sum())
        done += block
    return (more + 1) / (done + 1)
