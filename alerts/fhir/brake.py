"""How often one may ask: a brake in memory, each process by itself. Time is an argument; nothing here touches a socket.

Whoever has been quiet for a whole window may ask `limit` times at once; from then on once in every `window_s / limit`.
"""

from typing import Final

from liteheart.clock import US_PER_S

_KEYS_MAX: Final = 20_000


class Brake:
    """Counts by key. For one thread, the event loop's: what is asked and counted without an await is one step."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit, self._each_us = limit, round(window_s * US_PER_S / limit)
        self._paid_us: dict[str, int] = {}  # until when everything that was counted is paid for

    def wait_s(self, key: str, now_us: int) -> float:
        """0 when one more may come now, else the seconds until it may; counts nothing."""
        ahead_us = self._paid_us.get(key, 0) - now_us
        return max(0, ahead_us - (self._limit - 1) * self._each_us) / US_PER_S

    def count(self, key: str, now_us: int) -> None:
        """One more has come."""
        if len(self._paid_us) >= _KEYS_MAX and key not in self._paid_us:
            self._forget(now_us)
        self._paid_us[key] = max(self._paid_us.get(key, 0), now_us) + self._each_us

    def _forget(self, now_us: int) -> None:
        """Those who have been quiet; then those who came first."""
        for key in [k for k, paid_us in self._paid_us.items() if paid_us <= now_us]:
            del self._paid_us[key]
        while len(self._paid_us) >= _KEYS_MAX:
            del self._paid_us[next(iter(self._paid_us))]
