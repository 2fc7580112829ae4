"""What-ifs on a real SQLite store and on figures small enough to be counted on paper."""

import dataclasses
import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from deploy import wiring
from deploy.backtest.figures import Case, Truth, change, figures, reproduced
from deploy.backtest.table import markdown
from deploy.backtest.variant import variants
from deploy.cli import main
from deploy.monitor import Monitor
from deploy.settings import load
from deploy.sounded import Sounded
from inference.serve.engine import load_engine
from ingest.settings import IngestSettings
from ingest.sources.simulate import Episode, simulate
from liteheart.alarm import Alarm, Kind, Priority
from liteheart.clock import US_PER_S, ManualClock
from liteheart.errors import Misconfigured
from liteheart.ids import AlarmId, PatientId
from liteheart.metrics import NullMetrics
from storage.engine import open_engine
from storage.limits import Limits
from storage.readonly import open_readonly

S = US_PER_S


def call(code: str, onset_s: float, ended_s: float | None, priority: Priority = Priority.HIGH, **more: Any) -> Sounded:
    alarm = Alarm(
        alarm_id=AlarmId(f"{code}{onset_s}"),
        patient=PatientId("p"),
        condition=code,
        label=code,
        kind=Kind.PHYSIOLOGICAL,
        priority=priority,
        latching=more.pop("latching", False),
        onset_us=round(onset_s * S),
        raised_us=round((onset_s + 5) * S),
        message="",
        active=ended_s is None,
        **more,
    )
    ended = None if ended_s is None else round(ended_s * S)
    return Sounded(alarm, alarm.onset_us, alarm.raised_us, ended, None if ended is None else ended + 10 * S)


def case(*calls: Sounded, **more: Any) -> Case:
    return Case("p", signal_s=8640.0, first_us=0, end_us=8640 * S, calls=calls, **more)


def truth(code: str, begin_s: float, end_s: float, *, true: bool = True) -> Truth:
    return Truth(code, round(begin_s * S), round(end_s * S), true, "true-actioned" if true else "false-artefact")


def test_burden_by_rule_and_priority_and_how_long_it_rings() -> None:
    told = figures(
        [
            case(
                call("VT", 100, 110),  # rings from 105 until its end is told, at 120
                call("AFIB", 110, 400, Priority.MEDIUM),  # from 115, a minute long: together 105 to 175
                call("ASYSTOLE", 1000, 1004, latching=True),  # nobody comes for a minute
                call("VF", 2000, None, retrospective=True),  # shown, never heard
            )
        ],
        response_s=60.0,
    )
    assert told["patient_days"] == 0.1
    assert (told["alarms"], told["alarms_per_patient_day"], told["retrospective"]) == (3, 30.0, 1)
    assert told["by_rule"] == {"VT": 10.0, "AFIB": 10.0, "ASYSTOLE": 10.0}
    assert told["by_priority"] == {"HIGH": 20.0, "MEDIUM": 10.0, "LOW": 0.0}
    assert told["audible_s_per_patient_day"] == pytest.approx((70 + 60) * 10)
    assert "sensitivity" not in told


def test_sensitivity_and_misses_against_verdicts() -> None:
    truths = (
        truth("VT", 100, 110),
        truth("VT", 500, 510),
        truth("AFIB", 0, 9, true=False),
        truth("PAUSE", 7, 8, true=False),
    )
    told = figures([case(call("VT", 101, 110), call("AFIB", 4, 30), truths=truths)], 60.0)
    assert told["sensitivity"] == 0.5
    assert [(m["rule"], m["at_s"]) for m in told["misses"]] == [("VT", 500.0)]
    assert told["false_alarms_kept"] == 0.5
    assert told["delay_p50_s"] == 6.0
    assert "false_share" not in told  # of alarms without a verdict nothing is known


def test_against_annotations_a_call_without_truth_is_false_and_a_stronger_one_stands_for_a_weaker() -> None:
    judged = frozenset({"VT", "ASYSTOLE", "EXTREME_BRADY", "AFIB"})
    truths = (truth("EXTREME_BRADY", 100, 130), truth("AFIB", 300, 900))
    calls = (
        call("ASYSTOLE", 110, 116),
        call("VT", 200, 205),
        call("AFIB", 310, 900, Priority.MEDIUM),
        call("PAUSE", 5, 6),
    )
    told = figures([case(*calls, truths=truths, judged=judged)], 60.0)
    assert told["sensitivity_by_rule"] == {"AFIB": 1.0, "EXTREME_BRADY": 1.0}
    assert (told["right"], told["wrong"], told["wrong_by_rule"]) == (2, 1, {"VT": 1})
    assert told["false_share_high"] == 0.5


