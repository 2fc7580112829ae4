"""`liteheart benchmark` on what it cannot do, and on a folder where everything is done."""

from pathlib import Path

import numpy as np
import pytest

from deploy.cli import main
from inference.distill import benchmark
from inference.distill.loop import Budget
from inference.distill.teachers import TeacherSettings
from inference.train.data import Examples, unlabelled


def _noise(n: int = 160) -> Examples:
    rng = np.random.default_rng(0)
    y = rng.random((n, 2)) < 0.5
    x = rng.standard_normal((n, 12, 1000)).astype(np.float32)
    return Examples(
        ("NORM", "AFIB"), x, y, np.ones_like(y), np.array([f"p{i}" for i in range(n)]), np.arange(n) % 8 + 1
    )


def test_an_unknown_arm_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", str(tmp_path), "--out", str(tmp_path / "out"), "--arms", "magic"]) == 2
    assert "no arm is called 'magic'" in capsys.readouterr().err


def test_packs_that_are_not_there_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "ptbxl_folds1to4" in capsys.readouterr().err


def test_the_table_is_printed_and_a_second_call_does_no_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = Budget(steps=2, batch=4, unlabelled_batch=4)
    teachers = TeacherSettings(count=1, generations=1, channels=(4, 4, 4), depths=(1, 1, 1), first=short)
    quick = benchmark.BenchmarkSettings("10", teachers=teachers, budget=short)
    monkeypatch.setattr("deploy.commands.benchmark.settings_for", lambda *_, **__: quick)
    monkeypatch.setattr(benchmark, "read_ptbxl_all", lambda *_: (_noise(), unlabelled(_noise(16))))
    words = ["benchmark", str(tmp_path), "--out", str(tmp_path / "out"), "--seeds", "0", "--arms", "scratch", "kd+u"]
    assert main(words) == 0
    first = capsys.readouterr()
    assert "| kd+u | scratch |" in first.out
    assert "seed 0 kd+u" in first.err
    assert {"table.json", "table.md", "settings.json", "regions.svg"} <= {p.name for p in (tmp_path / "out").iterdir()}
    assert main(words) == 0
    assert capsys.readouterr() == (first.out, "")
