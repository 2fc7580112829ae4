"""The live feed inside one process: every subscriber has its own bounded queue."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from liteheart.board import LiveMessage
from liteheart.ids import PatientId


class _Queue:
    """What one subscriber has yet to take: alarms first, then the latest states, then frames in order."""

    def __init__(self, max_frames: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._lock = threading.Lock()
        self._alarms: deque[LiveMessage] = deque()
        self._states: dict[PatientId, LiveMessage] = {}  # a newer state replaces an older one
        self._frames: deque[LiveMessage] = deque()
        self._max_frames = max_frames

    def put(self, messages: Sequence[LiveMessage]) -> int:
        """Add from any thread; returns how many of the oldest frames were dropped for it."""
        dropped = 0
        with self._lock:
            for message in messages:
                if message.kind == "alarm":
                    self._alarms.append(message)
                elif message.kind == "state":
                    self._states[message.patient] = message
                else:
                    self._frames.append(message)
                    if len(self._frames) > self._max_frames:
                        self._frames.popleft()
                        dropped += 1
        try:
            self._loop.call_soon_threadsafe(self._ready.set)
        except RuntimeError:  # the loop has closed: nobody reads this queue any more
            return 0
        return dropped

    def _take(self) -> LiveMessage | None:
        with self._lock:
            if self._alarms:
                return self._alarms.popleft()
            if self._states:
                return self._states.pop(next(iter(self._states)))
            return self._frames.popleft() if self._frames else None

    def __aiter__(self) -> AsyncIterator[LiveMessage]:
        return self

    async def __anext__(self) -> LiveMessage:
        while (message := self._take()) is None:
            self._ready.clear()
            if (message := self._take()) is not None:  # put between the look and the clear
                return message
            await self._ready.wait()
        return message


class InProcessFeed:
    """A LiveFeed for publisher and screens in one process. A full queue loses its oldest frames, never an alarm."""

    def __init__(self, max_frames: int = 512) -> None:
        """`max_frames` bounds each subscriber: 512 are ten seconds of 48 patients."""
        self._max_frames = max_frames
        self._lock = threading.Lock()
        self._queues: set[_Queue] = set()
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Frames that slow subscribers have lost so far."""
        return self._dropped

    @property
    def subscribers(self) -> int:
        """How many listen now."""
        return len(self._queues)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[LiveMessage]]:
        """Messages published from here on."""
        queue = _Queue(self._max_frames)
        with self._lock:
            self._queues.add(queue)
        try:
            yield queue
        finally:
            with self._lock:
                self._queues.discard(queue)

    def publish(self, messages: Sequence[LiveMessage]) -> None:
        """Hand `messages` to every subscriber; from any thread, never blocks on a slow one."""
        with self._lock:
            self._dropped += sum(queue.put(messages) for queue in self._queues)
