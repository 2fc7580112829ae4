"""Signal quality of a window of 5 to 10 s: can a reader trust what it says of the rhythm?

Measures of the spectrum, of the beats' likeness, of what lies between them and of two detectors' agreement are weighed
by a logistic function. It speaks of the equipment, not of the patient: fibrillation scores low, so quality never
silences a lethal rhythm.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.beats import BeatSettings, bridge
from liteheart.finding import Quality

SECOND = BeatSettings(band_hz=(10.0, 32.0), envelope_s=0.05, threshold=0.45)  # sees noise where the first does not


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """Limits, and the weights of the logistic function; `wander`, `steady` and `clear` weigh against one another."""

    flat_mv: float = 0.05  # peak to peak below which a second holds no signal
    flat_share: float = 0.5  # of the window
    saturated_share: float = 0.04  # of samples that lie at an extreme in runs of three or more
    gap_share: float = 0.2  # of samples that are missing
    usable: float = 0.5  # at this sqi and above
    agree_s: float = 0.08  # two detectors mean the same beat within this
    second: BeatSettings = SECOND
    bias: float = -9.03  # weights: fitted to whether the R peaks are right, to added noise and to CinC-2011
    w_qrs: float = -0.69
    w_muscle: float = -3.35
    w_likeness: float = 5.56
    w_agreement: float = 3.82
    w_rest: float = -1.94
    w_wander: float = 4.7
    w_clear: float = 3.89
    w_steady: float = -1.42


DEFAULT = QualitySettings()


@dataclass(frozen=True, slots=True)
class Measures:
    """What the logistic function weighs."""

    qrs: float  # power at 6-25 Hz over that and the power at 10-32 Hz, 0 to 1
    muscle: float  # power above 40 Hz over that and the power at 6-25 Hz, 0 to 1
    likeness: float  # mean correlation of each beat with the one most like it, 0 to 1
    agreement: float  # F1 of two detectors
    rest: float  # slope between beats over the slope of a beat, 0 to 1
    wander: float  # what means of half seconds differ by, over the size of a beat, 0 to 2
    clear: float  # beats over what the mean beat does not explain, wander too, in bels
    steady: float  # the same without wander


def assess(
    mv: npt.ArrayLike,
    fs_hz: float,
    valid: npt.ArrayLike | None = None,
    lead_off: bool = False,
    *,
    beats: npt.NDArray[np.int64] | None = None,
    settings: QualitySettings = DEFAULT,
) -> Quality:
    """Quality of `mv` float [n]; `valid` bool [n] marks the samples that were received (default: the finite ones),
    `beats` are its R peaks where they are known already.
    """
    x = np.asarray(mv, np.float64)
    seen = np.isfinite(x) if valid is None else np.asarray(valid, np.bool_) & np.isfinite(x)
    gap = 1.0 - float(np.count_nonzero(seen)) / len(x) if len(x) else 1.0
    if gap > 0.9 or len(x) < 2 * fs_hz:
        bits, sqi = int(gap > settings.gap_share) or int(not lead_off), 0.0
    else:
        from inference.stream.recording import grade_window  # the compiler is slow to import

        bits, sqi = grade_window(bridge(np.where(seen, x, np.nan)), fs_hz, beats, gap, settings)
    reasons = reasons_of(bits, lead_off)
    return Quality(round(sqi, 4), sqi >= settings.usable and not reasons, reasons)


def measure(mv: npt.ArrayLike, fs_hz: float, settings: QualitySettings = DEFAULT) -> Measures:
    """The measures of `mv` float [n], n at least two seconds."""
    from inference.stream.recording import appraise_window

    return Measures(*appraise_window(bridge(np.asarray(mv, np.float64)), fs_hz, settings))


def reasons_of(bits: int, lead_off: bool) -> tuple[str, ...]:
    """The bits of `inference/stream/state.py` in words; noise is said only where nothing else is."""
    names = ["lead_off"] if lead_off else []
    names += [name for bit, name in ((1, "gap"), (2, "flat"), (4, "saturated"), (8, "no_beats")) if bits & bit]
    return tuple(names) or (("noise",) if bits & 16 else ())
