"""From wearables over Mosquitto, the bridge, Kafka and the monitor to the database, while all of them are torn down."""

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy
import wfdb
from kafka import KafkaConsumer, TopicPartition

from deploy.chaos.roles import Role, supervised
from deploy.services.kafka import Kafka, start_kafka
from deploy.services.mosquitto import BRIDGE, PASSWORD, Mosquitto, start_mosquitto
from deploy.services.process import ServiceMissing
from deploy.settings import load
from deploy.wiring import open_storage
from ingest.mqtt_device import MqttSink
from ingest.sources.device import Patience, Played, play
from liteheart.clock import SystemClock
from liteheart.errors import Poison, Retryable
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame
from liteheart.topics import FRAMES
from liteheart.wire import decode_frame

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]

DEVICES, FRAMES_EACH, SPEED = 4, 500, 10.0


@dataclass
class Plant:
    """Brokers and database of our own, which may be torn down, and the command line."""

    kafka: Kafka
    mosquitto: Mosquitto
    environ: dict[str, str]
    folder: Path
    tokens: dict[DeviceId, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "deploy", *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def role(self, name: str) -> Role:
        return Role(name, name, self.environ, self.folder)

    def add(self, device: str, patient: str) -> None:
        self.tokens[DeviceId(device)] = self.command("devices", "add", device, patient).strip()


@pytest.fixture(scope="module")
def plant(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    name = f"mqtt_{secrets.token_hex(4)}"
    admin = sqlalchemy.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    database = sqlalchemy.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    folder = tmp_path_factory.mktemp("mqtt")
    try:
        kafka, mosquitto = start_kafka(folder / "kafka"), start_mosquitto(folder / "mosquitto")
    except ServiceMissing as missing:
        pytest.skip(str(missing)) if os.environ.get("CI") != "true" else pytest.fail(str(missing))
    environ = {k: v for k, v in os.environ.items() if not k.startswith("LITEHEART_")} | {
        "LITEHEART_BROKER": kafka.url,
        "LITEHEART_DATABASE": database,
        "LITEHEART_DATA": str(folder / "data"),
        "LITEHEART_MQTT_URL": mosquitto.bridge_url,
        "LITEHEART_MQTT_USERNAME": BRIDGE,
        "LITEHEART_MQTT_PASSWORD": PASSWORD,
        "LITEHEART_MQTT_ACCOUNTS_DIR": str(mosquitto.folder / "accounts"),
        "LITEHEART_MQTT_ACCOUNTS_S": "0.5",
        "LITEHEART_MQTT_PID_FILE": str(mosquitto.pid_file),
    }
    plant = Plant(kafka, mosquitto, environ, folder)
    try:
        plant.command("migrate")
        plant.command("topics")
        yield plant
    finally:
        mosquitto.stop()
        kafka.stop()


def signal_of(device: str, patient: str, dice: np.random.Generator) -> list[Frame]:
    now_us = SystemClock().now_us()
    base = Frame(PatientId(patient), DeviceId(device), 1, 0, 0, 250.0, 1000.0, "I", np.zeros(250, np.int16))
    return [
        replace(
            base,
            sequence=i,
            t0_us=now_us + (i - FRAMES_EACH) * 1_000_000,
            samples=dice.integers(-500, 500, 250).astype(np.int16),
        )
        for i in range(FRAMES_EACH)
    ]


async def settle(plant: Plant, bridge: Role) -> None:
    """The broker has learnt of the devices from the bridge."""
    await bridge.ready(60)
    async with asyncio.timeout(30), MqttSink(plant.mosquitto.url, plant.tokens.get) as sink:
        for device in plant.tokens:
            while True:
                with contextlib.suppress(Poison, Retryable):
                    await sink.send([replace(signal_of(device, "nobody", np.random.default_rng(0))[0], boot=9)])
                    break
                await asyncio.sleep(0.2)


def test_every_frame_that_the_broker_took_is_stored_once_while_everything_is_torn_down(plant: Plant) -> None:
    dice = np.random.default_rng(6)
    wanted = {f"watch:{i}": signal_of(f"watch:{i}", f"p{i}", dice) for i in range(DEVICES)}
    for i in range(DEVICES):
        plant.add(f"watch:{i}", f"p{i}")
    bridge, monitor = plant.role("bridge"), plant.role("monitor")
    patience = Patience(batch=3, first_delay_s=0.2, longest_delay_s=1.0)

    async def tear_down() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(5)
        await bridge.kill()
        await asyncio.sleep(5)
        for service, away_s in ((plant.mosquitto, 1.0), (plant.kafka, 6.0)):
            await loop.run_in_executor(None, service.stop)
            await asyncio.sleep(away_s)
            if service is plant.kafka:
                await bridge.kill()  # with messages in hand that nobody has kept
            service.start()  # on this thread, which lives on
            await asyncio.sleep(4)
        await bridge.kill()
        await asyncio.sleep(3)
        await monitor.kill()

    async def run() -> list[Played]:
        async with supervised([bridge, monitor]), MqttSink(plant.mosquitto.url, plant.tokens.get) as sink:
            await settle(plant, bridge)
            work = asyncio.gather(
                *(play(f, sink, speed=SPEED, patience=patience) for f in wanted.values()), tear_down()
            )
            played: list[Any] = (await work)[:-1]
            storage = await asyncio.to_thread(open_storage, load(environ=plant.environ))
            try:
                async with asyncio.timeout(120):
                    while any(len(of(storage, i)) < FRAMES_EACH for i in range(DEVICES)):  # noqa: ASYNC110 - a database
                        await asyncio.sleep(0.5)
                await asyncio.sleep(2)
                for i in range(DEVICES):
                    kept = of(storage, i)
                    assert [f.sequence for f in kept] == list(range(FRAMES_EACH)), "each, and once"
                    for a, b in zip(kept, wanted[f"watch:{i}"], strict=True):
                        assert np.array_equal(a.samples, b.samples)
            finally:
                storage.close()
        return played

    played = asyncio.run(run())
    assert [(p.sent, p.refused, p.reason) for p in played] == [(FRAMES_EACH, 0, None)] * DEVICES
    for device, sequences in on_the_bus(plant).items():
        first = list(dict.fromkeys(sequences))
        assert first == list(range(FRAMES_EACH)), f"{device}: order on the bus"


def of(storage: Any, i: int) -> list[Frame]:
    return [f for f in storage.board.strip(PatientId(f"p{i}"), 0, 1 << 62) if f.boot == 1]


def on_the_bus(plant: Plant) -> dict[str, list[int]]:
    consumer = KafkaConsumer(bootstrap_servers=plant.kafka.bootstrap, consumer_timeout_ms=5_000)
    places = [TopicPartition(FRAMES.name, p) for p in range(FRAMES.partitions)]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    found: defaultdict[str, list[int]] = defaultdict(list)
    for record in consumer:
        frame = decode_frame(record.value)
        if frame.boot == 1:
            found[frame.device].append(frame.sequence)
    consumer.close()
    return found


def test_a_recording_plays_a_device_over_mqtt_and_a_revoked_device_is_out_within_seconds(plant: Plant) -> None:
    wfdb.wrsamp(
        "rec1", 250, ["mV"], ["I"], np.sin(np.arange(2500) / 40)[:, None], fmt=["16"], write_dir=str(plant.folder)
    )
    plant.add("replay-rec1", "rec1")
    bridge = plant.role("bridge")
    tokens = plant.folder / "tokens"
    tokens.write_text(f"replay-rec1 {plant.tokens[DeviceId('replay-rec1')]}\n")
    arguments = ["replay", str(plant.folder / "rec1"), "--to", "mqtt", "--url", plant.mosquitto.url]
    arguments += ["--token-file", str(tokens), "--speed", "inf"]

    async def run() -> str:
        async with supervised([bridge]):
            await bridge.ready(60)
            await settle(plant, bridge)
            out = await asyncio.to_thread(plant.command, *arguments)
            await asyncio.to_thread(plant.command, "devices", "revoke", "replay-rec1")
            began = asyncio.get_running_loop().time()
            while True:
                try:
                    async with MqttSink(plant.mosquitto.url, plant.tokens.get) as sink:
                        await sink.send(signal_of("replay-rec1", "rec1", np.random.default_rng(1))[:1])
                except Poison:
                    break
                assert asyncio.get_running_loop().time() - began < 5
                await asyncio.sleep(0.1)
            return out

    line = json.loads(asyncio.run(run()))
    assert line == {"record": "rec1", "sent": 10, "refused": 0, "retries": 0}


def test_the_files_for_mosquitto_are_written_by_the_command_line(plant: Plant, tmp_path: Path) -> None:
    plant.add("wearable-9", "p9")
    assert plant.command("devices", "mosquitto", "--out", str(tmp_path / "m")) == ""
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["acl", "liteheart.conf", "passwords"]
    accounts = [line.split(":")[0] for line in (tmp_path / "m" / "passwords").read_text().splitlines()]
    assert {"@bridge", "wearable-9"} <= set(accounts)
    assert f"keyfile {tmp_path}/m/server.key" in (tmp_path / "m" / "liteheart.conf").read_text()
