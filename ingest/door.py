"""What the gateway does with a body, whichever way it came: all of its frames are kept, or none and the reason is."""

import asyncio
import json
import logging
from collections.abc import Iterable, Iterator

from ingest.ports import Departed, DeviceGrant, FramePublisher, Record
from ingest.settings import IngestSettings
from ingest.validate import check_frame, frame_from_json
from liteheart import topics
from liteheart.clock import Clock
from liteheart.errors import LiteHeartError, Poison
from liteheart.metrics import Metrics
from liteheart.signal import Frame
from liteheart.wire import decode_frames, encode_frame

log = logging.getLogger(__name__)

BINARY = ("application/octet-stream", "application/vnd.liteheart.frame")
JSON = "application/json"
_SET_ASIDE_S = 5.0  # a device is not kept waiting for its own refusal


class TooLarge(Poison):
    """This is more than one body may hold; send fewer frames at once."""


class Forbidden(LiteHeartError):
    """The token is valid, but not for this patient and device."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Door:
    """Decodes, judges, stamps and publishes."""

    def __init__(
        self,
        settings: IngestSettings,
        publisher: FramePublisher,
        clock: Clock,
        metrics: Metrics,
        departed: Departed | None = None,
    ) -> None:
        self.settings = settings
        self._publisher = publisher
        self._clock = clock
        self._metrics = metrics
        self._departed = departed

    def decode(self, body: bytes, content_type: str) -> list[Frame]:
        """The frames of a body. Raises Poison."""
        if not body:
            raise Poison("body", "is empty")
        if content_type in BINARY:
            frames = self._count(decode_frames(body))
        elif content_type == JSON:
            frames = self._count(_json_frames(body))
        else:
            raise Poison("content-type", f"must be {BINARY[0]} or {JSON}")
        if not frames:
            raise Poison("body", "holds no frame")
        return frames

    async def admit(self, frames: list[Frame], grant: DeviceGrant | None) -> None:
        """Return once all frames are durable. Raises Forbidden, Poison, or Retryable when they cannot be kept now."""
        await self._publisher.publish(self.judged(frames, grant))
        self._metrics.count("frames_accepted", len(frames))

    def judged(self, frames: list[Frame], grant: DeviceGrant | None) -> list[Record]:
        """The frames as records to publish, stamped with their arrival. Raises Forbidden or Poison."""
        now_us = self._clock.now_us()
        records = []
        for i, frame in enumerate(frames):
            if grant is not None:
                _check_grant(frame, grant)
            elif self._departed is not None and self._departed.has_left(frame.patient, now_us):
                raise Forbidden("patient", "was discharged")
            try:
                check_frame(frame, now_us, self.settings)
            except Poison as poison:
                raise _at(i, poison) from None
            records.append(
                Record(topics.FRAMES, frame.patient.encode(), encode_frame(frame.stamped(now_us)), timestamp_us=now_us)
            )
        return records

    async def set_aside(self, poison: Poison, body: bytes, source: str, grant: DeviceGrant | None) -> None:
        """Keep a refused body, its first part if it is long, for whoever must find out why."""
        record = self.dead_letter(poison, body, source, grant)
        try:
            async with asyncio.timeout(_SET_ASIDE_S):
                await self._publisher.publish([record])
        except Exception as error:  # the device gets its answer all the same
            log.warning("refused body (%s) could not be set aside: %r", poison, error)

    def dead_letter(self, poison: Poison, body: bytes, source: str, grant: DeviceGrant | None) -> Record:
        """A refused body with its reason as a record to publish, counted as refused."""
        self._metrics.count("frames_refused", label=poison.field)
        headers = {"field": poison.field, "reason": poison.reason, "source": source, "size": str(len(body))}
        return Record(
            topics.DEAD_LETTERS,
            b"unknown" if grant is None else grant.patient.encode(),
            body[: self.settings.max_dead_letter_bytes],
            tuple((name, value.encode("utf-8", "replace")) for name, value in headers.items()),
            self._clock.now_us(),
        )

    def _count(self, frames: Iterator[Frame]) -> list[Frame]:
        out: list[Frame] = []
        try:
            for frame in frames:
                if len(out) == self.settings.max_frames_per_body:
                    raise TooLarge("body", f"holds more than {self.settings.max_frames_per_body} frames")
                out.append(frame)
        except TooLarge:
            raise
        except Poison as poison:
            raise _at(len(out), poison) from None
        return out


def _at(i: int, poison: Poison) -> Poison:
    return poison if i == 0 else Poison(poison.field, f"{poison.reason} (frame {i + 1} of the body)")


def _check_grant(frame: Frame, grant: DeviceGrant) -> None:
    if frame.device != grant.device:
        raise Forbidden("device", "the token belongs to another device")
    if frame.patient != grant.patient:
        raise Forbidden("patient", "the device of this token is not given to this patient")


def _json_frames(body: bytes) -> Iterator[Frame]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:  # bad syntax, bad UTF-8, absurd numbers, absurd depth
        raise Poison("body", f"is not JSON: {type(error).__name__}") from None
    items: Iterable[object] = [document]
    if isinstance(document, dict) and "frames" in document:
        items = document["frames"]
        if not isinstance(items, list):
            raise Poison("frames", "must be a list")
    return (frame_from_json(item) for item in items)
