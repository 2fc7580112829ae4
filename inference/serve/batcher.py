"""Items one by one in, batches out: when a batch is full, or when its first item has waited long enough."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """Nothing can be put into a batcher that was closed."""


class MicroBatcher(Generic[T]):
    """A bounded queue with a deadline. Any number of senders, one receiver.

    put  -a--b----------c-d-e-f-------g----|close
    next ----------[a b]-----[c d e f]-----[g] []      (at most 4 items, or 10 dashes after the first)

    Items leave in the order in which they came, and a cancelled `next` loses none.
    """

    def __init__(self, max_items: int, max_delay_s: float, capacity: int) -> None:
        if not 1 <= max_items <= capacity:
            raise ValueError(f"max_items: {max_items} is outside 1 to capacity {capacity}")
        if max_delay_s < 0:
            raise ValueError(f"max_delay_s: {max_delay_s} is negative")
        self._max_items, self._max_delay_s, self._capacity = max_items, max_delay_s, capacity
        self._items: deque[tuple[float, T]] = deque()  # when it came, and what
        self._changed = asyncio.Condition()
        self._closed = False

    @property
    def depth(self) -> int:
        """Items waiting."""
        return len(self._items)

    async def put(self, item: T) -> None:
        """Add an item; waits while the batcher is full. Raises Closed."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            if self._closed:
                raise Closed
            self._items.append((asyncio.get_running_loop().time(), item))
            self._changed.notify_all()

    async def next(self) -> list[T]:
        """The next batch, 1 to max_items; empty only once the batcher is closed and drained."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or bool(self._items))
            if self._items:
                await self._fill(self._items[0][0] + self._max_delay_s)
            batch = [self._items.popleft()[1] for _ in range(min(self._max_items, len(self._items)))]
            self._changed.notify_all()
            return batch

    async def close(self) -> None:
        """Take no more; what waits comes out at once."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def _fill(self, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._changed.wait_for(lambda: self._closed or len(self._items) >= self._max_items)
        except TimeoutError:
            pass
