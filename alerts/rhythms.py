"""The lethal rhythms and the pause, one function each: Vitals -> Assertion, ABSENT, or None where nothing can be said.

Definitions along the lines of the PhysioNet/CinC 2015 alarm set. N beats span N - 1 intervals. A limit that is reached
between two seconds counts too: the interval since the last beat is used as the lower bound that it is, and an interval
that closed within `recent_s` as if it were still open.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from alerts.settings import AlarmSettings
from alerts.verdict import Absent, Assertion, Verdict
from liteheart.clock import US_PER_S
from liteheart.finding import Vitals

Rule = Callable[[Vitals, AlarmSettings], Verdict | None]

# doubts: what contradicts a lethal rhythm
DEAD_LINE: Final = "dead_line"  # no noise at all, or a rail: nothing is connected that could show a beat
NOISE_BEATS: Final = "irregular_in_noise"  # "beats" that come and go as noise does


def asystole(v: Vitals, s: AlarmSettings) -> Verdict | None:
    """No beat for `asystole_s`: an open interval in received signal, a flat line, or an interval that just closed."""
    open_s = max(v.flat_s, min(v.since_beat_s, v.signal_s) if v.since_beat_s is not None else 0.0)
    if open_s >= s.asystole_s:
        said = _no_beat(v, open_s, open_s, s)
        return replace(said, doubt=DEAD_LINE) if v.dead_s >= min(s.asystole_s, 0.75 * open_s) else said
    for rr, age_s in _closed_recently(v, s):
        if rr >= s.asystole_s:
            said = _no_beat(v, rr, age_s + rr, s)
            return replace(said, doubt=DEAD_LINE) if v.dead_s >= 0.5 * rr else said
    return Absent.ABSENT if _beat_within(v, s.asystole_s) else None


def pause(v: Vitals, s: AlarmSettings) -> Verdict | None:
    """Two beats `pause_s` apart or more, and less than asystole; told once the second beat has come."""
    for rr, age_s in _closed_recently(v, s):
        if s.pause_s <= rr < s.asystole_s:
            message = f"{rr:.1f} s between beats >= {s.pause_s:g} s"
            return Assertion("PAUSE", _before(v, age_s + rr), message, {"value": round(rr, 3), "limit": s.pause_s})
    return Absent.ABSENT if _beat_within(v, s.pause_s) else None


def fibrillation(v: Vitals, s: AlarmSettings) -> Verdict | None:
    """Fibrillation or flutter waves for `vf_s`. A ventricular run with beats to count is tachycardia, and says so."""
    if v.fibrillation_s >= s.vf_s and _is_run(v, s) and (v.ventricular_rate_bpm or 0.0) <= s.flutter_bpm:
        return None
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
    if _is_run(v, s):
        span_s = (v.ventricular_run - 1) * 60.0 / rate
        message = f"{v.ventricular_run} ventricular beats at {rate:.0f} > {s.vt_bpm:g} bpm"
        evidence = {"value": round(rate, 1), "limit": s.vt_bpm, "beats": float(v.ventricular_run)}
        return Assertion("VT", _before(v, v.since_beat_s + span_s), message, dict(evidence))
    return Absent.ABSENT if rate <= s.vt_bpm - s.rate_margin_bpm else None


def bradycardia(v: Vitals, s: AlarmSettings) -> Verdict | None:
    """Mean rate over `brady_beats` below `brady_bpm`, and two of their intervals long: one alone is a pause.

    All long, one interval fewer will do: five beats at 36 bpm take 8 s after the first, and the promise is 10 s.
    """
    n, limit_s = s.brady_beats - 1, 60.0 / s.brady_bpm
    if v.since_beat_s is None or v.since_beat_s >= v.signal_s or len(v.rr_s) < n:
        return None  # beats may lie in a gap after the last one that was seen
    still_open = (*v.rr_s[-(n - 1) :], v.since_beat_s)
    for rr, after_s in ((v.rr_s[-n:], v.since_beat_s), (still_open, 0.0)):
        long = [i for i, x in enumerate(rr) if x > limit_s]
        if _bpm(rr) >= s.brady_bpm and long == list(range(1, n)):
            rr, long = rr[1:], list(range(n - 1))
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
        said = _rate("EXTREME_TACHY", v, rr, after_s + sum(rr[first:]), f"> {s.tachy_bpm:g}", s.tachy_bpm)
        return replace(said, doubt=NOISE_BEATS) if _are_noise(rr, v, s) else said
    enough = len(rr) >= s.brady_beats - 1
    return Absent.ABSENT if enough and rate <= s.tachy_bpm - s.rate_margin_bpm else None


def atrial_fibrillation(v: Vitals, s: AlarmSettings, opinion: float | None = None) -> Verdict | None:
    """Irregular intervals between usual beats; `opinion` is the student's, as a share of its threshold.

    The intervals decide: a regular rhythm is none, whatever the student reads in it. Noise makes beats irregular and
    never regular: in a poor signal only the latter is heard.
    """
    odds = v.irregularity
    if odds is None or v.lead_off:
        return None
    if not v.quality.usable:
        return Absent.ABSENT if odds <= s.af_off else None
    limit, off = af_limits(s, opinion)
    if odds >= limit:
        message = f"irregular intervals, log odds {odds:.1f} >= {limit:g}"
        evidence: dict[str, str | float] = {"value": round(odds, 2), "limit": round(limit, 2)}
        if opinion is not None:
            evidence["student"] = round(opinion, 3)  # share of its threshold
        return Assertion("AFIB", _before(v, 0.25 * sum(v.rr_s)), message, evidence)  # the rest may be chance
    return Absent.ABSENT if odds <= off else None


def af_limits(s: AlarmSettings, opinion: float | None) -> tuple[float, float]:
    """Log odds of irregular intervals from which atrial fibrillation holds, and to which it does not."""
    if opinion is None:
        return s.af_on, s.af_off
    return s.af_on + (-s.af_opinion if opinion >= 1.0 else s.af_opinion if opinion < 0.1 else 0.0), s.af_off


def ectopy(v: Vitals, s: AlarmSettings) -> Verdict | None:
    """`ectopy_per_min` ventricular beats or more, over the beats that are remembered."""
    rate = v.ectopic_per_min
    if rate is None or not v.quality.usable:
        return None
    limit, off = ectopy_limits(s)
    if rate >= limit:
        message = f"{rate:.0f} ventricular beats a minute >= {limit:g}"
        return Assertion("PVC_FREQUENT", v.t_us, message, {"value": round(rate, 1), "limit": limit})
    return Absent.ABSENT if rate <= off else None


def ectopy_limits(s: AlarmSettings) -> tuple[float, float]:
    """Ventricular beats a minute from which they are frequent, and to which they are not."""
    return s.ectopy_per_min, 0.7 * s.ectopy_per_min


BY_CODE: Final[dict[str, Rule]] = {
    "VF": fibrillation,
    "ASYSTOLE": asystole,
    "VT": ventricular_tachycardia,
    "EXTREME_BRADY": bradycardia,
    "EXTREME_TACHY": tachycardia,
    "PAUSE": pause,
    "AFIB": atrial_fibrillation,
    "PVC_FREQUENT": ectopy,
}


def _beat_within(v: Vitals, limit_s: float) -> bool:
    """Whether a beat was seen within `limit_s`, in the signal since the last gap."""
    return v.since_beat_s is not None and v.since_beat_s < min(limit_s, v.signal_s)


def _is_run(v: Vitals, s: AlarmSettings) -> bool:
    """Whether a ventricular run that is long and fast enough has just been seen."""
    rate = v.ventricular_rate_bpm
    recent = v.since_beat_s is not None and v.since_beat_s <= s.recent_s
    return recent and v.ventricular_run >= s.vt_beats and rate is not None and rate > s.vt_bpm


def _are_noise(rr: Sequence[float], v: Vitals, s: AlarmSettings) -> bool:
    """Whether intervals are those of noise: irregular, in a signal in which nobody could see a beat."""
    if v.quality.usable or v.quality.sqi >= s.noisy_sqi:
        return False
    mean = sum(rr) / len(rr)
    return sum((x - mean) ** 2 for x in rr) / len(rr) > (s.noisy_spread * mean) ** 2


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
