"""What reads windows: torch on any device, or ONNX Runtime on the CPU, which starts without torch and is faster there.

backend auto: CUDA there --> torch; else the card names an eight-bit graph that is there --> onnx-int8; else torch
"""

import ctypes
import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from inference.model.card import ONNX, ONNX_INT8, Card, load_card
from inference.ports import Network
from inference.preprocess import SAMPLES, Batch
from inference.settings import InferenceSettings
from liteheart.errors import Misconfigured

if TYPE_CHECKING:  # torch takes seconds to import; who does not need it, or not yet, should not wait for it
    from inference.model.student import Student

log = logging.getLogger(__name__)
_GRAPHS: Final = {"onnx": ONNX, "onnx-int8": ONNX_INT8}
_ERRORS_ONLY: Final = 3  # ONNX Runtime's name for it


class TorchNetwork:
    """A folded student on one device."""

    def __init__(self, student: "Student", device: str) -> None:
        self._student = student.to(device)
        self._device = device
        self(np.zeros((1, SAMPLES), np.float32))  # the first pass is slow; nobody should wait for it

    def __call__(self, x: Batch) -> Batch:
        """float32 [b, classes] logits of `x` float32 [b, 1000]."""
        import torch

        with torch.inference_mode():
            logits: Batch = self._student(torch.from_numpy(x).to(self._device)).float().cpu().numpy()
        return logits


class OnnxNetwork:
    """A graph that `inference.model.export` wrote, on the CPU."""

    def __init__(self, graph: bytes, threads: int = 1) -> None:
        import onnxruntime  # type: ignore[import-untyped]  # it ships no types

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = _ERRORS_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a waiting thread burns no core
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self(np.zeros((1, SAMPLES), np.float32))

    def __call__(self, x: Batch) -> Batch:
        """float32 [b, classes] logits of `x` float32 [b, 1000]."""
        logits: Batch = self._session.run(None, {"x": x})[0]
        return logits


def load_network(settings: InferenceSettings) -> Network:
    """The network alone, for an engine that has begun without it.

    Raises Misconfigured when weights, graph and card do not belong together, or CUDA is asked for and absent.
    """
    card = load_card(settings.model_dir)
    if settings.backend in _GRAPHS:
        return OnnxNetwork(_graph(settings.model_dir, card, settings.backend), settings.threads)
    if settings.backend == "auto" and ONNX_INT8 in card.onnx and not _has_cuda(settings):
        try:
            return OnnxNetwork(_graph(settings.model_dir, card, "onnx-int8"), settings.threads)
        except Misconfigured as error:
            log.warning("torch reads the windows, several times slower: %s", error)
    return _torch_network(settings)


def _graph(folder: Path, card: Card, backend: str) -> bytes:
    path = folder / _GRAPHS[backend]
    if path.name not in card.onnx:
        raise Misconfigured("inference.backend", f"the card in {folder} names no {path.name}; export it, or use torch")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Misconfigured("inference.backend", f"{path} cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != card.onnx[path.name]:
        raise Misconfigured("inference.backend", f"{path} is not the file that its card describes (sha256)")
    return data


def _torch_network(settings: InferenceSettings) -> TorchNetwork:
    import torch

    from inference.model.checkpoint import load_student

    student, _ = load_student(settings.model_dir)
    if settings.device != "cpu" and torch.cuda.is_available():
        return TorchNetwork(student, "cuda")
    if settings.device == "cuda":
        raise Misconfigured("inference.device", "cuda is asked for, but torch sees none")
    torch.set_num_threads(settings.threads)
    return TorchNetwork(student, "cpu")


def _has_cuda(settings: InferenceSettings) -> bool:
    """Whether torch is to be used for its device. Where no driver is installed, torch need not be imported to know."""
    if settings.device != "auto":
        return settings.device == "cuda"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    import torch

    return torch.cuda.is_available()
