"""Real receivers on loopback: an HTTP and an SMTP server that keep what they get, and answer as they are told."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web


@dataclass
class Posted:
    """One request."""

    headers: Any
    body: bytes

    @property
    def told(self) -> Any:
        """The JSON."""
        return json.loads(self.body)


@dataclass
class HttpSink:
    """An HTTP server; `answers` are given one after the other, the last one for ever."""

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [200])
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    got: list[Posted] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Keep it, answer."""
        self.got.append(Posted(request.headers.copy(), await request.read()))
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(self.delay_s)
        return web.Response(status=status, headers=self.headers)


@contextlib.asynccontextmanager
async def http_sink() -> AsyncIterator[HttpSink]:
    """A server on a free port."""
    sink = HttpSink()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", sink.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sink.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield sink
    finally:
        await runner.cleanup()


@dataclass
class Mailbox:
    """An SMTP server as RFC 5321 has it, with as few verbs as a client needs."""

    port: int = 0
    refuse: dict[str, str] = field(default_factory=dict)  # verb -> answer instead of the usual one
    letters: list[tuple[str, list[str], str]] = field(default_factory=list)  # sender, recipients, content
    logins: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        sender, recipients = "", []
        writer.write(b"220 sink\r\n")
        try:
            while line := (await reader.readline()).decode().rstrip():
                verb = line.split()[0].upper()
                if verb in self.refuse:
                    writer.write(f"{self.refuse[verb]}\r\n".encode())
                elif verb == "EHLO":
                    writer.write(b"250-sink\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n")
                elif verb == "AUTH":
                    self.logins.append(line)
                    writer.write(b"235 welcome\r\n")
                elif verb == "MAIL":
                    sender, recipients = line.partition(":")[2].split()[0].strip("<>"), []
                    writer.write(b"250 ok\r\n")
                elif verb == "RCPT":
                    recipients.append(line.partition(":")[2].strip().strip("<>"))
                    writer.write(b"250 ok\r\n")
                elif verb == "DATA":
                    writer.write(b"354 go on\r\n")
                    content = await reader.readuntil(b"\r\n.\r\n")
                    self.letters.append((sender, recipients, content.decode()))
                    writer.write(b"250 taken\r\n")
                elif verb == "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 ok\r\n")
                await writer.drain()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def mailbox() -> AsyncIterator[Mailbox]:
    """A server on a free port."""
    box = Mailbox()
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture
def sinks() -> SimpleNamespace:
    """How to open them, within the test's own loop."""
    return SimpleNamespace(http=http_sink, mail=mailbox)
