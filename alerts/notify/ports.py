"""The one port behind which every way of telling someone stands."""

from typing import Any, Protocol

from liteheart.care import Delivery
from liteheart.errors import LiteHeartError


class Undelivered(LiteHeartError):
    """The receiver does not have it.

    `hopeless`: nor would it another time. `wait_s`: it asked to be left alone so long.
    """

    def __init__(self, reason: str, *, hopeless: bool = False, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.hopeless, self.wait_s = hopeless, wait_s


class Sender(Protocol):
    """One way to one target. May be asked for the same delivery again: its key does not change."""

    async def send(self, delivery: Delivery, notice: dict[str, Any], now_us: int) -> None:
        """Deliver `notice`; returns when the receiver has taken it. Raises Undelivered."""
        ...
