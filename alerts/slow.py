"""Rules that hold for minutes: a patient with such an alarm, active or pending, needs no other in a quiet second.

Nor does it need words: of an alarm that goes on nobody reads them, and two figures tell that it does.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final, Protocol

from alerts.rhythms import af_limits, atrial_fibrillation, ectopy, ectopy_limits
from alerts.rules import Verdicts
from alerts.settings import AlarmSettings
from alerts.verdict import Absent, Assertion
from liteheart.finding import Vitals

SLOW_RULES: Final = ("AFIB", "PVC_FREQUENT")  # in the order of the catalogue


class Seconds(Protocol):
    """Seconds of any patients."""

    def lasting(self, i: int) -> tuple[float | None, float | None]:
        """Irregularity and ventricular beats a minute of the second number `i`, as `vitals` has them."""
        ...

    def vitals(self, i: int) -> Vitals:
        """All of it."""
        ...


def slow_verdicts(
    codes: Collection[str],
    seconds: Seconds,
    i: int,
    t_us: int,
    settings: AlarmSettings,
    opinion: float | None,
    goes_on: Callable[[str, int], bool],
) -> Verdicts:
    """What `rules.judge` says of `codes` of `SLOW_RULES` in a sound signal in which no other rule holds; of one that
    `goes_on`, no more than that it holds at `t_us`.
    """
    verdicts: Verdicts = {}
    limits = (af_limits(settings, opinion), ectopy_limits(settings))
    for code, value, (on, off) in zip(SLOW_RULES, seconds.lasting(i), limits, strict=True):
        if value is None or code not in codes:
            continue
        if value >= on:
            is_old = goes_on(code, t_us)
            verdicts[code] = Assertion(code, t_us, "") if is_old else _told(code, seconds.vitals(i), settings, opinion)
        elif value <= off:
            verdicts[code] = Absent.ABSENT
    return verdicts


def _told(code: str, vitals: Vitals, settings: AlarmSettings, opinion: float | None) -> Assertion:
    """In full."""
    said = atrial_fibrillation(vitals, settings, opinion) if code == "AFIB" else ectopy(vitals, settings)
    if not isinstance(said, Assertion):
        raise AssertionError(f"{code}: the limits say that it holds, the rule does not")
    return replace(said, evidence=said.evidence | {"sqi": round(vitals.quality.sqi, 3), "usable": "yes"})
