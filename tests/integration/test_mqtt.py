"""A real Mosquitto between devices and the bridge: who gets in, what is refused, and that nothing stops the bridge."""

import asyncio
import contextlib
import json
import os
import random
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.publish import single

from deploy.mosquitto import BrokerFiles
from deploy.services.mosquitto import BRIDGE, PASSWORD, Mosquitto, start_mosquitto
from deploy.services.process import HOST, find_program, listens
from deploy.transport.publisher import EmbeddedPublisher
from ingest.door import Door
from ingest.mqtt import Bridge
from ingest.mqtt_device import MqttSink
from ingest.mqtt_topics import PREFIX, user_of
from ingest.ports import Record
from ingest.settings import IngestSettings, MqttSettings
from liteheart.clock import SystemClock
from liteheart.errors import Poison, Retryable
from liteheart.ids import DeviceId, PatientId
from liteheart.metrics import NullMetrics
from liteheart.signal import Frame
from liteheart.topics import DEAD_LETTERS, FRAMES
from liteheart.wire import decode_frame, encode_frame
from storage.devices import Grant
from storage.log import DiskLog
from storage.mosquitto import mosquitto_hash

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.service, pytest.mark.timeout(120)]

A, B = DeviceId("aa:bb"), DeviceId("watch-2")
TOKENS = {A: secrets.token_urlsafe(32), B: secrets.token_urlsafe(32)}
HASHES = {device: mosquitto_hash(token) for device, token in TOKENS.items()}


@dataclass
class Ward:
    """The registry, and the bus behind the bridge, which may be out of order."""

    log: DiskLog
    given: dict[DeviceId, Grant] = field(
        default_factory=lambda: {A: Grant(A, PatientId("p1")), B: Grant(B, PatientId("p2"))}
    )
    refuses: bool = False
    refused: int = 0
    away: bool = False

    def __post_init__(self) -> None:
        self._publisher = EmbeddedPublisher(self.log)

    def grants_of(self, devices_asked: Collection[DeviceId], /) -> dict[DeviceId, Grant]:
        if self.away:
            raise Retryable("the registry is away")
        return {d: self.given[d] for d in devices_asked if d in self.given}

    async def publish(self, records: list[Record]) -> None:
        if self.refuses:
            self.refused += 1
            raise Retryable("out of order", delay_s=0.1)
        await self._publisher.publish(records)

    async def close(self) -> None:
        await self._publisher.close()

    def _all(self, topic: str) -> list[Any]:
        return [r for p in range(4) for r in self.log.read(topic, p, 0, 100_000)]

    def frames(self, device: DeviceId) -> list[Frame]:
        frames = [decode_frame(r.value) for r in self._all(FRAMES.name)]
        return [f for f in frames if f.device == device]

    def letter_count(self) -> int:
        return sum(self.log.end_offset(DEAD_LETTERS.name, p) for p in range(4))

    def letters(self) -> list[dict[str, str]]:
        return [{k: v.decode() for k, v in r.headers} for r in self._all(DEAD_LETTERS.name)]


@pytest.fixture
def ward(tmp_path: Path) -> Any:
    log = DiskLog(tmp_path / "log")
    yield Ward(log)
    log.close()


@pytest.fixture
def broker(mosquitto: Mosquitto) -> Mosquitto:
    """With both devices known and nothing waiting."""
    mosquitto.start()
    mosquitto.accounts.refresh(HASHES.items())
    time.sleep(0.3)  # a signal, then files to read
    return mosquitto


@contextlib.asynccontextmanager
async def bridging(ward: Ward, broker: Mosquitto, name: str, **other: Any) -> AsyncIterator[Bridge]:
    """A bridge that is subscribed; it is cancelled at the end."""
    settings = MqttSettings(url=broker.bridge_url, password=PASSWORD, name=name, retry_s=0.2, **other)
    door = Door(IngestSettings(), ward, SystemClock(), NullMetrics())
    bridge = Bridge(door, ward, ward, settings, NullMetrics())
    task = asyncio.create_task(bridge.run())
    try:
        await until(lambda: bridge.waiting_for is None or task.done())
        yield bridge
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - other threads and processes
            await asyncio.sleep(0.02)


