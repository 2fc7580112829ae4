"""Which beats are ventricular? Those that are unlike the patient's usual beat, and wider or larger.

The usual beat is the most common shape among beats that do not come early. Bundle branch block and pacing are wide
too, but they are usual, so they are not called ventricular.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.zerophase import band_pass, decimate

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

GRID_HZ = 125.0  # rate of a shape
BEFORE_S, AFTER_S = 0.16, 0.24
_BEFORE, _AFTER = round(BEFORE_S * GRID_HZ), round(AFTER_S * GRID_HZ)
_LAGS = 4  # grid steps by which two shapes may be moved against one another
POINTS = _BEFORE + _AFTER + 1


@dataclass(frozen=True, slots=True)
class VentricularSettings:
    """Limits on a beat's shape."""

    alike: float = 0.90  # two beats of one kind correlate at least so
    usual_share: float = 0.3  # of the beats that the usual shape must explain
    usual_least: int = 4  # beats
    early: float = 0.85  # of the median RR: an earlier beat does not shape the usual one
    unlike: float = 0.80  # a ventricular beat correlates less than this with the usual one,
    wider_s: float = 0.02  # and is this much wider
    larger: float = 1.4  # or this many times as large;
    rather_unlike: float = 0.93  # or less than this,
    much_larger: float = 1.6  # and this many times as large;
    somewhat_unlike: float = 0.96  # or less than this,
    much_wider_s: float = 0.035  # and both this much wider
    rather_larger: float = 1.3  # and this many times as large
    run_alike: float = 0.80  # neighbours in a run correlate so (median): noise does not repeat itself
    wide_alone_s: float = 0.15  # with no usual beat known, this wide is ventricular


@dataclass(frozen=True, slots=True)
class RunSettings:
    """When five beats are a ventricular run: a logistic function of correlations, which go through Fisher's transform,
    and of the rate against the rate before.

    The weights are a fit to both leads of the CinC-2015 development alarms (each recording by its likeliest beats) and,
    at a third of their weight, to the runs of MIT-BIH; the bias was chosen there for false alarms.
    """

    bias: float = -3.48
    unlike: float = 0.66  # of the mean correlation with the usual beat, with its sign turned
    least_unlike: float = -2.2  # of that mean: beats that nobody can tell from the usual one are no run, however fast
    mutual: float = 1.9  # of the median correlation with the beat before
    faster: float = 2.24  # of the log of the quicker quarter of the intervals before over the mean interval
    wide_s: float = 0.075  # their mean width at least
    slower: float = 1.1  # most of the mean interval against the patient's median one
    odd: float = 0.88  # a beat that correlates less with the usual one is left out of the intervals
    rather_odd: float = 0.94  # or less than this,
    odd_wider_s: float = 0.03  # and is this much wider


@dataclass(frozen=True, slots=True)
class IrregularSettings:
    """Log odds of atrial fibrillation: weights of the measures in `stream/irregular.py`, in their order, fitted to
    CinC-2017 (the last 30 intervals of 3,900 recordings: fibrillation against normal and other rhythms).
    """

    least: int = 16  # intervals that must be known
    bias: float = -3.914
    weights: tuple[float, ...] = (0.945, -0.212, 2.827, 3.010, 0.987, -0.263, -1.334, 0.467, 6.861, -0.859, 3.357)


DEFAULT = VentricularSettings()


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """Beats cut out around their centre. `wave` [k, POINTS] in mV, `width_s` [k]."""

    wave: Floats
    width_s: Floats

    def __len__(self) -> int:
        return len(self.width_s)


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """The patient's usual beat."""

    wave: Floats  # [POINTS]
    width_s: float


