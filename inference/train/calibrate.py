"""From logits to probabilities that mean something, and from those to findings; fitted on the validation fold."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Findings that alarm: this share of them shall be right, window by window, on the validation fold. Asking for more
# costs handheld recordings their sensitivity; what is still wrong is for persistence to hold back.
PRECISE: Final = {"AFIB": 0.75}
_UNDECIDED: Final = 0.1  # of the windows, at most, lie in a condition's band
_PRIOR_N: Final = 4.0  # false findings added to every class, so that five positives do not place a threshold alone


def probabilities(logits: npt.ArrayLike, temperature: npt.ArrayLike) -> Floats:
    """sigmoid(logits / temperature), [n, classes]."""
    z = np.asarray(logits, np.float64) / np.asarray(temperature, np.float64)
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))


def fit_temperature(logits: Floats, y: Flags) -> float:
    """The one temperature at which the log loss over all classes is least, in 0.25 to 4.

    One for all classes: by class, five positives would fit their own noise.
    """

    def loss(log_t: float) -> float:
        z = logits / np.exp(log_t)
        return float(np.mean(np.logaddexp(0, z) - y * z))

    found = minimize_scalar(loss, bounds=(np.log(0.25), np.log(4.0)), method="bounded")
    return float(np.exp(found.x))


@dataclass(frozen=True, slots=True)
class ThresholdSettings:
    """How thresholds are looked for."""

    draws: int = 200  # resamplings of the validation windows; the median threshold of them is kept
    low: float = 0.01
    high: float = 0.95
    seed: int = 0


DEFAULT = ThresholdSettings()


def fit_thresholds(
    p: Floats, y: Flags, classes: tuple[str, ...], settings: ThresholdSettings = DEFAULT
) -> dict[str, float]:
    """Threshold by class: best F1, or for a class of `PRECISE` the least that reaches its precision."""
    out = {}
    for i, code in enumerate(classes):
        if code in PRECISE:
            best = precise_threshold(p[:, i], y[:, i], PRECISE[code])
        else:
            best = _steady(p[:, i], y[:, i], settings)
        out[code] = round(float(np.clip(best, settings.low, settings.high)), 4)
    return out


def fit_undecided(p: Floats, classes: tuple[str, ...], thresholds: dict[str, float]) -> dict[str, float]:
    """Where each condition's band below its threshold begins: at half of it, or higher where that is too wide.

    No band holds more than a tenth of the windows `p` [n, classes]: who abstains often says nothing.
    """
    out = {}
    for i, code in enumerate(classes):
        below = np.sort(p[p[:, i] < thresholds[code], i])[::-1]
        most = int(_UNDECIDED * len(p))
        widest = below[most] if most < len(below) else 0.0
        out[code] = round(float(np.clip(max(thresholds[code] / 2, widest + 1e-4), 1e-4, thresholds[code])), 4)
    return out


def f1_threshold(p: Floats, y: Flags) -> float:
    """The probability at or above which F1 is best, between the two scores around it; 0.5 without a positive."""
    if not y.any():
        return 0.5
    order = np.argsort(-p, kind="stable")
    hit, said = np.cumsum(y[order]), np.arange(1, len(p) + 1)
    value = 2 * hit / (said + y.sum() + _PRIOR_N)
    k = int(np.argmax(value))
    below = p[order[k + 1]] if k + 1 < len(p) else 0.0
    return float((p[order[k]] + below) / 2)


def precise_threshold(p: Floats, y: Flags, precision: float) -> float:
    """The least threshold from which on the share of right findings is at least `precision`; 0.5 without a positive."""
    if not y.any():
        return 0.5
    order = np.argsort(-p, kind="stable")
    share = np.cumsum(y[order]) / np.arange(1, len(p) + 1)
    good = np.flatnonzero((share >= precision) & y[order])
    return float(p[order[good[-1]]]) if len(good) else float(p.max())


def _steady(p: Floats, y: Flags, settings: ThresholdSettings) -> float:
    rng = np.random.default_rng(settings.seed)
    picks = (rng.integers(0, len(p), len(p)) for _ in range(settings.draws))
    return float(np.median([f1_threshold(p[pick], y[pick]) for pick in picks]))
