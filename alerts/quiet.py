"""Which seconds say nothing that a rule could hold: a test over all patients at once, so that most need no more.

    seconds --quiet--+-- no rule can hold -----------> AlarmEngine.rest, where nothing is pending
                     |   but those of `slow.py`
                     +-- perhaps --------------------> AlarmEngine.on_vitals, which decides

The test is sufficient and no rule: it may call a second loud that is not, never the other way round. Each line below is
the reason why one rule of `alerts/rhythms.py` cannot hold, and a property test holds the two together. Figures that
`Vitals` rounds are taken with a margin.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from alerts import slow
from alerts.catalogue import BEAT_RULES, LINE_RULES, SIGNAL_RULES
from alerts.engine import AlarmEngine
from alerts.settings import AlarmSettings
from liteheart.alarm import AlarmEvent
from liteheart.clock import US_PER_S

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

PROVEN: Final = frozenset(  # the rules that the test knows; another one, and nothing is quiet
    {"VF", "ASYSTOLE", "VT", "EXTREME_BRADY", "EXTREME_TACHY", "PAUSE", "AFIB", "PVC_FREQUENT", "NO_SIGNAL"}
    | {"LEAD_OFF_LONG", "POOR_SIGNAL_LONG", "LEAD_OFF", "POOR_SIGNAL"}
)
FEW: Final = 4  # seconds: the test costs as much as so many of them in full
_ROUNDED_S: Final = 0.001  # twice what rounding moves a figure of `Vitals`
_ROUNDED_PER_MIN: Final = 0.1
_NEVER_S: Final = 1e6  # stands for an interval that is not known
_LOUD: Final[tuple[tuple[str, ...], ...]] = ((), ("AFIB",), ("PVC_FREQUENT",), ("AFIB", "PVC_FREQUENT"))
_ALL_PROVEN: Final = PROVEN.issuperset((*BEAT_RULES, *LINE_RULES, *SIGNAL_RULES))


class Seconds(slow.Seconds, Protocol):
    """n seconds of any patients as columns, not rounded; NaN is "not known"."""

    def __len__(self) -> int: ...
    @property
    def t_us(self) -> I64:
        """[n] event time."""
        ...

    @property
    def arrival_us(self) -> I64:
        """[n] gateway time of the newest frame behind it."""
        ...

    @property
    def sound(self) -> Mask:
        """[n] usable, and no lead off."""
        ...

    @property
    def rr_s(self) -> F64:
        """[n, most] intervals, oldest first, 0 beyond the newest."""
        ...

    @property
    def intervals(self) -> I64:
        """[n] how many."""
        ...

    @property
    def since_beat_s(self) -> F64:
        """[n]"""
        ...

    @property
    def fibrillation_s(self) -> F64:
        """[n]"""
        ...

    @property
    def flat_s(self) -> F64:
        """[n]"""
        ...

    @property
    def ventricular_run(self) -> F64:
        """[n]"""
        ...

    @property
    def irregularity(self) -> F64:
        """[n]"""
        ...

    @property
    def ectopic_per_min(self) -> F64:
        """[n]"""
        ...


class Quiet(NamedTuple):
    """What `quiet` found of each second."""

    quiet: list[bool]  # sound and live, and no rule can hold, but
    loud: list[tuple[str, ...]]  # these of `SLOW_RULES`
    t_us: list[int]
    arrival_us: list[int]
    regular: list[bool]  # whether the intervals could tell atrial fibrillation


class _Limits(NamedTuple):
    """Of every second's patient, [n] or [1]."""

    asystole_s: F64
    pause_s: F64
    brady_rr_s: F64
    tachy_rr_s: F64
    tachy_intervals: I64
    vt_beats: F64
    vf_s: F64
    af: F64
    ectopy_per_min: F64
    live_within_us: F64


