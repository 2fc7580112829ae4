"""Burden, sensitivity and misses of a set of calls. Pure: calls and truths in, numbers out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from alerts.catalogue import OUTRANKS
from deploy.sounded import Sounded, ringing
from inference.report.intervals import duration_s
from liteheart.alarm import Priority
from liteheart.clock import US_PER_S

DAY_S: Final = 86_400.0
SLACK_S: Final = 10.0  # an alarm this long after the end still speaks of it: it takes ten seconds to find a rhythm


@dataclass(frozen=True, slots=True)
class Truth:
    """A stretch of which somebody said what it was."""

    code: str
    begin_us: int
    end_us: int
    true: bool  # a nurse may have found that there was nothing
    reason: str = ""  # coded, or "annotated"


@dataclass(frozen=True, slots=True)
class Case:
    """One patient or recording under one variant."""

    name: str
    signal_s: float
    first_us: int  # of the signal
    end_us: int
    calls: tuple[Sounded, ...]
    truths: tuple[Truth, ...] = ()
    judged: frozenset[str] = frozenset()  # codes of which the truth is known throughout
    recorded: tuple[tuple[str, int], ...] = ()  # (code, onset) of what the store holds of the same stretch


@dataclass(slots=True)
class _Sums:
    signal_s: float = 0.0
    audible_s: float = 0.0
    rules: Counter[str] = field(default_factory=Counter)
    priorities: Counter[str] = field(default_factory=Counter)
    shown: int = 0  # retrospective: no sound
    true: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    false: int = 0  # alarms that a nurse called false
    still: int = 0  # of them, how many would ring again
    right: Counter[tuple[str, bool]] = field(default_factory=Counter)  # (code, whether it is HIGH)
    wrong: Counter[tuple[str, bool]] = field(default_factory=Counter)
    delays_s: list[float] = field(default_factory=list)
    misses: list[dict[str, Any]] = field(default_factory=list)


def figures(cases: Sequence[Case], response_s: float) -> dict[str, Any]:
    """Everything of one variant; `response_s` is how long a call rings until somebody comes."""
    sums = _Sums()
    for case in cases:
        _burden(sums, case, response_s)
        _against(sums, case)
        _precision(sums, case)
    days = sums.signal_s / DAY_S
    per_day = (lambda n: round(n / days, 3)) if days else (lambda _: None)
    told: dict[str, Any] = {
        "patient_days": round(days, 5),
        "alarms": sums.rules.total(),
        "alarms_per_patient_day": per_day(sums.rules.total()),
        "audible_s_per_patient_day": per_day(sums.audible_s),
        "retrospective": sums.shown,
        "by_priority": {p.name: per_day(sums.priorities[p.name]) for p in sorted(Priority, reverse=True) if p},
        "by_rule": {code: per_day(n) for code, n in sums.rules.most_common()},
    }
    return told | _truths(sums)


def _truths(s: _Sums) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if s.true or s.false:
        told["true"] = s.true.total()
        told["sensitivity"] = _share(s.found.total(), s.true.total())
        told["sensitivity_by_rule"] = {code: _share(s.found[code], n) for code, n in sorted(s.true.items())}
        told["misses"] = s.misses
    if s.false:
        told["false_alarms_kept"] = _share(s.still, s.false)
    if s.right or s.wrong:
        told["right"], told["wrong"] = s.right.total(), s.wrong.total()
        told["false_share"] = _share(s.wrong.total(), s.wrong.total() + s.right.total())
        right, wrong = (sum(n for (_, high), n in counted.items() if high) for counted in (s.right, s.wrong))
        told["right_high"], told["wrong_high"] = right, wrong
        told["false_share_high"] = _share(wrong, wrong + right)
        told["wrong_by_rule"] = {code: n for (code, _), n in s.wrong.most_common()}
    if s.delays_s:
        told["delay_p50_s"], told["delay_max_s"] = round(float(np.median(s.delays_s)), 2), round(max(s.delays_s), 2)
    return told


def _burden(s: _Sums, case: Case, response_s: float) -> None:
    s.signal_s += case.signal_s
    s.audible_s += duration_s(ringing(case.calls, response_s, case.end_us + round(response_s * US_PER_S)))
    for call in case.calls:
        if call.alarm.retrospective:
            s.shown += 1
            continue
        s.rules[call.code] += 1
        s.priorities[call.alarm.priority.name] += 1


def _against(s: _Sums, case: Case) -> None:
    """Whether each true stretch is called, under its own name or one that stands for it, and each false one again."""
    for truth in case.truths:
        names = {truth.code, *_stronger(truth.code)} if truth.true else {truth.code}
        calls = [c for c in case.calls if c.code in names and _touches(c, truth, case.end_us)]
        if not truth.true:
            s.false += 1
            s.still += bool(calls)
            continue
        s.true[truth.code] += 1
        if not calls:
            s.misses.append(_miss(case, truth))
            continue
        s.found[truth.code] += 1
        own = [c.raised_us for c in calls if c.onset_us >= truth.begin_us - round(SLACK_S * US_PER_S)]
        if own:  # else an alarm that was on already stands for it
            s.delays_s.append(max(0.0, (min(own) - truth.begin_us) / US_PER_S))


def _miss(case: Case, truth: Truth) -> dict[str, Any]:
    return {
        "patient": case.name,
        "rule": truth.code,
        "at_us": truth.begin_us,
        "at_s": round((truth.begin_us - case.first_us) / US_PER_S, 1),  # since the first sample
        "lasts_s": round((truth.end_us - truth.begin_us) / US_PER_S, 1),
        "reason": truth.reason,
    }


def _precision(s: _Sums, case: Case) -> None:
    """Of codes whose truth is known throughout: which calls have nothing true beneath them."""
    for call in case.calls:
        if call.code not in case.judged or call.alarm.retrospective:
            continue
        near = {call.code, *_stronger(call.code), *OUTRANKS.get(call.code, ())}
        right = any(t.true and t.code in near and _touches(call, t, case.end_us) for t in case.truths)
        (s.right if right else s.wrong)[call.code, call.alarm.priority is Priority.HIGH] += 1


def _touches(call: Sounded, truth: Truth, end_us: int) -> bool:
    slack = round(SLACK_S * US_PER_S)
    ended = end_us if call.ended_us is None else call.ended_us
    return call.onset_us <= truth.end_us + slack and max(ended, call.onset_us) >= truth.begin_us - slack


def _stronger(code: str) -> list[str]:
    return [strong for strong, weak in OUTRANKS.items() if code in weak]


def reproduced(cases: Sequence[Case]) -> float | None:
    """Share of the alarms in the store that the replay has too, the same to ten seconds; None where it holds none."""
    known = [(case, code, onset_us) for case in cases for code, onset_us in case.recorded]
    slack = round(SLACK_S * US_PER_S)
    hits = sum(any(c.code == code and abs(c.onset_us - at) <= slack for c in case.calls) for case, code, at in known)
    return _share(hits, len(known))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def change(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, float]:
    """after - before of every figure that both have."""
    names = [k for k in before if isinstance(before[k], int | float) and isinstance(after.get(k), int | float)]
    return {k: round(after[k] - before[k], 4) for k in names}
