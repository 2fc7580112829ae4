"""The faust application as every worker has it, and its life inside an event loop that is already there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import faust
from aiokafka.errors import KafkaError
from faust.transport.consumer import Consumer
from mode import CrashingSupervisor

from deploy.transport import embedded, kafka
from ingest.settings import KafkaSettings
from liteheart.errors import Misconfigured, Retryable


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How the group behaves. The session must outlast a pause of the interpreter, not a crash."""

    session_timeout_s: float = 6.0  # a worker that is silent this long has lost its partitions; brokers allow no less
    heartbeat_s: float = 1.5
    rebalance_timeout_s: float = 10.0
    commit_interval_s: float = 1.0  # work that is done twice after a crash, at most
    fetch_max_wait_s: float = kafka.FETCH_MAX_WAIT_S  # part of every alarm's latency on Kafka
    buffer_records: int = 4096  # in front of the agent; beyond it fetching pauses


def create_app(
    *,
    broker: str,
    app_id: str,
    data_dir: Path,
    settings: StreamSettings | None = None,
    publisher: embedded.EmbeddedPublisher | None = None,
    access: KafkaSettings | None = None,
) -> faust.App:
    """A faust app without agents, nothing started. `app_id` is the consumer group.

    `broker` is `kafka://host:port[,host:port]`, with the TLS and SASL of `access`, or `embedded`, which needs
    `publisher`. Raises Misconfigured.
    """
    settings = settings or StreamSettings()
    app = faust.App(app_id, broker=_urls(broker), **_options(settings, data_dir))
    if access is not None:
        app.conf.broker_credentials = kafka.credentials(access)
    if broker.partition(":")[0] == embedded.SCHEME:
        if publisher is None:
            raise Misconfigured("broker", "the embedded broker needs the publisher that owns its log")
        app.transport = embedded.Transport(app.conf.broker_consumer, app, publisher=publisher)
    else:
        wait_s = settings.fetch_max_wait_s
        app.transport = kafka.Transport(app.conf.broker_consumer, app, fetch_max_wait_s=wait_s)
    app.producer_transport = app.transport
    return app


def _urls(broker: str) -> str:
    scheme, _, rest = broker.partition("://")
    if scheme == embedded.SCHEME:
        return f"{scheme}://{rest or 'log'}"
    if scheme not in ("kafka", kafka.SCHEME) or not rest:
        raise Misconfigured("broker", f"{broker!r} is neither 'embedded' nor kafka://host:port")
    return ";".join(f"{kafka.SCHEME}://{host.strip()}" for host in rest.split(","))


def _options(settings: StreamSettings, data_dir: Path) -> dict[str, Any]:
    return {
        "datadir": data_dir / "faust",
        "autodiscover": False,
        "web_enabled": False,  # its server would listen on every interface
        "worker_redirect_stdouts": False,
        "key_serializer": "raw",
        "value_serializer": "raw",
        "agent_supervisor": CrashingSupervisor,  # a restarted agent would leave a hole and stall; a process does not
        "stream_wait_empty": False,  # else one unfinished record holds up every stop and rebalance for ever
        "stream_buffer_maxsize": settings.buffer_records,
        "broker_session_timeout": settings.session_timeout_s,
        "broker_heartbeat_interval": settings.heartbeat_s,
        "broker_rebalance_timeout": settings.rebalance_timeout_s,
        "broker_commit_interval": settings.commit_interval_s,
        "topic_allow_declare": False,  # topics are made by `create_topics`, with the partitions they must have
        "topic_disable_leader": True,
        "table_standby_replicas": 0,  # there are no tables
        "consumer_auto_offset_reset": "earliest",
    }


@dataclass(slots=True)
class Running:
    """An app that runs in our event loop."""

    app: faust.App
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ready(self) -> bool:
        """Whether it has its partitions and reads them."""
        app = self.app
        return (
            not (app.crashed or app.rebalancing or self._stopping.is_set()) and cast(Consumer, app.consumer).flow_active
        )

    async def wait(self) -> None:
        """Return when it was stopped. Raises what crashed it; the work it held is done again after a restart."""
        await self.app.wait()
        if not self._stopping.is_set() and self.app.crash_reason is not None:
            raise self.app.crash_reason


@contextlib.asynccontextmanager
async def run_app(app: faust.App, *, ready_timeout_s: float = 60.0) -> AsyncIterator[Running]:
    """Start `app` in this loop, give it once it reads its partitions, stop it on the way out.

    On the way out what is acknowledged is committed; what is not comes again. Raises Retryable when the broker
    does not answer or gives no partitions in time, and what crashed it while starting.
    """
    running = Running(app)
    try:
        try:
            await asyncio.wait_for(app.start(), ready_timeout_s)
        except TimeoutError as error:
            raise Retryable(f"no partitions within {ready_timeout_s:g} s from {_hosts(app)}") from error
        except KafkaError as error:
            raise Retryable(f"Kafka at {_hosts(app)}: {error}") from error
        if app.crash_reason is not None:
            raise app.crash_reason
        yield running
    finally:
        running._stopping.set()
        await app.stop()


def _hosts(app: faust.App) -> str:
    return ",".join(url.authority for url in app.conf.broker)
