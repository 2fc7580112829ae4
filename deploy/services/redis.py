"""Redis without persistence: live state and the bus, nothing that must survive."""

import socket
from pathlib import Path

from deploy.services.process import HOST, Service, find_program, free_port


class Redis(Service):
    """A Redis server on a loopback port."""

    @property
    def url(self) -> str:
        """For LITEHEART_REDIS."""
        return f"redis://{HOST}:{self.port}/0"


def start_redis(folder: Path, port: int | None = None) -> Redis:
    """Start Redis in `folder`. Raises ServiceMissing, ServiceFailed."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [find_program("redis-server"), "--bind", HOST, "--port", str(port), "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no"]
    return Redis("redis", command, folder=folder, port=port, ready=lambda: _pongs(port)).start()


def _pongs(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
