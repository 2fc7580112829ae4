"""What a wearable does to a window, done to the training windows."""

from dataclasses import dataclass

import torch

from inference.preprocess import CLIP_MV, FS_HZ


@dataclass(frozen=True, slots=True)
class AugmentSettings:
    """Sizes of the changes, each drawn anew for each window."""

    roll_s: float = 1.0  # moved by up to this, in a circle
    gain: float = 0.2  # amplitude off by up to this share
    noise_mv: float = 0.02  # sd of white noise, at most
    wander_mv: float = 0.05  # amplitude of a slow sine, at most; most of it was filtered away before


LIGHT = AugmentSettings()


def augment(x: torch.Tensor, settings: AugmentSettings, generator: torch.Generator) -> torch.Tensor:
    """A changed copy of `x` float [b, samples], in mV."""
    b, n = x.shape
    roll = round(settings.roll_s * FS_HZ)
    shift = torch.randint(-roll, roll + 1, (b, 1), generator=generator)
    y = x.gather(1, (torch.arange(n)[None, :] + shift) % n)
    y = y * (1 + settings.gain * _uniform(b, generator))
    y = y + settings.noise_mv * _uniform(b, generator).abs() * torch.randn(b, n, generator=generator)
    hz, phase = 0.3 + 0.2 * _uniform(b, generator), torch.pi * _uniform(b, generator)
    wander = torch.sin(2 * torch.pi * hz * torch.arange(n)[None, :] / FS_HZ + phase)
    return (y + settings.wander_mv * _uniform(b, generator) * wander).clamp(-CLIP_MV, CLIP_MV)


def _uniform(b: int, generator: torch.Generator) -> torch.Tensor:
    """[b, 1] in [-1, 1)."""
    return 2 * torch.rand(b, 1, generator=generator) - 1
