"""The half of a network that reads the median beat and the rhythm of a window, in place of its samples.

beat view --fixed axes of what training windows vary in--> 40 + rhythm 10 --two layers--> 192 --linear--> logits
                                                                 \\--likeness to remembered beats-----------> logits
"""

from dataclasses import dataclass

import torch
from torch import nn

from inference.model.beatview import LENGTH, RHYTHM, beat_view
from inference.model.memory import BeatMemory
from inference.model.reading import Reading
from inference.preprocess import Batch

_BATCH = 64  # windows looked at in one pass


@dataclass(frozen=True, slots=True)
class BeatShape:
    """Everything that decides the branch's shapes, and how it is kept from overfitting."""

    components: int = 40  # axes of the median beats that are read
    whitening: float = 0.25  # power to which each axis' spread is taken out: small axes hold noise, and diagnoses
    hidden: int = 192
    dropout: float = 0.5
    noise: float = 0.2  # sd, of what is read, while training
    memory: int = 0  # beats remembered beside the layers; 0: none
    window_share: float = 0.5  # of a network's answer, its convolution's part; the rest is this half's


BEATS = BeatShape(memory=400)  # the student's


class BeatBranch(nn.Module):
    """Logits [b, classes] of what `beat_view` says of windows [b, leads, n]."""

    seen: torch.Tensor  # whether the axes were fitted
    mean: torch.Tensor
    axes: torch.Tensor
    rhythm_mean: torch.Tensor
    rhythm_scale: torch.Tensor

    def __init__(self, leads: int, classes: int, shape: BeatShape) -> None:
        super().__init__()
        self.shape, self.leads = shape, leads
        self.register_buffer("seen", torch.tensor(False))
        self.register_buffer("mean", torch.zeros(leads * LENGTH))
        self.register_buffer("axes", torch.eye(leads * LENGTH, shape.components))
        self.register_buffer("rhythm_mean", torch.zeros(RHYTHM))
        self.register_buffer("rhythm_scale", torch.ones(RHYTHM))
        self.layers = nn.Sequential(
            nn.Linear(shape.components + RHYTHM, shape.hidden),
            nn.GELU(),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.hidden, shape.hidden),
            nn.GELU(),
            nn.Dropout(shape.dropout),
        )
        self.head = nn.Linear(shape.hidden, classes)
        self.memory = BeatMemory(shape.memory, shape.components + RHYTHM, classes) if shape.memory else None

    @torch.no_grad()
    def look(self, windows: Batch) -> None:
        """Set the axes by principal components of `windows` float32 [n, >= leads, samples]; no label is needed."""
        views = [
            beat_view(torch.from_numpy(windows[i : i + _BATCH, : self.leads])) for i in range(0, len(windows), _BATCH)
        ]
        beats = torch.cat([v[0] for v in views]).flatten(1).double()
        rhythm = torch.cat([v[1] for v in views])
        centred = beats - beats.mean(dim=0)
        axes = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)[:, : self.shape.components]
        placed = centred @ axes
        scale = placed.std(dim=0).clamp_min(1e-6) ** -self.shape.whitening
        scale = scale / (placed * scale).std().clamp_min(1e-6)
        self.mean.copy_(beats.mean(dim=0))
        self.axes.copy_(axes * scale)
        self.rhythm_mean.copy_(rhythm.mean(dim=0))
        self.rhythm_scale.copy_(rhythm.std(dim=0).clamp_min(1e-3))
        self.seen.fill_(True)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What is read of `x`, [b, components + 10]."""
        beat, rhythm = beat_view(x)
        placed = (beat.flatten(1) - self.mean) @ self.axes
        return torch.cat([placed, ((rhythm - self.rhythm_mean) / self.rhythm_scale).clamp(-5, 5)], dim=1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden units [b, hidden] and logits [b, classes], in float32 whatever surrounds it.

        The logits are the layers' while these learn, later the mean of theirs and the memory's where it is asked.
        """
        with torch.autocast(x.device.type, enabled=False):
            read = self.features(x)
            if self.training:
                read = read + self.shape.noise * torch.randn_like(read)
            hidden = self.layers(read)
            logits = self.head(hidden)
            if self.memory is None or self.training:
                return hidden, logits
            asked = self.memory.full & self.memory.asked
            return hidden, torch.where(asked, (logits + self.memory(read)) / 2, logits)


def both(window: Reading, beat: tuple[torch.Tensor, torch.Tensor], share: float, *, either: bool) -> Reading:
    """One reading of the two halves: of their logits `share` the window's and the rest the beat's, or with `either` one
    of them for each window at random.

    Trained so, neither half leans on the other; together, the convolution overfits and the beats are not listened to.
    """
    hidden, logits = beat
    own = window.logits.float()
    if either:
        heads = torch.rand(len(own), 1, device=own.device) < 0.5
        answer = torch.where(heads, own, logits)
    else:
        answer = share * own + (1 - share) * logits
    return Reading(window.maps, torch.cat([window.pooled.float(), hidden], dim=1), answer)
