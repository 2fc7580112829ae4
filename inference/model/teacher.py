"""The 12-lead teacher: the student's blocks, wider and deeper, on the same grid in time.

    [b, 12, 1, 1000] --stem k15 s5--> 64 x 200 --1 block--> 64 x 200 --2 blocks, s2--> 128 x 100
                     --2 blocks, s2--> 192 x 50 --mean and max over time, dropout--> 384 --linear--> logits [b, classes]

With the student's shape and 12 leads it is the student that sees everything; with one lead it is the teacher that sees
as little as the student: the two controls that tell what size and what leads are worth.
"""

from dataclasses import dataclass

import torch
from torch import nn

from inference.model.beats import BeatBranch, BeatShape, both
from inference.model.reading import Reader, Reading, global_pool, maps_of
from inference.model.student import Block, convolution


@dataclass(frozen=True, slots=True)
class TeacherShape:
    """Everything that decides the weights' shapes; the default has 1.06 million of them with 36 classes."""

    classes: int
    leads: int = 12
    channels: tuple[int, int, int] = (64, 128, 192)
    depths: tuple[int, int, int] = (1, 2, 2)  # blocks at each time scale
    kernel: int = 5
    stem_kernel: int = 15
    stem_stride: int = 5
    dropout: float = 0.0  # of the pooled features
    beats: BeatShape | None = None  # None: the window alone is read; the kernel teacher reads the beats


class Teacher(Reader):
    """Logits [b, classes] of preprocessed windows [b, leads, 1000]."""

    def __init__(self, shape: TeacherShape) -> None:
        super().__init__()
        self.shape = shape
        self.leads, self.classes = shape.leads, shape.classes
        self.map_channels = shape.channels
        self.pooled_size = 2 * shape.channels[-1] + (shape.beats.hidden if shape.beats else 0)
        self.beats = BeatBranch(shape.leads, shape.classes, shape.beats) if shape.beats else None
        c1, c2, c3 = shape.channels
        self.stem = convolution(shape.leads, c1, shape.stem_kernel, shape.stem_stride)
        self.scales = nn.ModuleList(
            _scale(c_in, c_out, depth, shape.kernel, stride)
            for c_in, c_out, depth, stride in zip((c1, c1, c2), (c1, c2, c3), shape.depths, (1, 2, 2), strict=True)
        )
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(2 * c3, shape.classes)

    def read(self, x: torch.Tensor) -> Reading:
        """The reading of `x` float [b, leads, 1000]; maps of 200, 100 and 50 steps."""
        maps = maps_of(x, self.stem, self.scales)
        pooled = global_pool(maps[-1])
        reading = Reading(maps, pooled, self.head(self.dropout(pooled)))
        if self.beats is None:
            return reading
        return both(reading, self.beats(x), self.beats.shape.window_share, either=self.learns)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits float [b, classes]."""
        return self.read(x).logits


def _scale(c_in: int, c_out: int, depth: int, kernel: int, stride: int) -> nn.Sequential:
    first = Block(c_in, c_out, kernel, stride)
    return nn.Sequential(first, *(Block(c_out, c_out, kernel, 1) for _ in range(depth - 1)))
