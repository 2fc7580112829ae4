"""One record compared, many put together, and the whole as JSON and as Markdown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.report import spread
from inference.report.counts import RUNS, Spells, Tally, ectopic, in_period, pair_classes, qrs, runs, spells
from inference.report.intervals import Intervals, intervals
from inference.report.labels import AF, AFL, Annotations, Beats, beats_of, fibrillation, lethal, rhythm
from inference.report.matching import WINDOW_S

LEARNING_S: Final = 300.0  # at the start of every record, which EC57 leaves to the detector to learn from
Rates = Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is compared."""

    window_s: float = WINDOW_S
    learning_s: float = LEARNING_S


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """What a detector found: beats, episodes by code where any were looked for, and the rate shown at each second."""

    beats: Beats
    episodes: Mapping[str, Intervals] = field(default_factory=dict)
    rates: Rates = ()  # (t_s, bpm): the rate shown at t_s is of the ten seconds before


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One record."""

    name: str
    seconds: float  # compared
    classes: Counter[tuple[str, str]]
    runs: dict[str, Tally] | None
    episodes: dict[str, Spells]
    timing_ms: npt.NDArray[np.float64]
    rate_bpm: npt.NDArray[np.float64]  # of the beats found
    shown_bpm: npt.NDArray[np.float64]  # of the rate that the monitor shows
    wrong_beats: npt.NDArray[np.int64]

    @property
    def tallies(self) -> dict[str, Tally]:
        """QRS, and VEB and SVEB where the test tells them."""
        kinds = {"VEB": ectopic(self.classes, "V"), "SVEB": ectopic(self.classes, "S")}
        return {"QRS": qrs(self.classes)} | {k: v for k, v in kinds.items() if v is not None}


def compare(name: str, reference: Annotations, test: Detected, end_s: float, rules: Rules | None = None) -> Compared:
    """One record of `end_s` seconds against its annotations."""
    s = rules or Rules()
    begin = s.learning_s
    flutter = fibrillation(reference, end_s)
    true, found, pairs = in_period(beats_of(reference), test.beats, begin, end_s, flutter, s.window_s)
    spans = spread.windows(begin, end_s, flutter)
    shown = {round(t): bpm for t, bpm in test.rates}
    timed = [span for span in spans if round(span[1]) in shown]
    return Compared(
        name=name,
        seconds=max(0.0, end_s - begin),
        classes=pair_classes(true, found, pairs),
        runs=runs(true, found, s.window_s),
        episodes=_episodes(reference, test.episodes, begin, end_s),
        timing_ms=spread.timing_ms(true, found, pairs),
        rate_bpm=spread.rate_errors_bpm(true.t_s, [spread.rate_bpm(found.t_s, *span) for span in spans], spans),
        shown_bpm=spread.rate_errors_bpm(true.t_s, [shown[round(end)] for _, end in timed], timed),
        wrong_beats=spread.wrong_beats(true, found, pairs, spans),
    )


def _episodes(a: Annotations, said: Mapping[str, Intervals], begin_s: float, end_s: float) -> dict[str, Spells]:
    true = lethal(a, end_s) | {"AFIB": rhythm(a, AF, end_s), "AFLT": rhythm(a, AFL, end_s)}
    true["VF"] = fibrillation(a, end_s)  # of any length: how long an alarm waits is not the annotator's business
    # set aside: the neighbouring rhythm, and fibrillation, in which the annotators count no beats
    aside = {"AFIB": true["AFLT"], "AFLT": true["AFIB"], "VF": intervals([])}
    known = {code: x for code, x in said.items() if code in true}
    return {c: spells(true[c], x, begin_s, end_s, aside.get(c, true["VF"])) for c, x in known.items()}


def summary(records: Sequence[Compared]) -> dict[str, Any]:
    """Gross figures, from the sums over records, and average ones, each record counting once."""
    kinds = list(dict.fromkeys(k for r in records for k in r.tallies))
    codes = list(dict.fromkeys(c for r in records for c in r.episodes))
    told: dict[str, Any] = {"records": len(records), "seconds": round(sum(r.seconds for r in records), 1)}
    told["beats"] = {k: _both([r.tallies[k] for r in records if k in r.tallies]) for k in kinds}
    told["runs"] = {k: _both([r.runs[k] for r in records if r.runs]) for k in RUNS if any(r.runs for r in records)}
    told["episodes"] = {c: _both_spells([r.episodes[c] for r in records if c in r.episodes]) for c in codes}
    told["r_peak_error"] = spread.timing_figures(_joined([r.timing_ms for r in records]))
    told["rate_error_10s"] = {
        "of_beats": spread.rate_figures(_joined([r.rate_bpm for r in records])),
        "as_shown": spread.rate_figures(_joined([r.shown_bpm for r in records])),
    }
    told["wrong_beats_10s"] = spread.beat_figures(np.concatenate([np.zeros(0, int), *(r.wrong_beats for r in records)]))
    return told


def line(r: Compared) -> dict[str, Any]:
    """The record as JSON values."""
    return {
        "record": r.name,
        "seconds": round(r.seconds, 1),
        "beats": {k: _tally(t) for k, t in r.tallies.items()},
        "runs": {k: _tally(t) for k, t in (r.runs or {}).items()},
        "episodes": {c: _spells(s) for c, s in r.episodes.items()},
        "r_peak_error": spread.timing_figures(r.timing_ms),
        "rate_error_10s": {"of_beats": spread.rate_figures(r.rate_bpm), "as_shown": spread.rate_figures(r.shown_bpm)},
        "wrong_beats_10s": spread.beat_figures(r.wrong_beats),
    }


def _joined(parts: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    return np.concatenate([np.zeros(0), *parts])


def _tally(t: Tally) -> dict[str, Any]:
    told: dict[str, Any] = {"true": t.found + t.missed, "missed": t.missed, "wrong": t.wrong}
    if t.right != t.found:
        told["right"] = t.right
    return told | {"se": rounded(t.se), "ppv": rounded(t.ppv)} | ({} if t.fpr is None else {"fpr": rounded(t.fpr)})


def _spells(s: Spells) -> dict[str, Any]:
    return _tally(s.episodes) | {
        "true_s": round(s.true_s, 1),
        "said_s": round(s.said_s, 1),
        "duration_se": rounded(s.duration_se),
        "duration_ppv": rounded(s.duration_ppv),
    }


def _both(tallies: Sequence[Tally]) -> dict[str, Any]:
    gross = _tally(sum(tallies, Tally()))
    return {"gross": gross, "average": {k: _mean([getattr(t, k) for t in tallies]) for k in ("se", "ppv")}}


def _both_spells(all_of: Sequence[Spells]) -> dict[str, Any]:
    episodes = {k: _mean([getattr(s.episodes, k) for s in all_of]) for k in ("se", "ppv")}
    duration = {k: _mean([getattr(s, k) for s in all_of]) for k in ("duration_se", "duration_ppv")}
    return {"gross": _spells(sum(all_of, Spells())), "average": episodes | duration}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return rounded(float(np.mean(known))) if known else None


def rounded(value: float | None) -> float | None:
    """To five decimals: a hundred-thousandth of half an hour is less than a beat."""
    return None if value is None else round(value, 5)