def test_change_reproduction_and_table() -> None:
    known = (("VT", 100 * S), ("VT", 300 * S))
    before = [case(call("VT", 104, 110), truths=(truth("VT", 100, 110),), recorded=known)]
    after = [case(truths=(truth("VT", 100, 110),), recorded=known)]
    assert reproduced(before) == 0.5
    assert reproduced([case()]) is None
    a, b = figures(before, 60.0), figures(after, 60.0)
    assert change(a, b)["alarms"] == -1
    told = {"changes": ["alarms.vt_bpm=180"], "cases": 1, "before": a, "after": b, "stored_alarms_reproduced": 0.5}
    page = markdown(told)
    assert "| sensitivity | 100.0 % | 0.0 % | -100.0 |" in page
    assert "| p | VT | 100 | 10.0 | true-actioned | new |" in page
    assert figures([], 60.0)["alarms_per_patient_day"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        "alarms.asystole",
        "asystole_s=5",
        "alarms.nothing=1",
        "alarms.asystole_s=five",
        "storage.ring_s=3",
        "rules.NOTHING.clear_s=3",
        "rules.VT.code=AFIB",
        "rules.VT.persistence_s=5",  # a lethal rhythm must alarm at once
        "rules.AFIB.priority=urgent",
    ],
)
def test_a_change_that_cannot_be_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(Misconfigured):
        variants((wrong,), None)


def test_a_change_of_limits_and_rules_makes_a_variant() -> None:
    before, after = variants(("alarms.asystole_s=6", "rules.AFIB.priority=low", "rules.PAUSE=off"), None)
    assert (before.alarms({}).asystole_s, after.alarms({}).asystole_s) == (4.0, 6.0)
    assert after.rules["AFIB"].priority is Priority.LOW
    assert "PAUSE" in before.rules
    assert "PAUSE" not in after.rules


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab: Any, made_once: dict[str, bytes]) -> Path:
    """A store of two patients, one of whom has a heart that stops twice, with a nurse's verdicts."""
    monkeypatch.setenv("LITEHEART_DATA", str(tmp_path))
    path = tmp_path / "liteheart.db"
    if made_once:
        for name, content in made_once.items():
            (tmp_path / name).write_bytes(content)
        return path
    _fill(lab)
    for name in (path.name, "keys.db"):
        with sqlite3.connect(tmp_path / name) as connection:  # what the write-ahead log holds goes into the file
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    made_once |= {name: (tmp_path / name).read_bytes() for name in (path.name, "keys.db", "identity.key")}
    return path


@pytest.fixture(scope="module")
def made_once() -> dict[str, bytes]:
    """What takes seconds to make."""
    return {}