def cut(mv: Floats, fs_hz: float, centre: Indices) -> Shapes:
    """Shapes of the beats at `centre` [k] of `mv` [n], finite. Ends of the signal are held."""
    x, fs, q = decimate(mv, fs_hz, 180)
    x = band_pass(x, 0.7, 40.0, fs)
    at = centre[:, None] / q + np.arange(-_BEFORE, _AFTER + 1) * (fs / GRID_HZ)
    wave = np.interp(at, np.arange(len(x)), x).reshape(len(centre), POINTS)
    return Shapes(wave, _width_s(wave))


def likeness(wave: Floats, other: Floats) -> Floats:
    """Correlation [k] of each row of `wave` [k, POINTS] with `other` [POINTS], at the best of a few lags."""
    inner = wave[:, _LAGS:-_LAGS]
    a = inner - inner.mean(axis=1, keepdims=True)
    a /= np.linalg.norm(a, axis=1, keepdims=True) + 1e-9
    b = np.lib.stride_tricks.sliding_window_view(other, inner.shape[1])
    b = b - b.mean(axis=1, keepdims=True)
    b = b / (np.linalg.norm(b, axis=1, keepdims=True) + 1e-9)
    return np.asarray((a @ b.T).max(axis=1))


def find_usual(shapes: Shapes, rr_s: Floats, s: VentricularSettings = DEFAULT) -> Usual | None:
    """The usual beat of `shapes`, whose intervals to the beat before are `rr_s` [k] (NaN: not known), or None."""
    if len(shapes) < s.usual_least:
        return None
    timely = np.nan_to_num(rr_s, nan=0.0) >= s.early * np.nanmedian(rr_s) if np.isfinite(rr_s).any() else None
    if timely is None or timely.sum() < s.usual_least:
        return None
    wave, width_s = shapes.wave[timely], shapes.width_s[timely]
    unit = wave - wave.mean(axis=1, keepdims=True)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True) + 1e-9
    alike = unit @ unit.T >= s.alike
    group = alike[np.argmax(alike.sum(axis=1))]
    if group.sum() < max(s.usual_least, s.usual_share * len(wave)):
        return None
    return Usual(np.mean(wave[group], axis=0), float(np.median(width_s[group])))


def is_ventricular(shapes: Shapes, usual: Usual | None, s: VentricularSettings = DEFAULT) -> Flags:
    """bool [k]: unlike the usual beat, and wider or larger than it."""
    if usual is None:
        return shapes.width_s >= s.wide_alone_s
    alike = likeness(shapes.wave, usual.wave)
    size = np.linalg.norm(shapes.wave, axis=1) / (np.linalg.norm(usual.wave) + 1e-9)
    wider = shapes.width_s >= usual.width_s + s.wider_s
    unlike = (alike < s.unlike) & (wider | (size >= s.larger))
    large = (alike < s.rather_unlike) & (size >= s.much_larger)
    much_wider = shapes.width_s >= usual.width_s + s.much_wider_s
    both = (alike < s.somewhat_unlike) & much_wider & (size >= s.rather_larger)
    return np.asarray(unlike | large | both)


def repeats(wave: Floats, s: VentricularSettings = DEFAULT) -> bool:
    """Whether the beats `wave` [k, POINTS], k >= 2, are like their neighbours, as those of one focus are."""
    pairs = [likeness(wave[i : i + 1], wave[i - 1])[0] for i in range(1, len(wave))]
    return float(np.median(pairs)) >= s.run_alike


def _width_s(wave: Floats) -> Floats:
    """Width [k] of the QRS complex: from the first to the last strong slope near the centre."""
    slope = np.abs(np.gradient(wave, axis=1))
    kernel = np.ones(3) / 3
    slope = np.apply_along_axis(np.convolve, 1, slope, kernel, "same") if len(slope) else slope
    reach = round(0.13 * GRID_HZ)
    near = slope[:, _BEFORE - reach : _BEFORE + reach + 1]
    strong = near >= 0.25 * near.max(axis=1, keepdims=True)
    first = strong.argmax(axis=1)
    last = near.shape[1] - 1 - strong[:, ::-1].argmax(axis=1)
    return np.asarray((last - first) / GRID_HZ)
