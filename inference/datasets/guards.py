"""Guards before a recording may teach: each looks at one thing that files get wrong, and says so.

    leads by name --> length and rate --> gain --> missing and flat --> limb leads

A guard corrects only what the files themselves prove; what merely looks wrong is rejected with its reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.datasets.databases import Database
from inference.datasets.limbs import check_limbs
from inference.datasets.record import TWELVE, Remark, Verdict
from inference.preprocess import MAX_FS_HZ, MIN_FS_HZ, Batch

MAX_MISSING: Final = 0.2  # of all samples; more leaves too little of a 10 s record
FLAT_MV: Final = 0.01  # peak to peak of a second that shows no heart: two units of the coarsest published signal
FLAT_SHARE: Final = 0.5  # of the seconds, from which a lead is called flat
MAX_FLAT: Final = 0.5  # of the leads; more is no twelve-lead ECG
_STANDARD: Final = {name.casefold(): name for name in TWELVE}
_TENS: Final = (-3, -2, -1, 1, 2, 3)  # powers of ten by which a unit is mistaken


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """What was read. `mv` float32 [leads, n] with NaN where missing; `gain` [leads], ADC units per mV as read."""

    fs_hz: float
    leads: tuple[str, ...]
    mv: Batch
    gain: npt.NDArray[np.float64] | None = None  # None: the source has no header that could be wrong


Guarded = tuple[Signal, list[Remark]]


def guard(signal: Signal, database: Database) -> Guarded:
    """The signal with its leads in standard order and what is certain corrected, and all remarks."""
    remarks: list[Remark] = []
    for check in (_order, _length, _gain, _missing, _limbs):  # what is flat is known in true millivolts only
        signal, found = check(signal, database)
        remarks += found
        if not signal.leads:
            break
    return signal, remarks


def _order(signal: Signal, database: Database) -> Guarded:
    names = [_name(lead, database) for lead in signal.leads]
    if len(set(names)) < len(names):
        return replace(signal, leads=()), [_rejected("leads", f"two leads of one name: {', '.join(signal.leads)}")]
    order = list(range(len(names)))
    if database.leads is not None:
        order.sort(key=lambda i: _place(names[i], i))
    ordered = Signal(
        signal.fs_hz,
        tuple(names[i] for i in order),
        signal.mv[order],
        None if signal.gain is None else signal.gain[order],
    )
    remarks = []
    if order != sorted(order):
        remarks.append(Remark("leads", Verdict.CORRECTED, f"leads put in order by name: were {', '.join(names)}"))
    lacking = [name for name in _expected(database) if name not in names]
    if lacking:
        remarks.append(_rejected("leads", f"lacks {', '.join(lacking)}"))
    return ordered, remarks


def _name(lead: str, database: Database) -> str:
    plain = lead.strip()
    if database.leads == 1:
        return "I"  # a handheld between two hands
    return _STANDARD.get(plain.casefold(), plain)


def _place(name: str, at: int) -> tuple[int, int]:
    return (TWELVE.index(name), at) if name in TWELVE else (len(TWELVE), at)


def _expected(database: Database) -> Sequence[str]:
    return {None: (), 1: ("I",)}.get(database.leads, TWELVE)


def _missing(signal: Signal, database: Database) -> Guarded:
    gone = ~np.isfinite(signal.mv)
    clean = replace(signal, mv=np.where(gone, np.nan, signal.mv).astype(np.float32))
    remarks = []
    if gone.mean() > MAX_MISSING:
        remarks.append(_rejected("missing", f"{gone.mean():.0%} of the samples are missing"))
    elif gone.any():
        where = [lead for lead, row in zip(signal.leads, gone, strict=True) if row.any()]
        reason = f"{int(gone.sum())} samples are missing in {', '.join(where)}"
        remarks.append(Remark("missing", Verdict.NOTED, reason))
    flat = [lead for lead, is_flat in zip(signal.leads, _flat(clean), strict=True) if is_flat]
    if len(flat) > MAX_FLAT * len(signal.leads):
        remarks.append(_rejected("flat", f"{len(flat)} of {len(signal.leads)} leads are flat"))
    elif flat:
        remarks.append(Remark("flat", Verdict.NOTED, f"flat: {', '.join(flat)}"))
    return clean, remarks


def _flat(signal: Signal) -> npt.NDArray[np.bool_]:
    """bool [leads]: most seconds show less than `FLAT_MV`."""
    flat: npt.NDArray[np.bool_] = (swings(signal.mv, signal.fs_hz) < FLAT_MV).mean(axis=1) > FLAT_SHARE
    return flat


def swings(mv: Batch, fs_hz: float) -> npt.NDArray[np.float64]:
    """Peak to peak of each second [leads, seconds] in mV; what is missing counts as 0 mV."""
    n = max(2, min(round(fs_hz), mv.shape[1]))
    whole = np.nan_to_num(mv[:, : mv.shape[1] // n * n], posinf=0, neginf=0).reshape(len(mv), -1, n)
    return np.asarray(np.ptp(whole, axis=2), np.float64)


def _length(signal: Signal, database: Database) -> Guarded:
    seconds, (low, high) = signal.mv.shape[1] / signal.fs_hz, database.seconds
    odd_rate = bool(database.rates_hz) and signal.fs_hz not in database.rates_hz
    odd_length = not low <= seconds <= high
    if not MIN_FS_HZ <= signal.fs_hz <= MAX_FS_HZ:
        return signal, [_rejected("rate", f"{signal.fs_hz:g} Hz cannot be preprocessed")]
    published = ", ".join(f"{r:g}" for r in database.rates_hz)
    if odd_rate and odd_length:
        reason = f"{signal.fs_hz:g} Hz makes it {seconds:.1f} s; {database.title} has {published} Hz"
        return signal, [_rejected("rate", reason)]
    if seconds < low:
        reason = f"only {seconds:.1f} s; {database.title} has {low:g} s at least"
        return signal, [_rejected("length", reason)]
    if odd_length:
        return signal, [Remark("length", Verdict.NOTED, f"{seconds:.0f} s; {database.title} has {high:g} s at most")]
    if odd_rate:
        reason = f"{signal.fs_hz:g} Hz; {database.title} was published at {published} Hz"
        return signal, [Remark("rate", Verdict.NOTED, reason)]
    return signal, []


def _gain(signal: Signal, database: Database) -> Guarded:
    """An amplitude that no heart has, or a header that contradicts the published ones.

    Certain is: a misprint that the publishers took back; or a gain off by a power of ten whose correction brings an
    unusual amplitude to a usual one. An odd amplitude alone is no proof.
    """
    published, factors = database.gain, np.ones(len(signal.leads))
    remarks: list[Remark] = []
    if signal.gain is not None and published is not None:
        for gain in sorted({float(g) for g in np.abs(signal.gain)} - {published}):
            leads = np.abs(signal.gain) == gain
            remark, factor = _odd_gain(gain, published, amplitude(signal, leads), database)
            remarks.append(remark)
            factors[leads] = factor
    fixed = replace(signal, mv=(signal.mv * factors[:, None]).astype(np.float32))
    size, (low, high) = amplitude(fixed), database.possible_mv
    if not low <= size <= high and not (_flat(fixed).mean() > MAX_FLAT):
        reason = f"amplitude {size:.3g} mV; {database.title} has {low:g} to {high:g} mV"
        remarks.append(_rejected("gain", reason))
    return fixed, remarks


def _odd_gain(gain: float, published: float, size: float, database: Database) -> tuple[Remark, float]:
    """What to say of leads with that gain and amplitude, and by what to multiply them."""
    factor = gain / published  # millivolts were made by dividing by `gain`
    says = f"header says {gain:g}/mV, {database.title} has {published:g}/mV"
    low, high = database.usual_mv
    power = any(abs(factor / 10.0**k - 1) < 1e-6 for k in _TENS)
    if gain == database.misprint:
        return Remark("gain", Verdict.CORRECTED, f"{says}: a known misprint"), factor
    if power and not low <= size <= high and low <= size * factor <= high:
        return Remark("gain", Verdict.CORRECTED, f"{says}: {size:.3g} mV became {size * factor:.3g} mV"), factor
    return Remark("gain", Verdict.NOTED, f"{says}: kept, amplitude {size:.3g} mV"), 1.0


def amplitude(signal: Signal, leads: npt.NDArray[np.bool_] | None = None) -> float:
    """Median over leads of the peak-to-peak of a median second, mV: it outlasts an artefact and a slow drift."""
    mv = signal.mv if leads is None else signal.mv[leads]
    return float(np.median(np.median(swings(mv, signal.fs_hz), axis=1)))


def _limbs(signal: Signal, database: Database) -> Guarded:
    if not database.limbs_agree:
        return signal, []
    mv, remarks = check_limbs(signal.mv, signal.leads, signal.fs_hz)
    return replace(signal, mv=mv), remarks


def _rejected(guard: str, reason: str) -> Remark:
    return Remark(guard, Verdict.REJECTED, reason)
