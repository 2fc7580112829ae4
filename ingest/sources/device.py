"""A virtual wearable: it paces frames in time, waits out a gateway that is down, and sends what it kept, in order."""

import asyncio
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from liteheart.clock import US_PER_S
from liteheart.errors import Misconfigured, Poison, Retryable
from liteheart.signal import Frame
from liteheart.wire import encode_frame

log = logging.getLogger(__name__)


class FrameSink(Protocol):
    """Where a device sends its frames."""

    async def send(self, frames: Sequence[Frame]) -> None:
        """Deliver frames, in order. Raises Retryable when they should be sent again, Poison when they never may."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How a device behaves when nobody answers."""

    batch: int = 30  # frames in one body: half a minute of one-second frames, about 20 kB
    first_delay_s: float = 0.5  # doubled after every failure
    longest_delay_s: float = 30.0
    give_up_s: float = 24 * 3600.0  # of silence; a day is what the flash of a wearable holds

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch: {self.batch} is less than one frame")
        if not 0 < self.first_delay_s <= self.longest_delay_s:
            raise ValueError(f"first_delay_s: {self.first_delay_s:g} is not in (0, {self.longest_delay_s:g}]")


@dataclass(frozen=True, slots=True)
class Played:
    """What became of the frames."""

    sent: int  # frames the sink took
    refused: int  # frames of the body that the sink refused; nothing is sent after it
    retries: int  # bodies sent again
    reason: str | None = None  # why it stopped before the end; None when all was sent


DEFAULT_PATIENCE = Patience()


async def play(
    frames: Iterable[Frame], sink: FrameSink, *, speed: float = 1.0, patience: Patience = DEFAULT_PATIENCE
) -> Played:
    """Send each frame when its last sample would have been taken, `speed` times faster than life (inf: at once).

    While the sink is down the frames wait in the iterator, which thereby is the device's flash: memory stays bounded
    by one batch, nothing is lost or reordered, and what came due meanwhile goes out in full batches afterwards.
    Pacing follows the event loop's clock. Ends at the first refusal, with its reason.
    """
    if not speed > 0:
        raise ValueError(f"speed: {speed:g} is not positive")
    loop = asyncio.get_running_loop()
    waiting = _Waiting(iter(frames), loop.time(), speed, patience.batch)
    sent = retries = 0
    while batch := await waiting.due():
        try:
            retries += await _deliver(batch, sink, patience)
        except Poison as refusal:
            return Played(sent, len(batch), retries, f"{refusal.field}: {refusal.reason}")
        except Retryable as silence:
            return Played(sent, 0, retries, f"gave up after {patience.give_up_s:g} s: {silence}")
        sent += len(batch)
    return Played(sent, 0, retries)


class _Waiting:
    """Frames not sent yet, and when they are due on the loop's clock."""

    def __init__(self, frames: Iterator[Frame], start: float, speed: float, batch: int) -> None:
        self._frames, self._start, self._speed, self._batch = frames, start, speed, batch
        self._next = next(frames, None)
        self._t0_us = self._next.t0_us if self._next else 0

    async def due(self) -> list[Frame]:
        """The frames that are due by now, at least one and at most a batch; empty at the end."""
        if self._next is None:
            return []
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._due_at(self._next) - loop.time()))
        now, out = loop.time(), [self._next]
        self._next = next(self._frames, None)
        while self._next is not None and len(out) < self._batch and self._due_at(self._next) <= now:
            out.append(self._next)
            self._next = next(self._frames, None)
        return out

    def _due_at(self, frame: Frame) -> float:
        if math.isinf(self._speed):
            return self._start
        return self._start + (frame.t1_us - self._t0_us) / US_PER_S / self._speed


async def _deliver(batch: Sequence[Frame], sink: FrameSink, patience: Patience) -> int:
    """Send until taken; the number of retries. Raises Poison, or Retryable after `give_up_s` of silence."""
    loop = asyncio.get_running_loop()
    began, delay_s, retries = loop.time(), patience.first_delay_s, 0
    while True:
        try:
            await sink.send(batch)
            return retries
        except Retryable as silence:
            wait_s = min(max(delay_s, silence.delay_s), patience.longest_delay_s)
            if loop.time() + wait_s - began > patience.give_up_s:
                raise
            if retries == 0:
                log.warning("device %s waits: %s", batch[0].device, silence)
        await asyncio.sleep(wait_s)
        delay_s, retries = min(2 * delay_s, patience.longest_delay_s), retries + 1


class HttpSink:
    """The gateway's HTTP door. Use as an async context manager; one sink may serve many devices."""

    def __init__(self, url: str, token: str | None = None, *, timeout_s: float = 10.0) -> None:
        self._url = url.rstrip("/") + "/api/v1/frames"
        self._headers = {"Content-Type": "application/octet-stream"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "HttpSink":
        self._session = aiohttp.ClientSession(timeout=self._timeout, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, frames: Sequence[Frame]) -> None:
        """POST the frames in one body. Raises Poison on 4xx, Retryable on 408, 429, 5xx and when nobody answers."""
        if self._session is None:
            raise RuntimeError("HttpSink is used outside `async with`")
        body = b"".join(encode_frame(f) for f in frames)
        try:
            async with self._session.post(self._url, data=body, allow_redirects=False) as answer:
                if 200 <= answer.status < 300:
                    return
                if answer.status >= 500 or answer.status in (408, 429):
                    delay_s = _seconds(answer.headers.get("Retry-After"))
                    raise Retryable(f"{self._url} answers {answer.status}", delay_s=delay_s)
                raise await _refusal(answer)
        except aiohttp.InvalidURL as error:
            raise Misconfigured("url", f"{self._url} is not an address") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Retryable(f"{self._url} does not answer ({type(error).__name__})", delay_s=0.0) from error


def _seconds(header: str | None) -> float:
    return float(header) if header is not None and header.isascii() and header.isdigit() else 0.0


async def _refusal(answer: aiohttp.ClientResponse) -> Poison:
    """The gateway's own field and reason, or the bare status where the body says nothing."""
    try:
        error = (await answer.json(content_type=None))["error"]
        return Poison(str(error["field"]), str(error["reason"]))
    except (ValueError, KeyError, TypeError):
        return Poison("status", f"{answer.status} {answer.reason}")
