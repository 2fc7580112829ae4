"""Two looks at one moment: what moves in time is shared by teacher and student, what disturbs is each one's own.

Windows here are float [b, leads, samples] in mV, already preprocessed; at another profile than the main one, in the
unit and at the rate of that profile.
"""

from dataclasses import dataclass
from typing import Final

import torch

from inference.preprocess import CLIP_MV, FS_HZ


@dataclass(frozen=True, slots=True)
class ViewSettings:
    """Sizes of the changes, each drawn anew for each window."""

    roll_s: float = 1.0  # moved by up to this, in a circle
    stretch: float = 0.0  # played faster or slower by up to this share
    gain_sd: float = 0.1  # of the logarithm of the amplitude
    noise_mv: float = 0.02  # sd of white noise, at most
    wander_mv: float = 0.05  # amplitude of a slow sine, at most; most of it was filtered away before
    cutout_s: float = 0.0  # longest hole of zeros, all leads at once
    lead_loss: float = 0.0  # chance of each lead but the first to be zeros, for who reads several


WEAK: Final = ViewSettings()
# What leaves the rhythm alone: a window rolled in a circle gains a beat out of time, a hole a pause.
STEADY: Final = ViewSettings(roll_s=0.0, stretch=0.05, gain_sd=0.15, noise_mv=0.04, wander_mv=0.1)
STRONG: Final = ViewSettings(roll_s=10.0, stretch=0.1, gain_sd=0.2, noise_mv=0.06, wander_mv=0.1, cutout_s=2.0)


def move(x: torch.Tensor, settings: ViewSettings, generator: torch.Generator, *, fs_hz: int = FS_HZ) -> torch.Tensor:
    """`x` rolled and stretched in time, all leads alike; teacher and student that shall agree on regions share it."""
    b, leads, n = x.shape
    start = settings.roll_s * fs_hz * _uniform(b, generator)
    if not settings.stretch:
        at = (torch.arange(n, device=x.device) + start.round().long()) % n
        return x.gather(2, at[:, None, :].expand(b, leads, n))
    place = (start + torch.arange(n, device=x.device) * (1 + settings.stretch * _uniform(b, generator))) % n
    low = place.floor()
    share = (place - low)[:, None, :]
    left = low.long().clamp_(0, n - 1)[:, None, :].expand(b, leads, n)
    return torch.lerp(x.gather(2, left), x.gather(2, (left + 1) % n), share)


def disturb(
    x: torch.Tensor,
    settings: ViewSettings,
    generator: torch.Generator,
    *,
    fs_hz: int = FS_HZ,
    limit: float = CLIP_MV,
) -> torch.Tensor:
    """A copy of `x` with another amplitude, noise, wander and perhaps a hole, within `limit`; nothing moves in time."""
    b, leads, n = x.shape
    y = x * torch.exp(settings.gain_sd * torch.randn(b, 1, generator=generator, device=generator.device))[:, None]
    noise = settings.noise_mv * _uniform(b, generator).abs()
    y = y + noise[:, None] * torch.randn(b, leads, n, generator=generator, device=generator.device)
    hz, phase = 0.3 + 0.2 * _uniform(b, generator), torch.pi * _uniform(b, generator)
    wander = torch.sin(2 * torch.pi * hz * torch.arange(n, device=x.device) / fs_hz + phase)
    y = y + (settings.wander_mv * _uniform(b, generator) * wander)[:, None]
    if settings.cutout_s:
        length = settings.cutout_s * fs_hz * torch.rand(b, 1, generator=generator, device=generator.device)
        begin = torch.rand(b, 1, generator=generator, device=generator.device) * (n - length)
        at = torch.arange(n, device=x.device)
        y = y * ~((at >= begin) & (at < begin + length))[:, None]
    if settings.lead_loss and leads > 1:
        lost = torch.rand(b, leads, 1, generator=generator, device=generator.device) < settings.lead_loss
        lost[:, 0] = False
        y = y * ~lost
    return y.clamp(-limit, limit)


def _uniform(b: int, generator: torch.Generator) -> torch.Tensor:
    """[b, 1] in [-1, 1)."""
    return 2 * torch.rand(b, 1, generator=generator, device=generator.device) - 1
