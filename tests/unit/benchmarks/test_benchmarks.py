"""Every benchmark runs in its short form and says well-formed figures. How large they are is not a test's business."""

import json
import math
from typing import Any

import pytest

from benchmarks.command import NAMES, main
from benchmarks.figures import Figure, Measured, Options, alternate, figure

PROMISED = {  # figures that others look for by name
    "beats": {"streams_per_core", "f1"}
    | {f"streams_per_core_to_{peer}_each_second" for peer in ("neurokit2", "wfdb_XQRS", "SleepECG")},
    "codec": {"encode_msamples_s", "decode_msamples_s", "random_10s_read_p50_ms"},
    "engines": {f"windows_s_{engine}_b{batch}" for engine in ("eager", "folded") for batch in (1, 32, 256)},
    "pipeline": {"patients_per_core", "part_tracker_us", "part_commit_us", "beats_f1"},
    "live": {
        "patients",
        "arrival_to_alarm_p50_s",
        "arrival_to_alarm_p99_s",
        "cpu_cores",
        "rss_gb",
        "lag_growth",
        "bytes_per_patient_day",
    },
    "export": {"export_x_realtime", *(f"export_x_realtime_{form}" for form in ("wfdb", "edf", "dicom", "parquet"))},
}


@pytest.mark.parametrize("name", NAMES)
def test_quick_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--quick", "--seed", "3"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line in lines:
        check(name, line)
    names = [line["name"] for line in lines]
    assert len(set(names)) == len(names)
    assert set(names) >= PROMISED[name]
    if name == "codec":
        assert any(n.startswith("ratio_") for n in names)
    if name == "live":
        assert lines[names.index("asystoles_alarmed_share")]["value"] > 0


def check(benchmark: str, line: dict[str, Any]) -> None:
    assert line["benchmark"] == benchmark
    assert line["seed"] == 3
    assert line["machine"]
    assert line["date"]
    assert isinstance(line["unit"], str)
    numbers = ("value", "peer_value", "ratio", "spread", "ratio_spread", "ratio_low", "ratio_high")
    assert "value" in line
    assert all(math.isfinite(line[key]) for key in numbers if key in line), line
    assert ("peer" in line) == ("peer_value" in line)


def test_a_ratio_is_paired_by_round_and_above_one_when_we_are_better() -> None:
    mine, theirs = Measured.of([1.0, 4.0, 2.0]), Measured.of([2.0, 8.0, 4.0])
    assert figure("speed", "1/s", mine, ("peer", theirs)).ratio == 0.5
    faster = figure("time", "s", mine, ("peer", theirs), better="less")
    assert (faster.ratio, faster.ratio_spread, faster.peer_value) == (2.0, 0.0, 4.0)


def test_what_scatters_is_said() -> None:
    assert Measured.of([9.0, 10.0, 11.0]).spread == pytest.approx(0.2)
    line = json.loads(figure("x", "s", Measured.of([5.0, 10.0, 11.0])).line("codec", Options()))
    assert line["noisy"] is True
    assert "noisy" not in json.loads(Figure("x", 1.0, "s").line("codec", Options()))
    with pytest.raises(ValueError, match="no round"):
        Measured.of([])


def test_rounds_alternate() -> None:
    order: list[str] = []

    def say(name: str) -> float:
        order.append(name)
        return float(len(order))

    found = alternate({"a": lambda: say("a"), "b": lambda: say("b")}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert found["a"].values == (1.0, 4.0, 5.0)


@pytest.mark.parametrize("arguments", [["nothing"], ["live", "--patients", "0"], []])
def test_a_wrong_call_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
