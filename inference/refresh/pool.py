"""Which windows a refresh learns from, of very many: open, of every kind, of everybody a few, and none that is foreign.

    candidates --quality--> --twice?--> --known world?--> --a few of each patient--> the most open and most various
               unusable      duplicate    foreign           surplus                    chosen

Foreign windows (electrodes in the air, another species of signal) are set aside and never get a pseudo-label: they are
counted, for many of them are drift.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from liteheart.errors import Misconfigured

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

WHY: Final = ("unusable", "duplicate", "foreign", "surplus")


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How much of what. Raises Misconfigured naming the key."""

    size: int = 2000  # windows to learn from
    least_sqi: float = 0.5
    most_per_patient: int = 40
    most_share: float = 0.1  # of the pool from one patient, whatever the number above
    foreign_beyond: float = 4.0  # robust deviations from the world that the student was trained on
    duplicate_within: float = 1e-4  # relative distance of two embeddings
    open_share: float = 0.5  # of the pool by openness; the rest by variety

    def __post_init__(self) -> None:
        if not 0 < self.most_share <= 1:
            raise Misconfigured("refresh.most_share", f"{self.most_share} is outside 0 to 1")
        if self.size < 1 or self.most_per_patient < 1:
            raise Misconfigured("refresh.size", "a pool and everybody's part of it hold at least one window")


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Windows that might be learned from: embedding [n, d], p [n, classes], sqi [n], patients [n]."""

    embedding: Floats
    p: Floats
    sqi: Floats
    patients: npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """What embeddings looked like where the student learned: centre and axes [d], [d, k], and usual distances."""

    centre: Floats
    axes: Floats  # whitening: distance is the norm of (x - centre) @ axes
    usual: float  # median distance there
    spread: float  # robust deviation of it

    def distance(self, embedding: Floats) -> Floats:
        """[n] robust deviations beyond the usual distance; 0 or less is ordinary."""
        away = np.linalg.norm((embedding - self.centre) @ self.axes, axis=1)
        found: Floats = (away - self.usual) / self.spread
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Rows of the candidates to learn from, and how many were left out for which reason."""

    rows: Rows
    left_out: Mapping[str, int]


def known_world(embedding: Floats, components: int = 32) -> World:
    """The world of these embeddings [n, d]: a Gaussian on its first components."""
    centre = np.median(embedding, axis=0)
    _, size, directions = np.linalg.svd(embedding - centre, full_matrices=False)
    k = int(min(components, (size > 1e-9 * size.max(initial=1e-30)).sum()))
    deviation = size[:k] / np.sqrt(max(len(embedding) - 1, 1))
    axes = directions[:k].T / deviation
    away = np.linalg.norm((embedding - centre) @ axes, axis=1)
    usual = float(np.median(away))
    return World(centre, axes, usual, float(max(1.4826 * np.median(np.abs(away - usual)), 1e-9)))


def openness(p: Floats) -> Floats:
    """[n] how undecided the student is: mean entropy of its yes or no, 0 to 1."""
    q = np.clip(p, 1e-6, 1 - 1e-6)
    bits: Floats = -(q * np.log2(q) + (1 - q) * np.log2(1 - q))
    found: Floats = bits.mean(axis=1)
    return found


def choose(candidates: Candidates, world: World, settings: PoolSettings, seed: int = 0) -> Pool:
    """A pool of at most `settings.size`; the same candidates and seed give the same one."""
    rng = np.random.default_rng(seed)
    left_out = dict.fromkeys(WHY, 0)
    finite = np.isfinite(candidates.embedding).all(axis=1) & np.isfinite(candidates.p).all(axis=1)
    rows = _kept(np.arange(len(candidates.sqi)), finite & (candidates.sqi >= settings.least_sqi), left_out, "unusable")
    rows = _kept(rows, _first_of_its_kind(candidates.embedding[rows], settings.duplicate_within), left_out, "duplicate")
    rows = _kept(rows, world.distance(candidates.embedding[rows]) <= settings.foreign_beyond, left_out, "foreign")
    rows = rng.permutation(rows)
    rows = rows[np.argsort(-openness(candidates.p[rows]), kind="stable")]  # of each patient, the most open come first
    size = min(settings.size, len(rows))
    most = max(1, min(settings.most_per_patient, int(settings.most_share * size)))
    rows = _kept(rows, _nth(candidates.patients[rows]) < most, left_out, "surplus")
    chosen = rows[: round(settings.open_share * min(settings.size, len(rows)))]
    rest = rows[len(chosen) :]
    more = _various(candidates.embedding, chosen, rest, min(settings.size, len(rows)) - len(chosen), world)
    found = np.sort(np.concatenate([chosen, more]).astype(np.int64))
    left_out["surplus"] += len(rows) - len(found)
    return Pool(found, left_out)


def _kept(rows: Rows, keep: npt.NDArray[np.bool_], left_out: dict[str, int], why: str) -> Rows:
    left_out[why] += int((~keep).sum())
    return rows[keep]


def _first_of_its_kind(embedding: Floats, within: float) -> npt.NDArray[np.bool_]:
    """Whether no row before it is the same within rounding: copies share a cell of a fine grid."""
    scale = np.abs(embedding).max(initial=1e-12) * within
    _, first = np.unique(np.round(embedding / scale).astype(np.int64), axis=0, return_index=True)
    keep = np.zeros(len(embedding), np.bool_)
    keep[first] = True
    return keep


def _nth(names: npt.NDArray[np.str_]) -> Rows:
    """How many of the same name stand before each."""
    _, owner = np.unique(names, return_inverse=True)
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner)
    nth = np.empty(len(names), np.int64)
    nth[order] = np.arange(len(names)) - np.repeat(np.cumsum(counts) - counts, counts)
    return nth


def _various(embedding: Floats, chosen: Rows, rest: Rows, count: int, world: World) -> Rows:
    """`count` of `rest`, each the one farthest from all that are chosen: their world is covered."""
    if count <= 0 or not len(rest):
        return np.zeros(0, np.int64)
    ours, others = ((embedding[rows] - world.centre) @ world.axes for rows in (chosen, rest))
    near = np.full(len(rest), np.inf)
    for x in ours:
        near = np.minimum(near, ((others - x) ** 2).sum(axis=1))
    found: list[int] = []
    for _ in range(min(count, len(rest))):
        at = int(near.argmax())
        found.append(at)
        near = np.minimum(near, ((others - others[at]) ** 2).sum(axis=1))
        near[at] = -1.0
    return rest[found]
