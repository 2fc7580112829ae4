"""One answer for a whole recording: normal rhythm, atrial fibrillation, another rhythm, or too noisy to tell.

    beats [k, 44] --two layers--> [k, h] --convolutions over beats--> mean, spread, maximum --+--> logits [4]
    whole recording [38] --one layer---------------------------------------------------------+

A beat comes as 32 axes of its wave, fitted without labels, and 12 figures. One beat out of place makes another rhythm,
so the maximum is kept beside the mean; fibrillation is in all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from inference.train.beatline import FIGURES, LENGTH, WHOLE, BeatLine

Floats = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RhythmSettings:
    """The shape of a reader and how it learns."""

    classes: int = 4
    axes: int = 32  # of the waves
    whitening: float = 0.7  # power to which each axis' size is taken out
    hidden: int = 64
    blocks: int = 2
    dropout: float = 0.3
    epochs: int = 20
    batch: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.03
    weights: tuple[float, ...] = (1.0, 1.5, 1.2, 1.5)  # of the classes in the loss: F1 counts rare ones as much
    smoothing: float = 0.05  # of the labels, some of which are wrong
    crop: float = 0.3  # of the beats that may be cut off at either end
    flipped: float = 0.3  # of the recordings are turned upside down: a handheld device can be held the other way
    gain_sd: float = 0.15
    noise: float = 0.1  # sd, of the axes


class BeatSequence(nn.Module):
    """Logits [b, classes] of padded beats [b, k, features], which of them are there [b, k], and wholes [b, 38]."""

    def __init__(self, s: RhythmSettings) -> None:
        super().__init__()
        h, drop = s.hidden, nn.Dropout(s.dropout)
        self.beat = nn.Sequential(nn.Linear(s.axes + FIGURES, 2 * h), nn.GELU(), drop, nn.Linear(2 * h, h))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(h, h, 5, padding=2),
                nn.BatchNorm1d(h),
                nn.GELU(),
                drop,
                nn.Conv1d(h, h, 3, padding=1),
                nn.BatchNorm1d(h),
            )
            for _ in range(s.blocks)
        )
        self.whole = nn.Sequential(nn.Linear(WHOLE, h), nn.GELU(), drop)
        self.head = nn.Sequential(drop, nn.Linear(4 * h, h), nn.GELU(), drop, nn.Linear(h, s.classes))

    def forward(self, beats: torch.Tensor, there: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """The logits."""
        mask = there[:, None].float()
        z = F.gelu(self.beat(beats)).transpose(1, 2) * mask
        for block in self.blocks:
            z = F.gelu(z + block(z)) * mask
        n = mask.sum(dim=2).clamp_min(1)
        mean = z.sum(dim=2) / n
        spread = (((z - mean[:, :, None]) * mask).square().sum(dim=2) / n + 1e-4).sqrt()
        most = z.masked_fill(~there[:, None], -1.0).amax(dim=2)
        logits: torch.Tensor = self.head(torch.cat([mean, spread, most, self.whole(whole)], dim=1))
        return logits


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """How beats and recordings are put before the network; fitted to recordings, not to their labels."""

    axes: F32  # [100, axes]
    mean: F32  # [38]
    spread: F32  # [38]

    @classmethod
    def fitted(cls, lines: Sequence[BeatLine], s: RhythmSettings) -> "Scale":
        """That of `lines`. The axes go through zero, so that a wave upside down is the same axes with other signs."""
        waves = np.concatenate([line.waves[::5] for line in lines] + [np.zeros((1, LENGTH), np.float32)])
        size, axes = np.linalg.eigh(waves.T.astype(np.float64) @ waves / len(waves))
        axes = axes[:, ::-1][:, : s.axes] / np.maximum(size[::-1][: s.axes], 1e-9) ** (s.whitening / 2)
        axes /= (waves @ axes).std() + 1e-9
        whole = np.stack([line.whole for line in lines])
        return cls(axes.astype(np.float32), whole.mean(axis=0), whole.std(axis=0) + 1e-3)

    def padded(self, lines: Sequence[BeatLine]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What the network reads of `lines`."""
        most = max(4, *(len(line.waves) for line in lines))
        beats = np.zeros((len(lines), most, self.axes.shape[1] + FIGURES), np.float32)
        there = np.zeros((len(lines), most), np.bool_)
        for i, line in enumerate(lines):
            k = len(line.waves)
            beats[i, :k] = np.concatenate([line.waves @ self.axes, line.figures], axis=1)
            there[i, :k] = True
        whole = np.clip((np.stack([line.whole for line in lines]) - self.mean) / self.spread, -5, 5)
        return torch.from_numpy(beats), torch.from_numpy(there), torch.from_numpy(whole.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class RhythmReader:
    """Networks that learned alike from other seeds; the mean of their probabilities is what they say."""

    networks: tuple[BeatSequence, ...]
    scale: Scale

    def probabilities(self, lines: Sequence[BeatLine]) -> Floats:
        """[n, classes]."""
        parts = []
        with torch.inference_mode():
            for i in range(0, len(lines), 128):
                read = self.scale.padded(lines[i : i + 128])
                each = [torch.softmax(network(*read), dim=1).double().numpy() for network in self.networks]
                parts.append(np.mean(each, axis=0))
        return np.concatenate(parts)


def fit_reader(
    lines: Sequence[BeatLine], labels: Labels, settings: RhythmSettings, *, seeds: Sequence[int]
) -> RhythmReader:
    """A network a seed, from recordings and their `labels` int [n]. Raises ValueError for fewer than a batch."""
    if len(lines) < settings.batch:
        raise ValueError(f"{len(lines)} recordings are fewer than a batch of {settings.batch}")
    scale = Scale.fitted(lines, settings)
    return RhythmReader(tuple(_fit(lines, labels, scale, settings, seed) for seed in seeds), scale)


def _fit(lines: Sequence[BeatLine], labels: Labels, scale: Scale, s: RhythmSettings, seed: int) -> BeatSequence:
    torch.manual_seed(seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    network, rounds = BeatSequence(s), len(lines) // s.batch
    optimiser = torch.optim.AdamW(network.parameters(), s.learning_rate, weight_decay=s.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, s.learning_rate, total_steps=s.epochs * rounds)
    lengths, weights = np.array([len(line.waves) + 1 for line in lines]), torch.tensor(s.weights)
    for _ in range(s.epochs):
        # Recordings of like length share a batch, so that little is padding; which ones, differs from round to round.
        line_up = np.roll(np.argsort(lengths * np.exp(rng.normal(0, 0.15, len(lines)))), rng.integers(s.batch))
        for i in rng.permutation(rounds):
            rows = line_up[i * s.batch : (i + 1) * s.batch]
            logits = network(*_varied(*scale.padded([lines[r] for r in rows]), s, generator))
            loss = F.cross_entropy(logits, torch.from_numpy(labels[rows]), weights, label_smoothing=s.smoothing)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch ships none for it
            nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimiser.step()
            schedule.step()
    return network.eval()


def _varied(
    beats: torch.Tensor, there: torch.Tensor, whole: torch.Tensor, s: RhythmSettings, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same recordings cut, turned upside down, louder, noisier."""

    def draw() -> torch.Tensor:
        return torch.rand(len(beats), 1, generator=generator)

    def noise(like: torch.Tensor, sd: float) -> torch.Tensor:
        return sd * torch.randn(like.shape, generator=generator)

    count, at = there.sum(dim=1, keepdim=True), torch.arange(there.shape[1])
    first = (s.crop * draw() * count).long()
    end = torch.maximum(count - (s.crop * draw() * count).long(), first + 1)
    gain = torch.exp(noise(draw(), s.gain_sd)) * torch.where(draw() < s.flipped, -1.0, 1.0)
    axes, figures = beats[:, :, : s.axes], beats[:, :, s.axes :]
    axes = axes * gain[:, :, None] + noise(axes, s.noise)
    beats = torch.cat([axes, figures + noise(figures, 0.02)], dim=2)
    return beats, there & (at >= first) & (at < end), whole + noise(whole, 0.15)
