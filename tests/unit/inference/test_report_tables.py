"""The tables, on annotations small enough to be counted on paper."""

import json
from collections import Counter

import numpy as np
import pytest

from inference.report.counts import NOBODY, Tally, ectopic, in_period, pair_classes, qrs, runs, spells
from inference.report.intervals import clip, duration_s, inside, intervals, overlap_s, without
from inference.report.labels import AF, Annotations, Beats, beats_of, fibrillation, lethal, rhythm, ventricular_runs
from inference.report.markdown import markdown
from inference.report.matching import match
from inference.report.spread import rate_bpm, rate_errors_bpm, rate_figures, timing_figures, windows, wrong_beats
from inference.report.tables import Detected, Rules, compare, line, summary
from liteheart.lethal import LethalLimits


def beats(text: str, rr_s: float = 0.8, start_s: float = 0.5) -> Annotations:
    """A beat every `rr_s`, one letter each; a space is a beat that is not there."""
    found = [(start_s + i * rr_s, c) for i, c in enumerate(text) if c != " "]
    return Annotations.of([t for t, _ in found], [c for _, c in found])


def test_intervals() -> None:
    x = intervals([(5, 6), (1, 2), (1.5, 3), (9, 9)])
    assert x.tolist() == [[1, 3], [5, 6]]
    assert clip(x, 2, 5.5).tolist() == [[2, 3], [5, 5.5]]
    assert without(x, intervals([(1.5, 2), (2.5, 5.5)])).tolist() == [[1, 1.5], [2, 2.5], [5.5, 6]]
    assert without(x, intervals([(0, 10)])).tolist() == []
    assert overlap_s(2, 5.5, x) == 1.5
    assert duration_s(x) == 3
    assert inside([0.5, 1, 3, 4, 6, 7], x).tolist() == [False, True, True, False, True, False]
    assert inside([1.0], intervals([])).tolist() == [False]
    with pytest.raises(ValueError, match="ends"):
        intervals([(2, 1)])


def test_what_is_a_beat_and_of_which_class() -> None:
    a = Annotations.of(range(12), list('NLAVEF/Q+~!"'))
    assert "".join(beats_of(a).kind) == "NNSVVFQQ"
    late_first = Annotations.of([3, 1, 2], list("VNA"))
    assert late_first.symbol.tolist() == ["N", "A", "V"]
    with pytest.raises(ValueError, match="2 times"):
        Annotations.of([1, 2], ["N"])


def test_rhythms_last_until_the_next_one_and_the_last_until_the_end() -> None:
    a = Annotations.of([0, 10, 20, 30], list("++++"), ["(N", "(AFIB\0", "(AFL", "(AFIB"])
    assert rhythm(a, AF, 40).tolist() == [[10, 20], [30, 40]]
    bracket = Annotations.of([1, 2, 3, 9], list("[!]["))
    assert fibrillation(bracket, 12).tolist() == [[1, 3], [9, 12]]
    assert fibrillation(Annotations.of([5], ["+"], ["(VFL"]), 12).tolist() == [[5, 12]]


def test_beats_are_counted_after_the_learning_period_and_outside_flutter() -> None:
    reference = Annotations.of([1, 2, 3, 4, 5.0, 6, 7, 8], list("NNNNN[]N"))
    test = Beats(np.array([1.0, 1.98, 2.5, 3.1, 4.0, 6.5, 8.0, 9.0]))
    r = compare("r", reference, Detected(test), 10.0, Rules(learning_s=1.99))
    got = r.tallies["QRS"]  # true: 2, 3, 4, 5, 8; the pair 2 - 1.98 counts, for 2 is in the period; 6.5 is in flutter
    assert (got.found, got.missed, got.wrong) == (4, 1, 2)  # missed: 5; wrong: 2.5 and 9
    assert got.se == 0.8
    assert got.ppv == pytest.approx(4 / 6)
    assert r.timing_ms == pytest.approx([-20, 100, 0, 0])


