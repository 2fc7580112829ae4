"""The refresh beside a system that runs in one process: a process of its own, so that learning holds up no alarm.

It is started anew when it ends, and ends by itself when whoever started it is gone, even by kill -9.
"""

import asyncio
import logging
import sys
from pathlib import Path
from typing import Final

from deploy.settings import Settings

log = logging.getLogger(__name__)
_AGAIN_S: Final = 60.0  # after it ended, which it does not by itself
_LEAVE_S: Final = 5.0  # to break off; then it is killed, which an attempt survives as well


async def refreshing(settings: Settings, config: Path | None) -> None:
    """Keep `liteheart refresh` running with the settings of `config`, until this is cancelled."""
    command = ["-m", "deploy", "refresh", "--with-parent", "--data", str(settings.data_dir)]
    if config is not None:
        command += ["--config", str(config)]
    while True:
        status = await _once(command)
        log.error("the refresh ended with status %s, and is started again in %g s", status, _AGAIN_S)
        await asyncio.sleep(_AGAIN_S)


async def _once(command: list[str]) -> int:
    nothing, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(  # a session of its own: Ctrl-C is for the system, which tells it
        sys.executable, *command, stdin=pipe, stdout=nothing, start_new_session=True
    )
    try:
        return await child.wait()
    finally:
        if child.returncode is None:
            child.terminate()
            try:
                await asyncio.wait_for(child.wait(), _LEAVE_S)
            except TimeoutError:
                child.kill()
                await child.wait()
