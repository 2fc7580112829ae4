"""The batcher: full or late, bounded, in order, and nothing lost."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from inference.serve.batcher import Closed, MicroBatcher

T = TypeVar("T")


class _Skipping(selectors.DefaultSelector):
    """Does not wait: the clock jumps to what would have been waited for. Waiting for nothing is a deadlock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("deadlock: everybody waits and no timer runs")
        self.now += max(timeout, 0.0)
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


def _run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(main)


def _now() -> float:
    return asyncio.get_running_loop().time()


def test_a_full_batch_leaves_at_once() -> None:
    async def main() -> None:
        batcher = MicroBatcher[int](3, 10.0, 100)
        for i in range(7):
            await batcher.put(i)
        assert await batcher.next() == [0, 1, 2]
        assert await batcher.next() == [3, 4, 5]
        assert _now() == 0.0
        assert batcher.depth == 1

    _run(main())


def test_the_first_item_waits_no_longer_than_the_deadline() -> None:
    async def main() -> None:
        batcher = MicroBatcher[str](10, 2.0, 100)

        async def send() -> None:
            await asyncio.sleep(5.0)
            await batcher.put("a")
            await asyncio.sleep(1.5)
            await batcher.put("b")
            await asyncio.sleep(1.0)
            await batcher.put("c")

        sender = asyncio.create_task(send())
        assert await batcher.next() == ["a", "b"]
        assert _now() == pytest.approx(7.0)
        assert await batcher.next() == ["c"]
        assert _now() == pytest.approx(9.5)
        await sender

    _run(main())


def test_the_deadline_counts_from_the_items_arrival_not_from_the_receivers() -> None:
    async def main() -> None:
        batcher = MicroBatcher[int](10, 2.0, 100)
        await batcher.put(1)
        await asyncio.sleep(30.0)
        assert await batcher.next() == [1]
        assert _now() == pytest.approx(30.0)

    _run(main())


def test_senders_wait_while_it_is_full() -> None:
    async def main() -> None:
        batcher = MicroBatcher[int](2, 1.0, 4)
        sent: list[int] = []

        async def send() -> None:
            for i in range(10):
                await batcher.put(i)
                sent.append(i)
            await batcher.close()

        sender = asyncio.create_task(send())
        await asyncio.sleep(100.0)
        assert sent == [0, 1, 2, 3]
        assert batcher.depth == 4
        got: list[int] = []
        while batch := await batcher.next():
            assert len(batch) <= 2
            got += batch
            await asyncio.sleep(0.1)
        assert got == list(range(10))
        await sender

    _run(main())


def test_closing_drains_at_once_and_takes_no_more() -> None:
    async def main() -> None:
        batcher = MicroBatcher[int](4, 60.0, 8)
        for i in range(6):
            await batcher.put(i)
        receiver = asyncio.create_task(batcher.next())
        await batcher.close()
        assert await receiver == [0, 1, 2, 3]
        assert await batcher.next() == [4, 5]
        assert await batcher.next() == []
        assert await batcher.next() == []
        assert _now() == 0.0
        with pytest.raises(Closed):
            await batcher.put(7)

    _run(main())


def test_closing_wakes_those_who_wait() -> None:
    async def main() -> None:
        full = MicroBatcher[int](1, 1.0, 1)
        await full.put(1)
        sender = asyncio.create_task(full.put(2))
        empty = MicroBatcher[int](1, 1.0, 1)
        receiver = asyncio.create_task(empty.next())
        await asyncio.sleep(1.0)
        await full.close()
        await empty.close()
        assert await receiver == []
        with pytest.raises(Closed):
            await sender

    _run(main())


def test_a_receiver_that_is_cancelled_loses_nothing() -> None:
    async def main() -> None:
        batcher = MicroBatcher[int](4, 60.0, 8)
        for moment in (0.0, 5.0, 10.0):
            await batcher.put(round(moment))
            receiver = asyncio.create_task(batcher.next())
            await asyncio.sleep(4.0)
            receiver.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiver
        assert await batcher.next() == [0, 5, 10]

    _run(main())


@pytest.mark.parametrize(("items", "delay_s", "capacity"), [(0, 1.0, 4), (5, 1.0, 4), (1, -1.0, 4)])
def test_refuses_sizes_that_cannot_be(items: int, delay_s: float, capacity: int) -> None:
    with pytest.raises(ValueError, match=r"max_items|max_delay_s"):
        MicroBatcher[int](items, delay_s, capacity)
