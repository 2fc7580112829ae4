"""Alarm burden: how often alarms called, how many could be heard, how soon someone came, and what they said it was."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final, TypeVar

from liteheart.clock import US_PER_S
from liteheart.history import Activation

HOUR_US: Final = 3600 * US_PER_S
FALSE: Final = ("false-artefact", "false-algorithm")
K = TypeVar("K", bound=Hashable)


def figures(activations: Sequence[Activation]) -> dict[str, Any]:
    """Counts of the calls, seconds until they were acknowledged, reasons, and the share of false ones among these."""
    waits = sorted((a.acknowledged_us - a.at_us) / US_PER_S for a in activations if a.acknowledged_us is not None)
    reasons = Counter(a.reason for a in activations if a.reason is not None)
    told = reasons.total()
    return {
        "count": len(activations),
        "audible": sum(a.audible for a in activations),
        "acknowledged": len(waits),
        "median_ack_s": _quantile(waits, 0.5),
        "p90_ack_s": _quantile(waits, 0.9),
        "reasons": dict(sorted(reasons.items())),
        "share_false": round(sum(reasons[r] for r in FALSE) / told, 4) if told else None,
    }


def burden(activations: Sequence[Activation], beds: dict[str, str], since_us: int, until_us: int) -> dict[str, Any]:
    """In all, by rule and by patient (the most audible first), and by hour of the clock, quiet hours included."""
    rules = {key: (some[0], figures(some)) for key, some in _by(activations, lambda a: a.condition).items()}
    patients = {key: figures(some) for key, some in _by(activations, lambda a: a.patient).items()}
    hours = _by(activations, lambda a: a.at_us // HOUR_US)
    return {
        "since_us": since_us,
        "until_us": until_us,
        "total": figures(activations),
        "rules": [
            {"condition": key, "label": a.label, "kind": a.kind.value, "priority": a.priority.name.lower()} | found
            for key, (a, found) in sorted(rules.items(), key=lambda item: (*_worst(item[1][1]), item[0]))
        ],
        "patients": [
            {"patient": key, "bed": beds.get(key, "")} | found
            for key, found in sorted(patients.items(), key=lambda item: (*_worst(item[1]), item[0]))
        ],
        "hours": [
            {"t0_us": hour * HOUR_US} | figures(hours.get(hour, []))
            for hour in range(since_us // HOUR_US, -(-until_us // HOUR_US))
        ],
    }


def _by(activations: Iterable[Activation], key: Callable[[Activation], K]) -> dict[K, list[Activation]]:
    groups: dict[K, list[Activation]] = defaultdict(list)
    for activation in activations:
        groups[key(activation)].append(activation)
    return groups


def _worst(found: dict[str, Any]) -> tuple[int, int]:
    return -found["audible"], -found["count"]


def _quantile(ordered: Sequence[float], q: float) -> float | None:
    """Of sorted values, with straight lines between them; None of none."""
    if not ordered:
        return None
    at = q * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return round(ordered[low] + (at - low) * (ordered[high] - ordered[low]), 3)
