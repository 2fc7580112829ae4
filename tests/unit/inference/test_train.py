"""Splits by patient, figures that are right, and a student that learns what is there to learn."""

import io
import json
import lzma
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from inference.distill.kernel import KernelSettings
from inference.distill.loop import Budget, distil
from inference.distill.objective import arm
from inference.distill.ship import ShipSettings, read_course, ship_student, train_teachers
from inference.distill.teachers import TeacherSettings
from inference.model.beats import BeatShape
from inference.model.student import Student, StudentShape
from inference.preprocess import SAMPLES
from inference.serve.engine import load_engine
from inference.train.calibrate import (
    f1_threshold,
    fit_temperature,
    fit_thresholds,
    fit_undecided,
    precise_threshold,
    probabilities,
)
from inference.train.data import LEADS, Examples, read_cinc2017, read_pack, read_ptbxl
from inference.train.evaluate import auroc, average_precision, calibration_error, f1, interval, macro, macro_auroc
from inference.train.measure import predict
from inference.train.split import PatientLeak, by_fold, check_patients
from inference.train.views import WEAK
from liteheart.conditions import BY_CODE, SCORED
from liteheart.errors import Unreadable
from liteheart.wire import to_planes

ECG = Path(os.environ.get("LITEHEART_ECG", Path(__file__).parents[4] / "shared" / "ecg"))


def _synthetic(n: int = 320, seed: int = 0) -> Examples:
    """Two learnable conditions: a fast heart, and a tall one; patients of two windows each, folds 1 to 8."""
    rng = np.random.default_rng(seed)
    y = rng.random((n, 2)) < 0.5
    t = np.arange(SAMPLES) / 100
    period = np.where(y[:, :1], 0.5, 0.9) + 0.05 * rng.random((n, 1))
    beat = (t + rng.random((n, 1))) % period - period / 2
    x = np.where(y[:, 1:], 1.6, 0.8) * np.exp(-((beat / 0.03) ** 2)) + 0.03 * rng.standard_normal((n, SAMPLES))
    owner = np.arange(n) // 2
    return Examples(
        classes=("STACH", "LVH"),
        x=x[:, None].astype(np.float32),
        y=y,
        known=np.ones_like(y),
        patients=np.array([f"p{i}" for i in owner]),
        folds=owner % 8 + 1,
    )


def _pack(path: Path, recordings: list[tuple[dict[str, object], npt.NDArray[np.int16]]]) -> None:
    planes = [np.frombuffer(to_planes(row), np.uint8).reshape(2, -1) for _, adc in recordings for row in adc]
    meta = [entry | {"samples": adc.shape[1]} for entry, adc in recordings]
    buffer = io.BytesIO()
    np.savez(buffer, planes=np.concatenate(planes, axis=1), meta=np.frombuffer(json.dumps(meta).encode(), np.uint8))
    with lzma.open(path, "wb") as file:
        file.write(buffer.getvalue())


def test_no_patient_is_on_two_sides_of_the_split() -> None:
    data = _synthetic()
    train, validation, test = by_fold(data)
    assert len(train) + len(validation) + len(test) == len(data)
    assert not set(train.patients) & set(test.patients)
    assert not set(train.patients) & set(validation.patients)


def test_a_patient_on_two_sides_is_refused_by_name() -> None:
    data = _synthetic()
    data.folds[:2] = (3, 8)  # both windows of patient p0
    with pytest.raises(PatientLeak, match="patient p0 is on side 0 and on side 2"):
        by_fold(data)
    with pytest.raises(PatientLeak):
        check_patients(data, data)


@pytest.mark.ecg
def test_the_folds_of_the_real_packs_leak_nobody() -> None:
    if not (ECG / "ptbxl_folds1to4.ecg.xz").exists():
        pytest.skip(f"no ECG packs at {ECG}")
    data = read_ptbxl(ECG, SCORED)
    train, validation, test = by_fold(data)
    assert (len(train), len(validation), len(test)) == (1934, 327, 335)
    positives = dict(zip(SCORED, data.y.sum(axis=0).tolist(), strict=True))
    assert min(positives.values()) >= 40  # the rule by which statements were chosen
    assert positives["AFIB"] == 220
    assert positives["MI"] == 600
    superclass = np.array(["NORM" in SCORED and positives["NORM"], positives["HYP"]])
    assert superclass.tolist() == [1187, 324]


