"""Annotations in the letters of the PhysioBank databases, and what they say: beats, rhythms, runs, lethal spells.

Classes are those of EC57: N (any beat not below), S (supraventricular), V (ventricular), F (fusion), Q (paced, or
of a kind that nobody could tell).
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from inference.report.intervals import Intervals, intervals
from inference.report.matching import Seconds
from liteheart.lethal import LETHAL, LethalLimits

CLASSES: Final = "NSVFQ"
CLASS_OF: Final = {
    **dict.fromkeys("NLRBejn", "N"),
    **dict.fromkeys("AaJS", "S"),
    **dict.fromkeys("VEr", "V"),
    "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
}
AF: Final = ("(AFIB",)
AFL: Final = ("(AFL",)
VF_RHYTHMS: Final = ("(VFL", "(VF", "(VFIB")  # where flutter stands as a rhythm only


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """What somebody, or something, said of a recording. All arrays [k], in order of time."""

    t_s: Seconds
    symbol: npt.NDArray[np.str_]
    aux: npt.NDArray[np.str_]  # "(AFIB" and the like; empty where nothing is said

    @classmethod
    def of(cls, t_s: npt.ArrayLike, symbol: Sequence[str], aux: Sequence[str] | None = None) -> Self:
        """Sorted by time. Raises ValueError where the lengths differ."""
        t = np.asarray(t_s, np.float64)
        symbols, texts = np.array(symbol, str), np.array([""] * len(t) if aux is None else aux, str)
        if not len(t) == len(symbols) == len(texts):
            raise ValueError(f"annotations: {len(t)} times, {len(symbols)} symbols, {len(texts)} texts")
        order = np.argsort(t, kind="stable")
        return cls(t[order], symbols[order], np.array([s.strip("\0 ") for s in texts[order]], str))


@dataclass(frozen=True, slots=True, eq=False)
class Beats:
    """Instants of beats; `kind` is their class in EC57's letters, None where the detector tells no kinds. Both [k]."""

    t_s: Seconds
    kind: npt.NDArray[np.str_] | None = None

    def take(self, keep: npt.NDArray[np.bool_]) -> "Beats":
        """The chosen ones."""
        return Beats(self.t_s[keep], None if self.kind is None else self.kind[keep])


def beats_of(a: Annotations) -> Beats:
    """The beats, without rhythm changes, noise marks and flutter waves."""
    kind = np.array([CLASS_OF.get(s, "") for s in a.symbol], str)
    is_beat = kind != ""
    return Beats(a.t_s[is_beat], kind[is_beat])


def rhythm(a: Annotations, names: Sequence[str], end_s: float) -> Intervals:
    """Stretches whose rhythm is one of `names`; the last one lasts to `end_s`."""
    changes = [(t, str(x)) for t, x in zip(a.t_s.tolist(), a.aux, strict=True) if str(x).startswith("(")]
    ends = [t for t, _ in changes[1:]] + [max(end_s, t) for t, _ in changes[-1:]]
    return intervals((t, e) for (t, x), e in zip(changes, ends, strict=True) if x in names)


def fibrillation(a: Annotations, end_s: float) -> Intervals:
    """Ventricular fibrillation or flutter: between "[" and "]", or where a rhythm says so and no bracket does."""
    begins, ends = (a.t_s[a.symbol == s].tolist() for s in "[]")
    if not begins:
        return rhythm(a, VF_RHYTHMS, end_s)
    later = [min([e for e in ends if e >= b], default=max(end_s, b)) for b in begins]
    return intervals(zip(begins, later, strict=True))


def ventricular_runs(beats: Beats, least: int) -> list[tuple[float, float, int]]:
    """(first beat, last beat, beats) of runs of at least `least` ventricular beats in a row."""
    if beats.kind is None:
        return []
    is_v = np.concatenate([[False], beats.kind == "V", [False]])
    edges = np.flatnonzero(is_v[1:] != is_v[:-1])
    runs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(float(beats.t_s[a]), float(beats.t_s[b - 1]), b - a) for a, b in runs if b - a >= least]


def lethal(a: Annotations, end_s: float, limits: LethalLimits = LETHAL) -> dict[str, Intervals]:
    """Stretches of each lethal rhythm by the alarm's code, from the beats and brackets of an annotator.

    The limits are the yardstick and do not move with a monitor's settings.
    """
    s, vf, beats = limits, fibrillation(a, end_s), beats_of(a)
    rr = np.diff(beats.t_s)
    t = beats.t_s.tolist()
    in_vf = [bool(len(vf)) and bool(np.any((vf[:, 0] < y) & (vf[:, 1] > x))) for x, y in itertools.pairwise(t)]
    calm = ~np.array(in_vf, np.bool_)  # an interval in which waves flutter is no pause
    slow = rr > 60.0 / s.brady_bpm  # two such at least: one long interval alone is a pause, not a rate
    runs = ventricular_runs(beats, s.vt_beats)
    return {
        "ASYSTOLE": intervals((t[i], t[i + 1]) for i in np.flatnonzero(calm & (rr >= s.asystole_s)).tolist()),
        "EXTREME_BRADY": _rates(beats.t_s, calm & slow, calm, s.brady_beats - 1, 2, lambda bpm: bpm < s.brady_bpm),
        "EXTREME_TACHY": _rates(beats.t_s, calm, calm, s.tachy_beats - 1, 1, lambda bpm: bpm > s.tachy_bpm),
        "VT": intervals((x, y) for x, y, n in runs if 60.0 * (n - 1) > s.vt_bpm * (y - x)),
        "VF": intervals((x, y) for x, y in vf.tolist() if y - x >= s.vf_s),
    }


def _rates(
    t_s: Seconds,
    counting: npt.NDArray[np.bool_],
    calm: npt.NDArray[np.bool_],
    n: int,
    least: int,
    breaks: Callable[[float], bool],
) -> Intervals:
    """Where the mean rate over `n` intervals, `least` of them `counting` and all `calm`, is beyond a limit."""
    if len(t_s) <= n:
        return intervals([])
    first, last, window = t_s[:-n], t_s[n:], np.ones(n)
    whole = (np.convolve(calm, window, "valid") == n) & (np.convolve(counting, window, "valid") >= least)
    hit = whole & np.array([breaks(60.0 * n / max(y - x, 1e-9)) for x, y in zip(first, last, strict=True)])
    return intervals(zip(first[hit].tolist(), last[hit].tolist(), strict=True))
