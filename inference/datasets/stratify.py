"""Iterative stratification of many labels at once (Sechidis, Tsoumakas, Vlahavas 2011), by group.

The rarest label is dealt out first, each of its groups to the side that still wants most of that label; so a label with
ten records is split as fairly as one with thousands. Groups stay whole, whatever that costs the shares.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.datasets.record import Listed

_EPS: Final = 1e-9  # shares within it are equal


def deal(listed: Sequence[Listed], shares: Sequence[float], *, seed: int) -> list[list[Listed]]:
    """The records dealt to sides that want these shares of them and of each label. Raises ValueError for odd shares."""
    if len(shares) < 2 or min(shares, default=0) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"shares: at least two, above 0, summing to 1 expected, got {list(shares)}")
    names = list(dict.fromkeys(r.group for r in listed))
    side = dict(zip(names, _dealt(*_counts(listed, names), np.asarray(shares, np.float64), seed), strict=True))
    return [[r for r in listed if side[r.group] == s] for s in range(len(shares))]


def _counts(listed: Sequence[Listed], names: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Records with each label [groups, labels], and records [groups]."""
    group = {name: i for i, name in enumerate(names)}
    column = {code: i for i, code in enumerate(sorted({c for r in listed for c in r.labels}))}
    labels = np.zeros((len(names), len(column)), np.int64)
    sizes = np.zeros(len(names), np.int64)
    for r in listed:
        sizes[group[r.group]] += 1
        for code in r.labels:
            labels[group[r.group], column[code]] += 1
    return labels, sizes


def _dealt(
    labels: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], shares: npt.NDArray[np.float64], seed: int
) -> list[int]:
    """The side of each group."""
    rng = np.random.default_rng(seed)
    side = np.full(len(sizes), -1, np.int64)
    wanted = shares[:, None] * labels.sum(axis=0)  # [sides, labels]
    room = shares * sizes.sum()
    left = labels.sum(axis=0)
    while True:
        open_labels = np.flatnonzero(left > 0)
        rarest = int(open_labels[left[open_labels].argmin()]) if len(open_labels) else None
        mine = np.flatnonzero((side < 0) & (labels[:, rarest] > 0 if rarest is not None else sizes > 0))
        order = rng.permutation(mine)
        for g in order[np.argsort(-sizes[order], kind="stable")]:  # large groups while there is room
            to = _neediest(wanted[:, rarest] if rarest is not None else room, room, rng)
            side[g] = to
            wanted[to] -= labels[g]
            room[to] -= sizes[g]
            left -= labels[g]
        if rarest is None:
            return [int(s) for s in side]


def _neediest(wish: npt.NDArray[np.float64], room: npt.NDArray[np.float64], rng: np.random.Generator) -> int:
    best = np.flatnonzero(wish >= wish.max() - _EPS)
    best = best[room[best] >= room[best].max() - _EPS]
    return int(rng.choice(best))
