"""Live scoring with a refresh that learns on the same machine, beside without one: by turns, in one running system."""

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from sqlalchemy import Engine, text

from benchmarks.figures import Figure, Options
from benchmarks.processes import Serving, embedded
from benchmarks.wearing import Wearable, wear, wearables
from storage.engine import open_engine

_TURNS, _QUICK_TURNS = 4, 1
_TURN_S, _QUICK_TURN_S = 40.0, 12.0
_SETTLE_S: Final = 25.0  # until the student is loaded and everybody has a window; a learner's first steps are slow too
_POLL_S: Final = 0.05
_LEARN: Final = """
import os, sys
from pathlib import Path
import numpy as np
from deploy.environment import calm_threads
calm_threads()
from deploy.commands.refresh import NICE
from deploy.refresh.growing import grow
from deploy.refresh.ports import Material
from deploy.refresh.settings import RefreshSettings
from inference.model.card import load_card
from inference.settings import SHIPPED
os.nice(NICE)
classes, n = load_card(SHIPPED).classes, 2000
x = np.random.default_rng(0).normal(0, 0.2, (n, 1000)).astype(np.float32)
names = np.array([str(i % 50) for i in range(n)])
material = Material(classes, x, np.full((n, len(classes)), np.nan), names, np.full(n, "one"))
grow(SHIPPED, material, Path(sys.argv[1]), lambda share: None, RefreshSettings(steps=10**6))
"""


def benchmark(options: Options) -> Iterator[Figure]:
    """`live_p99_ratio`: 99th percentile of arrival to stored finding, with a refresh that learns / without one."""
    turns, length_s = (_QUICK_TURNS, _QUICK_TURN_S) if options.quick else (_TURNS, _TURN_S)
    patients = options.patients or (12 if options.quick else 50)
    total_s = round(_SETTLE_S + turns * 2 * (length_s + _SETTLE_S / 2)) + 10
    worn = wearables(patients, total_s, options.seed)
    with embedded() as serving:
        engine = open_engine(serving.settings.storage)
        try:
            quiet, busy = asyncio.run(_turns(serving, worn, engine, turns, length_s))
        finally:
            engine.dispose()
    ratios = np.array([b / q for q, b in zip(_p99(quiet), _p99(busy), strict=True)])
    note = (
        f"embedded: one process, SQLite; {patients} patients; {turns} turns of {length_s:g} s each, learner at nice 15"
    )
    yield Figure("live_p99_quiet_s", float(np.median(_p99(quiet))), "s", rounds=turns, note=note)
    yield Figure("live_p99_refresh_s", float(np.median(_p99(busy))), "s", rounds=turns, note=note)
    spread = float((ratios.max() - ratios.min()) / np.median(ratios))
    yield Figure("live_p99_ratio", float(np.median(ratios)), "", rounds=turns, spread=spread, note=note)


def _p99(turns: list[list[float]]) -> list[float]:
    return [float(np.percentile(delays_s, 99)) for delays_s in turns]


async def _turns(
    serving: Serving, worn: list[Wearable], engine: Engine, turns: int, length_s: float
) -> tuple[list[list[float]], list[list[float]]]:
    """Delays of the quiet and of the busy turns."""
    wearing = asyncio.create_task(wear(serving, worn, [None] * len(worn)))
    await asyncio.sleep(_SETTLE_S)
    quiet: list[list[float]] = []
    busy: list[list[float]] = []
    for _ in range(turns):
        quiet.append(await asyncio.to_thread(_delays, engine, length_s))
        with _learning():
            await asyncio.sleep(_SETTLE_S / 2)
            busy.append(await asyncio.to_thread(_delays, engine, length_s))
        await asyncio.sleep(_SETTLE_S / 2)
    wearing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await wearing
    return quiet, busy


def _delays(engine: Engine, length_s: float) -> list[float]:
    """Of every finding that is stored meanwhile: seconds from the arrival of its newest frame, to within a poll."""
    new = text("SELECT rowid, arrival_us FROM findings WHERE rowid > :last ORDER BY rowid")
    with engine.connect() as connection:
        last = connection.execute(text("SELECT max(rowid) FROM findings")).scalar() or 0
    delays_s: list[float] = []
    end = time.monotonic() + length_s
    while time.monotonic() < end:
        with engine.connect() as connection:
            rows = connection.execute(new, {"last": last}).all()
        now = time.time()
        delays_s += [now - row[1] / 1e6 for row in rows]
        last = rows[-1][0] if rows else last
        time.sleep(_POLL_S)
    if not delays_s:
        raise RuntimeError("no window was scored: the machine is too slow for so many patients")
    return delays_s


@contextlib.contextmanager
def _learning() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        learner = subprocess.Popen([sys.executable, "-c", _LEARN, str(Path(folder) / "state")])
        try:
            yield
            if learner.poll() is not None:
                raise RuntimeError("the learner ended before its time")
        finally:
            learner.kill()
            learner.wait()