def test_a_pack_comes_back_in_millivolts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    adc = rng.integers(-3000, 3000, (2, 500)).astype(np.int16)
    entry: dict[str, object] = {"name": "r", "fs_hz": 50, "leads": ["I", "II"], "gain": [200, 100], "baseline": [0, 10]}
    one = adc[:1, :77].copy()
    lone = entry | {"name": "s", "leads": ["I"], "gain": [1000], "baseline": [0], "labels": {"rhythm": "A"}}
    _pack(tmp_path / "x.ecg.xz", [(entry, adc), (lone, one)])
    first, second = read_pack(tmp_path / "x.ecg.xz")
    assert first.leads == ("I", "II")
    np.testing.assert_allclose(first.mv[1], (adc[1] - 10) / 100, rtol=1e-6)
    np.testing.assert_allclose(second.mv, one / 1000, rtol=1e-6)
    assert second.labels == {"rhythm": "A"}


def test_what_is_no_pack_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.ecg.xz").write_bytes(b"no pack")
    with pytest.raises(Unreadable, match=r"x\.ecg\.xz"):
        next(read_pack(tmp_path / "x.ecg.xz"))
    with pytest.raises(Unreadable, match="ptbxl_folds1to4"):
        read_ptbxl(tmp_path, SCORED)


