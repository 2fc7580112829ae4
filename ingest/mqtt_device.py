"""The other end: a wearable that publishes its frames over MQTT 5 and waits for the broker to have them."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

from ingest.mqtt_link import new_client
from ingest.mqtt_topics import PREFIX, user_of
from ingest.settings import MqttAddress, mqtt_address
from liteheart.errors import Poison, Retryable
from liteheart.ids import DeviceId
from liteheart.signal import Frame
from liteheart.wire import encode_frame

log = logging.getLogger(__name__)

_ANSWER_S: Final = 15.0
_KEEPALIVE_S: Final = 30
_NOBODY_LISTENS: Final = 0x10  # MQTT 5: the broker has taken the message and kept it for nobody
_NOT_AUTHORISED: Final = (0x86, 0x87)  # MQTT 5: bad user name or password; not authorised
_REFUSED: Final = 0x80


class MqttSink:
    """Any number of devices, each over a connection of its own. Use as an async context manager."""

    def __init__(self, url: str, token_of: Callable[[DeviceId], str | None], cafile: Path | None = None) -> None:
        """`url` as mqtt(s)://host[:port]. Raises Misconfigured."""
        self._url, self._address = url, mqtt_address(url)
        self._token_of, self._cafile = token_of, cafile
        self._wearables: dict[DeviceId, _Wearable] = {}

    async def __aenter__(self) -> "MqttSink":
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(w.close() for w in self._wearables.values()))
        self._wearables.clear()

    async def send(self, frames: Sequence[Frame]) -> None:
        """Publish the frames of one device in one message. Raises Poison: never; Retryable: send them again."""
        device = frames[0].device
        wearable = self._wearables.get(device)
        if wearable is None or wearable.lost is not None:
            if wearable is not None:
                await wearable.close()
            wearable = _Wearable(device, self._address, self._cafile)
            await wearable.open(self._token_of(device))
            self._wearables[device] = wearable
        await wearable.publish(b"".join(encode_frame(f) for f in frames))


class _Wearable:
    """One connection."""

    def __init__(self, device: DeviceId, address: MqttAddress, cafile: Path | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = address
        self._user = user_of(device)
        self._client = new_client(self._user, address, cafile)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._open: asyncio.Future[None] = self._loop.create_future()
        self._sent: dict[int, asyncio.Future[int]] = {}
        self.lost: str | None = None

    async def open(self, token: str | None) -> None:
        """Raises Retryable, or Poison for a token that the broker does not know."""
        self._client.username_pw_set(self._user, token)
        where = f"{self._address.host}:{self._address.port}"
        try:
            await asyncio.to_thread(self._client.connect, *self._address[:2], _KEEPALIVE_S, clean_start=True)
        except (OSError, ValueError) as error:
            raise Retryable(f"{where} cannot be reached: {error}", delay_s=0.0) from error
        self._client.loop_start()
        try:
            async with asyncio.timeout(_ANSWER_S):
                await self._open
        except TimeoutError:
            await self.close()
            raise Retryable(f"{where} does not answer", delay_s=0.0) from None
        except BaseException:
            await self.close()
            raise

    async def publish(self, body: bytes) -> None:
        """Return when the broker has it. Raises Retryable or Poison."""
        info = self._client.publish(PREFIX + self._user, body, qos=1)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise Retryable(f"cannot publish: {info.rc}", delay_s=0.0)
        answer = self._sent[info.mid] = self._loop.create_future()
        try:
            async with asyncio.timeout(_ANSWER_S):
                code = await answer
        except TimeoutError:
            self.lost = "no answer"
            raise Retryable("the MQTT broker does not answer", delay_s=0.0) from None
        finally:
            self._sent.pop(info.mid, None)
        if code == _NOBODY_LISTENS:
            raise Retryable("no bridge has ever subscribed at the MQTT broker")
        if code in _NOT_AUTHORISED:
            raise Poison("topic", f"{self._user} may not publish there")
        if code >= _REFUSED:
            raise Poison("body", f"refused by the MQTT broker with reason 0x{code:02x}")

    async def close(self) -> None:
        """Leave."""

        def close() -> None:
            self._client.disconnect()
            self._client.loop_stop()

        await asyncio.to_thread(close)

    # on the client's thread

    def _on_connect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        refusal: Exception | None = None
        if reason.value in _NOT_AUTHORISED:
            refusal = Poison("token", f"the MQTT broker does not let {self._user} in: {reason}")
        elif reason.is_failure:
            refusal = Retryable(f"the MQTT broker does not let {self._user} in: {reason}")
        self._loop.call_soon_threadsafe(self._opened, refusal)

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._loop.call_soon_threadsafe(self._lose, str(reason))

    def _on_publish(self, _client: Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        self._loop.call_soon_threadsafe(self._published, mid, reason.value)

    # on the event loop

    def _opened(self, refusal: Exception | None) -> None:
        if self._open.done():
            return
        if refusal is None:
            self._open.set_result(None)
        else:
            self._open.set_exception(refusal)

    def _published(self, mid: int, code: int) -> None:
        answer = self._sent.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(code)

    def _lose(self, why: str) -> None:
        self.lost = self.lost or why
        error = Retryable(f"connection to the MQTT broker lost: {why}", delay_s=0.0)
        self._opened(error)
        for answer in self._sent.values():
            if not answer.done():
                answer.set_exception(error)