def frames(device: DeviceId, patient: str, count: int, first: int = 0) -> list[Frame]:
    now_us = SystemClock().now_us()
    base = Frame(PatientId(patient), device, 1, 0, 0, 250.0, 1000.0, "I", np.arange(250, dtype=np.int16))
    return [
        replace(base, sequence=i, t0_us=now_us + (i - first - count) * 1_000_000) for i in range(first, first + count)
    ]


def device_3(device: DeviceId, broker: Mosquitto, token: str | None = None) -> Client:
    """A simple device that speaks MQTT 3.1.1 only."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311, reconnect_on_failure=False)
    client.username_pw_set(user_of(device), token or TOKENS[device])
    client.connect(HOST, broker.port)
    client.loop_start()
    return client


def test_frames_reach_the_bus_in_order_for_the_patient_of_the_device(ward: Ward, broker: Mosquitto) -> None:
    async def run() -> None:
        async with bridging(ward, broker, "order"), MqttSink(broker.url, TOKENS.get) as sink:
            for i in range(40):
                await asyncio.gather(sink.send(frames(A, "p1", 3, 3 * i)), sink.send(frames(B, "p2", 1, i)))
            await until(lambda: len(ward.frames(A)) == 120 and len(ward.frames(B)) == 40)

    asyncio.run(run())
    assert [f.sequence for f in ward.frames(A)] == list(range(120))
    assert [f.sequence for f in ward.frames(B)] == list(range(40))
    assert {f.patient for f in ward.frames(A)} == {"p1"}
    assert ward.letters() == []


def test_a_device_of_mqtt_3_and_json(ward: Ward, broker: Mosquitto) -> None:
    one = {"patient": "p2", "device": B, "boot": 1, "sequence": 5, "fs_hz": 250, "lead": "I", "mv": [0.1, 0.2]}

    async def run() -> None:
        async with bridging(ward, broker, "simple"):
            client = await asyncio.to_thread(device_3, B, broker)
            body = json.dumps(one | {"t0_us": SystemClock().now_us()})
            await asyncio.to_thread(client.publish(PREFIX + B, body, qos=1).wait_for_publish, 5)
            await until(lambda: ward.frames(B))
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)

    asyncio.run(run())
    assert ward.frames(B)[0].samples.tolist() == [100, 200]


def test_nobody_comes_in_without_the_token_of_the_device(broker: Mosquitto) -> None:
    async def attempt(device: DeviceId, token: str | None) -> None:
        async with MqttSink(broker.url, lambda _: token) as sink:
            await sink.send(frames(device, "p1", 1))

    for device, token in ((A, TOKENS[B]), (A, None), (A, ""), (DeviceId("stranger"), TOKENS[A]), (A, HASHES[A])):
        with pytest.raises(Poison, match="token"):
            asyncio.run(attempt(device, token))


def test_a_device_may_write_to_its_own_topic_and_read_none(ward: Ward, broker: Mosquitto) -> None:
    heard: list[str] = []
    answers: dict[int, int] = {}

    async def run() -> None:
        async with bridging(ward, broker, "rights"):
            client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
            client.username_pw_set(user_of(B), TOKENS[B])
            client.on_message = lambda _c, _d, message: heard.append(message.topic)
            client.on_publish = lambda _c, _d, mid, reason, _p: answers.update({mid: reason.value})
            client.connect(HOST, broker.port)
            client.loop_start()
            client.subscribe([("#", 1), ("$SYS/#", 1), (f"{PREFIX}+", 1)])
            body = encode_frame(frames(B, "p2", 1)[0])
            foreign = [
                client.publish(t, body, qos=1).mid for t in (PREFIX + user_of(A), PREFIX, "other", f"{PREFIX}{B}/x")
            ]
            own = client.publish(PREFIX + B, body, qos=1).mid
            await until(lambda: len(answers) == 5)
            await until(lambda: ward.frames(B))
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)
            assert {answers[mid] for mid in foreign} == {0x87}
            assert answers[own] == 0

    asyncio.run(run())
    assert heard == []
    assert ward.letters() == []


def test_a_device_cannot_take_the_session_of_another_or_of_the_bridge(ward: Ward, broker: Mosquitto) -> None:
    async def run() -> None:
        async with bridging(ward, broker, "theirs") as bridge, MqttSink(broker.url, TOKENS.get) as sink:
            await sink.send(frames(A, "p1", 1))
            for name in ("theirs", user_of(A)):
                client = Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=True)
                client.username_pw_set(B, TOKENS[B])
                client.connect(HOST, broker.port)
                client.loop_start()
                await until(client.is_connected)
                client.disconnect()
                await asyncio.to_thread(client.loop_stop)
            await asyncio.sleep(0.2)
            assert bridge.waiting_for is None
            assert all(w.lost is None for w in sink._wearables.values())
            await sink.send(frames(A, "p1", 1, 1))
            await until(lambda: len(ward.frames(A)) == 2)

    asyncio.run(run())


def test_a_frame_for_another_patient_or_device_and_one_of_a_revoked_device_are_dead_letters(
    ward: Ward, broker: Mosquitto
) -> None:
    async def run() -> None:
        async with bridging(ward, broker, "refusals"), MqttSink(broker.url, TOKENS.get) as sink:
            await sink.send(frames(A, "p2", 1))
            await sink.send([replace(frames(A, "p1", 1)[0]), replace(frames(B, "p1", 1)[0])])
            await until(lambda: len(ward.letters()) == 2)
            del ward.given[A]  # revoked, and the broker does not know yet
            await sink.send(frames(A, "p1", 1))
            await until(lambda: len(ward.letters()) == 3)
            await sink.send(frames(B, "p2", 1))
            await until(lambda: ward.frames(B))

    asyncio.run(run())
    assert [letter["field"] for letter in ward.letters()] == ["patient", "device", "token"]
    assert {letter["source"] for letter in ward.letters()} == {f"mqtt {A}"}
    assert ward.frames(A) == [], "all of a message, or nothing"


def test_a_revoked_device_is_put_out_and_does_not_come_back(broker: Mosquitto) -> None:
    async def run() -> float:
        async with MqttSink(broker.url, TOKENS.get) as sink:
            with contextlib.suppress(Retryable):  # nobody listens, perhaps
                await sink.send(frames(A, "p1", 1))
            began = time.monotonic()
            broker.accounts.refresh([(B, HASHES[B])])
            await until(lambda: sink._wearables[A].lost is not None, 5)
            took_s = time.monotonic() - began
            with pytest.raises(Poison, match="token"):
                await sink.send(frames(A, "p1", 1))
        return took_s

    assert asyncio.run(run()) < 2


def test_while_the_bus_is_out_of_order_messages_wait_in_bounds_and_none_is_lost(ward: Ward, broker: Mosquitto) -> None:
    async def run() -> None:
        async with bridging(ward, broker, "waits", receive_maximum=10), MqttSink(broker.url, TOKENS.get) as sink:
            ward.refuses = True
            for i in range(60):
                await sink.send(frames(A, "p1", 1, i))  # the broker takes them all the same
            await until(lambda: ward.refused >= 3)
            assert ward.frames(A) == []
            ward.refuses = False
            await until(lambda: len(ward.frames(A)) == 60)

    asyncio.run(run())
    assert [f.sequence for f in ward.frames(A)] == list(range(60))


def test_while_the_registry_is_away_known_devices_go_on_and_others_wait(ward: Ward, broker: Mosquitto) -> None:
    async def run() -> None:
        async with bridging(ward, broker, "registry", receive_maximum=40), MqttSink(broker.url, TOKENS.get) as sink:
            await sink.send(frames(A, "p1", 1))
            await until(lambda: len(ward.frames(A)) == 1)
            ward.away = True
            for i in range(20):
                await sink.send(frames(B, "p2", 1, i))
                await sink.send(frames(A, "p1", 1, i + 1))
            await until(lambda: len(ward.frames(A)) == 21)
            assert (ward.frames(B), ward.letters()) == ([], [])
            for i in range(20, 60):  # more than may be in hand
                await sink.send(frames(B, "p2", 1, i))
            ward.away = False
            await until(lambda: len(ward.frames(B)) == 60)

    asyncio.run(run())
    assert [f.sequence for f in ward.frames(B)] == list(range(60))


def test_what_a_bridge_had_not_acknowledged_comes_to_the_next(ward: Ward, broker: Mosquitto) -> None:
    async def run() -> None:
        async with MqttSink(broker.url, TOKENS.get) as sink:
            async with bridging(ward, broker, "heir", stop_s=0.2):
                ward.refuses = True
                await sink.send(frames(A, "p1", 5))
                await until(lambda: ward.refused)
            await sink.send(frames(A, "p1", 5, 5))  # nobody is there
            ward.refuses = False
            broker.stop()
            broker.start()
            async with bridging(ward, broker, "heir"):
                await until(lambda: len(ward.frames(A)) >= 10)

    asyncio.run(run())
    assert [f.sequence for f in ward.frames(A)] == list(range(10))


def test_ten_thousand_hostile_messages_and_huge_ones_leave_the_bridge_alive(ward: Ward, broker: Mosquitto) -> None:
    dice = random.Random(7)
    good = encode_frame(frames(A, "p1", 1)[0])

    def hostile() -> bytes:
        kind = dice.randrange(4)
        if kind == 0:
            return dice.randbytes(dice.randrange(500))
        if kind == 1:
            return good[: dice.randrange(len(good))]
        if kind == 2:
            at = dice.randrange(len(good))
            return good[:at] + bytes([good[at] ^ (1 << dice.randrange(8))]) + good[at + 1 :]
        return dice.choice([b'{"a":', b'{"frames":[[', b'{"mv":[1e400,']) * dice.randrange(1, 200)

    bodies = [hostile() for _ in range(10_000)] + [b"{" * 500_000, bytes(600_000), b'{"frames":[' + b"[" * 250_000]

    async def run() -> None:
        async with bridging(ward, broker, "hostile") as bridge, MqttSink(broker.url, TOKENS.get) as sink:
            await sink.send(frames(A, "p1", 1))
            client = sink._wearables[A]._client
            for body in bodies:
                client.publish(PREFIX + user_of(A), body, qos=1)
            await until(lambda: ward.letter_count() == len(bodies), 60)
            client.publish(PREFIX + user_of(A), bytes(2_000_000), qos=1)  # more than the broker takes: it hangs up
            await until(lambda: sink._wearables[A].lost is not None)
            await sink.send(frames(A, "p1", 1, 1))
            await until(lambda: len(ward.frames(A)) == 2)
            assert bridge.waiting_for is None

    asyncio.run(run())
    assert all(letter["reason"] for letter in ward.letters())
    assert sum(letter["reason"].startswith("is more than") for letter in ward.letters()) == 2


def test_messages_that_ask_for_no_acknowledgement_are_taken_and_bounded(ward: Ward, broker: Mosquitto) -> None:
    async def run() -> None:
        async with bridging(ward, broker, "casual", receive_maximum=50), MqttSink(broker.url, TOKENS.get) as sink:
            ward.refuses = True
            await sink.send(frames(A, "p1", 1))
            await until(lambda: ward.refused)
            client = sink._wearables[A]._client
            body = encode_frame(frames(A, "p1", 1, 1)[0])
            for _ in range(500):
                client.publish(PREFIX + user_of(A), body, qos=0)
            await asyncio.sleep(1.0)
            ward.refuses = False
            await until(lambda: len(ward.frames(A)) >= 40)
            await asyncio.sleep(0.5)

    asyncio.run(run())
    assert 40 <= len(ward.frames(A)) <= 60, "the first message and no more than the bridge holds"


@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket")  # paho leaves a failed handshake to the GC
def test_over_tls_with_a_certificate_that_is_checked(ward: Ward, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    broker = start_mosquitto(tmp_path / "tls", certificate=certificate, key=key)
    try:
        broker.accounts.refresh(HASHES.items())
        time.sleep(0.3)

        async def run() -> None:
            async with bridging(ward, broker, "tls"):
                async with MqttSink(broker.url, TOKENS.get, certificate) as sink:
                    await sink.send(frames(A, "p1", 200))
                    await until(lambda: len(ward.frames(A)) == 200)
                async with MqttSink(broker.url, TOKENS.get) as suspicious:
                    with pytest.raises(Retryable, match="certificate"):
                        await suspicious.send(frames(A, "p1", 1))

        asyncio.run(run())
    finally:
        broker.stop()


def self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address(HOST))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key").write_bytes(key.private_bytes(*encoding))
    return folder / "crt", folder / "key"


def test_mosquittos_own_tool_reads_and_extends_our_file(broker: Mosquitto, tmp_path: Path) -> None:
    """Its tool changes one line and leaves ours as they are; the broker takes both."""
    passwords = broker.folder / "accounts" / "passwords"
    before = passwords.read_text().splitlines()
    tool = find_program("mosquitto_passwd")
    subprocess.run([tool, "-b", str(passwords), "by-hand", "secret"], check=True, capture_output=True)
    assert passwords.read_text().splitlines()[:-1] == before
    broker.accounts._untold = True
    broker.accounts.refresh(
        [*HASHES.items(), (DeviceId("by-hand"), passwords.read_text().splitlines()[-1].split(":")[1])]
    )
    time.sleep(0.3)
    auth: Any = {"username": "by-hand", "password": "secret"}
    single(f"{PREFIX}by-hand", b"x", qos=1, hostname=HOST, port=broker.port, auth=auth)


def test_the_bridge_itself_needs_its_password(ward: Ward, broker: Mosquitto) -> None:
    async def run() -> None:
        settings = MqttSettings(url=broker.bridge_url, username=BRIDGE, password="wrong", name="wrong", retry_s=0.1)
        door = Door(IngestSettings(), ward, SystemClock(), NullMetrics())
        bridge = Bridge(door, ward, ward, settings, NullMetrics())
        task = asyncio.create_task(bridge.run())
        await asyncio.sleep(1.0)
        assert bridge.waiting_for == "mqtt broker"
        assert not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_in_a_container_the_broker_is_told_by_its_own_script(ward: Ward, tmp_path: Path) -> None:
    """`deploy/compose/mosquitto.sh` instead of a pid file: the bridge is in another container."""
    service = start_mosquitto(tmp_path / "broker")
    service.stop()
    accounts = BrokerFiles(service.folder / "accounts", BRIDGE, PASSWORD)
    accounts.refresh(HASHES.items())
    script = ROOT / "deploy" / "compose" / "mosquitto.sh"
    path = f"{Path(find_program('mosquitto')).parent}:{os.environ['PATH']}"
    with subprocess.Popen(
        ["/bin/sh", str(script), str(service.folder / "accounts"), str(service.folder / "mosquitto.conf")],
        env={"PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:

        async def run() -> None:
            await until(lambda: listens(service.port))
            async with MqttSink(service.url, TOKENS.get) as sink:
                with contextlib.suppress(Retryable):
                    await sink.send(frames(A, "p1", 1))
                accounts.refresh([(B, HASHES[B])])
                await until(lambda: sink._wearables[A].lost is not None, 5)

        try:
            asyncio.run(run())
        finally:
            running.terminate()
            assert running.wait(10) == 0
    assert not listens(service.port)