def test_handheld_windows_know_only_fibrillation_and_cover_the_recording(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    head: dict[str, object] = {"fs_hz": 300, "leads": ["I"], "gain": [1000], "baseline": [0]}
    rows = [
        (head | {"name": name, "labels": {"rhythm": label}}, rng.integers(-900, 900, (1, n)).astype(np.int16))
        for name, label, n in (("a", "A", 7500), ("n", "N", 2700), ("noisy", "~", 9000))
    ]
    _pack(tmp_path / "h.ecg.xz", rows)
    data = read_cinc2017(tmp_path, SCORED, {"h": 8})
    at = SCORED.index("AFIB")
    assert data.patients.tolist() == ["a", "a", "a", "n"]
    assert data.y[:, at].tolist() == [True, True, True, False]
    assert data.known[:, at].all()
    assert data.known.sum() == 4
    assert data.folds.tolist() == [8] * 4


def test_figures_of_a_small_case_by_hand() -> None:
    scores = np.array([[0.9, 0.2], [0.8, 0.9], [0.3, 0.1], [0.3, 0.4]])
    y = np.array([[1, 0], [0, 0], [1, 0], [0, 0]], np.bool_)
    assert auroc(scores, y)[0] == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert average_precision(scores, y)[0] == pytest.approx((1 + 2 / 3) / 2)
    assert f1(scores >= 0.8, y)[0] == pytest.approx(0.5)
    assert np.isnan(auroc(scores, y)[1])
    assert np.isnan(f1(scores >= 0.5, y)[1])
    assert macro(auroc(scores, y)) == pytest.approx(0.625)


def test_the_interval_draws_patients_not_windows() -> None:
    rng = np.random.default_rng(0)
    y = rng.random((60, 1)) < 0.5
    scores = y + rng.standard_normal((60, 1))
    many = np.repeat(np.arange(60), 8)
    alone = interval(macro_auroc, scores[many], y[many], np.arange(480).astype(np.str_))
    together = interval(macro_auroc, scores[many], y[many], many.astype(np.str_))
    assert alone[0] == together[0]
    assert together[1] < alone[1] < together[0] < alone[2] < together[2]


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    z = 2 * rng.standard_normal((4000, 3))
    y = rng.random(z.shape) < probabilities(z, 1.0)
    assert fit_temperature(3 * z, y) == pytest.approx(3.0, rel=0.1)
    assert probabilities(np.array([0.0, 800.0, -800.0]), 0.5).tolist() == [0.5, 1.0, 0.0]


def test_thresholds_part_what_can_be_parted() -> None:
    p = np.concatenate([np.linspace(0.05, 0.4, 80), np.linspace(0.6, 0.9, 20)])
    y = p > 0.5
    assert 0.4 < f1_threshold(p, y) <= 0.6
    found = fit_thresholds(np.stack([p, p], axis=1), np.stack([y, y], axis=1), ("NORM", "AFIB"))
    assert 0.3 < found["NORM"] <= 0.65
    assert found["AFIB"] == pytest.approx(0.6, abs=0.01)
    assert f1_threshold(p, np.zeros_like(y)) == 0.5


def test_the_undecided_band_lies_below_the_threshold_and_is_never_wide() -> None:
    rng = np.random.default_rng(0)
    p = np.stack([rng.uniform(0.0, 0.3, 1000), rng.uniform(0.0, 1.0, 1000)], axis=1)
    limits = {"PVC": 0.25, "AFIB": 0.8}
    low = fit_undecided(p, ("PVC", "AFIB"), limits)
    for i, code in enumerate(("PVC", "AFIB")):
        inside = (p[:, i] >= low[code]) & (p[:, i] < limits[code])
        assert limits[code] / 2 <= low[code] <= limits[code]
        assert 0.05 < inside.mean() <= 0.1


def test_an_alarming_condition_gets_the_precision_it_asks_for() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(2000)
    y = rng.random(2000) < p
    limit = precise_threshold(p, y, 0.9)
    assert y[p >= limit].mean() >= 0.9
    assert y[p >= limit - 0.1].mean() < 0.9


def test_calibration_error_is_nothing_when_what_is_said_holds() -> None:
    rng = np.random.default_rng(0)
    p = rng.random((20_000, 2))
    y = rng.random(p.shape) < p
    assert calibration_error(p, y) < 0.02
    assert calibration_error(p**3, y) > 0.1
    assert calibration_error(np.array([[0.9], [0.9]]), np.array([[True], [False]])) == pytest.approx(0.4)


def test_a_student_learns_what_is_there_and_the_same_seed_gives_the_same_student() -> None:
    train, validation, test = by_fold(_synthetic())
    budget = Budget(steps=60, batch=16, bf16=False, view=WEAK)
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        shape = StudentShape(2, channels=(8, 16, 16), beats=BeatShape(components=5, hidden=16))
        found.append(distil(Student(shape), train, arm("scratch"), budget, seed=3))
    assert macro_auroc(predict(found[0], test.x), test.y) > 0.95
    np.testing.assert_allclose(predict(found[0], validation.x), predict(found[1], validation.x), atol=1e-4)


def test_labels_that_are_not_known_teach_nothing() -> None:
    data = _synthetic(128)
    blind = Examples(data.classes, data.x, data.y, data.known.copy(), data.patients, data.folds)
    blind.known[:, 1] = False
    torch.manual_seed(0)
    student = Student(StudentShape(2, channels=(8, 8, 8)))
    before = student.head.weight.detach().clone()
    distil(student, blind, arm("scratch"), Budget(steps=4, batch=32, bf16=False, weight_decay=0.0), seed=0)
    assert torch.equal(student.head.weight[1], before[1])
    assert not torch.equal(student.head.weight[0], before[0])


def _little_ptbxl(folder: Path) -> None:
    """Eight folds of made-up hearts, each with two of the statements; half have labels of another source."""
    rng = np.random.default_rng(0)
    statements = [c for c in SCORED if BY_CODE[c].scp == (c,)]
    rows = []
    for i in range(len(statements) * 8):
        labels = {
            "scp": {statements[i % len(statements)]: 100.0, statements[(i // 3) % len(statements)]: 0.0},
            "fold": i % 8 + 1,
            "patient": f"p{i}",
            "label_source": "ptbxl_metadata" if i % 16 < 8 else "elsewhere",
        }
        head: dict[str, object] = {"name": f"r{i}", "fs_hz": 100, "leads": list(LEADS), "labels": labels}
        adc = rng.normal(0, 300, (12, SAMPLES)).astype(np.int16)
        rows.append((head | {"gain": [1000] * 12, "baseline": [0] * 12}, adc))
    _pack(folder / "ptbxl_folds1to4.ecg.xz", rows[::2])
    _pack(folder / "ptbxl_folds5to8.ecg.xz", rows[1::2])


def test_from_packs_to_weights_that_the_engine_loads(tmp_path: Path) -> None:
    _little_ptbxl(tmp_path)
    few = Budget(steps=3, batch=16, unlabelled_batch=8, bf16=False, other_lead_share=0.25)
    settings = ShipSettings(
        budget=few,
        teachers=TeacherSettings(count=1, channels=(8, 8, 8), depths=(1, 1, 1), first=few, kernel=KernelSettings(8)),
        handheld=False,
        shape=StudentShape(len(SCORED), channels=(8, 8, 8), beats=BeatShape(components=6, hidden=8)),
    )
    course = read_course(tmp_path, settings)
    assert not course.material.pool.known.any()
    assert set(course.material.pool.folds) <= {1, 2, 3, 4, 5, 6}
    teachers = train_teachers(course, settings)
    card = ship_student(course, teachers, tmp_path / "out", seeds=(0, 1), settings=settings, name="little")
    engine = load_engine(model_dir=tmp_path / "out", device="cpu")
    assert engine.model == card.version
    assert engine.model.startswith("little-")
    assert set(engine.thresholds) == set(SCORED)
    metrics = card.about["metrics"]
    value, low, high = metrics["superclasses"]["macro_auroc"]
    assert low <= value <= high
    assert 0 <= metrics["calibration_error"] <= 1
    assert metrics["by_condition"]["AFIB"]["positives"] >= 1
    assert [d["licence"] for d in card.about["data"]] == ["CC BY 4.0"]
    assert set(card.about["training"]["fold7_macro_auroc_by_seed"]) == {"0", "1"}
