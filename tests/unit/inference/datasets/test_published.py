"""From a published folder to the benchmark's table: twelve leads, a database's own classes, split by patient."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from deploy.cli import main
from inference.datasets.examine import read_folder
from inference.datasets.splits import Index, cessl
from inference.distill import benchmark
from inference.distill.loop import Budget
from inference.distill.parity import ParitySettings, ParityTeachers, prepare_parity
from inference.distill.published import collect, divide, split_for
from inference.distill.teachers import TeacherSettings
from inference.preprocess import preprocess
from inference.train.split import PatientLeak
from ingest.sources.recording import read_recording

Hearts = list[npt.NDArray[np.float64]]
SHORT = Budget(steps=2, batch=4, unlabelled_batch=4)
QUICK = benchmark.BenchmarkSettings(
    "10", teachers=TeacherSettings(count=1, channels=(4, 4, 4), depths=(1, 1, 1), first=SHORT), budget=SHORT
)
PARITY = ParitySettings("10", teachers=ParityTeachers(width=16, layers=1, first=SHORT), budget=SHORT)


def _georgia(bench: Any, hearts: Hearts, n: int = 28) -> Path:
    """Sinus in all of them, right bundle branch block in every second, written by either of its codes."""
    for i in range(n):  # no two of the same samples
        block = ("", "", ",59118001", ",713427006")[2 * (i % 2) + i // 2 % 2]
        bench.write(f"E{i:05d}", (1 + i / 100) * hearts[i % 4][:, ::5], fs_hz=100, dx=f"426783006{block}")
    bench.write("JS00001", hearts[0], dx="164890007")
    folder: Path = bench.folder
    return folder


def test_windows_labels_and_groups_come_from_the_files(bench: Any, hearts: Hearts) -> None:
    records = [r for r in read_folder(_georgia(bench, hearts), read_recording) if r.database == "g12ec"]
    found = collect(records, preprocess, minimum=14)
    assert found.examples.classes == ("CD", "SR", "CRBBB")  # both codes of the block as one
    assert found.examples.x.shape == (28, 12, 1000)
    np.testing.assert_array_equal(found.examples.x[7], preprocess(records[7].mv, 100))
    assert found.examples.y.sum(axis=0).tolist() == [14, 28, 14]
    assert found.examples.known.all()
    material = divide(found, cessl(found.listed, ratio=0.5, seed=0))
    sides = (material.labelled, material.pool, material.validation, material.test)
    assert sum(map(len, sides)) == 28
    assert len({p for side in sides for p in side.patients.tolist()}) == 28
    assert not material.pool.known.any()
    assert len(divide(found, split_for(found.listed, 1.0, 0)).pool) == 0
    assert collect(records, prepare_parity, minimum=14).examples.x.shape == (28, 12, 6144)


def test_what_cannot_be_compared_is_refused(bench: Any, hearts: Hearts) -> None:
    records = list(read_folder(_georgia(bench, hearts, n=8), read_recording))
    with pytest.raises(ValueError, match="of one database expected, found chapman, g12ec"):
        collect(records, preprocess, minimum=1)
    with pytest.raises(ValueError, match="of one database expected, found none"):
        collect([], preprocess)
    with pytest.raises(ValueError, match="no condition has 200 records of 8"):
        collect([r for r in records if r.database == "g12ec"], preprocess)
    found = collect([r for r in records if r.database == "g12ec"], preprocess, minimum=4)
    keys = [r.key for r in found.listed]
    twice = {"train": (keys[0],), "test": (keys[0],)}
    with pytest.raises(PatientLeak):
        divide(found, Index("mine", 0, None, twice, ""))


@pytest.mark.parametrize("profile", ["main", "parity"])
def test_one_command_from_a_folder_to_the_table(
    profile: str, bench: Any, hearts: Hearts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = _georgia(bench, hearts), bench.folder / "out"
    monkeypatch.setattr("deploy.commands.benchmark.settings_for", lambda *_, **__: QUICK)
    monkeypatch.setattr("deploy.commands.benchmark.ParitySettings", lambda *_: PARITY)
    monkeypatch.setattr("deploy.commands.benchmark._plot_regions", lambda *_: None)
    index = bench.folder / "index.json"
    assert main(["data", "split", str(folder), "--database", "g12ec", "--ratio", "0.5", "--out", str(index)]) == 0
    words = ["benchmark", str(folder), "--database", "g12ec", "--minimum", "14", "--profile", profile]
    words += ["--out", str(out), "--seeds", "0", "--split", str(index), "--arms", "teacher", "kd+u"]
    assert main(words) == 0
    told = capsys.readouterr()
    assert "| kd+u |" in told.out
    run = json.loads((out / "runs" / "kd+u.seed0.json").read_text(encoding="utf-8"))
    sides = json.loads(index.read_text(encoding="utf-8"))["sides"]
    assert (run["labelled"], run["pool"]) == (len(sides["train"]), len(sides["unlabelled"]))
    assert main(words) == 0
    assert "seed 0" not in capsys.readouterr().err  # nothing was left to do


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--profile", "parity"], "name their --database"),
        (["--split", "x.json"], "name their --database"),
        (["--database", "g12ec", "--rotate"], "folds of the packs"),
        (["--database", "cpsc2018"], "found none"),
    ],
)
def test_words_that_do_not_go_together_are_refused(
    words: list[str], reason: str, bench: Any, hearts: Hearts, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _georgia(bench, hearts, n=1)
    assert main(["benchmark", str(folder), "--out", str(folder / "out"), *words]) == 2
    assert reason in capsys.readouterr().err
