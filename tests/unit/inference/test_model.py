"""The student's shape, and weights that travel only with the card that describes them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.model.beats import BEATS
from inference.model.checkpoint import CARD, WEIGHTS, Card, load_card, load_student, save_checkpoint
from inference.model.student import Student, StudentShape, fold, parameters
from inference.preprocess import VERSION
from inference.settings import SHIPPED
from liteheart.conditions import SCORED, SUPERCLASSES
from liteheart.errors import Misconfigured

CLASSES = ("NORM", "AFIB", "PVC")


def _student(seed: int = 0) -> Student:
    torch.manual_seed(seed)
    student = Student(StudentShape(classes=3))
    with torch.no_grad():
        student(torch.randn(32, 1000))  # moves the batch statistics off their start
    return student.eval()


def _saved(folder: Path, student: Student) -> Card:
    even = dict.fromkeys(CLASSES, 0.5)
    return save_checkpoint(folder, student, Card("test", CLASSES, dict.fromkeys(CLASSES, 1.0), even))


def test_is_small_and_answers_for_each_class() -> None:
    student = Student(StudentShape(classes=36))
    assert 250_000 < parameters(student) < 300_000
    assert student(torch.zeros(4, 1000)).shape == (4, 36)


def test_folding_keeps_the_function_and_removes_every_batch_norm() -> None:
    student, x = _student(), torch.randn(8, 1000)
    with torch.no_grad():
        before = student(x)
        folded = fold(student)
        after = folded(x)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    assert torch.allclose(before, after, atol=1e-4)


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    student = _student()
    card = _saved(tmp_path, student)
    again, read = load_student(tmp_path, folded=False)
    assert read == card == load_card(tmp_path)
    assert card.version == f"test-{card.sha256[:8]}"
    x = torch.randn(4, 1000)
    with torch.no_grad():
        assert torch.equal(again.eval()(x), student(x))


def test_how_the_halves_are_weighed_comes_back_too(tmp_path: Path) -> None:
    even = _student()
    thirds = Student(replace(even.shape, beats=replace(BEATS, window_share=1 / 3))).eval()
    thirds.load_state_dict(even.state_dict())
    _saved(tmp_path, thirds)
    again, card = load_student(tmp_path, folded=False)
    x = torch.randn(4, 1000)
    with torch.no_grad():
        window = _window_half(even)(x)
        beat = 2 * even(x) - window
        assert torch.allclose(again.eval()(x), (window + 2 * beat) / 3, atol=1e-5)
    assert card.window_share == pytest.approx(1 / 3)


def _window_half(student: Student) -> Student:
    """The same student without its beat half."""
    alone = Student(replace(student.shape, beats=None)).eval()
    alone.load_state_dict(student.state_dict(), strict=False)
    return alone


def test_same_weights_have_the_same_checksum(tmp_path: Path) -> None:
    one, two = _saved(tmp_path / "1", _student(1)), _saved(tmp_path / "2", _student(1))
    assert one.sha256 == two.sha256
    assert one.sha256 != _saved(tmp_path / "3", _student(2)).sha256


def test_refuses_weights_that_were_tampered_with(tmp_path: Path) -> None:
    _saved(tmp_path, _student())
    data = bytearray((tmp_path / WEIGHTS).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / WEIGHTS).write_bytes(data)
    with pytest.raises(Misconfigured, match="not the file that its card describes"):
        load_student(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("preprocess", "v0", f"asks for preprocessing 'v0'; this is '{VERSION}'"),
        ("architecture", "slow", "asks for the network 'slow'"),
        ("thresholds", {"NORM": 0.5}, "no thresholds for AFIB"),
        ("temperature", {"NORM": 1.0, "AFIB": 0.0, "PVC": 1.0}, "temperature for AFIB that is not positive"),
        ("thresholds", {"NORM": 0.5, "AFIB": 0.5, "PVC": "0.5"}, "thresholds for PVC that is not positive"),
        ("classes", ["NORM", "AFIB"], "does not fit the network"),
        ("channels", [8, 8, 8], "does not fit the network"),
        ("format", 2, "not a card of format 1"),
        ("sha256", "0" * 64, "not the file that its card describes"),
        ("nonsense", 1, "not a card"),
        ("window_share", 1.0, "a window_share of 1.0"),
        ("window_share", "0.5", "a window_share of '0.5'"),
    ],
)
def test_refuses_a_card_that_was_tampered_with(tmp_path: Path, key: str, value: object, reason: str) -> None:
    _saved(tmp_path, _student())
    raw = json.loads((tmp_path / CARD).read_text())
    (tmp_path / CARD).write_text(json.dumps(raw | {key: value}))
    with pytest.raises(Misconfigured, match=reason) as caught:
        load_student(tmp_path)
    assert caught.value.key == "inference.model_dir"


def test_refuses_an_empty_folder_and_half_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_student(tmp_path)
    (tmp_path / CARD).write_text("{")
    with pytest.raises(Misconfigured, match="not JSON"):
        load_student(tmp_path)
    _saved(tmp_path, _student())
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_student(tmp_path)


def test_weights_hold_no_code(tmp_path: Path) -> None:
    _saved(tmp_path, _student())
    with np.load(tmp_path / WEIGHTS, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind in "fib" for name in arrays.files)


class TestShipped:
    card = load_card(SHIPPED)

    def test_scores_every_condition_of_the_table_that_has_statements(self) -> None:
        assert self.card.classes == SCORED
        assert set(SUPERCLASSES) <= set(self.card.classes)

    def test_has_a_threshold_for_each_condition(self) -> None:
        assert set(self.card.thresholds) == set(SCORED)
        assert all(0 < t < 1 for t in self.card.thresholds.values())

    def test_is_small(self) -> None:
        assert (SHIPPED / WEIGHTS).stat().st_size <= 1_300_000

    def test_says_what_it_is_made_of_and_what_it_is_not(self) -> None:
        about = self.card.about
        assert about["not_a_medical_device"] is True
        assert all(d["licence"] and d["attribution"] for d in about["data"])
        assert any("10.13026/kfzx-aw45" in d["attribution"] for d in about["data"])
        assert about["limits"]

    def test_claims_no_figure_without_an_interval(self) -> None:
        for group in ("superclasses", "statements"):
            for value, low, high in self.card.about["metrics"][group].values():
                assert low <= value <= high

    def test_the_document_speaks_of_these_weights_and_says_their_figures(self) -> None:
        text = (Path(__file__).parents[3] / "docs" / "model-card.md").read_text(encoding="utf-8")
        assert self.card.version in text
        for group in ("superclasses", "statements"):
            for value, low, high in self.card.about["metrics"][group].values():
                assert f"{value:.3f} [{low:.3f}, {high:.3f}]" in text

    def test_a_student_of_other_figures_is_another_version(self) -> None:
        assert replace(self.card, sha256="f" * 64).version != self.card.version
