"""`liteheart replay`: recordings act as wearables."""

import argparse
import asyncio
import json
import math
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.cli import EXIT_INPUT
from deploy.environment import environment
from deploy.role import add_config_argument
from deploy.settings import load
from ingest.ports import Record
from ingest.sources.device import FrameSink, HttpSink, Played, play
from ingest.sources.recording import Recording, find_recordings, read_recording
from ingest.sources.replay import frames_of, timeline
from liteheart.clock import SystemClock
from liteheart.errors import Misconfigured, Unreadable
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame
from liteheart.topics import FRAMES
from liteheart.wire import encode_frame

if TYPE_CHECKING:
    from ingest.publish import KafkaFramePublisher


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """REC..., --to, --url, --speed, --lead, --patient, --frame, --from, --seconds."""
    parser.add_argument("records", nargs="+", metavar="REC", type=Path, help="WFDB record, EDF+ file, or a folder")
    add_config_argument(parser)
    parser.add_argument("--to", choices=["http", "kafka", "mqtt"], default="http")
    parser.add_argument(
        "--url",
        help="the gateway (http://127.0.0.1:8080) or broker (mqtt://127.0.0.1:1883, mqtts://...); "
        "LITEHEART_TOKEN: device token",
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="the token instead, or a line `DEVICE TOKEN` for each device"
    )
    parser.add_argument("--cafile", type=Path, metavar="FILE", help="who signed the certificate of an mqtts:// broker")
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="N", help="N > 1: a back-fill that ends now (inf: at once)"
    )
    parser.add_argument("--lead", metavar="NAME", help="lead by name; default I, II, MLII, else the first")
    parser.add_argument("--patient", help="pseudonym; default the record's name")
    parser.add_argument("--frame", type=float, default=1.0, metavar="S", help="seconds in a frame (1)")
    parser.add_argument("--from", dest="start_s", type=float, default=0.0, metavar="S", help="begin at this second")
    parser.add_argument("--seconds", type=float, default=math.inf, metavar="S", help="play this much")


def run(args: argparse.Namespace) -> int:
    """Play all at once, one device each; one JSON line for each when it is done."""
    if not args.speed > 0:
        raise Misconfigured("--speed", f"{args.speed} is not positive")
    recordings, status = _read(args.records)
    if recordings:
        status = max(status, asyncio.run(_play_all(recordings, args)))
    return status


def _read(records: Sequence[Path]) -> tuple[list[Recording], int]:
    recordings, status = [], 0
    for record in records:
        try:
            paths = find_recordings(record)
        except Unreadable as error:
            print(f"liteheart replay: {error}", file=sys.stderr)
            status = EXIT_INPUT
            continue
        for path in paths:
            try:
                recordings.append(read_recording(path))
            except Unreadable as error:
                print(f"liteheart replay: {error}", file=sys.stderr)
                status = EXIT_INPUT
    return recordings, status


async def _play_all(recordings: Sequence[Recording], args: argparse.Namespace) -> int:
    if args.to == "kafka":
        from ingest.publish import KafkaFramePublisher  # slow to import

        publisher = KafkaFramePublisher(load(args.config).kafka_client)
        try:
            return await _play_into(recordings, args, KafkaSink(publisher))
        finally:
            await publisher.close()
    tokens = Tokens.read(args.token_file) if args.token_file else Tokens(environment().get("LITEHEART_TOKEN"))
    if args.to == "mqtt":
        from ingest.mqtt_device import MqttSink

        async with MqttSink(args.url or "mqtt://127.0.0.1:1883", tokens.of, args.cafile) as wearables:
            return await _play_into(recordings, args, wearables)
    async with HttpSink(args.url or "http://127.0.0.1:8080", tokens.any) as sink:
        return await _play_into(recordings, args, sink)


async def _play_into(recordings: Sequence[Recording], args: argparse.Namespace, sink: FrameSink) -> int:
    played = await asyncio.gather(*(_play_one(r, args, sink) for r in recordings))
    for recording, outcome in zip(recordings, played, strict=True):
        line = {"record": recording.name, "sent": outcome.sent, "refused": outcome.refused, "retries": outcome.retries}
        print(json.dumps(line | ({"reason": outcome.reason} if outcome.reason else {})))
    return EXIT_INPUT if any(p.reason for p in played) else 0


async def _play_one(recording: Recording, args: argparse.Namespace, sink: FrameSink) -> Played:
    name = pseudonym(recording.name)
    part = cut(recording, args.start_s, args.seconds)
    frames = frames_of(
        part,
        part.lead_index(args.lead),
        patient=PatientId(args.patient or name),
        device=DeviceId(f"replay-{name}"[:64]),
        boot=time.time_ns() // 1_000,
        t0_us=timeline(part.duration_s, args.speed, SystemClock().now_us()),
        frame_s=args.frame,
    )
    return await play(frames, sink, speed=args.speed)


def pseudonym(name: str) -> str:
    """A recording's name in the letters an identifier may have."""
    return re.sub(r"[^A-Za-z0-9._:-]+", "-", name).strip("._:-")[:48] or "record"


def cut(recording: Recording, start_s: float, seconds: float) -> Recording:
    """The stretch of a recording from `start_s` on, at most `seconds` long. Raises Unreadable when nothing is left."""
    a = round(start_s * recording.fs_hz)
    b = round(min(start_s + seconds, recording.duration_s) * recording.fs_hz)
    if not 0 <= a < b:
        raise Unreadable(recording.path, f"has nothing between {start_s:g} s and {start_s + seconds:g} s")
    return replace(recording, adc=recording.adc[:, a:b], invalid=recording.invalid[:, a:b])


@dataclass(frozen=True, slots=True)
class Tokens:
    """One token for every device, or each device's own."""

    any: str | None = field(default=None, repr=False)
    own: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, path: Path) -> "Tokens":
        """A file with one token, or with lines of a device and its token. Raises Misconfigured."""
        try:
            lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured("--token-file", f"{path} cannot be read ({type(error).__name__})") from None
        if len(lines) == 1 and len(lines[0]) == 1:
            return cls(lines[0][0])
        if not lines or any(len(line) != 2 for line in lines):
            raise Misconfigured("--token-file", f"{path} holds neither one token nor lines of a device and its token")
        return cls(None, dict(line for line in lines))

    def of(self, device: DeviceId) -> str | None:
        """The token of a device."""
        return self.own.get(device, self.any)


class KafkaSink:
    """Frames straight onto the bus, stamped as a gateway would."""

    def __init__(self, publisher: "KafkaFramePublisher") -> None:
        self._publisher = publisher

    async def send(self, frames: Sequence[Frame]) -> None:
        """Return when the broker has them. Raises Retryable."""
        now_us = SystemClock().now_us()
        await self._publisher.publish(
            [Record(FRAMES, f.patient.encode(), encode_frame(f.stamped(now_us)), (), now_us) for f in frames]
        )
