"""Is a recording good enough to be read by a cardiologist? One judgement over all its leads, as in the challenge of
2011 (PhysioNet/CinC, "acceptable" or not): a lead that shows nothing spoils it, and so does a wild one; noise that lies
on half of the leads counts, noise on one of twelve hardly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.beats import bridge
from inference.noise import Noise, noise_of

LEVEL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class AcceptanceSettings:
    """Limits, and a logistic function of two logarithms. Fitted to 743 recordings of CinC-2011, five folds:
    `python -m benchmarks quality`.
    """

    flat_mv: float = 0.05  # peak to peak below which half a second shows nothing
    flat_share: float = 0.5  # of a lead, above which it is flat
    gap_share: float = 0.2  # of a lead's samples that are missing
    far_floor_mv: float = 0.05  # added to the largest excursion of any lead
    unlike_floor: float = 0.03  # added to what tells a beat from the one most like it, over a QRS; median of the leads
    far: float = -2.34  # of the decadic logarithm
    unlike: float = -9.94
    bias: float = -8.31
    usual_far: float = 0.25  # the logarithms that acceptable recordings have (medians): what is further away is named
    usual_unlike: float = -1.32


DEFAULT: Final = AcceptanceSettings()


@dataclass(frozen=True, slots=True)
class Acceptance:
    """`score` in [0, 1]; `reasons` of: flat, gap, excursion, noise; a recording is acceptable without any."""

    score: float
    reasons: tuple[str, ...]

    @property
    def acceptable(self) -> bool:
        """Whether a diagnosis may be read from it."""
        return not self.reasons


def accept(
    leads: Sequence[npt.ArrayLike],
    fs_hz: float,
    valid: Sequence[npt.ArrayLike] | None = None,
    noises: Sequence[Noise] | None = None,
    settings: AcceptanceSettings = DEFAULT,
) -> Acceptance:
    """Judge `leads`, mV, each float [n], n at least a second; `valid` bool [n] marks the samples that were received
    (default: the finite ones), `noises` are the leads' measures where they are known. Raises ValueError without leads.
    """
    if not leads:
        raise ValueError("leads: none")
    s, signals = settings, [np.asarray(lead, np.float64) for lead in leads]
    seen = [
        np.isfinite(x) if valid is None else np.asarray(valid[k], np.bool_) & np.isfinite(x)
        for k, x in enumerate(signals)
    ]
    if any(np.mean(ok) < 1 - s.gap_share for ok in seen):
        return Acceptance(0.0, ("gap",))
    whole = [bridge(np.where(ok, x, np.nan)) for x, ok in zip(signals, seen, strict=True)]
    if any(flat_share(x, fs_hz, s.flat_mv) > s.flat_share for x in whole):
        return Acceptance(0.0, ("flat",))
    measured = [noise_of(x, fs_hz) for x in whole] if noises is None else noises
    far = s.far * np.log10(max(float(np.abs(x - np.median(x)).max()) for x in whole) + s.far_floor_mv)
    unlike = s.unlike * np.log10(float(np.median([n.unlike for n in measured])) + s.unlike_floor)
    score = 1.0 / (1.0 + float(np.exp(-np.clip(s.bias + far + unlike, -30.0, 30.0))))
    if score >= 0.5:
        return Acceptance(score, ())
    is_far = far - s.far * s.usual_far < unlike - s.unlike * s.usual_unlike
    return Acceptance(score, ("excursion" if is_far else "noise",))


def flat_share(x: npt.NDArray[np.float64], fs_hz: float, flat_mv: float = DEFAULT.flat_mv) -> float:
    """Share of half seconds of `x` that show nothing."""
    size = max(1, round(LEVEL_S * fs_hz))
    parts = x[: len(x) // size * size].reshape(-1, size)
    return float(np.mean(np.ptp(parts, axis=1) < flat_mv)) if len(parts) else 1.0
