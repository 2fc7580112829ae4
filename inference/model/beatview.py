"""The beat of a window: where its beats are, their median, and how they follow one another; in torch, batched.

    x [b, leads, n] --slope over all leads--> beats --aligned--> median beat [b, leads, 80], log amplitude
                                                   \\--> rhythm [b, 10]

A window holds about ten copies of one beat under noise, at ten places. A convolution has to find that out from a few
hundred labels; this states it. On PTB-XL a kernel machine that reads only this beats the convolution (notebook,
2026-11-22). The detector is a plain one, on purpose: it must run on a GPU, batched, on disturbed training views. What
alarms is the beat path's (`inference.rhythm`), never this.
"""

from typing import Final

import torch
from torch.nn import functional as F

from inference.preprocess import FS_HZ

BEFORE: Final = 30  # samples of a beat before its middle: P wave and PR
AFTER: Final = 50  # and after it: QRS, ST, T
LENGTH: Final = BEFORE + AFTER
RHYTHM: Final = 10  # figures of the rhythm
_MOST: Final = 32  # beats in a window that are looked at
_APART: Final = 25  # samples to either side in which a beat is the steepest
_SMOOTH: Final = 9  # samples over which slope is averaged
_SHARE: Final = 0.35  # of the usual slope of the seconds: below it, no beat
_FLOOR: Final = 0.004  # mV a sample: below it, nothing is a beat
_WAVES: Final = ((-22, -8), (-6, 7), (8, 38))  # samples about the middle of a QRS: P, QRS, ST and T
_CENTRE: Final = 8  # samples to either side over which the middle of a QRS is taken
_USUAL_RR_S: Final = 0.8  # where there are no two beats


