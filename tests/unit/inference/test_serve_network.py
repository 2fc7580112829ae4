"""Backends: which is chosen, what is refused, what starts without torch, and that eight bits decide as weights do."""

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from inference.model.card import ONNX, ONNX_INT8, Card, load_card, save_card
from inference.model.checkpoint import save_checkpoint
from inference.model.export import export_onnx
from inference.model.student import Student, StudentShape, fold
from inference.ports import Network
from inference.serve.network import OnnxNetwork, TorchNetwork, load_network
from inference.settings import SHIPPED, Backend, InferenceSettings
from inference.train.data import read_ptbxl
from inference.train.evaluate import auroc, macro
from liteheart.conditions import SCORED
from liteheart.errors import Misconfigured

ROOT = Path(__file__).parents[3]
CLASSES = ("NORM", "AFIB", "PVC")
Logits = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small student with its graphs."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("student")
    student = Student(StudentShape(classes=3, channels=(8, 8, 16), beats=None))
    even = dict.fromkeys(CLASSES, 0.5)
    save_checkpoint(folder, student, Card("test", CLASSES, dict.fromkeys(CLASSES, 1.0), even))
    x = np.random.default_rng(0).normal(0, 0.3, (64, 1000)).astype(np.float32)
    export_onnx(fold(student), x, folder)
    return folder


def _copy(folder: Path, to: Path) -> Path:
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def _network(folder: Path, backend: Backend) -> Network:
    return load_network(InferenceSettings(model_dir=folder, backend=backend, device="cpu"))


def test_backends_agree(folder: Path) -> None:
    x = np.random.default_rng(1).normal(0, 0.3, (40, 1000)).astype(np.float32)
    by_torch, by_onnx, in_bits = (_network(folder, b)(x) for b in ("torch", "onnx", "onnx-int8"))
    np.testing.assert_allclose(by_onnx, by_torch, atol=1e-5)
    assert 0 < np.abs(in_bits - by_torch).max() < 0.1


def test_on_a_cpu_eight_bits_are_the_usual_choice(folder: Path) -> None:
    x = np.random.default_rng(2).normal(0, 0.3, (2, 1000)).astype(np.float32)
    chosen = _network(folder, "auto")
    assert isinstance(chosen, OnnxNetwork)
    assert np.array_equal(chosen(x), _network(folder, "onnx-int8")(x))


def test_weights_without_graphs_are_read_by_torch(folder: Path, tmp_path: Path) -> None:
    bare = _copy(folder, tmp_path)
    save_card(bare, replace(load_card(bare), onnx={}))
    assert isinstance(_network(bare, "auto"), TorchNetwork)
    with pytest.raises(Misconfigured, match=r"inference\.backend.*names no student.onnx"):
        _network(bare, "onnx")


@pytest.mark.parametrize("absent", [True, False])
def test_a_graph_that_is_not_the_cards_is_not_used(
    folder: Path, tmp_path: Path, absent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    spoilt = _copy(folder, tmp_path)
    if absent:
        (spoilt / ONNX_INT8).unlink()
    else:
        (spoilt / ONNX_INT8).write_bytes((spoilt / ONNX).read_bytes())
    with caplog.at_level(logging.WARNING):
        assert isinstance(_network(spoilt, "auto"), TorchNetwork)
    assert "torch reads the windows" in caplog.text
    with pytest.raises(Misconfigured, match=r"inference\.backend: .*(cannot be read|not the file that its card)"):
        _network(spoilt, "onnx-int8")


def test_backends_that_do_not_exist_or_do_not_fit_are_refused() -> None:
    with pytest.raises(Misconfigured, match=r"inference\.backend: 'tpu'"):
        InferenceSettings(backend="tpu")  # type: ignore[arg-type]  # what a settings file may say
    with pytest.raises(Misconfigured, match=r"inference\.backend: onnx runs on the CPU"):
        InferenceSettings(backend="onnx", device="cuda")


_START = """
import sys
from pathlib import Path
import numpy as np
from inference.serve.engine import load_engine
from inference.settings import InferenceSettings
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Window

engine = load_engine(InferenceSettings(model_dir=Path(sys.argv[1]), backend=sys.argv[2]), device="cpu")
t = np.arange(2500) / 250
mv = sum(np.exp(-(((t - at) / 0.012) ** 2)) for at in np.arange(0.3, 10, 0.8)).astype(np.float32)
window = Window(PatientId("p"), DeviceId("d"), "I", 0, 250.0, mv, np.ones(2500, np.bool_))
(finding,) = engine.score([window])
assert set(finding.scores) == set(engine.card.classes), finding
assert engine.explain(window, finding)
print("torch" in sys.modules)
"""


@pytest.mark.parametrize("backend", ["auto", "onnx"])
def test_an_engine_on_a_graph_starts_scores_and_explains_without_torch(folder: Path, backend: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _START, str(folder), backend], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["False"]


def _flips(card: Card, one: Logits, two: Logits) -> float:
    """Share of decisions, window by condition, that differ."""
    temperature, limits = (np.array([d[c] for c in card.classes]) for d in (card.temperature, card.thresholds))
    decided = [1 / (1 + np.exp(-z / temperature)) >= limits for z in (one, two)]
    return float((decided[0] != decided[1]).mean())


class TestShipped:
    """The thresholds of the card were set on the float student; the graphs must decide as it does."""

    card = load_card(SHIPPED)

    def test_both_graphs_ship(self) -> None:
        assert set(self.card.onnx) == {ONNX, ONNX_INT8}
        assert all((SHIPPED / name).stat().st_size < 1_500_000 for name in self.card.onnx)
        assert isinstance(_network(SHIPPED, "auto"), OnnxNetwork)

    def test_parity_on_synthetic_hearts(self) -> None:
        x, t = np.zeros((48, 1000), np.float32), np.arange(1000)
        rng = np.random.default_rng(0)
        for row, rr in zip(x, np.linspace(45, 140, len(x)), strict=True):
            for at in np.arange(20, 1000, rr):
                row += np.exp(-((t - at) ** 2) / 5) + 0.25 * np.exp(-((t - at - 28) ** 2) / 80)
            row += rng.normal(0, 0.01, 1000)
        float32, onnx, in_bits = (_network(SHIPPED, b)(x) for b in ("torch", "onnx", "onnx-int8"))
        assert np.median(np.abs(onnx - float32)) < 1e-5
        assert _flips(self.card, float32, onnx) <= 0.001
        assert _flips(self.card, float32, in_bits) <= 0.03  # these lie nearer to the limits than real ones

    @pytest.mark.ecg
    def test_parity_on_real_hearts(self, ecg_folder: Path) -> None:
        examples = read_ptbxl(ecg_folder, SCORED)
        test = examples.take(examples.folds == 8)
        x = np.ascontiguousarray(test.x[:, 0])

        def logits(backend: Backend) -> Logits:
            network = _network(SHIPPED, backend)
            return np.concatenate([network(x[i : i + 64]) for i in range(0, len(x), 64)])

        float32, in_bits = logits("torch"), logits("onnx-int8")
        assert len(x) > 300
        assert _flips(self.card, float32, logits("onnx")) <= 0.0005
        assert _flips(self.card, float32, in_bits) <= 0.005
        assert macro(auroc(in_bits, test.y)) >= macro(auroc(float32, test.y)) - 0.003
