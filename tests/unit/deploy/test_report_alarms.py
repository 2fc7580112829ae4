"""`report --cinc2015` and `--alarms`: the score counted on paper, both commands on recordings with a known truth."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.annotated import Source
from deploy.challenge import Answer, Claim, alarmed, claim_of, score, summary
from deploy.cli import main
from ingest.sources.simulate import Episode, simulate
from liteheart.errors import Unreadable

FS = 250


def told(*codes: str) -> frozenset[str]:
    return frozenset(codes)


def test_a_suppressed_true_alarm_costs_five() -> None:
    assert score(3, 1, 2, 1) == pytest.approx(100 * 5 / 11, abs=0.01)
    assert score(0, 0, 0, 0) is None


def test_a_rhythm_that_outranks_the_one_asked_for_is_an_answer_and_a_weaker_one_is_none() -> None:
    assert alarmed(Claim("EXTREME_TACHY", True), told("VT"))
    assert alarmed(Claim("VT", True), told("VF"))
    assert not alarmed(Claim("ASYSTOLE", True), told("EXTREME_BRADY"))
    assert not alarmed(Claim("VT", True), told("AFIB"))


def test_leads_are_scored_apart_and_together() -> None:
    answers = [
        Answer("a", Claim("VT", True), (told(), told("VT"))),
        Answer("b", Claim("VT", False), (told("VF"), told())),
        Answer("c", Claim("ASYSTOLE", True), (told("ASYSTOLE"),)),
    ]
    found = summary(answers)
    assert found["suppressed"] == [["a", "VT"]]
    assert found["first_lead"]["score"] == score(1, 1, 0, 1)
    assert found["first_lead_own_name"]["score"] == score(1, 1, 1, 0)
    assert found["second_lead"]["score"] == score(1, 0, 1, 0)
    assert found["either_lead"]["score"] == score(2, 0, 0, 1)
    assert found["first_lead"]["by_alarm"]["VT"] == {"tp": 0, "fn": 1, "tn": 0, "fp": 1}


def write(folder: Path, name: str, mv: np.ndarray, comments: str) -> Path:
    """A WFDB record of one lead."""
    (folder / f"{name}.dat").write_bytes(np.round(mv * 200).astype("<i2").tobytes())
    header = f"{name} 1 {FS} {len(mv)}\n{name}.dat 16 200 16 0 0 0 0 II\n{comments}"
    path = folder / f"{name}.hea"
    path.write_text(header)
    return path


def test_the_claim_of_a_header(tmp_path: Path) -> None:
    flat = np.zeros(FS)
    path = write(tmp_path, "a1", flat, "#Ventricular_Tachycardia\n#False alarm\n")
    assert claim_of(Source(path)) == Claim("VT", False)
    for k, comments in enumerate(("", "#Asystole\n", "#True alarm\n")):
        with pytest.raises(Unreadable, match="which alarm"):
            claim_of(Source(write(tmp_path, f"b{k}", flat, comments)))
    assert claim_of(Source(path, labels={"alarm": "Asystole", "true": True})) == Claim("ASYSTOLE", True)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_cinc2015_on_a_heart_that_stops_and_one_that_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stops = simulate([Episode("sinus", 30, rate_bpm=72), Episode("asystole", 8)], FS, 1).mv
    goes_on = simulate([Episode("sinus", 38, rate_bpm=72)], FS, 2).mv
    write(tmp_path, "stops", np.asarray(stops), "#Asystole\n#True alarm\n")
    write(tmp_path, "goes", np.asarray(goes_on), "#Asystole\n#False alarm\n")
    write(tmp_path, "other", np.asarray(goes_on), "")
    assert main(["report", str(tmp_path), "--cinc2015", "--jobs", "1", "--format", "json"]) == 2
    *records, found = lines(capsys)
    assert {r["record"]: r["told"] for r in records} == {"goes": [[]], "stops": [["ASYSTOLE"]]}
    assert found["kind"] == "cinc2015"
    assert found["first_lead"]["score"] == 100.0
    assert found["command"].endswith("--cinc2015")


def test_alarms_without_a_truth_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "a", np.zeros(FS), "")
    assert main(["report", str(tmp_path), "--alarms", "--no-student", "--jobs", "1"]) == 2
    assert "no such annotations" in capsys.readouterr().err


def test_burden_and_false_alarms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import wfdb

    beats = simulate([Episode("sinus", 60, rate_bpm=72), Episode("asystole", 8), Episode("sinus", 30)], FS, 1)
    write(tmp_path, "a", np.asarray(beats.mv), "")
    at = np.asarray(beats.r_peaks)
    wfdb.wrann("a", "atr", at, ["N"] * len(at), write_dir=str(tmp_path))
    assert main(["report", str(tmp_path), "--alarms", "--no-student", "--jobs", "1", "--format", "json"]) == 0
    record, found = lines(capsys)
    assert [c["code"] for c in record["calls"]] == ["ASYSTOLE"]
    assert (found["right_high"], found["wrong_high"]) == (1, 0)
    assert found["sensitivity_by_rule"] == {"ASYSTOLE": 1.0}
    wfdb.wrann("a", "all", np.arange(FS, at[-1], FS), ["N"] * len(np.arange(FS, at[-1], FS)), write_dir=str(tmp_path))
    assert main(["report", str(tmp_path), "--alarms", "--no-student", "--reference", "all", "--jobs", "1"]) == 0
    assert "HIGH: 0 right, 1 false (100.0 %)" in capsys.readouterr().out
