"""The 1-lead student: a short dense convolutional network, built for one CPU core.

    [b, 1, 1, 1000] --stem k15 s5--> [b, 48, 1, 200] --block--> 48 x 200 --block s2--> 96 x 100 --block s2--> 96 x 50
                    --mean and max over time--> 192 --linear--> logits [b, classes]
          and beat view --> median beat, rhythm --two layers--> 192 --linear--> logits; the mean of both

Convolutions over time are written as 2-D ones of height 1, because only those have a channels-last layout in torch,
which is what makes them fast on a CPU and on a GPU. Dense on purpose: depthwise ones have fewer operations, but no more
windows a second.
"""

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from inference.model.beats import BEATS, BeatBranch, BeatShape, both
from inference.model.reading import Reader, Reading, global_pool, maps_of

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class StudentShape:
    """Everything that decides the weights' shapes."""

    classes: int
    channels: tuple[int, int, int] = (48, 96, 96)
    kernel: int = 5
    stem_kernel: int = 15
    stem_stride: int = 5
    beats: BeatShape | None = BEATS  # None: the window alone is read


class Block(nn.Module):
    """Two convolutions and a shortcut; [b, c_in, 1, t] to [b, c_out, 1, t / stride]."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.first = convolution(c_in, c_out, kernel, stride)
        self.second = convolution(c_out, c_out, kernel, 1)
        same = c_in == c_out and stride == 1
        self.shortcut = nn.Identity() if same else convolution(c_in, c_out, 1, 1)
        self.pool = nn.Identity() if stride == 1 else nn.AvgPool2d((1, stride), (1, stride), ceil_mode=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block's output, after its ReLU."""
        y = self.second(torch.relu(self.first(x)))
        return torch.relu(y + self.shortcut(self.pool(x)))


class Student(Reader):
    """Logits [b, classes] of preprocessed windows [b, 1000]."""

    def __init__(self, shape: StudentShape) -> None:
        super().__init__()
        self.shape = shape
        self.leads, self.classes = 1, shape.classes
        self.map_channels = shape.channels
        self.pooled_size = 2 * shape.channels[-1] + (shape.beats.hidden if shape.beats else 0)
        c1, c2, c3 = shape.channels
        self.beats = BeatBranch(1, shape.classes, shape.beats) if shape.beats else None
        self.stem = convolution(1, c1, shape.stem_kernel, shape.stem_stride)
        self.blocks = nn.Sequential(
            Block(c1, c1, shape.kernel, 1), Block(c1, c2, shape.kernel, 2), Block(c2, c3, shape.kernel, 2)
        )
        self.head = nn.Linear(2 * c3, shape.classes)

    def read(self, x: torch.Tensor) -> Reading:
        """The reading of `x` float [b, 1, 1000]; maps of 200, 100 and 50 steps."""
        maps = maps_of(x, self.stem, self.blocks)
        pooled = global_pool(maps[-1])
        reading = Reading(maps, pooled, self.head(pooled))
        if self.beats is None:
            return reading
        return both(reading, self.beats(x), self.beats.shape.window_share, either=self.learns)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits float [b, classes] of `x` float [b, 1000]."""
        return self.read(x[:, None]).logits


def fold(student: Student) -> Student:
    """The same function in evaluation mode, with every batch norm folded into its convolution; changes `student`."""
    student.eval()
    student.stem = _folded(student.stem)
    for block in student.blocks:
        for name in ("first", "second", "shortcut"):
            part = getattr(block, name)
            if isinstance(part, nn.Sequential):
                setattr(block, name, _folded(part))
    return channels_last(student.requires_grad_(False))


def channels_last(network: M) -> M:
    """The same network with its convolution weights laid out for speed; changes `network`."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def parameters(student: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(p.numel() for p in student.parameters())


def convolution(c_in: int, c_out: int, kernel: int, stride: int) -> nn.Sequential:
    """A convolution over time and its batch norm, [b, c_in, 1, t] to [b, c_out, 1, t / stride]."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, (1, kernel), (1, stride), (0, kernel // 2), bias=False), nn.BatchNorm2d(c_out)
    )


def _folded(pair: nn.Sequential) -> nn.Sequential:
    convolution, norm = pair
    if not isinstance(convolution, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        raise TypeError("a convolution and a batch norm expected")
    return nn.Sequential(fuse_conv_bn_eval(convolution, norm))
