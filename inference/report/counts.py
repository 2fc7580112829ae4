"""What is counted in one record, and the rates that follow. Counts add up: their sum over records gives gross rates."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.report.intervals import Intervals, clip, duration_s, inside, overlap_s, without
from inference.report.labels import CLASSES, Beats, ventricular_runs
from inference.report.matching import WINDOW_S, Pairs, match

NOBODY: Final = "-"  # in a pair of classes: the other side has no beat there
RUNS: Final = {"couplets": (2, 2), "short runs": (3, 5), "long runs": (6, 10**9)}  # beats, of EC57's three tables


@dataclass(frozen=True, slots=True)
class Tally:
    """True events found and missed, false ones, and how many of those found count for +P (episodes: of the test's)."""

    found: int = 0
    missed: int = 0
    right: int = 0  # of the test's events; the same as `found` where events are paired one to one
    wrong: int = 0
    quiet: int | None = None  # of other kinds, rightly not called this one: for the false positive rate

    def __add__(self, other: "Tally") -> "Tally":
        quiet = None if self.quiet is None and other.quiet is None else (self.quiet or 0) + (other.quiet or 0)
        return Tally(
            self.found + other.found,
            self.missed + other.missed,
            self.right + other.right,
            self.wrong + other.wrong,
            quiet,
        )

    @property
    def se(self) -> float | None:
        """Sensitivity; None where there was nothing to find."""
        return _share(self.found, self.found + self.missed)

    @property
    def ppv(self) -> float | None:
        """Positive predictivity; None where nothing was said."""
        return _share(self.right, self.right + self.wrong)

    @property
    def fpr(self) -> float | None:
        """False positive rate, for kinds of beats."""
        return None if self.quiet is None else _share(self.wrong, self.wrong + self.quiet)


@dataclass(frozen=True, slots=True)
class Spells:
    """Episodes of one condition: how many, and how long."""

    episodes: Tally = Tally()
    true_s: float = 0.0  # of the reference
    said_s: float = 0.0  # of the test, without what is not judged
    both_s: float = 0.0  # said and true; the same from either side, but for what is not judged
    both_said_s: float = 0.0

    def __add__(self, other: "Spells") -> "Spells":
        return Spells(
            self.episodes + other.episodes,
            self.true_s + other.true_s,
            self.said_s + other.said_s,
            self.both_s + other.both_s,
            self.both_said_s + other.both_said_s,
        )

    @property
    def duration_se(self) -> float | None:
        """Share of the true time that was said."""
        return _share(self.both_s, self.true_s)

    @property
    def duration_ppv(self) -> float | None:
        """Share of the said time that was true."""
        return _share(self.both_said_s, self.said_s)


def pair_classes(reference: Beats, found: Beats, pairs: Pairs) -> Counter[tuple[str, str]]:
    """EC57's matrix of beats: (class by the reference, class by the test); NOBODY where one side has no beat."""
    true, said = _kinds(reference), _kinds(found)
    table = Counter((true[i], said[j]) for i, j in pairs.tolist())
    table.update((true[i], NOBODY) for i in sorted(set(range(len(true))) - set(pairs[:, 0].tolist())))
    table.update((NOBODY, said[j]) for j in sorted(set(range(len(said))) - set(pairs[:, 1].tolist())))
    return table


def qrs(table: Counter[tuple[str, str]]) -> Tally:
    """Beats of any class."""
    both = sum(n for (true, said), n in table.items() if NOBODY not in (true, said))
    missed = sum(n for (_, said), n in table.items() if said == NOBODY)
    wrong = sum(n for (true, _), n in table.items() if true == NOBODY)
    return Tally(both, missed, both, wrong)


def ectopic(table: Counter[tuple[str, str]], kind: str) -> Tally | None:
    """Beats of class V or S; None where the test tells no classes.

    A fusion or unclassifiable beat that is called V is no error, nor is an unclassifiable one called S (EC57).
    """
    if not any(said in CLASSES for _, said in table):
        return None
    forgiven = {"V": "FQ", "S": "Q"}[kind]
    found = table[kind, kind]
    missed = sum(n for (true, said), n in table.items() if true == kind != said)
    wrong = sum(n for (true, said), n in table.items() if said == kind != true and true not in forgiven)
    quiet = sum(n for (true, said), n in table.items() if kind not in (true, said) and said != NOBODY)
    return Tally(found, missed, found, wrong, quiet)


def runs(reference: Beats, found: Beats, window_s: float = WINDOW_S) -> dict[str, Tally] | None:
    """Runs of ventricular beats by length; None where the test tells no classes.

    A run counts when the other side has, within the window of its ends, a run of at least its table's least length.
    """
    if reference.kind is None or found.kind is None:
        return None
    true, said = ventricular_runs(reference, 2), ventricular_runs(found, 2)
    tables = {}
    for name, (least, most) in RUNS.items():
        hits = [_answered(r, said, least, window_s) for r in true if least <= r[2] <= most]
        right = [_answered(r, true, least, window_s) for r in said if least <= r[2] <= most]
        tables[name] = Tally(sum(hits), len(hits) - sum(hits), sum(right), len(right) - sum(right))
    return tables


def spells(true: Intervals, said: Intervals, begin_s: float, end_s: float, unjudged: Intervals) -> Spells:
    """Episodes within [begin, end). Any overlap finds one, as EC57 has it; what is said in `unjudged` (where the
    reference names a neighbouring rhythm, flutter for fibrillation) counts neither way.
    """
    true, everything = clip(true, begin_s, end_s), clip(said, begin_s, end_s)
    judged = without(everything, unjudged)
    found = [overlap_s(a, b, everything) > 0 for a, b in true.tolist()]
    right = [overlap_s(a, b, true) > 0 for a, b in judged.tolist()]
    return Spells(
        Tally(sum(found), len(found) - sum(found), sum(right), len(right) - sum(right)),
        true_s=duration_s(true),
        said_s=duration_s(judged),
        both_s=sum(overlap_s(a, b, everything) for a, b in true.tolist()),
        both_said_s=sum(overlap_s(a, b, true) for a, b in judged.tolist()),
    )


def in_period(
    reference: Beats, found: Beats, begin_s: float, end_s: float, excluded: Intervals, window_s: float = WINDOW_S
) -> tuple[Beats, Beats, Pairs]:
    """What is compared of both: reference beats within [begin, end) and outside `excluded` (fibrillation, flutter),
    the beats found for them, and those that answer to none. A pair across an edge belongs where its reference is.
    """
    pairs = match(reference.t_s, found.t_s, window_s)
    kept, own = ((b.t_s >= begin_s) & (b.t_s < end_s) & ~inside(b.t_s, excluded) for b in (reference, found))
    counted = pairs[kept[pairs[:, 0]]]
    own[pairs[:, 1]] = False
    own[counted[:, 1]] = True
    new = np.stack([(np.cumsum(kept) - 1)[counted[:, 0]], (np.cumsum(own) - 1)[counted[:, 1]]], axis=1)
    return reference.take(kept), found.take(own), new


def _kinds(beats: Beats) -> list[str]:
    return ["beat"] * len(beats.t_s) if beats.kind is None else [str(k) for k in beats.kind]


def _answered(run: tuple[float, float, int], others: Sequence[tuple[float, float, int]], least: int, w: float) -> bool:
    begin, end, _ = run
    return any(n >= least and a <= end + w and b >= begin - w for a, b, n in others)


def _share(part: float, whole: float) -> float | None:
    return float(np.divide(part, whole)) if whole > 0 else None
