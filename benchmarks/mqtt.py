"""The MQTT bridge between a real Mosquitto and a real Kafka: how much it carries, and how long a frame is on its way.

`python -m benchmarks.mqtt [--quick]`: it starts both brokers, so it is none of `make bench`.
"""

import argparse
import asyncio
import contextlib
import logging
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, Measured, Options, figure
from deploy.services.kafka import start_kafka
from deploy.services.mosquitto import PASSWORD, Mosquitto, start_mosquitto
from ingest.door import Door
from ingest.mqtt import Bridge
from ingest.mqtt_device import MqttSink
from ingest.ports import Record
from ingest.publish import KafkaFramePublisher, create_topics
from ingest.settings import IngestSettings, KafkaSettings, MqttSettings
from ingest.sources.simulate import Episode, simulate
from liteheart.clock import US_PER_S, SystemClock
from liteheart.ids import DeviceId, PatientId
from liteheart.metrics import NullMetrics
from liteheart.signal import Frame
from liteheart.topics import DEAD_LETTERS, FRAMES
from liteheart.wire import decode_frame
from storage.devices import Grant
from storage.mosquitto import mosquitto_hash

FS_HZ: Final = 250.0
DEVICES: Final = 20
IN_FLIGHT: Final = 20  # messages of one device on their way to the broker
LIVE_HZ: Final = 500  # frames a second of all devices while the way is timed


class Everyone:
    """A registry in which device dN is given to patient pN."""

    def grants_of(self, devices_asked: Collection[DeviceId], /) -> dict[DeviceId, Grant]:
        """All that are asked for."""
        return {d: Grant(d, PatientId(f"p{d[1:]}")) for d in devices_asked}


class Timed:
    """The bus, which remembers when each frame was durable."""

    def __init__(self, publisher: KafkaFramePublisher) -> None:
        self._publisher = publisher
        self._kept: list[tuple[float, Sequence[Record]]] = []
        self.count = 0

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when Kafka has them."""
        await self._publisher.publish(records)
        self._kept.append((time.perf_counter(), records))
        self.count += len(records)

    def kept(self) -> dict[tuple[str, int], float]:
        """When each device's frame was."""
        frames = ((at, decode_frame(r.value)) for at, records in self._kept for r in records)
        return {(f.device, f.sequence): at for at, f in frames}

    async def close(self) -> None:
        """Let go."""
        await self._publisher.close()