@torch.no_grad()
def beat_view(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Median beat [b, leads, 80], sign(v) log(1 + 5 |v|) of mV, and rhythm [b, 10], float; finite, 0 without beats.

    `x` float [b, leads, n] at 100 Hz, preprocessed, n >= 100. The rhythm: median log RR in s; of its deviations mean,
    sd, mean and median step, least and most; tenths of beats; log RMS distance of the oddest and of the usual beat.
    """
    x = x.float()
    n = x.shape[2]
    slope = F.pad((x[:, :, 2:] - x[:, :, :-2]) / 2, (1, 1))
    energy = slope.square().sum(dim=1)
    first, have = _beats(energy.sqrt())
    at = _middles(first, energy)
    whole = have & (at >= BEFORE) & (at + AFTER <= n)
    start = at.clamp(BEFORE, n - AFTER)  # moves only what is not whole, and of that nothing is read
    index = start[:, :, None] + torch.arange(-BEFORE, AFTER, device=x.device)
    beats = x.gather(2, index.flatten(1)[:, None].expand(-1, x.shape[1], -1)).reshape(*x.shape[:2], _MOST, LENGTH)
    middle = masked_median(beats, whole[:, None, :, None], dim=2)
    odd = ((beats - middle[:, :, None]) ** 2).mean(dim=(1, 3)).sqrt() * whole
    rhythm = torch.cat(
        [_rhythm(at, have), (0.01 + torch.stack([odd.amax(dim=1), masked_median(odd, whole, dim=1)], dim=1)).log()],
        dim=1,
    )
    return middle.sign() * torch.log1p(5 * middle.abs()), rhythm


@torch.no_grad()
def waves(x: torch.Tensor) -> torch.Tensor:
    """Where P, QRS and ST-T of each beat usually lie, bool [b, n], by the middles of its QRS complexes.

    `x` as `beat_view` takes it. Spans of time about a beat, not a delineation: none is fitted to the wave itself.
    """
    x = x.float()
    slope = F.pad((x[:, :, 2:] - x[:, :, :-2]) / 2, (1, 1))
    energy = slope.square().sum(dim=1)
    first, have = _beats(energy.sqrt())
    away = torch.arange(x.shape[2], device=x.device) - _middles(first, energy)[:, :, None]
    inside = torch.zeros_like(away, dtype=torch.bool)
    for begin, end in _WAVES:
        inside |= (away >= begin) & (away < end)
    return (inside & have[:, :, None]).any(dim=1)


def masked_median(values: torch.Tensor, keep: torch.Tensor, dim: int) -> torch.Tensor:
    """The median over `dim` of the values that `keep` marks; 0 where it marks none. Its shape may widen to theirs."""
    ordered = _ascending(values.masked_fill(~keep, torch.inf), dim)
    n = keep.sum(dim=dim, keepdim=True)
    one = ordered.narrow(dim, 0, 1)
    low, high = (ordered.gather(dim, i.expand_as(one)) for i in (_half((n - 1).clamp_min(0)), _half(n)))
    return torch.where(n > 0, (low + high) / 2, 0.0).squeeze(dim)


def _ascending(values: torch.Tensor, dim: int) -> torch.Tensor:
    """Sorted over `dim`. Many short columns by Batcher's bitonic network: whole rows at a time, four times as fast."""
    n = values.shape[dim]
    if dim == values.dim() - 1 or n & (n - 1):
        return values.sort(dim=dim).values
    size = 1
    while size < n:
        values = _exchanged(values, dim, size, mirrored=True)
        apart = size // 2
        while apart:
            values = _exchanged(values, dim, apart, mirrored=False)
            apart //= 2
        size *= 2
    return values


def _exchanged(values: torch.Tensor, dim: int, apart: int, *, mirrored: bool) -> torch.Tensor:
    """Each pair of rows in order, `apart` from each other, or mirrored in a block of twice that length."""
    before, n, after = values.shape[:dim], values.shape[dim], values.shape[dim + 1 :]
    one, other = values.reshape(*before, n // (2 * apart), 2 * apart, *after).chunk(2, dim + 1)
    if mirrored and apart > 1:
        other = other.flip(dim + 1)
    return torch.cat([torch.minimum(one, other), torch.maximum(one, other)], dim + 1).flatten(dim, dim + 1)


def _half(n: torch.Tensor) -> torch.Tensor:
    """n // 2 of counts; as floats, since an exported graph halves integers in ten steps."""
    return (n.float() * 0.5).floor().long()


def _beats(steep: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Places [b, 32] of beats in order of time, and whether there is one, from the slope [b, n] of all leads."""
    b, n = steep.shape
    burst = F.avg_pool1d(steep[:, None], _SMOOTH, 1, _SMOOTH // 2, count_include_pad=False)
    top = F.max_pool1d(burst, 2 * _APART + 1, 1, _APART)[:, 0]
    burst = burst[:, 0]
    seconds = burst[:, : n // FS_HZ * FS_HZ].reshape(b, -1, FS_HZ).amax(dim=2).sort(dim=1).values
    usual = seconds[:, (seconds.shape[1] - 1) // 2, None]
    beat = (burst >= top) & (burst > _SHARE * usual) & (burst > _FLOOR)
    left = torch.arange(n, 0, -1, device=steep.device, dtype=steep.dtype)
    first = torch.where(beat, left, 0.0).topk(_MOST, dim=1).values
    return (n - first).clamp_max(n - 1).long(), first > 0


def _middles(at: torch.Tensor, energy: torch.Tensor) -> torch.Tensor:
    """The beats moved to the middle of their slope energy [b, n]: the same place whatever the polarity."""
    span, n = torch.arange(-_CENTRE, _CENTRE + 1, device=at.device), energy.shape[1]
    for _ in range(2):
        index = (at[:, :, None] + span).clamp(0, n - 1)
        weight = energy.gather(1, index.flatten(1)).view_as(index)
        at = ((weight * index).sum(dim=2) / weight.sum(dim=2).clamp_min(1e-9)).round().long()
    return at


def _rhythm(at: torch.Tensor, have: torch.Tensor) -> torch.Tensor:
    pair = have[:, 1:] & have[:, :-1]
    log_rr = ((at[:, 1:] - at[:, :-1]).clamp_min(10) / FS_HZ).log()
    n = pair.sum(dim=1).clamp_min(1)
    usual = masked_median(log_rr, pair, dim=1)
    off = (log_rr - usual[:, None]) * pair
    both = pair[:, 1:] & pair[:, :-1]
    step = (log_rr[:, 1:] - log_rr[:, :-1]).abs() * both
    usual = torch.where(pair.any(dim=1), usual, torch.full_like(usual, _USUAL_RR_S).log())
    figures = (
        usual,
        off.sum(dim=1) / n,
        (off.square().sum(dim=1) / n).sqrt(),
        step.sum(dim=1) / both.sum(dim=1).clamp_min(1),
        masked_median(step, both, dim=1),
        off.amin(dim=1),
        off.amax(dim=1),
        have.sum(dim=1) / 10,
    )
    return torch.stack(figures, dim=1)