def test_a_pair_across_an_edge_is_no_false_beat() -> None:
    none = intervals([])
    true, found, pairs = in_period(Beats(np.array([4.95, 6.0])), Beats(np.array([5.01, 6.0])), 5.0, 9.0, none)
    assert (true.t_s.tolist(), found.t_s.tolist(), pairs.tolist()) == ([6.0], [6.0], [[0, 0]])


def test_the_matrix_of_classes() -> None:
    table = Counter(
        {
            ("N", "N"): 100,
            ("N", "V"): 3,
            ("V", "V"): 10,
            ("V", "N"): 2,
            ("V", NOBODY): 1,
            ("F", "V"): 5,
            ("Q", "S"): 7,
            ("S", "S"): 4,
            ("S", "V"): 6,
            (NOBODY, "V"): 8,
            ("N", NOBODY): 9,
        }
    )
    assert qrs(table) == Tally(137, 10, 137, 8)
    veb, sveb = ectopic(table, "V"), ectopic(table, "S")
    assert veb == Tally(10, 3, 10, 3 + 6 + 8, quiet=100 + 7 + 4)  # the fusion beats are forgiven
    assert sveb == Tally(4, 6, 4, 0, quiet=100 + 3 + 10 + 2 + 5 + 8)
    assert veb.fpr == pytest.approx(17 / 128)
    assert ectopic(Counter({("V", "beat"): 3}), "V") is None


def test_classes_are_paired_by_the_matching() -> None:
    true, said = beats_of(beats("NVNS")), beats_of(beats("NNV "))
    pairs = match(true.t_s, said.t_s)
    assert pair_classes(true, said, pairs) == {("N", "N"): 1, ("V", "N"): 1, ("N", "V"): 1, ("S", NOBODY): 1}


def test_runs() -> None:
    #                        couplet, three, six                couplet gone, three made two, six found, four invented
    true, said = beats_of(beats("NVVNVVVNVVVVVVNNNNNN")), beats_of(beats("NNVNVVNNVVVVVVNVVVVN"))
    assert [n for _, _, n in ventricular_runs(true, 2)] == [2, 3, 6]
    got = runs(true, said)
    assert got is not None
    assert got["couplets"] == Tally(0, 1, 1, 0)  # the two that are said lie in three that are true
    assert got["short runs"] == Tally(0, 1, 0, 1)
    assert got["long runs"] == Tally(1, 0, 1, 0)
    assert runs(true, Beats(said.t_s)) is None


def test_episodes_by_count_and_by_time() -> None:
    true, said = intervals([(0, 20), (50, 60), (80, 90)]), intervals([(15, 55), (70, 75), (95, 99)])
    got = spells(true, said, 10, 100, intervals([(68, 72)]))
    assert got.episodes == Tally(found=2, missed=1, right=1, wrong=2)
    assert (got.true_s, got.said_s, got.both_s) == (30, 40 + 3 + 4, 10)
    assert got.duration_se == pytest.approx(10 / 30)
    assert got.duration_ppv == pytest.approx(10 / 47)
    nothing = spells(intervals([]), intervals([]), 0, 9, intervals([]))
    assert (nothing.episodes.se, nothing.episodes.ppv, nothing.duration_se) == (None, None, None)


