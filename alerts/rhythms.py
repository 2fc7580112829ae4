"""The lethal rhythms and the pause, one function each: Vitals -> Assertion, ABSENT, or None where nothing can be said.

Definitions along the lines of the PhysioNet/CinC 2015 alarm set. N beats span N - 1 intervals. A limit that is reached
between two seconds counts too: the interval since the last beat is used as the lower bound that it is, and an interval
that closed within `recent_s` as if it were still open.
"""

from collections.abc import Callable, Sequence
from typing import Final

from alerts.settings import AlarmSettings
from alerts.verdict import Absent, Assertion, Verdict
from liteheart.clock import US_PER_S
from liteheart.finding import Vitals

Rule = Callable[[Vitals, AlarmSettings], Verdict | None]


def asystole(v: Vitals, s: AlarmSettings) -> Verdict | None:
    """No beat for `asystole_s`: an open interval in received signal, a flat line, or an interval that just closed."""
    open_s = max(v.flat_s, min(v.since_beat_s, v.signal_s) if v.since_beat_s is not None else 0.0)
    if open_s >= s.asystole_s:
        return _no_beat(v, open_s, open_s, s)
    for rr, age_s in _closed_recently(v, s):
        if rr >= s.asystole_s:
            return _no_beat(v, rr, age_s + rr, s)
    return Absent.ABSENT if _beat_within(v, s.asystole_s) else None


def pause(v: Vitals, s: AlarmSettings) -> Verdict | None:
    """Two beats `pause_s` apart or more, and less than asystole; told once the second beat has come."""
    for rr, age_s in _closed_recently(v, s):
        if s.pause_s <= rr < s.asystole_s:
            message = f"{rr:.1f} s between beats >= {s.pause_s:g} s"
            return Assertion("PAUSE", _before(v, age_s + rr), message, {"value": round(rr, 3), "limit": s.pause_s})
    return Absent.ABSENT if _beat_within(v, s.pause_s) else None


def fibrillation(v: Vitals, s: AlarmSettings) -> Verdict | None:
    """Fibrillation or flutter waves for `vf_s`."""
    if v.fibrillation_s >= s.vf_s:
        message = f"fibrillation waves for {v.fibrillation_s:.1f} s >= {s.vf_s:g} s"
        evidence = {"value": round(v.fibrillation_s, 3), "limit": s.vf_s}
        return Assertion("VF", _before(v, v.fibrillation_s), message, dict(evidence))
    return Absent.ABSENT if v.fibrillation_s <= 0 else None


def ventricular_tachycardia(v: Vitals, s: AlarmSettings) -> Verdict | None:
    """`vt_beats` ventricular beats in a row, faster than `vt_bpm`, the last of them recent."""
    if v.since_beat_s is None:
        return None
    if v.ventricular_run < s.vt_beats:
        return Absent.ABSENT if _beat_within(v, s.asystole_s) else None
    rate = v.ventricular_rate_bpm
    if rate is None or v.since_beat_s > s.recent_s:
        return None
    if rate > s.vt_bpm:
        span_s = (v.ventricular_run - 1) * 60.0 / rate
        message = f"{v.ventricular_run} ventricular beats at {rate:.0f} > {s.vt_bpm:g} bpm"
        evidence = {"value": round(rate, 1), "limit": s.vt_bpm, "beats": float(v.ventricular_run)}
        return Assertion("VT", _before(v, v.since_beat_s + span_s), message, dict(evidence))
    return Absent.ABSENT if rate <= s.vt_bpm - s.rate_margin_bpm else None


