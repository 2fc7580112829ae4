"""Settings of inference; filled in by `deploy/settings.py`, checked at birth."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from liteheart.errors import Misconfigured

Device = Literal["auto", "cpu", "cuda"]
Backend = Literal["auto", "torch", "onnx", "onnx-int8"]
SHIPPED = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True)
class InferenceSettings:
    """How windows are scored. Raises Misconfigured naming the key."""

    model_dir: Path = SHIPPED  # folder of a card and its weights
    device: Device = "auto"  # CUDA when there is one, else the CPU
    backend: Backend = "auto"  # torch on CUDA; else ONNX Runtime in int8 where the card names its graph, else torch
    threads: int = 1  # of the CPU; more workers beat more threads, and busy neighbours make threads collapse
    micro_batch: int = 64  # windows in one pass; larger ones fall out of the cache
    max_delay_s: float = 0.25  # how long the first window of a batch may wait for company
    capacity: int = 4096  # windows waiting before the sender has to
    min_valid_share: float = 0.9  # of a window's samples; below it the student is not asked

    def __post_init__(self) -> None:
        if self.device not in ("auto", "cpu", "cuda"):
            raise Misconfigured("inference.device", f"{self.device!r} is none of auto, cpu, cuda")
        if self.backend not in ("auto", "torch", "onnx", "onnx-int8"):
            raise Misconfigured("inference.backend", f"{self.backend!r} is none of auto, torch, onnx, onnx-int8")
        if self.device == "cuda" and self.backend.startswith("onnx"):
            raise Misconfigured("inference.backend", f"{self.backend} runs on the CPU; inference.device asks for cuda")
        if not 1 <= self.threads <= 256:
            raise Misconfigured("inference.threads", f"{self.threads} is outside 1 to 256")
        if not 1 <= self.micro_batch <= 4096:
            raise Misconfigured("inference.micro_batch", f"{self.micro_batch} is outside 1 to 4096")
        if not 0 <= self.max_delay_s <= 60:
            raise Misconfigured("inference.max_delay_s", f"{self.max_delay_s} is outside 0 to 60")
        if self.capacity < self.micro_batch:
            raise Misconfigured("inference.capacity", f"{self.capacity} is below micro_batch")
        if not 0 < self.min_valid_share <= 1:
            raise Misconfigured("inference.min_valid_share", f"{self.min_valid_share} is outside 0 to 1")
