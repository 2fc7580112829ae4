"""The frozen test set is the one that the plan names, or there is no exam; and the scripted drift is what it says."""

import dataclasses
import io
import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference.model.card import Card
from inference.model.student import Student, StudentShape
from inference.refresh.exam import digest, examine, latency_ratio, read_test_set
from inference.refresh.gate import Function, judge
from inference.refresh.plan import Plan, load_plan
from inference.refresh.scenario import Device, NoiseBank, heard, nurses, through
from inference.refresh.verdicts import weigh
from inference.train.data import LEADS, Recording, ptbxl_recordings
from liteheart.errors import Misconfigured
from liteheart.wire import to_planes

CLASSES = ("NORM", "AFIB")


def write_packs(folder: Path, spoilt: int | None = None, relabelled: int | None = None) -> None:
    """Twelve records, four in each of folds 1, 7 and 8, as the packs hold them."""
    rng = np.random.default_rng(0)
    for name, folds in (("ptbxl_folds1to4", (1,)), ("ptbxl_folds5to8", (7, 8))):
        meta: list[dict[str, Any]] = []
        rows = []
        for fold in folds:
            for i in range(4):
                adc = rng.integers(-900, 900, (12, 1000)).astype(np.int16)
                adc[0, 0] += spoilt == i and fold == 8
                scp = {"NORM" if (i % 2) ^ (relabelled == i and fold == 8) else "AFIB": 100.0}
                labels = {"patient": f"{fold}{i // 2}", "fold": fold, "age": f"{35 + 20 * i}.0", "sex": str(i % 2)}
                labels |= {"label_source": "ptbxl_metadata", "scp": scp}
                meta.append(
                    {
                        "name": f"r{fold}{i}",
                        "fs_hz": 100,
                        "leads": list(LEADS),
                        "samples": 1000,
                        "gain": [1000.0] * 12,
                        "baseline": [0] * 12,
                        "labels": labels,
                    }
                )
                rows.append(
                    np.concatenate([np.frombuffer(to_planes(lead), np.uint8).reshape(2, -1) for lead in adc], axis=1)
                )
        buffer = io.BytesIO()
        np.savez(buffer, planes=np.concatenate(rows, axis=1), meta=np.frombuffer(json.dumps(meta).encode(), np.uint8))
        (folder / f"{name}.ecg.xz").write_bytes(lzma.compress(buffer.getvalue(), preset=0))


def plan_for(folder: Path) -> Plan:
    plan = load_plan()
    rows = [r for r in ptbxl_recordings(folder) if r.labels["fold"] == 8]
    return dataclasses.replace(plan, exam=dataclasses.replace(plan.exam, sha256=digest(rows)))


def test_the_exam_is_held_on_the_windows_that_the_plan_names(tmp_path: Path) -> None:
    write_packs(tmp_path)
    plan = plan_for(tmp_path)
    test = read_test_set(tmp_path, CLASSES, plan)
    assert test.x.shape == (8, 1, 1000)
    assert test.groups["lead"].tolist() == ["I"] * 4 + ["II"] * 4
    assert test.groups["age"][:4].tolist() == ["0-39", "40-59", "60-79", "80 and above"]
    assert set(test.groups["sex"].tolist()) == {"M", "F"}
    assert test.y[:4, 0].tolist() == [False, True, False, True]
    torch.manual_seed(0)
    students = [Student(StudentShape(2, channels=(4, 4, 4), beats=None)).eval() for _ in range(2)]
    card = Card("s", CLASSES, dict.fromkeys(CLASSES, 1.0), dict.fromkeys(CLASSES, 0.5))
    exam = examine(test, (students[0], card), (students[1], card))
    assert exam.champion.shape == exam.candidate.shape == exam.y.shape
    assert not np.array_equal(exam.champion, exam.candidate)
    assert judge(exam, Function(1, 1.0, 1.0, 0), plan).checks
    with pytest.raises(Misconfigured, match="other conditions"):
        examine(test, (students[0], card), (students[1], dataclasses.replace(card, classes=("AFIB", "NORM"))))


@pytest.mark.parametrize("change", ["spoilt", "relabelled"])
def test_other_windows_or_labels_are_no_exam(tmp_path: Path, change: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write_packs(tmp_path / "a")
    write_packs(tmp_path / "b", **{change: 2})
    with pytest.raises(Misconfigured, match=r"exam\.sha256"):
        read_test_set(tmp_path / "b", CLASSES, plan_for(tmp_path / "a"))


def test_a_student_of_the_same_size_takes_as_long() -> None:
    student, ticks = Student(StudentShape(2, channels=(4, 4, 4), beats=None)).eval(), iter(range(1000))
    assert latency_ratio(student, student, lambda: float(next(ticks))) == 1.0


def bank() -> NoiseBank:
    rng = np.random.default_rng(0)
    return NoiseBank(
        {
            name: Recording(name, 360.0, ("1", "2"), rng.standard_normal((2, 40_000)).astype(np.float32), {})
            for name in ("bw", "ma")
        }
    )


def test_a_scripted_device_adds_its_noise_and_the_same_one_each_time() -> None:
    mv = np.zeros((40, 12, 1000), np.float32)
    device = Device("V2", gain=0.6, noise_mv=0.05)
    learned, measured = (through(mv, device, bank(), side, 1) for side in ("learn", "measure"))
    assert pytest.approx(learned.std(), rel=0.2) == 0.6 * 0.05
    assert np.array_equal(learned, through(mv, device, bank(), "learn", 1))
    correlation = np.abs(np.corrcoef(learned[:, 0], measured[:, 0])[:40, 40:])
    assert correlation.max() < 0.6  # noise of the test is never that of the pool


def test_nurses_judge_alarms_and_what_is_weighed_is_mostly_right() -> None:
    rng = np.random.default_rng(1)
    p, y = rng.random((600, 2)), rng.random((600, 2)) < 0.5
    words = nurses(p, y, np.ones_like(y), np.array([0.5, 0.6]), CLASSES, count=200, seed=1)
    assert len(words.alarms) == 200
    assert all(at == 1 for _, at in words.alarms.values())  # a normal ECG is no alarm
    assert all(p[row, at] >= 0.6 for row, at in words.alarms.values())
    found = heard(words, weigh(words.said).positive, p.shape)
    told = np.isfinite(found)
    assert 80 < told.sum() <= 200
    assert ((found > 0.5) == y)[told].mean() > 0.85
