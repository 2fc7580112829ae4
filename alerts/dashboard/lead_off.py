"""When the electrode was off, as the alarms tell it: an overview shows whatever a device sent."""

from collections.abc import Iterable
from typing import Final

from liteheart.clock import US_PER_S
from liteheart.history import AlarmStory

LOOK_BACK_US: Final = 86_400 * US_PER_S  # an alarm that was raised before this and is over is not asked for
CODES: Final = frozenset({"LEAD_OFF", "LEAD_OFF_LONG"})
_BEGINS: Final = frozenset({"raised", "reactivated"})
Stretch = tuple[int, int]


def lead_off(stories: Iterable[AlarmStory], t0_us: int, t1_us: int) -> list[Stretch]:
    """Stretches of [t0_us, t1_us) in event time, in order and apart; one that goes on reaches the end.

    To the second in which the alarm began; its end is told once the electrode has been on for the rule's clearing time.
    """
    found = sorted(s for story in stories if story.alarm.condition in CODES for s in _stretches(story, t1_us))
    apart: list[Stretch] = []
    for begin, end in found:
        begin, end = max(begin, t0_us), min(end, t1_us)
        if begin >= end:
            continue
        if apart and begin <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(apart[-1][1], end))
        else:
            apart.append((begin, end))
    return apart


def _stretches(story: AlarmStory, open_end_us: int) -> list[Stretch]:
    """Each episode of one alarm."""
    found: list[Stretch] = []
    begun_us: int | None = None
    for step in story.steps:
        if step.action in _BEGINS:
            begun_us = story.alarm.onset_us if step.action == "raised" else step.t_us
        elif step.action == "ended" and begun_us is not None:
            found.append((begun_us, step.t_us))
            begun_us = None
    if begun_us is not None:
        found.append((begun_us, open_end_us))
    return found
