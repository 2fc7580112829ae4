"""What a network says of a batch, layer by layer: the common language of teachers and students."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from inference.preprocess import CLIP_MV, FS_HZ, SAMPLES, Batch

if TYPE_CHECKING:
    from inference.model.beats import BeatBranch


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One pass over b windows.

    maps float [b, channels, time] each, shallow to deep; pooled float [b, features], what the last layer reads;
    logits float [b, classes].
    """

    maps: tuple[torch.Tensor, ...]
    pooled: torch.Tensor
    logits: torch.Tensor

    def detach(self) -> "Reading":
        """The same values without a graph."""
        return Reading(tuple(m.detach() for m in self.maps), self.pooled.detach(), self.logits.detach())


class Reader(nn.Module, ABC):
    """A network that shows its layers. `leads` in, `map_channels` and `pooled_size` of its readings."""

    leads: int
    map_channels: tuple[int, ...]
    pooled_size: int
    classes: int
    beats: "BeatBranch | None"  # the half that reads median beats, if it has one
    samples: int = SAMPLES  # of its windows
    fs_hz: int = FS_HZ
    limit: float = CLIP_MV  # no sample of a window is greater

    @property
    def learns(self) -> bool:
        """Whether this pass is one that weights are trained by."""
        return self.training and torch.is_grad_enabled()

    def look(self, windows: Batch) -> None:
        """Fit what is not trained, from `windows` float32 [n, leads, samples]; does nothing a second time."""
        if self.beats is not None and not self.beats.seen.item():
            self.beats.look(windows)

    @abstractmethod
    def read(self, x: torch.Tensor) -> Reading:
        """The reading of preprocessed windows `x` float [b, leads, samples]."""


def maps_of(x: torch.Tensor, stem: nn.Module, stages: Iterable[nn.Module]) -> tuple[torch.Tensor, ...]:
    """Maps [b, channels, time] of `x` float [b, leads, samples], one a stage."""
    y = torch.relu(stem(x[:, :, None, :].contiguous(memory_format=torch.channels_last)))
    maps: list[torch.Tensor] = []
    for stage in stages:
        maps.append(stage(y).squeeze(2))
        y = maps[-1].unsqueeze(2)  # what is shown lies on the way to the logits, so that gradients reach it
    return tuple(maps)


def global_pool(x: torch.Tensor) -> torch.Tensor:
    """Mean and max over time, [b, 2 channels], of a map [b, channels, time]."""
    return torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)
