"""The ladder of an alarm that nobody acknowledges: who owns it now, and when the next one does. Pure.

    activated ........ after_s[0] ........ after_s[1] ........ acknowledged: the ladder stops
    step 0             step 1              step 2
    owners[0]          owners[1]           owners[2]

What was taken is read from storage, what is due follows from the clock: nothing is remembered here.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from liteheart.care import Escalation, Unattended
from liteheart.clock import US_PER_S
from liteheart.errors import Misconfigured

_LATE_S = 30.0  # a step that is so much overdue was not taken, and the screen says so


@dataclass(frozen=True, slots=True)
class EscalationSettings:
    """Whose an unacknowledged alarm of HIGH priority is, and how long. Raises Misconfigured naming the key."""

    owners: tuple[str, ...] = ("Primary nurse", "Charge nurse", "Physician")  # roles, not names
    after_s: tuple[float, ...] = (60.0, 180.0)  # from the begin of the episode to each owner after the first

    def __post_init__(self) -> None:
        if not self.owners or not all(owner.strip() for owner in self.owners):
            raise Misconfigured("escalation.owners", "must name at least one owner")
        if len(self.after_s) != len(self.owners) - 1:
            raise Misconfigured(
                "escalation.after_s", f"needs {len(self.owners) - 1} times for {len(self.owners)} owners"
            )
        before = 0.0
        for seconds in self.after_s:
            if not (math.isfinite(seconds) and seconds > before):
                raise Misconfigured("escalation.after_s", f"{seconds:g} must be above {before:g}")
            before = seconds


def due(alarms: Iterable[Unattended], now_us: int, settings: EscalationSettings) -> list[Escalation]:
    """The steps that are due and not taken, the oldest alarm first."""
    return [
        Escalation(u.alarm.alarm_id, u.alarm.episodes, step, settings.owners[step], due_us, now_us)
        for u in alarms
        for step, due_us in _times(u, settings)
        if due_us <= now_us and step not in u.steps
    ]


def standing(unattended: Unattended, now_us: int, settings: EscalationSettings) -> dict[str, Any]:
    """Where an alarm stands on the ladder, as plain values for the screens. Only a step that was taken counts."""
    step = max((s for s in unattended.steps if s < len(settings.owners)), default=0)
    coming = next(((s, due_us) for s, due_us in _times(unattended, settings) if s > step), None)
    return {
        "alarm_id": unattended.alarm.alarm_id,
        "episodes": unattended.alarm.episodes,
        "step": step,
        "steps": len(settings.owners),
        "owner": settings.owners[step],
        "since_us": unattended.steps.get(step, unattended.activated_us),
        "next_owner": settings.owners[coming[0]] if coming else None,
        "next_us": coming[1] if coming else None,
        "overdue": coming is not None and now_us - coming[1] > _LATE_S * US_PER_S,
    }


def _times(unattended: Unattended, settings: EscalationSettings) -> list[tuple[int, int]]:
    """(step, clock at which it is due) of every step after the first."""
    return [(i, unattended.activated_us + round(s * US_PER_S)) for i, s in enumerate(settings.after_s, 1)]
