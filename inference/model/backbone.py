"""The parity profile: the backbone of the group that described LiteHeart, as its released sibling code has it.

    [b, leads, 6144] at 500 Hz --conv block x3, each / 4--> d x 96 --+ sine positions--> transformer x layers
                     --max over time--> d --linear--> d --linear--> logits [b, classes]

Architecture after H-Tuning and CE-SSL (arXiv 2406.14377, PMLR 267:79548); its counts of weights are pinned by a test.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import nn
from torch.nn import functional as F

from inference.model.reading import Reader, Reading

PARITY_SAMPLES: Final = 6144
PARITY_FS_HZ: Final = 500
_LIMIT: Final = 20.0  # windows are in standard deviations of their lead, of which a QRS complex reaches ten
_STRIDE: Final = 4


@dataclass(frozen=True, slots=True)
class BackboneShape:
    """Everything that decides the weights' shapes. The default is the 1-lead student of that group."""

    classes: int
    leads: int = 1
    width: int = 64
    layers: int = 1
    heads: int = 16
    causal: bool = False  # the group's code keeps a causal mask from the code it grew from; True to follow it


def medium(classes: int) -> BackboneShape:
    """The group's teacher, 50.5 million weights with 18 classes."""
    return BackboneShape(classes, leads=12, width=512, layers=12)


def base(classes: int) -> BackboneShape:
    """A teacher a small machine can train, 9.5 million weights with 18 classes."""
    return BackboneShape(classes, leads=12, width=256, layers=8)


class ConvBlock(nn.Module):
    """Two convolutions of 9 and a pooled shortcut; [b, c_in, t] to [b, width, t / 4]."""

    def __init__(self, c_in: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(c_in, width, 9, stride=_STRIDE, padding=4)
        self.first_norm = nn.BatchNorm1d(width)
        self.second = nn.Conv1d(width, width, 9, padding=4)
        self.second_norm = nn.BatchNorm1d(width)
        self.shortcut = nn.Conv1d(c_in, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum of both paths."""
        y = F.leaky_relu(self.first_norm(self.first(x)))
        y = F.leaky_relu(self.second_norm(self.second(y)))
        shortcut: torch.Tensor = self.shortcut(F.avg_pool1d(x, _STRIDE))
        return y + shortcut


class TransformerLayer(nn.Module):
    """Pre-norm self-attention and a perceptron of four times the width; [b, tokens, width] to the same."""

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The tokens after one exchange."""
        b, tokens, width = x.shape
        parts = self.qkv(self.norm_1(x)).view(b, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        told = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=self.causal)
        x = x + self.mix(told.transpose(1, 2).reshape(b, tokens, width))
        out: torch.Tensor = x + self.down(F.leaky_relu(self.up(self.norm_2(x))))
        return out


class Backbone(Reader):
    """Logits [b, classes] of windows [b, leads, 6144]."""

    samples, fs_hz, limit = PARITY_SAMPLES, PARITY_FS_HZ, _LIMIT

    def __init__(self, shape: BackboneShape) -> None:
        super().__init__()
        self.shape = shape
        self.leads, self.classes, self.pooled_size = shape.leads, shape.classes, shape.width
        self.beats = None
        self.blocks = nn.ModuleList(ConvBlock(c, shape.width) for c in (shape.leads, shape.width, shape.width))
        self.layers = nn.ModuleList(
            TransformerLayer(shape.width, shape.heads, causal=shape.causal) for _ in range(shape.layers)
        )
        self.shown = tuple(sorted({math.ceil(shape.layers * i / 3) for i in (1, 2, 3)}))  # layers whose tokens we show
        self.map_channels = (shape.width,) * (3 + len(self.shown))
        self.neck, self.head = nn.Linear(shape.width, shape.width), nn.Linear(shape.width, shape.classes)

    def read(self, x: torch.Tensor) -> Reading:
        """The reading of `x` float [b, leads, 6144]; maps of 1536, 384 and 96 steps, then of the tokens, 96 each."""
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        tokens = x.transpose(1, 2)
        tokens = tokens + sine_positions(tokens.shape[1], tokens.shape[2]).to(tokens)
        for i, layer in enumerate(self.layers, start=1):
            tokens = layer(tokens)
            if i in self.shown:
                maps.append(tokens.transpose(1, 2))
        pooled = tokens.amax(dim=1)
        return Reading(tuple(maps), pooled, self.head(self.neck(pooled)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits float [b, classes]."""
        return self.read(x).logits


def sine_positions(tokens: int, width: int) -> torch.Tensor:
    """Fixed positions [tokens, width]: sines in the even places, cosines in the odd ones."""
    at = torch.arange(tokens)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    return torch.stack([at.sin(), at.cos()], dim=2).reshape(tokens, width)
