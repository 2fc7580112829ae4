"""The page of figures says what the kept runs say, and nothing else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import page
from benchmarks.command import main
from benchmarks.figures import Measured, Options, figure, interval
from liteheart.errors import Misconfigured

RUN: dict[str, Any] = {"command": "python -m benchmarks x", "date": "2026-11-22", "machine": "a machine"}
FAST: dict[str, Any] = {
    "name": "speed",
    "value": 12345.6,
    "unit": "windows/s",
    "spread": 0.4,
    "noisy": True,
    "peer": "theirs",
    "peer_value": 2.5,
    "ratio": 4938.0,
    "ratio_low": 4000.0,
    "ratio_high": 6000.0,
}


def test_the_page_agrees_with_the_kept_runs() -> None:
    """After `--keep`, or a change of the template: `python -m benchmarks write-docs`."""
    template = page.TEMPLATE.read_text(encoding="utf-8")
    assert page.PAGE.read_text(encoding="utf-8") == page.render(template, page.kept())


def test_every_kept_run_names_its_command_and_day() -> None:
    for name, lines in page.kept().items():
        assert lines, name
        assert lines[-1]["command"], name
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", lines[-1]["date"]), name
        assert not re.search(r"/(home|root|work|tmp)/", json.dumps(lines)), name


def test_directives() -> None:
    results = {"x": [RUN | FAST, RUN | {"name": "slow", "value": 0.25, "unit": "s"}]}
    assert page.render("{{run x}}", results) == "`python -m benchmarks x`, 2026-11-22, a machine"
    table = page.render("{{figures x s*}}", results).splitlines()
    assert table[2] == "| `speed` | 12,346 windows/s | 40% noisy | theirs | 2.5 | **4,938** [4,000, 6,000] |"
    assert table[3] == "| `slow` | 0.25 s |  |  |  |  |"
    assert (
        page.render("{{x:speed}} {{x:speed.ratio}} {{x:speed.spread}} {{x:slow}}", results) == "12,346 4,938 40% 0.25"
    )


@pytest.mark.parametrize(
    "text", ["{{run y}}", "{{figures x nothing}}", "{{x:nothing}}", "{{x:slow.ratio}}", "{{report x}}"]
)
def test_what_was_not_measured_cannot_be_written(text: str) -> None:
    results = {"x": [RUN | {"kind": "figure", "name": "slow", "value": 0.25, "unit": "s"}]}
    with pytest.raises(Misconfigured):
        page.render(text, results)


def test_a_run_is_kept_with_its_command(tmp_path: Path) -> None:
    line = figure("x", "s", Measured.of([1.0, 2.0])).line("codec", Options())
    page.keep("codec", [line], "python -m benchmarks codec", tmp_path)
    (read,) = page.kept(tmp_path)["codec"]
    assert (read["name"], read["value"], read["command"]) == ("x", 1.5, "python -m benchmarks codec")


def test_write_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(page, "PAGE", tmp_path / "performance.md")
    page.write(tmp_path / "performance.md")
    assert (tmp_path / "performance.md").read_text(encoding="utf-8") == page.PAGE.read_text(encoding="utf-8")
    monkeypatch.setattr(page, "write", lambda: (_ for _ in ()).throw(Misconfigured("x.jsonl", "is not there")))
    assert main(["write-docs"]) == 1
    assert "is not there" in capsys.readouterr().err


def test_the_interval_of_ratios_holds_their_mean() -> None:
    found = interval([2.0, 2.2, 1.8, 2.1])
    assert found is not None
    assert 1.7 < found[0] < 2.02 < found[1] < 2.5
    assert interval([2.0, 2.0]) is None
    told = figure("x", "s", Measured.of([2.0, 4.0, 2.0]), ("peer", Measured.of([1.0, 2.0, 1.0])))
    assert (told.ratio_low, told.ratio_high) == pytest.approx((2.0, 2.0))
