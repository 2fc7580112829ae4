"""A server process that we start, watch and stop by its own id, and that does not outlive us."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

HOST = "127.0.0.1"


class ServiceMissing(RuntimeError):
    """A server program is not installed; `deploy/services/install.sh` installs it."""


class ServiceFailed(RuntimeError):
    """A server did not come up; the message holds the end of its log."""


def free_port() -> int:
    """A loopback TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody accepts connections on the loopback port."""
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def find_program(name: str, *folders: Path) -> str:
    """Path of a program, on the PATH or in one of `folders`. Raises ServiceMissing."""
    for folder in (None, "/usr/sbin", *map(str, folders)):
        if found := shutil.which(name, path=folder):
            return found
    raise ServiceMissing(f"{name} is not installed: run deploy/services/install.sh")


class Service:
    """One server process. A context manager; may be started again on its folder and port after `stop` or `kill`.

    `folder` holds its data and `<name>.log`. `ready` says whether it serves; it is asked until it does.
    `user` is the account it runs as, None for ours.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        port: int,
        ready: Callable[[], bool],
        stop_signal: signal.Signals = signal.SIGTERM,
        user: str | None = None,
        start_timeout_s: float = 60.0,
        stop_timeout_s: float = 15.0,
    ) -> None:
        self.name = name
        self.folder = folder
        self.port = port
        self.log = folder / f"{name}.log"
        self._command = list(command)
        self._ready = ready
        self._stop_signal = stop_signal
        self._user = user
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process id, None when it does not run."""
        return self._process.pid if self._process is not None and self.alive else None

    def start(self) -> Self:
        """Start it and return once it serves. Raises ServiceFailed.

        Call it on a thread that lives as long as the service shall: the kernel takes its end for ours.
        """
        if self.alive:
            return self
        if listens(self.port):  # else that server's answers would pass for ours
            raise ServiceFailed(f"{self.name}: port {self.port} is in use")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
                [*die_with_parent(self._stop_signal), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,  # a Ctrl-C is ours to pass on, in our order
                user=self._user,
                group=self._user and _group_of(self._user),
                extra_groups=None if self._user is None else [],
            )
        self._await_ready(time.monotonic() + self._start_timeout_s)
        return self

    def stop(self) -> None:
        """Ask it to stop; kill it when it does not within `stop_timeout_s`."""
        if self._process is None:
            return
        self._process.send_signal(self._stop_signal)
        try:
            self._process.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """SIGKILL, as a power cut would: nothing is flushed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _await_ready(self, deadline: float) -> None:
        while not self._ready():
            if not self.alive:
                raise ServiceFailed(f"{self.name} ended while starting: {self._log_end()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServiceFailed(f"{self.name} did not come up in time: {self._log_end()}")
            time.sleep(0.05)

    def _log_end(self, lines: int = 5) -> str:
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def die_with_parent(stop_signal: signal.Signals) -> list[str]:
    """Command prefix that makes the kernel stop the process when we die; empty where there is no setpriv."""
    setpriv = shutil.which("setpriv")
    return [setpriv, f"--pdeathsig={stop_signal.name}", "--"] if setpriv else []


def _group_of(user: str) -> int:
    import pwd  # not on every platform, needed only where services run under another account

    return pwd.getpwnam(user).pw_gid
