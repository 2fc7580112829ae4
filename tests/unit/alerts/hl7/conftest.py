"""A real receiver of MLLP on loopback, that keeps what it gets and answers as it is told; and a certificate for it."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Receiver:
    """`answers` are given one after the other, the last one for ever; None: silence, "": the connection is closed."""

    port: int = 0
    answers: list[str | None] = field(default_factory=lambda: ["AA"])
    raw: bytes | None = None  # instead of an acknowledgement
    about: str | None = None  # instead of the control id that came
    got: list[str] = field(default_factory=list)
    links: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.links += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    framed = await reader.readuntil(b"\x1c\r")
                    assert framed[:1] == b"\x0b"
                    text = framed[1:-2].decode()
                    self.got.append(text)
                    code = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                    if code is None:
                        continue
                    if code == "":
                        return
                    control = self.about or text.split("|")[9]
                    ack = f"MSH|^~\\&|X||Y||2026||ACK^R40^ACK|1|P|2.6\rMSA|{code}|{control}|said \\F\\ so\r"
                    writer.write(self.raw if self.raw is not None else b"\x0b" + ack.encode() + b"\x1c\r")
                    await writer.drain()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, OSError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def listening(context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture
def mllp() -> SimpleNamespace:
    """How to open one, within the test's own loop."""
    return SimpleNamespace(listening=listening)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A server's context of TLS, and the file that its clients trust."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return SimpleNamespace(context=context, ca_file=public)
