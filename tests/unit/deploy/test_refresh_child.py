"""The refresh beside `liteheart up`: a process of its own that ends with whoever started it, however that ends."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.refresh.child import _once
from storage.engine import open_engine
from storage.migrations import upgrade
from storage.refreshes import Refreshes
from storage.settings import StorageSettings

SCRIPT = """
import asyncio, sys
from pathlib import Path
from deploy.refresh.child import refreshing
from deploy.settings import load
asyncio.run(refreshing(load(data_dir=Path(sys.argv[1])), None))
"""
LONG_S = 300.0


def children(pid: int) -> set[int]:
    """Of that process, by the kernel."""
    found = (path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return {int(child) for some in found for child in some}


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # nobody need have asked for its status yet


def until(there: Callable[[], object], what: str) -> None:
    end = time.monotonic() + LONG_S
    while not there():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.mark.timeout(600)
def test_killed_with_nine_the_system_takes_its_refresh_along(tmp_path: Path) -> None:
    engine = open_engine(StorageSettings(f"sqlite:///{tmp_path}/liteheart.db"))
    upgrade(engine)
    refreshes = Refreshes(engine)
    system = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        until(lambda: [r for r in refreshes.latest() if r.outcome], "an attempt that says why it cannot be")
        (attempt,) = refreshes.latest(5)
        assert "refresh.exam" in attempt.reason
        (child,) = children(system.pid)
        assert runs(child)
    finally:
        system.send_signal(signal.SIGKILL)
        system.wait()
        engine.dispose()
    until(lambda: not runs(child), "the child ends when its stdin does")


def test_a_system_that_stops_stops_it_even_where_it_does_not_listen() -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"

    async def started_and_stopped() -> set[int]:
        task, before = asyncio.create_task(_once(["-c", deaf])), children(os.getpid())
        while not (begun := children(os.getpid()) - before):  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return begun

    (child,) = asyncio.run(started_and_stopped())
    assert not runs(child)
