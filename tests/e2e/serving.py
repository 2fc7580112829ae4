"""What the journeys go to: an application behind a real port."""

import socket
import threading
import urllib.request
from collections.abc import Callable
from contextlib import closing

import uvicorn
from fastapi import FastAPI

from tests.e2e.waiting import until


def free_port() -> int:
    """A port that nobody has now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_ready(url: str) -> bool:
    """Whether the system there says that it is."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Server:
    """An application on a port of its own, which can be stopped and started again on the same one."""

    def __init__(self, make: Callable[[], FastAPI]) -> None:
        """`make` is asked at every start: what a process forgets when it ends is forgotten."""
        self._make = make
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once it answers."""
        config = uvicorn.Config(
            self._make(),
            port=self.port,
            log_config=None,
            ws="websockets-sansio",
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        until(lambda: self._server.started, 30)

    def stop(self) -> None:
        """Returns once it is gone."""
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
