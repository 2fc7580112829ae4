"""Pictures of where teacher and student look, and the kernel machine's rows."""

from pathlib import Path

import numpy as np
import torch

from inference.distill.guide import Ensemble
from inference.distill.plots import STUDENT, look_at, plot_regions
from inference.distill.stated import kernel_table
from inference.model.student import Student, StudentShape
from inference.model.teacher import Teacher, TeacherShape
from inference.train.data import Examples, unlabelled

CODES = ("NORM", "PVC")


def _hearts(n: int, seed: int = 0) -> Examples:
    """Wide beats or narrow ones, fast or slow, in twelve leads; a patient each, folds 1 to 8."""
    rng, t = np.random.default_rng(seed), np.arange(1000) / 100
    y = rng.random((n, 2)) < 0.5
    period = np.where(y[:, :1], 0.6, 0.95) + 0.05 * rng.random((n, 1))
    beat = (t + rng.random((n, 1))) % period - period / 2
    x = np.exp(-((beat / np.where(y[:, 1:], 0.05, 0.02)) ** 2))[:, None] + 0.03 * rng.standard_normal((n, 12, 1000))
    return Examples(
        ("NORM", "AFIB"), x.astype(np.float32), y, np.ones_like(y), np.array([f"p{i}" for i in range(n)]),
        np.arange(n) % 8 + 1,
    )  # fmt: skip


def _both() -> tuple[Ensemble, Student]:
    torch.manual_seed(0)
    teacher = Teacher(TeacherShape(3, channels=(4, 4, 4), depths=(1, 1, 1))).eval()
    return Ensemble((teacher,), (1.0,)), Student(StudentShape(2, channels=(4, 4, 4), beats=None)).eval()


def test_each_is_asked_for_the_same_codes_in_its_own_order() -> None:
    ensemble, student = _both()
    x = _hearts(1).x[0]
    seen = look_at(ensemble, student, x, {"teacher": ("MI", "NORM", "PVC"), STUDENT: ("PVC", "NORM")}, CODES)
    swapped = look_at(ensemble, student, x, {"teacher": ("MI", "NORM", "PVC"), STUDENT: ("NORM", "PVC")}, CODES)
    assert set(seen) == {"teacher", STUDENT}
    assert np.array_equal(seen[STUDENT]["PVC"], swapped[STUDENT]["NORM"])
    assert not np.array_equal(seen[STUDENT]["PVC"], seen[STUDENT]["NORM"])
    for maps in seen.values():
        for shown in maps.values():
            assert shown.shape == (50,)
            assert 0 <= shown.min() <= shown.max() <= 1


def test_a_teacher_is_asked_in_all_its_leads() -> None:
    ensemble, student = _both()
    x = _hearts(1).x[0]
    other = x.copy()
    other[11, 300:340] += 2.0
    names = {"teacher": ("MI", "NORM", "PVC"), STUDENT: ("NORM", "PVC")}
    one, two = (look_at(ensemble, student, v, names, CODES) for v in (x, other))
    assert np.array_equal(one[STUDENT]["PVC"], two[STUDENT]["PVC"])  # lead I is as it was
    assert any(not np.allclose(one["teacher"][c], two["teacher"][c]) for c in CODES)


def test_the_picture_names_its_rows_and_is_the_same_twice(tmp_path: Path) -> None:
    ensemble, student = _both()
    x = _hearts(1).x[0]
    seen = look_at(ensemble, student, x, {"teacher": ("MI", "NORM", "PVC"), STUDENT: ("NORM", "PVC")}, CODES)
    for name in ("a.svg", "b.svg"):
        plot_regions(tmp_path / name, x[0], seen)
    text = (tmp_path / "a.svg").read_text()
    assert all(f"{code}, {who}" in text for code in CODES for who in ("teacher", "student"))
    assert text == (tmp_path / "b.svg").read_text()
    assert len(text) < 150_000


def test_the_kernel_machine_reads_one_lead_and_twelve_from_few_labels_and_all() -> None:
    data = _hearts(400)
    table = kernel_table((data, unlabelled(_hearts(8, seed=1))), seeds=[0, 1])
    assert set(table) == {"10", "full"}
    for share in table.values():
        assert set(share) == {"I", "12"}
        for row in share.values():
            assert row["statements"]["mean"] > 0.85
            assert len(row["superclasses"]["folds"]) == 2
    assert table["full"]["I"]["statements"]["mean"] >= table["10"]["I"]["statements"]["mean"] - 0.02
