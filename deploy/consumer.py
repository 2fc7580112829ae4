"""The faust side of the monitor: an app with the frames agent, whose events go to the worker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from deploy.settings import Settings
from deploy.transport.app import Running, create_app, run_app
from deploy.transport.publisher import EmbeddedPublisher
from deploy.wiring import Broker
from deploy.worker import Worker
from ingest.agent import register_frames_agent

GROUP = "liteheart-monitor"


@contextlib.asynccontextmanager
async def consuming(settings: Settings, broker: Broker, worker: Worker) -> AsyncIterator[Running]:
    """Read `ecg.frames` into the worker until the context ends."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)  # faust keeps a folder of its own in it
    local = broker.publisher if isinstance(broker.publisher, EmbeddedPublisher) else None
    app = create_app(
        broker=settings.broker,
        app_id=GROUP,
        data_dir=settings.data_dir,
        publisher=local,
        access=None if settings.embedded else settings.kafka_client,
    )
    register_frames_agent(app, worker)
    held = asyncio.Event()

    async def revoked(*_: Any, **__: Any) -> None:
        held.clear()
        await worker.forget()

    async def assigned(*_: Any, **__: Any) -> None:
        held.set()

    app.on_partitions_revoked.connect(revoked, weak=False)
    app.on_partitions_assigned.connect(assigned, weak=False)
    worker.owns = lambda message: held.is_set() and message.generation_id == app.consumer_generation_id
    async with run_app(app) as running:
        yield running
