"""What a person may do to an alarm, and the order in which alarms ask for one. Pure; storage keeps the result."""

from dataclasses import replace

from liteheart.alarm import REASONS, Alarm, Presence

SortKey = tuple[bool, int, bool, bool, int, str]


def acknowledge(alarm: Alarm, by: str, reason: str | None, at_us: int) -> Alarm:
    """The alarm as acknowledged by `by`. The first who looks is kept; a reason may still be added later.

    An alarm that is off is returned unchanged. Raises ValueError for a nameless person or a reason not in `REASONS`.
    """
    if not by.strip():
        raise ValueError("by: an acknowledgement needs a name")
    if reason is not None and reason not in REASONS:
        raise ValueError(f"reason: {reason!r} is none of {', '.join(REASONS)}")
    if alarm.acknowledged_us is not None:
        return alarm if alarm.reason is not None or reason is None else replace(alarm, reason=reason)
    if alarm.presence is Presence.OFF:
        return alarm
    return replace(alarm, acknowledged_us=at_us, acknowledged_by=by, reason=reason)


def sort_key(alarm: Alarm) -> SortKey:
    """Ascending: open before over, worst first, live before back-fill, unacknowledged first, longest waiting first."""
    return (
        alarm.presence is Presence.OFF,
        -alarm.priority,
        alarm.retrospective,
        alarm.acknowledged_us is not None,
        alarm.raised_us,
        alarm.alarm_id,
    )
