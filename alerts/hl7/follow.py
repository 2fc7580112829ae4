"""What becomes of an alarm after it began, for targets that follow it: acknowledged, latched, ended.

Letters tell of beginnings alone, since nobody wakes a nurse for an end. Here the alarms that are open are looked at
again and again: whatever is not as it was becomes a delivery, whose key keeps it from being made twice.
"""

from collections.abc import Iterable
from typing import Final

from alerts.notify import notice
from alerts.notify.settings import NotifySettings
from alerts.ports import Board, PostRoom
from liteheart.alarm import Alarm, Presence, Priority
from liteheart.clock import US_PER_S, Clock
from liteheart.ids import AlarmId

_OPEN_MAX: Final = 5000  # far more than a ward can have
_LATEST: Final = 200  # alarms looked at besides: one that ended before it was seen open
_STATES: Final = {Presence.ACK: "acknowledged", Presence.LATCHED: "latched", Presence.OFF: "ended"}


class Follower:
    """Remembers which alarms are open; a new one begins with the latest alarms, open or not."""

    def __init__(self, board: Board, room: PostRoom, settings: NotifySettings, clock: Clock) -> None:
        self._board, self._room, self._settings, self._clock = board, room, settings, clock
        self._seen: dict[AlarmId, tuple[int, Presence]] = {}

    def step(self) -> int:
        """Look once; how many deliveries are new. Raises Retryable."""
        now_us = self._clock.now_us()
        alarms = {a.alarm_id: a for a in self._board.alarms(open_only=False, limit=_LATEST)}
        alarms |= {a.alarm_id: a for a in self._board.alarms(open_only=True, limit=_OPEN_MAX)}
        for name in self._seen.keys() - alarms.keys():
            if (gone := self._board.alarm(name)) is not None:
                alarms[name] = gone
        changed = [a for a in alarms.values() if self._seen.get(a.alarm_id) != (a.episodes, a.presence)]
        new = self._tell(changed, now_us)
        open_or_late = sorted(alarms.values(), key=lambda a: a.raised_us)[-_LATEST:]
        kept = [a for a in alarms.values() if a.presence is not Presence.OFF] + open_or_late
        self._seen = {a.alarm_id: (a.episodes, a.presence) for a in kept}
        return new

    def _tell(self, alarms: Iterable[Alarm], now_us: int) -> int:
        told = [a for a in alarms if a.presence in _STATES and not a.retrospective and a.priority > Priority.INFO]
        fresh = [a for a in told if now_us - _since_us(a) <= self._settings.stale_s * US_PER_S]
        if not fresh:
            return 0
        beds = self._room.beds({alarm.patient for alarm in fresh})
        found = [
            delivery
            for alarm in fresh
            for delivery in notice.followed(alarm, _STATES[alarm.presence], _since_us(alarm), beds, self._settings)
        ]
        return self._room.accept([], found, now_us) if found else 0


def _since_us(alarm: Alarm) -> int:
    """Since when its presence is what it is."""
    return max(alarm.raised_us, alarm.acknowledged_us or 0, 0 if alarm.active else alarm.ended_us or 0)
