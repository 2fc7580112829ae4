"""The gate lets the better pass, and refuses what is worse, dishonest, slower, or not measured, saying why."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.refresh.gate import Exam, Function, judge
from inference.refresh.plan import SHIPPED_PLAN, load_plan
from liteheart.errors import Misconfigured

PLAN = load_plan()
GOOD = Function(parameters=295_484, latency_ratio=1.0, burden_ratio=1.0, missed_lethal=0)
CODES = ("NORM", "AFIB", "PVC")


def exam(worse: float = 0.0, of: int | None = None, seed: int = 0, n: int = 400, **values: Any) -> Exam:
    """A calibrated champion; the candidate loses the share `worse` of what it knew, of one condition or of all."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 1, (n, 3)) ** 3
    y = rng.uniform(size=truth.shape) < truth
    candidate = truth.copy()
    columns = slice(None) if of is None else slice(of, of + 1)
    shuffled = rng.permuted(truth[:, columns], axis=0)
    candidate[:, columns] = np.where(rng.uniform(size=shuffled.shape) < worse, shuffled, truth[:, columns])
    return dataclasses.replace(Exam(CODES, y, truth, candidate, np.array([f"p{i // 2}" for i in range(n)])), **values)


def test_the_champion_itself_passes() -> None:
    verdict = judge(exam(), GOOD, PLAN)
    assert verdict.passed, verdict.reason
    assert verdict.reason == ""
    assert len(verdict.checks) == 2 + 3 + 2 + 4


def test_a_better_one_passes() -> None:
    worse = exam(0.3)
    assert judge(dataclasses.replace(worse, champion=worse.candidate, candidate=worse.champion), GOOD, PLAN).passed


@pytest.mark.parametrize(("of", "named"), [(None, "macro AUROC"), (1, "AUROC of AFIB")])
def test_what_reads_worse_is_refused_and_the_loss_is_named(of: int | None, named: str) -> None:
    verdict = judge(exam(0.4, of), GOOD, PLAN)
    assert not verdict.passed
    assert named in verdict.reason
    assert re.search(r"bound -0\.\d+: failed", verdict.reason)


def test_a_condition_with_too_few_positives_is_told_and_not_judged() -> None:
    rare = exam(0.0)
    y = rare.y.copy()
    y[np.flatnonzero(y[:, 2])[5:], 2] = False
    lost = rare.candidate.copy()
    lost[:, 2] = lost[::-1, 2]
    verdict = judge(dataclasses.replace(rare, y=y, candidate=lost), GOOD, PLAN)
    (check,) = [c for c in verdict.checks if c.name.startswith("AUROC of PVC")]
    assert not check.judged
    assert "too few" in str(check)


def test_a_subgroup_may_not_pay_for_the_others() -> None:
    fair = exam(n=800)
    candidate = fair.champion.copy()
    old = np.arange(800) < 100
    candidate[old] = np.random.default_rng(1).permuted(candidate[old], axis=0)
    ages = np.where(old, "80 and over", "younger")
    verdict = judge(dataclasses.replace(fair, candidate=candidate, groups={"age": ages}), GOOD, PLAN)
    assert "age 80 and over" in verdict.reason


def test_overconfidence_is_refused_although_the_order_is_the_same() -> None:
    sure = exam()
    verdict = judge(dataclasses.replace(sure, candidate=np.clip(sure.champion * 3, 0, 1)), GOOD, PLAN)
    assert "calibration error" in verdict.reason


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("parameters", 400_000, "parameters"),
        ("latency_ratio", 1.3, "latency"),
        ("burden_ratio", 1.5, "burden"),
        ("missed_lethal", 1, "lethal"),
        ("burden_ratio", float("nan"), "burden"),
        ("latency_ratio", float("inf"), "latency"),
    ],
)
def test_size_speed_and_alarms_count_and_what_was_not_measured_fails(name: str, value: float, named: str) -> None:
    verdict = judge(exam(), dataclasses.replace(GOOD, **{name: value}), PLAN)
    assert not verdict.passed
    assert named in verdict.reason


def test_answers_that_are_no_numbers_end_it() -> None:
    broken = exam()
    candidate = broken.candidate.copy()
    candidate[3, 1] = np.nan
    verdict = judge(dataclasses.replace(broken, candidate=candidate), GOOD, PLAN)
    assert not verdict.passed
    assert "numbers" in verdict.reason


def test_other_windows_are_no_exam() -> None:
    whole = exam()
    with pytest.raises(ValueError, match="same windows"):
        judge(dataclasses.replace(whole, candidate=whole.candidate[1:]), GOOD, PLAN)


def test_a_small_loss_on_average_is_refused_however_sure_the_interval_is() -> None:
    """Between the two bounds: the lower end alone would let it pass."""
    verdict = judge(exam(0.02, n=6000), GOOD, PLAN)
    mean, low = (c for c in verdict.checks if c.name.startswith("macro AUROC, change"))
    assert not mean.ok
    assert low.ok
    assert not verdict.passed


def test_the_same_exam_gives_the_same_verdict() -> None:
    assert judge(exam(0.1), GOOD, PLAN) == judge(exam(0.1), GOOD, PLAN)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("macro = 0.012", "", "margins.macro is missing"),
        ("macro = 0.012", "macro = -1", "margins.macro"),
        ("macro = 0.012", "macro = 0.012\nmakro = 1", "margins.makro is unknown"),
        ("AFIB = 0.02", "AFIBB = 0.02", "no condition AFIBB"),
        ("automatic = false", 'automatic = "no"', "approval.automatic"),
        ("least_positives = 40", "least_positives = 1.5", "exam.least_positives"),
        ("[shadow]", "[shadows]", "shadows is unknown"),
        ("format = 1", "format = 2", "format"),
        ("[exam]", "[exam", "TOML"),
    ],
)
def test_a_plan_with_a_wrong_line_is_refused_by_its_name(tmp_path: Path, old: str, new: str, named: str) -> None:
    text = SHIPPED_PLAN.read_text()
    assert old in text
    path = tmp_path / "plan.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(Misconfigured, match=re.escape(named)):
        load_plan(path)


def test_a_plan_that_is_not_there_lets_nothing_pass(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_plan(tmp_path / "none.toml")


def test_nobody_signs_by_default_but_a_physician_or_an_administrator() -> None:
    assert not PLAN.approval.automatic
    assert PLAN.approval.roles == ("physician", "administrator")