def quiet(seconds: Seconds, settings: Sequence[AlarmSettings]) -> Quiet:
    """`settings` [n] are those of each second's patient; most may be the same object."""
    t_us, arrival_us, irregularity = seconds.t_us, seconds.arrival_us, seconds.irregularity
    if _ALL_PROVEN and len(seconds) > FEW:
        limits = _limits(settings)
        late = arrival_us - t_us > limits.live_within_us
        rr_s = np.ascontiguousarray(seconds.rr_s.T)  # all patients' last intervals side by side
        still = _beats_come(seconds, rr_s, limits) & _rate_is_usual(seconds, rr_s, limits)
        odds, ectopic = irregularity + _ROUNDED_S, seconds.ectopic_per_min + _ROUNDED_PER_MIN
        loud = [_LOUD[k] for k in ((odds >= limits.af) + 2 * (ectopic >= limits.ectopy_per_min)).tolist()]
        held = (seconds.sound & ~late & still).tolist()
    else:
        held, loud = [False] * len(seconds), [()] * len(seconds)
    return Quiet(held, loud, t_us.tolist(), arrival_us.tolist(), (irregularity == irregularity).tolist())


def hear(engine: AlarmEngine, seconds: Seconds, i: int, what: Quiet, now_us: int) -> list[AlarmEvent]:
    """Events of the second number `i`, those that `on_vitals` would give; `engine` is its patient's."""
    if what.quiet[i]:
        t_us, arrival_us = what.t_us[i], what.arrival_us[i]
        events = engine.rest(t_us, arrival_us, now_us, known=what.regular[i], loud=what.loud[i], seconds=seconds, i=i)
        if events is not None:
            return events
    return engine.on_vitals(seconds.vitals(i), now_us)


def _beats_come(v: Seconds, rr_s: F64, s: _Limits) -> Mask:
    """No standstill, no pause, no waves, no run; not where NaN leaves it open."""
    silent_s = np.maximum(v.since_beat_s, v.flat_s) + _ROUNDED_S
    come: Mask = (
        (rr_s.max(axis=0) < np.minimum(s.pause_s, s.asystole_s))
        & (silent_s < s.asystole_s)
        & (v.fibrillation_s < s.vf_s)
        & (v.ventricular_run < s.vt_beats)
    )
    return come


def _rate_is_usual(v: Seconds, rr_s: F64, s: _Limits) -> Mask:
    """Slow needs two long intervals, the open one among them; fast a mean of the last ones, with or without it."""
    since_s, count, n = v.since_beat_s, v.intervals, s.tachy_intervals
    long = (rr_s > s.brady_rr_s).sum(axis=0) + (since_s + _ROUNDED_S > s.brady_rr_s)
    until = np.zeros((len(rr_s) + 1, len(since_s)))
    np.cumsum(rr_s, axis=0, out=until[1:])
    need_s = n * s.tachy_rr_s * (1 + 1e-6) + _ROUNDED_S
    fast = (_last(until, count, n) < need_s) | (_last(until, count, n - 1) + since_s < need_s)
    usual: Mask = (long <= 1) & ~fast
    return usual


def _last(until: F64, count: I64, n: I64) -> F64:
    """Sum of the last `n` intervals; where fewer are known they make no rate."""
    each = np.arange(len(count))
    total = until[count, each] - until[np.maximum(count - n, 0), each]
    return np.where(count < n, _NEVER_S, total)


def _limits(settings: Sequence[AlarmSettings]) -> _Limits:
    kinds = {id(s): s for s in settings}
    table = np.array([_row(s) for s in kinds.values()])
    if len(kinds) > 1:
        place = {key: k for k, key in enumerate(kinds)}
        table = table[[place[id(s)] for s in settings]]
    asystole, pause, brady, tachy, beats, *rest = table.T
    return _Limits(asystole, pause, brady, tachy, beats.astype(np.int64), *rest)


def _row(s: AlarmSettings) -> tuple[float, ...]:
    """In the order of `_Limits`."""
    return (
        s.asystole_s,
        s.pause_s,
        60.0 / s.brady_bpm,
        60.0 / s.tachy_bpm,
        s.tachy_beats - 1,
        s.vt_beats,
        s.vf_s,
        s.af_on - s.af_opinion,  # whatever the student makes of it
        s.ectopy_per_min,
        s.live_within_s * US_PER_S,
    )
