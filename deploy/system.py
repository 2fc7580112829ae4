"""The running system: any set of roles inside one event loop, started in order and stopped in reverse.

    gateway    devices -> publisher
    monitor    faust agent -> worker -> storage, live feed; the watch for silent streams; the outbox relay; heartbeat
    dashboard  storage, live feed -> nurses
    notify     storage -> webhooks, e-mail, Apprise
    bridge     devices -> MQTT broker -> publisher

`liteheart up` runs all of them on the embedded broker, the bridge if an MQTT broker is named; in production each is a
process of its own, on Kafka.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter

from alerts.ports import LiveFeed
from deploy import chores, wiring
from deploy.http import create_web, serving
from deploy.metrics import PrometheusMetrics
from deploy.monitor import Monitor
from deploy.settings import Settings
from deploy.succession import Succession
from deploy.worker import Worker, every
from inference.model.card import load_card
from inference.ports import Network
from inference.preprocess import Batch as Floats
from inference.rhythm import Warming
from inference.serve.engine import Engine, load_network
from inference.settings import InferenceSettings
from ingest.ports import FramePublisher
from liteheart.clock import Clock, SystemClock
from liteheart.errors import Misconfigured

log = logging.getLogger(__name__)

ROLES = ("gateway", "monitor", "dashboard", "notify")
_LOADING_MAX_S = 120.0  # of the student; a window that has waited so long ends the process
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(slots=True)
class System:
    """What is running, for whoever started it."""

    settings: Settings
    metrics: PrometheusMetrics
    storage: wiring.Storage
    feed: LiveFeed
    port: int = 0
    waiting_for: Callable[[], str | None] = lambda: None  # what is not ready yet
    failed: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://{self.settings.http.host}:{self.port}"


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    roles: set[str],
    *,
    sign_in: bool = True,
    guests: Callable[[System], AbstractAsyncContextManager[None]] = lambda _: nullcontext(),
) -> AsyncIterator[System]:
    """Start the roles, give the system, stop it. Raises Misconfigured, with what was started stopped again.

    `guests` come in as soon as the doors are open, while the monitor still starts, and leave before they are closed.
    """
    _refuse_unsafe(settings, sign_in)
    if roles == {"notify"} and not settings.notify.targets:
        raise Misconfigured("notify", "names no target: nobody would be told; docs/operations.md shows how")
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        storage = await asyncio.to_thread(wiring.open_storage, settings)
        stack.callback(storage.close)
        feed = await stack.enter_async_context(wiring.live_feed(settings))
        system = System(settings, PrometheusMetrics(), storage, feed)
        routers: list[APIRouter] = []
        if roles & {"gateway", "monitor", "bridge"}:
            broker = await stack.enter_async_context(wiring.broker(settings))
        if "gateway" in roles:
            door = wiring.gateway(settings, broker.publisher, storage, clock, system.metrics, sign_in=sign_in)
            routers.append(door)
        if "dashboard" in roles:
            routers.append(wiring.dashboard(settings, storage, feed, clock, sign_in=sign_in))
        if "monitor" in roles:
            system.waiting_for = lambda: "monitor"
        web = create_web(routers, system.metrics, lambda: system.waiting_for())
        try:
            system.port = await stack.enter_async_context(serving(web, settings.http.host, settings.http.port))
        except OSError as error:
            raise Misconfigured("http.port", f"{settings.http.port} cannot be used ({error.strerror})") from error
        await stack.enter_async_context(guests(system))
        if "notify" in roles and settings.notify.targets:
            await _start_notifier(stack, system, clock)
        if "bridge" in roles:
            _start_bridge(stack, system, broker.publisher, clock)
        if "monitor" in roles:
            await _start_monitor(stack, system, broker, clock)
        yield system


async def _start_notifier(stack: contextlib.AsyncExitStack, system: System, clock: Clock) -> None:
    relay = await asyncio.to_thread(wiring.notifier, system.settings, system.storage, clock, system.metrics)
    stack.push_async_callback(relay.cancel)
    around = chores.Around(system.settings, system.storage, system.feed, clock, system.metrics)
    for chore in chores.of_notifier(around, relay):
        _background(stack, system, every(chore.seconds, chore.step, chore.what), chore.what)


def _start_bridge(stack: contextlib.AsyncExitStack, system: System, publisher: FramePublisher, clock: Clock) -> None:
    settings = system.settings
    _ = settings.mqtt.address  # Misconfigured now rather than later
    files = wiring.broker_files(settings)
    bridge = wiring.bridge(settings, publisher, system.storage, clock, system.metrics)
    system.waiting_for = lambda: bridge.waiting_for
    _background(stack, system, bridge.run(), "bridge")
    if files is not None:
        around = chores.Around(settings, system.storage, system.feed, clock, system.metrics)
        for chore in chores.of_bridge(around, files):
            _background(stack, system, every(chore.seconds, chore.step, chore.what), chore.what)


async def _start_monitor(stack: contextlib.AsyncExitStack, system: System, broker: wiring.Broker, clock: Clock) -> None:
    from deploy.consumer import consuming  # faust, which dashboard and gateway do not need

    settings = system.settings
    succession = Succession(system.storage.models, settings.inference, settings.data_dir / "models", system.metrics)
    student = await asyncio.to_thread(succession.begin, clock)
    network = _LateNetwork()
    engine = Engine(network, load_card(student.model_dir), student)
    monitor = Monitor(
        ingest=settings.ingest,
        alarms=wiring.alarm_settings(settings, engine.thresholds),
        scorer=engine,
        store=system.storage.monitor,
        feed=system.feed,
        clock=clock,
        metrics=system.metrics,
        own_alarms=wiring.patient_alarms,
        ready=Warming().done,
    )
    worker = Worker(monitor, broker.publisher, settings.worker, clock, system.metrics)
    _background(stack, system, worker.run(), "worker")
    running_app = await stack.enter_async_context(consuming(settings, broker, worker))
    stack.callback(network.give_up)
    _background(stack, system, running_app.wait(), "consumer")
    around = chores.Around(settings, system.storage, system.feed, clock, system.metrics)
    for chore in chores.of_monitor(around, monitor, broker.publisher, broker.log):
        _background(stack, system, every(chore.seconds, chore.step, chore.what), chore.what)
    if settings.embedded:  # here devices are waiting already, and importing torch would hold up their first strips
        await _until_strips(system.feed, at_most_s=1.5)
    await asyncio.to_thread(network.load, student)
    _background(stack, system, every(settings.worker.models_s, _succeeding(succession, monitor), "models"), "models")
    system.waiting_for = lambda: None if running_app.ready else "partitions"


def _succeeding(succession: Succession, monitor: Monitor) -> Callable[[], Awaitable[object]]:
    async def step() -> None:
        await asyncio.to_thread(succession.step, monitor)

    return step


async def _until_strips(feed: LiveFeed, at_most_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(at_most_s), feed.subscribe() as messages:
            async for message in messages:
                if message.kind == "frame":
                    return


class _LateNetwork:
    """A network that is loaded last: the windows that ask it wait, while strips, vitals and their alarms have begun."""

    def __init__(self) -> None:
        self._network: Future[Network] = Future()

    def load(self, settings: InferenceSettings) -> None:
        """Load it. Raises Misconfigured, as does every call then."""
        self._network.set_running_or_notify_cancel()
        try:
            self._network.set_result(load_network(settings))
        except BaseException as error:
            self._network.set_exception(error)
            raise

    def give_up(self) -> None:
        """Nobody is to wait any longer."""
        self._network.cancel()

    def __call__(self, x: Floats) -> Floats:
        """float32 [b, classes] logits of `x` float32 [b, 1000]."""
        return self._network.result(_LOADING_MAX_S)(x)


def _refuse_unsafe(settings: Settings, sign_in: bool) -> None:
    if not sign_in and not (settings.embedded and settings.http.host in _LOOPBACK):
        raise Misconfigured("http.host", f"{settings.http.host} is not loopback: that needs --sign-in")


def _background(stack: contextlib.AsyncExitStack, system: System, work: Coroutine[Any, Any, None], what: str) -> None:
    task = asyncio.create_task(work, name=what)

    def ended(done: asyncio.Task[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None and not system.failed.done():
            system.failed.set_exception(error)

    task.add_done_callback(ended)

    async def stop() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task

    stack.push_async_callback(stop)