def benchmark(options: Options) -> Iterator[Figure]:
    """Frames a second that waited at the broker, one and thirty a message; the way of a live frame."""
    count, rounds = (2_000, 1) if options.quick else (20_000, 3)
    with tempfile.TemporaryDirectory(prefix="liteheart-mqtt-") as folder:
        kafka = start_kafka(Path(folder) / "kafka")
        mosquitto = start_mosquitto(Path(folder) / "mosquitto")
        try:
            create_topics(KafkaSettings(kafka.bootstrap), [FRAMES, DEAD_LETTERS])
            mosquitto.accounts.refresh((DeviceId(f"d{i}"), mosquitto_hash("t")) for i in range(DEVICES))
            time.sleep(0.5)
            bench = _Bench(mosquitto, kafka.bootstrap, options.seed)
            for per_message in (1, 30):
                each = [asyncio.run(bench.drained(count, per_message)) for _ in range(rounds)]
                rate, cpu = (Measured.of(values) for values in zip(*each, strict=True))
                name = f"drain_{per_message}_a_message"
                yield figure(f"{name}_frames_s", "frames/s", rate, note="Mosquitto, bridge and Kafka on this machine")
                yield figure(f"{name}_cpu_us_frame", "us", cpu, better="less", note="of the bridge's process")
            ways = sorted(asyncio.run(bench.lived(2.0 if options.quick else 20.0)))
            note = f"{LIVE_HZ} frames/s of {DEVICES} devices: publish to durable on Kafka"
            yield figure("way_p50_ms", "ms", Measured.of([statistics.median(ways)]), better="less", note=note)
            yield figure("way_p99_ms", "ms", Measured.of([ways[len(ways) * 99 // 100]]), better="less", note=note)
        finally:
            mosquitto.stop()
            kafka.stop()


class _Bench:
    def __init__(self, mosquitto: Mosquitto, bootstrap: str, seed: int) -> None:
        self._mosquitto, self._bootstrap = mosquitto, bootstrap
        self._ecg = simulate([Episode("sinus", 60.0, rate_bpm=72)], fs_hz=FS_HZ, seed=seed).adc
        self._boot = 0

    async def drained(self, count: int, per_message: int) -> tuple[float, float]:
        """Frames a second, and CPU microseconds a frame, from the connection on, of `count` that waited."""
        self._boot += 1
        async with self._bridging():  # so that the broker has a session to keep them for
            pass
        messages = [
            self._frames(i % DEVICES, i // DEVICES * per_message, per_message) for i in range(count // per_message)
        ]
        await self._send(messages)
        cpu, began = time.process_time(), time.perf_counter()
        async with self._bridging() as bus:
            await _until(bus, count // per_message * per_message)
            cpu, last = time.process_time() - cpu, max(bus.kept().values())
        return bus.count / (last - began), cpu / bus.count * 1e6

    async def lived(self, seconds: float) -> list[float]:
        """Milliseconds from publish to durable of each frame while they come at an even pace."""
        self._boot += 1
        sent: dict[tuple[str, int], float] = {}
        async with self._bridging() as bus, self._sink() as sink, asyncio.TaskGroup() as group:
            for i in range(DEVICES):
                await sink.send(self._frames(i, 0, 1))
            began = time.perf_counter()
            for k in range(round(seconds * LIVE_HZ)):
                frames = self._frames(k % DEVICES, 1 + k // DEVICES, 1)
                await asyncio.sleep(max(0.0, began + k / LIVE_HZ - time.perf_counter()))
                sent[frames[0].device, frames[0].sequence] = time.perf_counter()
                group.create_task(sink.send(frames))
            await _until(bus, len(sent) + DEVICES)
        kept = bus.kept()
        return [(kept[key] - at) * 1e3 for key, at in sent.items()]

    @contextlib.asynccontextmanager
    async def _bridging(self) -> AsyncIterator[Timed]:
        settings = MqttSettings(url=self._mosquitto.bridge_url, password=PASSWORD, retry_s=0.1)
        bus = Timed(KafkaFramePublisher(KafkaSettings(self._bootstrap)))
        bridge = Bridge(
            Door(IngestSettings(), bus, SystemClock(), NullMetrics()), Everyone(), bus, settings, NullMetrics()
        )
        task = asyncio.create_task(bridge.run())
        try:
            while bridge.waiting_for is not None:  # noqa: ASYNC110 - a figure, not a service
                await asyncio.sleep(0.001)
            yield bus
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await bus.close()

    def _sink(self) -> MqttSink:
        return MqttSink(self._mosquitto.url, lambda _: "t")

    async def _send(self, messages: Sequence[list[Frame]]) -> None:
        places = [asyncio.Semaphore(IN_FLIGHT) for _ in range(DEVICES)]
        async with self._sink() as sink:
            for i in range(DEVICES):
                await sink.send(messages[i])  # connects

            async def one(i: int) -> None:
                async with places[i % DEVICES]:
                    await sink.send(messages[i])

            await asyncio.gather(*(one(i) for i in range(DEVICES, len(messages))))

    def _frames(self, device: int, first: int, count: int) -> list[Frame]:
        now_us, n = SystemClock().now_us(), round(FS_HZ)
        out = []
        for sequence in range(first, first + count):
            at = sequence * n % (len(self._ecg) - n)
            t0_us = now_us - 3600 * US_PER_S + sequence * US_PER_S
            samples = self._ecg[at : at + n]
            who = PatientId(f"p{device}"), DeviceId(f"d{device}")
            out.append(Frame(*who, self._boot, sequence, t0_us, FS_HZ, 1000.0, "I", samples, battery_pct=80))
        return out


async def _until(bus: Timed, count: int) -> None:
    async with asyncio.timeout(120):
        while bus.count < count:  # noqa: ASYNC110 - a figure, not a service
            await asyncio.sleep(0.005)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mqtt", description="one JSON line a figure")
    parser.add_argument("--quick", action="store_true")
    logging.getLogger("ingest").setLevel(logging.ERROR)
    options = Options(quick=parser.parse_args().quick)
    for found in benchmark(options):
        print(found.line("mqtt", options), flush=True)


if __name__ == "__main__":
    main()