def _fill(lab: Any) -> None:
    settings = load()
    storage = wiring.open_storage(settings)
    clock = ManualClock(lab.T0)
    monitor = Monitor(
        ingest=IngestSettings(),
        alarms=settings.alarms,
        scorer=lab.rig().scorer,
        store=storage.monitor,
        feed=wiring.Nowhere(),
        clock=clock,
        metrics=NullMetrics(),
    )
    heart = np.r_[lab.heart(35, stop_s=30), lab.heart(100, stop_s=90), lab.heart(20)]  # stops for 5 and for 10 s
    other = lab.heart(len(heart) // 250)
    for values in zip(lab.frames("p", heart), lab.frames("q", other), strict=True):
        clock.advance(1)
        monitor.process(values)
        monitor.commit()
    for alarm in storage.board.alarms(open_only=False):
        storage.board.acknowledge(alarm.alarm_id, "nurse", "true-actioned", clock.now_us())
    storage.close()


def _content(path: Path) -> list[str]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return list(connection.iterdump())


def _backtest(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["backtest", "--jobs", "1", "--no-student", "--format", "json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_longer_asystole_limit_misses_the_shorter_stop_and_nothing_is_written(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = _content(stored)
    told = _backtest(capsys, "--set", "alarms.asystole_s=7")
    assert told["cases"] == 2
    assert told["truth"] == "verdicts"
    assert told["stored_alarms_reproduced"] == 1.0
    assert told["before"]["sensitivity"] == 1.0
    assert told["after"]["sensitivity_by_rule"]["ASYSTOLE"] == 0.5
    missed = [m for m in told["after"]["misses"] if m["rule"] == "ASYSTOLE"]
    assert [m["patient"] for m in missed] == ["p"]
    assert missed[0]["at_s"] == pytest.approx(29.6, abs=1)
    assert told["after"]["by_rule"]["PAUSE"] > 0  # what is no asystole any more is one of these
    assert _content(stored) == content


def test_which_patient_and_which_hour(stored: Path, lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert _backtest(capsys, "--patient", "q")["before"]["alarms"] == 0
    late = _backtest(capsys, "--since", "2023-11-14T22:14:20", "--until", "2023-11-14T22:15:00+00:00")
    assert late["before"]["patient_days"] == pytest.approx(2 * 40 / 86400, abs=1e-4)  # the epoch is 22:13:20
    assert late["before"]["by_rule"] == {}
    for words, reason in (
        (["--patient", "nobody"], "never heard of"),
        (["--since", "yesterday"], "is no time"),
        (["--since", "2030-01-01"], "not before"),
        (["--hours", "0"], "above zero"),
        (["--reference", "atr"], "verdicts"),
        ([str(stored), "--patient", "p"], "from the store"),
        (["--set", "alarms.x=1"], "no such setting"),
    ):
        assert main(["backtest", *words]) == 2
        assert reason in capsys.readouterr().err


def test_stored_readings_stand_for_the_student_of_then(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", "--jobs", "1", "--patient", "q", "--set", "alarms.brady_bpm=30"]) == 0
    out = capsys.readouterr().out
    told, page = json.loads(out.splitlines()[0]), out
    assert told["before"]["alarms"] == 0
    assert "| alarms per patient-day | 0.0 | 0.0 | +0.0 |" in page


def test_the_store_refuses_to_be_written_and_is_never_made(tmp_path: Path, stored: Path) -> None:
    engine = open_readonly(load().storage)
    with engine.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(text("DELETE FROM frames"))
    engine.dispose()
    elsewhere = dataclasses.replace(load().storage, database_url=f"sqlite:///{tmp_path / 'no' / 'such.db'}")
    with pytest.raises(Misconfigured, match="no database"):
        open_readonly(elsewhere)
    assert not (tmp_path / "no").exists()


@pytest.fixture
def annotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A WFDB record of ninety seconds with a pause of six, and the annotations of whoever made it."""
    import wfdb

    made = simulate(
        [Episode("sinus", 50, rate_bpm=70), Episode("asystole", 6), Episode("sinus", 34)], fs_hz=250.0, seed=3
    )
    monkeypatch.chdir(tmp_path)
    adc = made.adc[:, None].astype(np.int16)
    wfdb.wrsamp("r1", 250, ["mV"], ["MLII"], d_signal=adc, fmt=["16"], adc_gain=[made.gain], baseline=[0])
    wfdb.wrann("r1", "atr", np.asarray(made.r_peaks, np.int64), ["N"] * len(made.r_peaks))
    return tmp_path / "r1"


def test_recordings_against_their_annotations(annotated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = _backtest(capsys, str(annotated), "--reference", "atr", "--set", "alarms.asystole_s=9")
    assert told["truth"] == "annotations"
    assert told["before"]["sensitivity_by_rule"] == {"ASYSTOLE": 1.0}
    assert told["after"]["sensitivity_by_rule"] == {"ASYSTOLE": 0.0}
    assert told["before"]["delay_max_s"] <= 10
    assert told["before"]["false_share_high"] == 0.0
    assert main(["backtest", "--jobs", "1", str(annotated), "--reference", "qrs", "--no-student"]) == 2
    assert "no such annotations" in capsys.readouterr().err


def test_the_report_of_a_record(annotated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["report", str(annotated.parent), "--no-student", "--jobs", "1", "--learning-s", "5"]
    for way in ([], ["--live"]):
        assert main([*words, *way]) == 0
        out = capsys.readouterr().out
        record, total = (json.loads(line) for line in out.splitlines()[:2])
        assert (record["kind"], record["record"], total["kind"]) == ("record", "r1", "summary")
        qrs = total["beats"]["QRS"]["gross"]
        assert qrs["true"] >= 80
        assert qrs["se"] > 0.95
        assert qrs["ppv"] > 0.95
        assert total["episodes"]["ASYSTOLE"]["gross"]["se"] == 1.0
        assert total["r_peak_error"]["p95_abs_ms"] < 20
        assert "| r1 |" in out


def test_the_report_of_another_detectors_annotations(annotated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["report", str(annotated), "--test", "atr", "--jobs", "1", "--learning-s", "0", "--format", "json"]) == 0
    )
    total = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert total["beats"]["QRS"]["gross"] | {"true": 0} == {"true": 0, "missed": 0, "wrong": 0, "se": 1.0, "ppv": 1.0}
    assert total["wrong_beats_10s"]["at_most"]["0"] == 1.0
    for wrong in (["--reference", "nope"], ["--test", "nope"], ["--lead", "V9"], ["--window-ms", "0"]):
        assert main(["report", str(annotated), "--no-student", "--jobs", "1", *wrong]) == 2
        assert capsys.readouterr().err.startswith("liteheart report: ")


def test_the_students_thresholds_reach_the_rules() -> None:
    engine = load_engine()
    before, _ = variants((), None)
    assert before.alarms(engine.thresholds).thresholds == engine.thresholds


def test_a_patients_own_limits_go_before_the_wards(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = wiring.open_storage(load())
    Limits(open_engine(load().storage)).set(PatientId("p"), {"asystole_s": 6.0}, "nurse", 1)
    storage.close()
    told = _backtest(capsys, "--patient", "p", "--set", "alarms.asystole_s=4")
    assert told["before"]["by_rule"] == told["after"]["by_rule"]
    assert told["before"]["sensitivity_by_rule"]["ASYSTOLE"] == 0.5  # it is 6 s for this patient, whatever the ward has
