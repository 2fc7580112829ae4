"""faust's aiokafka driver with honest commits and a fetch wait of our choosing, for `safekafka://host:port`."""

import ssl
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from faust import SASLCredentials, SSLCredentials
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT, ConsumerMessage
from yarl import URL

from deploy.transport.commits import ContiguousCommits
from ingest.settings import KafkaSettings

SCHEME = "safekafka"
FETCH_MAX_WAIT_S = 0.05  # how long a broker may hold a fetch that found little; faust has 1.5 s built in


def register() -> None:
    """Make faust know `safekafka://` (for its own command line; `create_app` needs no registration)."""
    TRANSPORTS.aliases[SCHEME] = f"{__name__}:Transport"


def credentials(access: KafkaSettings) -> SASLCredentials | SSLCredentials | None:
    """What faust must show the broker, from the settings that the publisher reads too; None where nothing is asked."""
    tls = ssl.create_default_context(cafile=access.ssl_cafile) if access.security_protocol.endswith("SSL") else None
    if access.security_protocol.startswith("SASL"):
        return SASLCredentials(
            username=access.sasl_username,
            password=access.sasl_password,
            mechanism=access.sasl_mechanism,
            ssl_context=tls,
        )
    return SSLCredentials(tls) if tls else None


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The driver's thread, with the fetch wait of its transport."""

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        if not hasattr(consumer, "_fetch_max_wait_ms"):
            raise RuntimeError("this aiokafka has no _fetch_max_wait_ms: deploy/transport was written for 0.14")
        wait_s = transport.fetch_max_wait_s if isinstance(transport, Transport) else FETCH_MAX_WAIT_S
        consumer._fetch_max_wait_ms = round(wait_s * 1000)
        return consumer


class Consumer(ContiguousCommits, driver.Consumer):
    """The driver's consumer, with `ContiguousCommits`."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        message = super()._to_message(tp, record)
        self._hand_out(tp, message.offset)
        return message


class Transport(driver.Transport):
    """The driver's transport, with our consumer."""

    Consumer = Consumer

    def __init__(
        self, url: Sequence[URL], app: AppT, *, fetch_max_wait_s: float = FETCH_MAX_WAIT_S, **kwargs: Any
    ) -> None:
        super().__init__(list(url), app, **kwargs)
        self.fetch_max_wait_s = fetch_max_wait_s
