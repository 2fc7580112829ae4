"""The student as a graph for ONNX Runtime: in float32, and with its convolutions in eight bits.

    folded student --one graph, x [b, 1000] -> logits [b, classes]--> student.onnx --calibration--> student.int8.onnx

What is eight bits and what is not was chosen by fold 7 and by the clock (notebook, 2026-11-22): the convolutions, less
the first. Its input is the ECG itself, of which eight bits over +-5 mV leave steps of 0.04 mV; and it is faster so.
Weights keep seven bits: a processor without VNNI adds products of eight in sixteen, and overflows without a word.
"""

import hashlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import nn

from inference.model.card import ONNX, ONNX_INT8, load_card, save_card
from inference.model.student import Block, Student
from inference.preprocess import SAMPLES, Batch
from liteheart.errors import Misconfigured

if TYPE_CHECKING:
    import onnx

_OPSET: Final = 18
_MOST_WINDOWS: Final = 4096  # in one pass
_PASS: Final = 64  # windows in one pass of the calibration
_USUAL: Final = 0.9  # of its windows, by their peaks: one with an artefact of 5 mV would coarsen the steps for all


def export_onnx(student: Student, calibration: Batch, folder: Path) -> dict[str, str]:
    """Write both graphs of the folded `student` beside its card in `folder`, and their checksums into the card.

    `calibration` float32 [n, 1000]: preprocessed windows that set the ranges of the eight bits, some hundred. Same
    weights, windows and libraries, same bytes. Returns the checksums by file name. Raises Misconfigured where the
    card is missing or of other classes, or the packages `onnx` and `onnxscript` are not installed.
    """
    card = load_card(folder)
    if len(card.classes) != student.classes:
        raise Misconfigured("inference.model_dir", f"the card in {folder} is of another student")
    if calibration.ndim != 2 or calibration.shape[1] != SAMPLES or len(calibration) < 2:
        raise ValueError(f"calibration: [windows, {SAMPLES}] expected, got shape {calibration.shape}")
    try:
        graph = _exported(student, calibration[:2])
        small = _quantised(graph, _usual(calibration))
    except ImportError as error:
        raise Misconfigured("inference.backend", f"graphs are written with onnx and onnxscript: {error}") from error
    files = {ONNX: graph.SerializeToString(deterministic=True), ONNX_INT8: small.SerializeToString(deterministic=True)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    checksums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    save_card(folder, replace(card, onnx=checksums))
    return checksums


class _Served(nn.Module):
    """The student's function without its readings, and without the pools that a runtime is slow at."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.stem, self.head, self.beats = student.stem, student.head, student.beats
        self.blocks = nn.ModuleList(_Joined(block) for block in student.blocks if isinstance(block, Block))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [b, classes] of `x` [b, 1000]."""
        y = torch.relu(self.stem(x[:, None, None]))
        for block in self.blocks:
            y = block(y)
        logits: torch.Tensor = self.head(torch.cat([y.mean(dim=(2, 3)), y.amax(dim=(2, 3))], dim=1))
        if self.beats is None:
            return logits
        share = self.beats.shape.window_share
        told: torch.Tensor = share * logits + (1 - share) * self.beats(x[:, None])[1]
        return told


class _Joined(nn.Module):
    """A block whose pool and 1x1 convolution are one convolution over what was pooled, [b, c, 1, even]."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.first, self.second = block.first, block.second
        self.shortcut: nn.Module = block.shortcut
        if isinstance(block.pool, nn.AvgPool2d) and isinstance(block.shortcut, nn.Sequential):
            self.shortcut = _wide(block.shortcut[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block's output."""
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


def _wide(narrow: nn.Module) -> nn.Conv2d:
    """The mean of two steps and a 1x1 convolution of it, as one convolution."""
    if not isinstance(narrow, nn.Conv2d) or narrow.bias is None:
        raise TypeError("a folded convolution expected")
    wide = nn.Conv2d(narrow.in_channels, narrow.out_channels, (1, 2), (1, 2)).requires_grad_(False)
    wide.weight.copy_((narrow.weight / 2).expand_as(wide.weight))
    if wide.bias is not None:
        wide.bias.copy_(narrow.bias)
    return wide


def _exported(student: Student, x: Batch) -> "onnx.ModelProto":
    windows = torch.export.Dim("windows", min=1, max=_MOST_WINDOWS)
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)  # it warns of packages that are not there and not needed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter, about itself
            program = torch.onnx.export(
                _Served(student).eval(),
                (torch.from_numpy(x),),
                dynamo=True,
                dynamic_shapes={"x": {0: windows}},
                input_names=["x"],
                output_names=["logits"],
                opset_version=_OPSET,
                verbose=False,
            )
    finally:
        exporter.setLevel(level)
    if program is None:
        raise RuntimeError("torch exported nothing")
    return _bare(program.model_proto)


def _bare(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The graph without what its making left in it: where each node's source lay, and the shapes between nodes."""
    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:], graph.value_info[:]
    model.producer_version = ""
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    return model


def _usual(windows: Batch) -> Batch:
    peaks = np.abs(windows).max(axis=1)
    usual: Batch = windows[peaks <= np.quantile(peaks, _USUAL)]
    return usual


def _quantised(model: "onnx.ModelProto", calibration: Batch) -> "onnx.ModelProto":
    import onnx
    from onnxruntime.quantization import (  # type: ignore[import-untyped]  # it ships no types
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process  # type: ignore[import-untyped]  # likewise

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # untyped, as said
        def __init__(self) -> None:
            self._passes: Iterator[dict[str, Any]] = (
                {"x": np.ascontiguousarray(calibration[i : i + _PASS])} for i in range(0, len(calibration), _PASS)
            )

        def get_next(self) -> dict[str, Any] | None:
            return next(self._passes, None)

    _, *convolutions = (n.name for n in model.graph.node if n.op_type == "Conv")
    with tempfile.TemporaryDirectory() as folder:
        source, shaped, path = (Path(folder, name) for name in (ONNX, "shaped.onnx", ONNX_INT8))
        source.write_bytes(model.SerializeToString())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quant_pre_process(source, shaped, skip_optimization=True, skip_symbolic_shape=True)
            quantize_static(
                shaped,
                path,
                Reader(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                nodes_to_quantize=convolutions,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        return _bare(onnx.load(path))
