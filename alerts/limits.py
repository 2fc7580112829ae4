"""Limits of one patient, within bounds in which no lethal rule can be turned off or put out of reach."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from alerts.settings import AlarmSettings
from liteheart.errors import Misconfigured, Poison

# name -> (least, greatest, unit, what it says). An asystole of seven seconds is not an opinion.
BOUNDS: Final[dict[str, tuple[float, float, str, str]]] = {
    "brady_bpm": (20.0, 60.0, "bpm", "Extreme bradycardia below"),
    "tachy_bpm": (100.0, 220.0, "bpm", "Extreme tachycardia above"),
    "asystole_s": (3.0, 6.0, "s", "Asystole after"),
    "pause_s": (2.0, 5.0, "s", "Pause of"),
    "vt_bpm": (90.0, 150.0, "bpm", "Ventricular tachycardia above"),
    "vf_s": (2.0, 6.0, "s", "Fibrillation or flutter for"),
}


def checked(ward: AlarmSettings, given: Mapping[str, Any]) -> dict[str, float]:
    """The limits as numbers. Raises Poison naming the one that is unknown, out of bounds, or contradicts another."""
    limits: dict[str, float] = {}
    for name, value in given.items():
        if name not in BOUNDS:
            raise Poison(name, f"there is no such limit; there are {', '.join(BOUNDS)}")
        least, greatest, unit, _ = BOUNDS[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Poison(name, "must be a number")
        if not least <= value <= greatest:
            raise Poison(name, f"{value:g} is outside {least:g} to {greatest:g} {unit}")
        limits[name] = float(value)
    _ = with_limits(ward, limits)
    return limits


def with_limits(ward: AlarmSettings, limits: Mapping[str, float]) -> AlarmSettings:
    """The ward's settings with the limits of one patient. Raises Poison for limits that contradict each other."""
    if not limits:
        return ward
    try:
        values: dict[str, Any] = dict(limits)
        return replace(ward, **values)
    except (Misconfigured, TypeError) as error:
        key = error.key.rpartition(".")[2] if isinstance(error, Misconfigured) else "limits"
        raise Poison(key, error.reason if isinstance(error, Misconfigured) else str(error)) from error


def told(ward: AlarmSettings) -> list[dict[str, Any]]:
    """Every limit with what the ward has, its bounds and its unit, for the form."""
    return [
        {"name": name, "ward": getattr(ward, name), "least": least, "greatest": greatest, "unit": unit, "says": says}
        for name, (least, greatest, unit, says) in BOUNDS.items()
    ]
