"""Time as an argument: microseconds since the Unix epoch, UTC, everywhere."""

import time
from typing import Protocol

US_PER_S = 1_000_000


class Clock(Protocol):
    """Anything that tells the wall time."""

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        return time.time_ns() // 1_000


class ManualClock:
    """A clock cranked by hand, for tests and for playing recordings faster than life."""

    def __init__(self, now_us: int = 0) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        """Microseconds since the epoch, as last set."""
        return self._now_us

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`; never back."""
        if seconds < 0:
            raise ValueError(f"seconds: {seconds} would turn the clock back")
        self._now_us += round(seconds * US_PER_S)
