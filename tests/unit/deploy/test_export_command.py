"""`liteheart export` and `liteheart consent` on a real store with a real archive, as a user calls them."""

import functools
import json
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy import cli, wiring
from deploy.cohort import cohort_source
from deploy.settings import load
from inference.datasets.archive import ArchiveWindows
from liteheart.finding import Finding, Quality
from liteheart.ids import DeviceId, ModelVersion, PatientId
from liteheart.signal import Frame
from storage.cohort_query import Query
from storage.monitor_store import Batch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pyarrow.parquet as pq
    import wfdb

S = 1_000_000
T0 = 1_790_000_000 * S


def signal(k: int) -> np.ndarray:
    return np.random.default_rng(k).integers(-2000, 2000, 250 * 90).astype(np.int16)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two patients: half a minute in the archive, the rest still hot."""
    folder = tmp_path / "data"
    monkeypatch.setenv("LITEHEART_DATA", str(folder))
    storage = wiring.open_storage(load())
    for k, name in enumerate(("p-one", "p-two")):
        patient, device = PatientId(name), DeviceId(f"w-{name}")
        frames = [
            Frame(patient, device, 1, i, T0 + i * S, 250.0, 200.0, "II", signal(k)[250 * i : 250 * (i + 1)], T0)
            for i in range(90)
        ]
        storage.archive.keep(frames[:30])
        storage.monitor.commit(Batch(frames=frames[30:]))
        findings = [
            Finding(
                patient=patient,
                device=device,
                lead="II",
                t0_us=T0 + t * S,
                t1_us=T0 + (t + 10) * S,
                model=ModelVersion("m1"),
                quality=Quality(0.9, True),
                abstained=False,
                heart_rate_bpm=70.0,
                scores={"AFIB": 0.25 if t < 40 else 0.9},
                codes=() if t < 40 else ("AFIB",),
            )
            for t in range(0, 80, 5)
        ]
        storage.monitor.commit(Batch(findings=findings))
    storage.close()
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert cli.main([str(a) for a in arguments]) == 0
    out = capsys.readouterr().out
    found: dict[str, Any] = json.loads(out) if out else {}
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert cli.main([str(a) for a in arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    return told.err


def test_consent_then_export(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "export", "--format", "wfdb", "--out", tmp_path / "none")["left_out"] == {"consent": 2}
    said(capsys, "consent", "give", "p-one", "export", "training")
    said(capsys, "consent", "describe", "p-one", "--sex", "female", "--birth-year", "1950")
    said(capsys, "consent", "describe", "p-one", "--site", "north")
    shown = said(capsys, "consent", "show", "p-one")
    assert shown["consent"] == {"export": True, "training": True}
    assert shown["subject"] == {"site": "north", "sex": "female", "birth_year": 1950}
    told = said(capsys, "export", "--format", "wfdb", "--out", tmp_path / "out")
    assert (told["patients"], told["recordings"], told["samples"]) == (1, 1, 22_500), "archive and hot rows are one"
    (header,) = (tmp_path / "out").rglob("*.hea")
    record = wfdb.rdrecord(str(header.with_suffix("")), physical=False)
    assert np.array_equal(record.d_signal[:, 0], signal(0))
    said(capsys, "consent", "withdraw", "p-one", "export")
    assert said(capsys, "export", "--format", "wfdb", "--out", tmp_path / "later")["patients"] == 0
    assert "nobody knows" in refused(capsys, "consent", "give", "p-three", "export")


def test_filters(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "consent", "give", "p-one", "export")
    cohort = tmp_path / "cohort.json"
    cohort.write_text(json.dumps({"conditions": ["AFIB"], "sqi": [0.95, None]}))
    base = ("export", "--format", "parquet", "--cohort", cohort)
    assert said(capsys, *base, "--out", tmp_path / "a")["recordings"] == 0
    told = said(capsys, *base, "--sqi", "0.5:", "--score", "AFIB=0.8:", "--out", tmp_path / "b")
    assert told["recordings"] == 8
    rows = pq.read_table(tmp_path / "b" / "windows-0001.parquet").to_pylist()
    assert [r["samples"] for r in rows] == [signal(0)[250 * t : 250 * (t + 10)].tolist() for t in range(40, 80, 5)]
    told = said(capsys, "export", "--format", "parquet", "--near", "AFIB=0.02", "--out", tmp_path / "c")
    assert told["recordings"] == 0
    waived = ("--waive-consent", "internal test", "--sample", "3", "--per-patient", "2", "--seed", "1")
    told = said(capsys, "export", "--format", "parquet", *waived, "--out", tmp_path / "d")
    assert (told["patients"], told["recordings"]) == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--sqi", "high"), "sqi"),
        (("--score", "AFIB"), "score"),
        (("--near", "NOTHING=0.1"), "near"),
        (("--since", "noon"), "since"),
        (("--cohort", "/nowhere.json"), "/nowhere.json"),
        (("--window", "0"), "--window"),
        (("--waive-consent", " "), "--waive-consent"),
        (("--reason", "because"), "alarms.reasons"),
        (("--age", "9:1"), "age"),
    ],
)
def test_what_cannot_be_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], named: str
) -> None:
    told = refused(capsys, "export", "--format", "parquet", "--out", tmp_path / "out", *arguments)
    assert told.startswith(f"liteheart export: {named}: ")
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_bundle(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = wiring.open_storage(load())
    storage.notes.write(PatientId("p-two"), "slept well", "ada", T0)
    storage.close()
    told = said(capsys, "export", "--bundle", "p-two", "--out", tmp_path / "two.zip")
    assert (told["kind"], told["samples"], told["unreadable"]) == ("bundle", 22_500, 0)
    with zipfile.ZipFile(tmp_path / "two.zip") as archive:
        names = set(archive.namelist())
        (note,) = archive.read("rows/notes.jsonl").splitlines()
        assert archive.read("signal/r0001.dat") == signal(1).tobytes()
    assert {"rows/findings.jsonl", "identity.json", "SHA256SUMS", "signal/r0001.hea"} <= names
    assert json.loads(note)["text"] == "slept well"
    assert "is there already" in refused(capsys, "export", "--bundle", "p-two", "--out", tmp_path / "two.zip")


def test_a_cohort_as_training_material(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "consent", "give", "p-two", "training")
    query = Query(conditions=("AFIB",), consent=("training",))
    source = pickle.loads(pickle.dumps(functools.partial(cohort_source, query, None, data)))
    items = list(ArchiveWindows(source, ("AFIB",), raw=True))
    assert len(items) == 8
    for k, item in enumerate(items):
        first = 250 * (40 + 5 * k)
        assert np.array_equal(item["samples"], signal(1)[first : first + 2500])
        assert item["y"].tolist() == [1.0]
