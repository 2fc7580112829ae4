"""Rules that hold for minutes: a patient with such an alarm, active or pending, needs no other in a quiet second."""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from alerts.rhythms import atrial_fibrillation, ectopy
from alerts.rules import Verdicts
from alerts.settings import AlarmSettings
from alerts.verdict import Assertion
from liteheart.finding import Vitals

SLOW_RULES: Final = frozenset({"AFIB", "PVC_FREQUENT"})


def slow_verdicts(codes: Collection[str], vitals: Vitals, settings: AlarmSettings, opinion: float | None) -> Verdicts:
    """What `rules.judge` says of `codes` of `SLOW_RULES` in a sound signal in which no other rule holds."""
    said = {
        "AFIB": atrial_fibrillation(vitals, settings, opinion) if "AFIB" in codes else None,
        "PVC_FREQUENT": ectopy(vitals, settings) if "PVC_FREQUENT" in codes else None,
    }
    told: dict[str, str | float] = {"sqi": round(vitals.quality.sqi, 3), "usable": "yes"}
    return {
        code: replace(v, evidence=v.evidence | told) if isinstance(v, Assertion) else v
        for code, v in said.items()
        if v is not None
    }
