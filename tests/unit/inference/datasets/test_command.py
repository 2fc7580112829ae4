"""`liteheart data` as a person meets it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from deploy.cli import main
from inference.datasets.splits import load_index

Hearts = list[npt.NDArray[np.float64]]
Line = dict[str, Any]


def _check(folder: Path, capsys: pytest.CaptureFixture[str], *options: str, status: int = 0) -> list[Line]:
    assert main(["data", "check", str(folder), "--jobs", "1", *options]) == status
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def mixed(bench: Any, hearts: Hearts) -> Path:
    """Two databases, one of each kind of trouble."""
    bench.write("E00001", hearts[0], dx="59118001,13640000")
    bench.write("E00002", hearts[1] / 4.88, header_gain=1000, dx="426783006")
    bench.write("E00003", hearts[2], header_gain=4880, dx="426783006")
    bench.write("E00004", hearts[0], dx="426783006")
    bench.write("E00005", hearts[3] * 20, dx="426783006")
    bench.write("JS00007", hearts[3]).write_text("rubbish\n")
    folder: Path = bench.folder
    return folder


def test_check_tells_what_is_there_and_what_is_wrong(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = _check(mixed, capsys)
    problems = [line for line in lines if line["kind"] == "problem"]
    assert [(Path(p["file"]).name, p["guard"], p["verdict"]) for p in problems] == [
        ("E00003.hea", "gain", "corrected"),
        ("E00004.hea", "duplicate", "rejected"),
        ("E00005.hea", "gain", "rejected"),
        ("JS00007.hea", "file", "unreadable"),
    ]
    assert problems[1]["reason"].endswith("E00001.hea")
    chapman, georgia = (line for line in lines if line["kind"] == "database")
    assert (chapman["database"], chapman["files"], chapman["usable"], chapman["unreadable"]) == ("chapman", 1, 0, 1)
    assert georgia["labels"] == {"SR": 2, "CD": 1, "RBBB": 1}
    assert georgia["unknown_labels"] == {"13640000": 1}
    assert (georgia["files"], georgia["records"], georgia["patients"], georgia["labelled"]) == (5, 3, 3, 3)
    assert (georgia["rates_hz"], georgia["seconds"], georgia["patients_known"]) == ({"500": 3}, [10.0, 10.0], True)
    assert georgia["leads"] == {"I II III aVR aVL aVF V1 V2 V3 V4 V5 V6": 3}
    assert georgia["licence"] == "CC BY 4.0"
    assert lines[-1] == {
        "kind": "summary",
        "databases": ["chapman", "g12ec"],
        "files": 6,
        "usable": 3,
        "records": 3,
        "patients": 3,
        "noted": 0,
        "corrected": 1,
        "rejected": 2,
        "unreadable": 1,
    }


def test_processes_give_the_same_lines(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(mixed, capsys, "--jobs", "2") == _check(mixed, capsys)


def test_two_rates_of_one_ecg_are_one_record(bench: Any, hearts: Hearts, capsys: pytest.CaptureFixture[str]) -> None:
    bench.ptbxl_table([(1, 9, 1, "{'SR': 0.0}")])
    bench.write("00001_hr", hearts[0], dx=None)
    bench.write("00001_lr", hearts[0][:, ::5], fs_hz=100, dx=None)
    line, summary = _check(bench.folder, capsys)
    assert (line["files"], line["usable"], line["records"]) == (2, 2, 1)
    assert line["rates_hz"] == {"100": 1, "500": 1}
    assert line["labels"] == {"SR": 1}
    assert summary["records"] == 1


def test_nothing_readable_is_exit_2(bench: Any, hearts: Hearts, capsys: pytest.CaptureFixture[str]) -> None:
    bench.write("E00001", hearts[0]).write_text("rubbish\n")
    lines = _check(bench.folder, capsys, status=2)
    assert [line["kind"] for line in lines] == ["problem", "database", "summary"]
    assert main(["data", "check", str(bench.folder / "none")]) == 2
    assert capsys.readouterr().err == f"liteheart data: {bench.folder / 'none'}: no such folder\n"


def test_split_writes_an_index(bench: Any, hearts: Hearts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for i in range(30):
        mv = hearts[i % 4][:, :2500] * rng.uniform(0.8, 1.2)
        bench.write(f"E{i:05d}", mv, dx="426783006" if i % 2 else "164889003", under="georgia")
    out = tmp_path / "index.json"
    options = ["--out", str(out), "--ratio", "0.4", "--seed", "3", "--jobs", "1"]
    assert main(["data", "split", str(bench.folder / "georgia"), *options]) == 0
    sizes = json.loads(capsys.readouterr().out)
    index = load_index(out)
    assert sizes == {"plan": "cessl", **{side: len(keys) for side, keys in index.sides.items()}}
    assert sum(len(keys) for keys in index.sides.values()) == 30
    assert (index.seed, index.ratio) == (3, 0.4)
    folder = str(bench.folder / "georgia")
    assert main(["data", "split", folder, "--plan", "folds", "--out", str(out), "--jobs", "1"]) == 2
    assert "g12ec/E00000 has no fold" in capsys.readouterr().err.splitlines()[-1]