def test_lethal_spells_from_beats() -> None:
    pause = beats("NNNNN     NNNNN")  # 5 beats away: 4.8 s
    assert lethal(pause, 20)["ASYSTOLE"] == pytest.approx(np.array([[3.7, 8.5]]))
    assert not len(lethal(beats("NNNNN   NNNNN"), 20)["ASYSTOLE"])
    assert not len(lethal(pause, 20)["EXTREME_BRADY"])  # one long interval is no rate
    slow, fast = lethal(beats("N" * 8, 1.6), 20), lethal(beats("N" * 30, 0.4), 20)
    assert slow["EXTREME_BRADY"] == pytest.approx(np.array([[0.5, 0.5 + 7 * 1.6]]))
    assert fast["EXTREME_TACHY"] == pytest.approx(np.array([[0.5, 0.5 + 29 * 0.4]]))
    assert not len(lethal(beats("N" * 12, 0.4), 20)["EXTREME_TACHY"])  # twelve beats are not thirteen
    assert len(lethal(beats("N" * 13, 0.4), 20)["EXTREME_TACHY"]) == 1
    strict = LethalLimits(tachy_beats=17)
    assert not len(lethal(beats("N" * 16, 0.4), 20, strict)["EXTREME_TACHY"])  # sixteen beats are not seventeen
    assert len(lethal(beats("NNVVVVVN", 0.5), 20)["VT"]) == 1
    assert not len(lethal(beats("NNVVVVVN", 0.61), 20)["VT"])  # slower than 100
    vf = Annotations.of([1, 2, 2.5, 9, 9.5], list("NN[]N"))
    assert lethal(vf, 20)["VF"].tolist() == [[2.5, 9.0]]
    assert not len(lethal(vf, 20)["ASYSTOLE"])  # no beats in 7.5 s, for there is flutter


def test_errors_of_ten_seconds() -> None:
    t = np.arange(0.5, 40, 1.0)
    spans = windows(0, 40, intervals([(12, 13)]))
    assert spans == [(0, 10), (20, 30), (30, 40)]
    assert rate_bpm(t, 0, 10) == 60
    assert rate_bpm(t, 0, 1.2) is None
    errors = rate_errors_bpm(t, [61.0, None, 90.0], spans)
    assert errors.tolist() == [1.0, np.inf, 30.0]
    told = rate_figures(errors)
    assert told["within"] == {
        "1 bpm": 0.33333,
        "2 bpm": 0.33333,
        "5 bpm": 0.33333,
        "10 bpm": 0.33333,
        "20 bpm": 0.33333,
    }
    assert told["area"] == pytest.approx(1 - (1 + 50 + 30) / 150, abs=1e-5)
    assert told["no_rate"] == 1
    assert rate_errors_bpm(np.array([0.5]), [60.0], [(0, 10)]).tolist() == []  # one beat has no rate
    found = Beats(np.delete(t, 25))
    wrong = wrong_beats(Beats(t), found, match(t, found.t_s), spans)
    assert wrong.tolist() == [0, 1, 0]
    assert timing_figures(np.zeros(0)) == {"n": 0}
    assert timing_figures(np.array([-10.0, 10.0]))["within"]["10 ms"] == 1.0


def test_gross_sums_and_average_means() -> None:
    true = beats("N" * 20)
    perfect = compare("a", true, Detected(beats_of(true)), 20.0, Rules(learning_s=0))
    half = compare("b", beats("N" * 10), Detected(beats_of(beats("N N N N N "))), 20.0, Rules(learning_s=0))
    total = summary([perfect, half])
    assert total["beats"]["QRS"]["gross"]["se"] == pytest.approx(25 / 30, abs=1e-5)
    assert total["beats"]["QRS"]["average"]["se"] == 0.75
    assert total["beats"]["VEB"]["gross"]["se"] is None  # there was none to find
    text = markdown([line(perfect), line(half)], total)
    assert "| **gross** | 30 | 5 | 0 | 83.33 | 100.00 |" in text
    assert "| **average** |  |  |  | 75.00 | 100.00 |" in text
    json.dumps([line(perfect), total], allow_nan=False)


def test_what_the_monitor_shows_is_taken_at_the_end_of_each_window() -> None:
    true = beats("N" * 60, 0.5, 0.25)
    test = Detected(beats_of(true), {"AFIB": intervals([(5, 9)])}, [(float(k), 120.0 + k) for k in range(31)])
    r = compare("a", true, test, 30.0, Rules(learning_s=0))
    assert r.shown_bpm.tolist() == [10, 20, 30]
    assert r.episodes["AFIB"].episodes == Tally(0, 0, 0, 1)
    empty = compare("e", true, test, 30.0, Rules(learning_s=300))
    assert summary([empty])["beats"]["QRS"]["gross"]["se"] is None
    assert "### Beats" in markdown([line(empty)], summary([empty]))