def bradycardia(v: Vitals, s: AlarmSettings) -> Verdict | None:
    """Mean rate over `brady_beats` below `brady_bpm`, and two of their intervals long: one alone is a pause."""
    n, limit_s = s.brady_beats - 1, 60.0 / s.brady_bpm
    if v.since_beat_s is None or v.since_beat_s >= v.signal_s or len(v.rr_s) < n:
        return None  # beats may lie in a gap after the last one that was seen
    still_open = (*v.rr_s[-(n - 1) :], v.since_beat_s)
    for rr, after_s in ((v.rr_s[-n:], v.since_beat_s), (still_open, 0.0)):
        long = [i for i, x in enumerate(rr) if x > limit_s]
        if _bpm(rr) < s.brady_bpm and len(long) >= 2:
            return _rate("EXTREME_BRADY", v, rr, after_s + sum(rr[long[0] :]), f"< {s.brady_bpm:g}", s.brady_bpm)
    safe = s.brady_bpm + s.rate_margin_bpm
    is_safe = _bpm(v.rr_s[-n:]) >= safe and v.since_beat_s <= limit_s
    return Absent.ABSENT if is_safe else None


def tachycardia(v: Vitals, s: AlarmSettings) -> Verdict | None:
    """Mean rate over `tachy_beats` above `tachy_bpm`; the open interval counts as soon as it slows the mean."""
    n = s.tachy_beats - 1
    if v.since_beat_s is None or v.since_beat_s >= v.signal_s or not v.rr_s:
        return None
    rr, after_s = v.rr_s[-n:], v.since_beat_s
    if v.since_beat_s > sum(rr) / len(rr):
        rr, after_s = (*rr[-(n - 1) :], v.since_beat_s), 0.0
    rate = _bpm(rr)
    if len(rr) == n and rate > s.tachy_bpm:
        first = next(i for i, x in enumerate(rr) if x < 60.0 / s.tachy_bpm)
        return _rate("EXTREME_TACHY", v, rr, after_s + sum(rr[first:]), f"> {s.tachy_bpm:g}", s.tachy_bpm)
    enough = len(rr) >= s.brady_beats - 1
    return Absent.ABSENT if enough and rate <= s.tachy_bpm - s.rate_margin_bpm else None


BY_CODE: Final[dict[str, Rule]] = {
    "VF": fibrillation,
    "ASYSTOLE": asystole,
    "VT": ventricular_tachycardia,
    "EXTREME_BRADY": bradycardia,
    "EXTREME_TACHY": tachycardia,
    "PAUSE": pause,
}


def _beat_within(v: Vitals, limit_s: float) -> bool:
    """Whether a beat was seen within `limit_s`, in the signal since the last gap."""
    return v.since_beat_s is not None and v.since_beat_s < min(limit_s, v.signal_s)


def _closed_recently(v: Vitals, s: AlarmSettings) -> list[tuple[float, float]]:
    """(interval, seconds since it closed) of intervals in contiguous signal that closed within `recent_s`."""
    found: list[tuple[float, float]] = []
    if v.since_beat_s is None:
        return found
    age_s = v.since_beat_s
    for rr in reversed(v.rr_s):
        if age_s > s.recent_s or age_s + rr > v.signal_s:
            break
        found.append((rr, age_s))
        age_s += rr
    return found


def _no_beat(v: Vitals, value_s: float, ago_s: float, s: AlarmSettings) -> Assertion:
    message = f"no beat for {value_s:.1f} s >= {s.asystole_s:g} s"
    evidence = {"value": round(value_s, 3), "limit": s.asystole_s, "flat_s": round(v.flat_s, 3)}
    return Assertion("ASYSTOLE", _before(v, ago_s), message, dict(evidence))


def _rate(code: str, v: Vitals, rr: Sequence[float], ago_s: float, against: str, limit: float) -> Assertion:
    rate = f"{_bpm(rr):.0f}" if round(_bpm(rr)) != limit else f"{_bpm(rr):.2f}"
    message = f"HR {rate} {against} over {len(rr) + 1} beats"
    evidence = {"value": round(_bpm(rr), 1), "limit": limit, "beats": float(len(rr) + 1)}
    return Assertion(code, _before(v, ago_s), message, dict(evidence))


def _bpm(rr: Sequence[float]) -> float:
    return 60.0 * len(rr) / max(sum(rr), 1e-6)


def _before(v: Vitals, seconds: float) -> int:
    return v.t_us - round(seconds * US_PER_S)
