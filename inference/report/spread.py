"""Distributions of errors: of R peaks in time, and of what ten seconds say of the heart rate.

Half an hour's sensitivity hides what rings alarms: a stretch of ten seconds in which beats are lost or invented. So the
share of such windows within an error is told beside it, and the area under that curve.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.report.intervals import Intervals
from inference.report.labels import Beats
from inference.report.matching import Pairs, Seconds

SPAN_S: Final = 10.0
WITHIN_MS: Final = (5, 10, 20, 50, 100)
WITHIN_BPM: Final = (1, 2, 5, 10, 20)
LIMIT_BPM: Final = 50.0  # the area under the curve is taken up to here


def timing_ms(reference: Beats, found: Beats, pairs: Pairs) -> Seconds:
    """float64 [m]: how much later than the annotator's each matched R peak stands, in ms."""
    return 1000.0 * (found.t_s[pairs[:, 1]] - reference.t_s[pairs[:, 0]])


def windows(begin_s: float, end_s: float, excluded: Intervals, span_s: float = SPAN_S) -> list[tuple[float, float]]:
    """Stretches of ten seconds, one after another, none of which touches what is excluded."""
    starts = np.arange(begin_s, end_s - span_s + 1e-9, span_s)
    free = [(float(a), float(a) + span_s) for a in starts]
    holes = excluded.tolist()
    return [(a, b) for a, b in free if not any(x < b and y > a for x, y in holes)]


def rate_bpm(t_s: Seconds, begin_s: float, end_s: float) -> float | None:
    """Mean rate of the beats within [begin, end); None of fewer than two."""
    a, b = np.searchsorted(t_s, [begin_s, end_s], "left").tolist()
    return 60.0 * (b - a - 1) / float(t_s[b - 1] - t_s[a]) if b - a >= 2 and t_s[b - 1] > t_s[a] else None


def rate_errors_bpm(
    reference: Seconds, told: Sequence[float | None], spans: Sequence[tuple[float, float]]
) -> npt.NDArray[np.float64]:
    """float64 [n]: what is told of each window less its true rate; infinite where nothing is told of a beating heart.

    Windows in which the annotator has fewer than two beats are left out: they have no rate.
    """
    errors = []
    for (begin, end), said in zip(spans, told, strict=True):
        true = rate_bpm(reference, begin, end)
        if true is not None:
            errors.append(np.inf if said is None else said - true)
    return np.array(errors, np.float64)


def wrong_beats(
    reference: Beats, found: Beats, pairs: Pairs, spans: Sequence[tuple[float, float]]
) -> npt.NDArray[np.int64]:
    """int64 [n]: beats missed and beats invented in each window."""
    lost = np.delete(reference.t_s, pairs[:, 0])
    invented = np.delete(found.t_s, pairs[:, 1])
    both = np.sort(np.concatenate([lost, invented]))
    edges = np.array(spans, np.float64).reshape(-1, 2)
    counts = np.searchsorted(both, edges[:, 1], "left") - np.searchsorted(both, edges[:, 0], "left")
    return np.asarray(counts, np.int64)


def timing_figures(errors_ms: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Mean, spread and shares of the time errors."""
    if not len(errors_ms):
        return {"n": 0}
    size = np.abs(errors_ms)
    return {
        "n": len(size),
        "mean_ms": _round(errors_ms.mean()),
        "sd_ms": _round(errors_ms.std()),
        **{f"p{p}_abs_ms": _round(np.percentile(size, p)) for p in (50, 95, 99)},
        "within": {f"{ms} ms": _round(np.mean(size <= ms + 1e-6), 5) for ms in WITHIN_MS},
    }


def rate_figures(errors_bpm: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Shares of windows within an error, the area under that curve up to LIMIT_BPM, and EC57's root mean square."""
    if not len(errors_bpm):
        return {"n": 0}
    size, known = np.abs(errors_bpm), errors_bpm[np.isfinite(errors_bpm)]
    return {
        "n": len(size),
        "no_rate": int(np.isinf(size).sum()),
        "mean_bpm": _round(known.mean()) if len(known) else None,
        "rms_bpm": _round(np.sqrt(np.mean(known**2))) if len(known) else None,
        "p95_abs_bpm": _round(np.percentile(size, 95, method="higher")) if np.isfinite(size).all() else None,
        "within": {f"{b} bpm": _round(np.mean(size <= b + 1e-9), 5) for b in WITHIN_BPM},
        "area": _round(1.0 - np.mean(np.minimum(size, LIMIT_BPM)) / LIMIT_BPM, 5),
    }


def beat_figures(wrong: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Shares of windows with at most so many wrong beats."""
    if not len(wrong):
        return {"n": 0}
    return {"n": len(wrong), "at_most": {str(k): _round(np.mean(wrong <= k), 5) for k in (0, 1, 2, 5)}}


def _round(value: Any, digits: int = 3) -> float:
    return round(float(value), digits)
