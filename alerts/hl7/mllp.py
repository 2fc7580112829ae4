"""MLLP: one message, one acknowledgement, over TCP or TLS.

    0x0B message 0x1C 0x0D  ->      <-  0x0B MSH... MSA|AA|control id 0x1C 0x0D

AA is a delivery. AE (the receiver failed) is tried again, AR (it never wants this) is not.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from alerts.hl7.alarm import alarm_message
from alerts.hl7.message import unescape
from alerts.notify.ports import Undelivered
from alerts.notify.settings import MllpTarget
from liteheart.care import Delivery

_BEGIN: Final = b"\x0b"
_END: Final = b"\x1c\r"
_ANSWER_MAX: Final = 65_536  # bytes; an acknowledgement is a few hundred
_TAKEN: Final = frozenset({"AA", "CA"})
_REFUSED: Final = frozenset({"AR", "CR"})
_Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class MllpSender:
    """To one receiver. A connection for each delivery: alarms are few, and a link that died unnoticed loses one."""

    def __init__(self, target: MllpTarget, timeout_s: float) -> None:
        self._target, self._timeout_s = target, timeout_s

    async def send(self, delivery: Delivery, notice: dict[str, Any], now_us: int) -> None:
        """Hand over the alarm as PCD-04. Raises Undelivered."""
        created_us = delivery.created_us
        await self.exchange([alarm_message(notice, delivery.key, created_us, now_us, self._target.facility)])

    async def exchange(self, messages: Sequence[str]) -> None:
        """Send one after the other over one connection, each acknowledged before the next. Raises Undelivered."""
        if not messages:
            return
        try:
            async with asyncio.timeout(self._timeout_s * len(messages)), self._linked() as link:
                for message in messages:
                    await _told(link, message)
        except TimeoutError:
            raise Undelivered(f"no answer within {self._timeout_s:g} s") from None
        except (OSError, asyncio.IncompleteReadError) as error:  # TLS errors are OSErrors
            raise Undelivered(f"cannot be reached: {type(error).__name__}") from error
        except asyncio.LimitOverrunError:
            raise Undelivered("the answer is no acknowledgement") from None

    @asynccontextmanager
    async def _linked(self) -> AsyncIterator[_Link]:
        target = self._target
        context = None
        if target.tls:
            context = ssl.create_default_context(cafile=None if target.ca_file is None else str(target.ca_file))
        reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context, limit=_ANSWER_MAX)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), 1.0)


async def _told(link: _Link, message: str) -> None:
    reader, writer = link
    writer.write(_BEGIN + message.encode() + _END)
    await writer.drain()
    answer = await reader.readuntil(_END)
    control = message.split("\r", 1)[0].split("|")[9]
    code, about, why = _acknowledgement(answer)
    if about != control:
        raise Undelivered("the answer is for another message")
    if code not in _TAKEN:
        raise Undelivered(f"answered {code or 'nothing'}{': ' if why else ''}{why}", hopeless=code in _REFUSED)


def _acknowledgement(answer: bytes) -> tuple[str, str, str]:
    """MSA-1, MSA-2 and what was said; empty where it is no acknowledgement."""
    begin = answer.find(_BEGIN)
    text = answer[begin + 1 : -len(_END)].decode("utf-8", "replace") if begin >= 0 else ""
    segments = [line.split("|") for line in text.replace("\n", "\r").split("\r")]
    said = next((fields for fields in segments if fields[0] == "MSA"), ["MSA"])
    fields = [*said, "", "", ""]
    errors = [field for line in segments if line[0] == "ERR" for field in line[1:] if field]
    why = "".join(c for c in unescape(fields[3] or " ".join(errors)) if c.isprintable())[:200]
    return fields[1].strip(), fields[2].strip(), why
