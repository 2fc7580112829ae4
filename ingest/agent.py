"""The Faust agent that takes frames off the bus. Nothing is acknowledged here: that follows the transaction."""

from typing import Protocol, cast

from faust import Stream
from faust.types import AppT, EventT, StreamT

from liteheart.topics import FRAMES


class Intake(Protocol):
    """A bounded queue of events. `put` waits while it is full, and so holds the partition back."""

    async def put(self, event: EventT[bytes]) -> None:
        """Take one event; whoever takes it out acknowledges it once what it holds is durable."""
        ...


def register_frames_agent(app: AppT, intake: Intake) -> None:
    """Let `app` read `ecg.frames` into `intake`, as raw bytes."""
    topic = app.topic(
        FRAMES.name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=FRAMES.partitions,
    )

    async def frames(stream: StreamT[bytes]) -> None:
        async for event in cast(Stream[bytes], stream).noack().events():
            await intake.put(event)

    app.agent(topic, name="frames")(frames)
