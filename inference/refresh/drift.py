"""Whether what comes in, or what is said of it, is not what it was: for each site and device, against a reference.

    windows --features--> a histogram a patient --mean over patients--> reference | recent --index, chance--> drift

A patient counts once, however many windows came of him; and chance is asked by dealing the patients out anew, for the
windows of one patient are alike and few patients differ from few others. Memory grows with patients and bins alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

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
INPUT: Final = frozenset(EDGES)


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """When a difference is told."""

    least_index: float = 0.2  # population stability index; 0.1 is common, above 0.25 is a large shift
    least_patients: int = 8  # on each side
    most_chance: float = 0.01  # of a difference so large between patients dealt out anew
    deals: int = 400


@dataclass(frozen=True, slots=True)
class Drift:
    """One feature that has shifted."""

    kind: Literal["input", "output"]
    group: str  # site and device model, as the caller names them
    feature: str
    index: float
    chance: float
    patients: tuple[int, int]  # reference, recent

    def __str__(self) -> str:
        return (
            f"{self.group}: {self.feature} has shifted (index {self.index:.2f}, chance {self.chance:.3f}, "
            f"{self.patients[0]} and {self.patients[1]} patients)"
        )


@dataclass(slots=True)
class Profile:
    """Counts of windows of one group by feature, patient and bin."""

    counts: dict[str, dict[str, npt.NDArray[np.int64]]] = field(default_factory=dict)

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

    def to_json(self) -> dict[str, dict[str, list[int]]]:
        """Plain values."""
        return {name: {p: bins.tolist() for p, bins in of.items()} for name, of in self.counts.items()}

    @classmethod
    def of_json(cls, told: Mapping[str, Mapping[str, Iterable[int]]]) -> "Profile":
        """The inverse of `to_json`."""
        return cls({n: {p: np.array(list(b), np.int64) for p, b in of.items()} for n, of in told.items()})


def drifts(
    group: str, reference: Profile, recent: Profile, settings: DriftSettings | None = None, seed: int = 0
) -> list[Drift]:
    """What of `recent` is not as in `reference`, the largest shift first; nothing where too few patients are there."""
    settings = settings or DriftSettings()
    found = []
    for name in sorted(reference.counts.keys() & recent.counts.keys()):
        old, new = (_shares(profile.counts[name]) for profile in (reference, recent))
        if min(len(old), len(new)) < settings.least_patients:
            continue
        index = stability_index(old.mean(axis=0), new.mean(axis=0))
        if index < settings.least_index:
            continue
        chance = _chance(old, new, index, settings.deals, seed)
        if chance <= settings.most_chance:
            kind: Literal["input", "output"] = "input" if name in INPUT else "output"
            found.append(Drift(kind, group, name, index, chance, (len(old), len(new))))
    return sorted(found, key=lambda drift: -drift.index)


def stability_index(old: Floats, new: Floats) -> float:
    """Population stability index of two distributions over the same bins: 0 for the same, without bound."""
    p, q = (np.maximum(x, _FLOOR) / np.maximum(x, _FLOOR).sum() for x in (old, new))
    return float(((q - p) * np.log(q / p)).sum())


def _shares(of: Mapping[str, npt.NDArray[np.int64]]) -> Floats:
    """[patients, bins] share of each patient's windows."""
    counts = np.array([of[p] for p in sorted(of)], np.float64)
    shares: Floats = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _chance(old: Floats, new: Floats, index: float, deals: int, seed: int) -> float:
    """How often patients dealt out anew differ as much."""
    rng, everybody = np.random.default_rng(seed), np.concatenate([old, new])
    more = 0
    for _ in range(deals):
        dealt = everybody[rng.permutation(len(everybody))]
        more += stability_index(dealt[: len(old)].mean(axis=0), dealt[len(old) :].mean(axis=0)) >= index
    return (more + 1) / (deals + 1)
