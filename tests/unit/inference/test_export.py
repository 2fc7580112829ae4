"""The student as graphs: the same function, small files, their checksums on the card, the same bytes again."""

import hashlib
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch

from inference.model.beats import BeatShape
from inference.model.card import CARD, ONNX, ONNX_INT8, load_card
from inference.model.checkpoint import Card, load_student, save_checkpoint
from inference.model.export import export_onnx
from inference.model.student import Student, StudentShape
from inference.serve.network import OnnxNetwork
from liteheart.errors import Misconfigured

CLASSES = ("NORM", "AFIB", "PVC")
SHAPES = {"window": None, "thirds": BeatShape(components=8, hidden=16, window_share=1 / 3)}


def _windows(n: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Hearts of many rates and sizes under noise, [n, 1000]."""
    rng = np.random.default_rng(seed)
    t, out = np.arange(1000), np.zeros((n, 1000))
    for row in out:
        rr, size = rng.uniform(45, 130), rng.uniform(0.4, 1.6)
        for at in np.arange(rng.uniform(0, rr), 1000, rr) + rng.normal(0, 2):
            row += size * (np.exp(-((t - at) ** 2) / 5) + 0.25 * np.exp(-((t - at - 28) ** 2) / 80))
        row += rng.normal(0, 0.02, 1000)
    return out.astype(np.float32)


def _student(folder: Path, beats: BeatShape | None) -> Student:
    torch.manual_seed(0)
    student = Student(StudentShape(classes=3, channels=(16, 16, 32), beats=beats))
    student.look(_windows(64)[:, None])
    with torch.no_grad():
        for _ in range(30):  # moves the batch statistics off their start
            student(torch.from_numpy(_windows(32)))
    even = dict.fromkeys(CLASSES, 0.5)
    save_checkpoint(folder, student, Card("test", CLASSES, dict.fromkeys(CLASSES, 1.0), even))
    return load_student(folder)[0]


@pytest.fixture(scope="module", params=SHAPES.values(), ids=SHAPES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Student]:
    folder = tmp_path_factory.mktemp("student")
    student = _student(folder, request.param)
    checksums = export_onnx(student, _windows(256, seed=1), folder)
    assert load_card(folder).onnx == checksums == {n: _sha256(folder / n) for n in (ONNX, ONNX_INT8)}
    return folder, student


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_the_graph_is_the_student(exported: tuple[Path, Student], batch: int) -> None:
    folder, student = exported
    x = _windows(batch, seed=2)
    x[0] = 0.0  # no beats is an answer too
    logits = OnnxNetwork((folder / ONNX).read_bytes())(x)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, student(torch.from_numpy(x)).numpy(), atol=2e-5)


def test_eight_bits_say_nearly_the_same(exported: tuple[Path, Student]) -> None:
    folder, student = exported
    x = _windows(128, seed=3)
    exact = student(torch.from_numpy(x)).numpy()
    off = OnnxNetwork((folder / ONNX_INT8).read_bytes())(x) - exact
    assert np.abs(off).max() > 0  # they are eight bits
    assert np.sqrt((off**2).mean(axis=0)).max() < 0.2 * exact.std(axis=0).min()


def test_all_convolutions_but_the_first_are_in_eight_bits(exported: tuple[Path, Student]) -> None:
    graph = onnx.load(exported[0] / ONNX_INT8).graph
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    read = [made_by.get(node.input[0]) for node in graph.node if node.op_type == "Conv"]
    assert len(read) == 9
    assert read[0] != "DequantizeLinear"
    assert set(read[1:]) == {"DequantizeLinear"}


def test_files_are_small_and_say_nothing_of_where_they_were_made(exported: tuple[Path, Student]) -> None:
    for name in (ONNX, ONNX_INT8):
        data = (exported[0] / name).read_bytes()
        assert len(data) < 1_500_000
        assert b"stack_trace" not in data
        assert b".py" not in data


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    student = _student(tmp_path, None)
    one, two = (export_onnx(student, _windows(64), tmp_path) for _ in range(2))
    assert one == two


def test_a_window_of_artefact_does_not_coarsen_the_steps(tmp_path: Path) -> None:
    student, clean = _student(tmp_path, None), _windows(256, seed=1)
    spoilt = clean.copy()
    spoilt[:3] = np.sign(np.sin(np.arange(1000) / 3)) * 5.0
    assert export_onnx(student, spoilt, tmp_path)[ONNX_INT8]
    x = _windows(64, seed=5)
    off = OnnxNetwork((tmp_path / ONNX_INT8).read_bytes())(x) - student(torch.from_numpy(x)).numpy()
    assert np.sqrt((off**2).mean()) < 0.05


def test_new_weights_take_the_graphs_of_old_ones_off_the_card(exported: tuple[Path, Student], tmp_path: Path) -> None:
    card = load_card(exported[0])
    assert card.onnx
    student, _ = load_student(exported[0], folded=False)
    assert save_checkpoint(tmp_path, student, card).onnx == {}


@pytest.mark.parametrize("value", [{"other.onnx": "0" * 64}, {ONNX: "short"}, {ONNX: 7}, [ONNX]])
def test_refuses_a_card_whose_graphs_make_no_sense(tmp_path: Path, value: object) -> None:
    _student(tmp_path, None)
    raw = json.loads((tmp_path / CARD).read_text())
    (tmp_path / CARD).write_text(json.dumps(raw | {"onnx": value}))
    with pytest.raises(Misconfigured, match=r"onnx|sha256"):
        load_card(tmp_path)


def test_refuses_another_students_card_and_windows_of_another_length(tmp_path: Path) -> None:
    student = _student(tmp_path, None)
    with pytest.raises(ValueError, match=r"\[windows, 1000\] expected"):
        export_onnx(student, _windows(4)[:, :500], tmp_path)
    with pytest.raises(Misconfigured, match="another student"):
        export_onnx(Student(StudentShape(classes=4, beats=None)), _windows(4), tmp_path)
    with pytest.raises(Misconfigured, match="cannot be read"):
        export_onnx(student, _windows(4), tmp_path / "absent")
