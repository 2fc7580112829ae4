"""The roles as processes that may be killed at any moment, and whoever starts them again."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import aiohttp

from deploy.services.process import HOST, die_with_parent, free_port

ROOT = Path(__file__).resolve().parents[2]
_STOP_S = 15.0  # for a clean end


class Role:
    """One role of the system in a process of its own, always on the same port."""

    def __init__(self, name: str, role: str, environ: Mapping[str, str], folder: Path) -> None:
        self.name, self.port = name, free_port()
        self.log = folder / f"{name}.log"
        self.exits = 0  # ends that nobody asked for
        self._command = [sys.executable, "-m", "deploy", role, "--port", str(self.port)]
        self._environ = dict(environ)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    @property
    def ended(self) -> bool:
        """Whether it was started and runs no more, although nobody asked."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start the process; does not wait for it to be ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
                [*die_with_parent(signal.SIGKILL), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=self._environ,
                start_new_session=True,  # a Ctrl-C is ours to pass on
            )

    async def kill(self) -> None:
        """SIGKILL, then start it again at once."""
        if (process := self._process) is not None:
            self._process = None  # so that no supervisor takes this for an end of its own
            process.kill()
            await asyncio.to_thread(process.wait)
        self.start()

    async def freeze(self, seconds: float) -> None:
        """Stop it in its tracks and let it go on later: it does not know that others have taken its work."""
        if (process := self._process) is None:
            return
        process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        """Ask it to stop; kill it when it does not."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, _STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    async def is_ready(self) -> bool:
        """Whether it says that it can work."""
        timeout = aiohttp.ClientTimeout(total=2)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{self.url}/readyz") as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def ready(self, timeout_s: float) -> None:
        """Return once it can work. Raises TimeoutError with the end of its log."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await self.is_ready():  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise TimeoutError(f"{self.name} is not ready: {self.log.read_text()[-2000:]}") from None


@contextlib.asynccontextmanager
async def supervised(roles: Sequence[Role]) -> AsyncIterator[None]:
    """Start the roles, start those again that end of themselves, stop them all on the way out."""
    task = asyncio.create_task(_supervise(roles))
    try:
        for role in roles:
            role.start()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, *(role.stop() for role in roles), return_exceptions=True)


async def _supervise(roles: Sequence[Role]) -> None:
    while True:
        await asyncio.sleep(0.5)
        for role in roles:
            if role.ended:
                role.exits += 1
                role.start()
