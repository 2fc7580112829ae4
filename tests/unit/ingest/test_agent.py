"""The frames agent hands events on as they are, and acknowledges none of them."""

import asyncio
from typing import Any

import faust

from ingest.agent import register_frames_agent


class Queue:
    def __init__(self) -> None:
        self.events: list[Any] = []

    async def put(self, event: Any) -> None:
        self.events.append(event)


def test_events_are_passed_on_raw_and_unacknowledged() -> None:
    async def run() -> Queue:
        app, queue = faust.App("test", broker="kafka://127.0.0.1:1", web_enabled=False), Queue()
        register_frames_agent(app, queue)
        app.loop = asyncio.get_running_loop()
        app.finalize()
        app.flow_control.resume()
        agent = app.agents["frames"]
        assert agent.channel.get_topic_name() == "ecg.frames"
        async with agent.test_context() as context:
            for value in (b"\x00\xff", b"LH"):
                await context.put(value, key=b"p-1")
            assert [e.value for e in queue.events] == [b"\x00\xff", b"LH"]
            assert not any(e.message.acked for e in queue.events)
        app.consumer._thread.thread_loop.close()  # a consumer that never ran leaves its thread's loop open
        return queue

    asyncio.run(run())
