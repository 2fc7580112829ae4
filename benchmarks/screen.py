"""The wall in headless Chromium, beside the whole system and its devices on one machine.

48 live strips at 250 Hz: frames dropped at 30 a second, from arrival to pixel, from alarm to tile, an acknowledgement
and back, memory of the tab, weight of the page; then a day's overview on the page of one patient.
"""

import asyncio
import contextlib
import json
import re
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from sqlalchemy import Engine, select

from alerts.dashboard.pages import Pages
from benchmarks.disclosure import overviews
from benchmarks.figures import Figure, Options
from benchmarks.processes import Serving, cpu_s, embedded
from benchmarks.wearing import wear, wearables
from liteheart.alarm import Kind
from liteheart.clock import US_PER_S
from liteheart.errors import Misconfigured
from storage import schema
from storage.engine import open_engine, reading

TILES: Final = 48
SETTLE_S: Final = 10  # until every strip runs; not measured
SLOT_MS: Final = 1000 / 30
METER: Final = Path(__file__).with_name("screen.js")
FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")


@dataclass(slots=True)
class Watched:
    """What the page's meter and the outside of the page counted."""

    meter: dict[str, Any] = field(default_factory=dict)
    length_s: float = 0.0
    ended_us: int = 0
    tiles: int = 0
    tab_mb: float = 0.0  # the largest seen
    first_load_kb: float = 0.0
    elsewhere: set[str] = field(default_factory=set)  # hosts other than the dashboard
    cores: tuple[float, float] = (0.0, 0.0)  # of the browser, of the system
    complaints: list[str] = field(default_factory=list)


def benchmark(options: Options) -> Iterator[Figure]:
    """The figures. Raises Misconfigured where there is no Chromium."""
    length_s = 30 if options.quick else 120
    tiles = options.patients or TILES
    with embedded() as serving:
        engine = open_engine(serving.settings.storage)
        try:
            watched = asyncio.run(_run(serving, tiles, length_s, options.seed))
            alarms_ms = _alarms_ms(engine, watched)
        finally:
            engine.dispose()
    where = "1920x1080, Chromium, system and devices on one machine"
    note = f"{watched.tiles} tiles at 250 Hz for {watched.length_s:.0f} s, {where}"
    yield from _drawing(watched, note)
    yield from _delays(watched, alarms_ms, note)
    yield from _weight(watched, note)
    yield from asyncio.run(overviews(options, chromium))


async def _run(serving: Serving, tiles: int, length_s: int, seed: int) -> Watched:
    worn = wearables(tiles, length_s + 2 * SETTLE_S, seed)
    watched = Watched()
    async with chromium() as browser, _watching(browser, serving.dashboard, watched) as page:
        wearing = asyncio.create_task(wear(serving, worn, [None] * len(worn)))
        await asyncio.wait({wearing}, timeout=SETTLE_S)
        session = await browser.new_browser_cdp_session()
        pids = await _pids(session)
        began = (time.monotonic(), cpu_s(pids["browser"]), cpu_s(serving.roles))
        await page.evaluate("meter.on = true")
        while (passed := time.monotonic() - began[0]) < length_s:
            await asyncio.sleep(min(2.0, length_s - passed))
            watched.tab_mb = max(watched.tab_mb, _private_mb((await _pids(session))["renderer"]))
        await page.evaluate("meter.on = false")
        watched.length_s, watched.ended_us = time.monotonic() - began[0], time.time_ns() // 1000
        spent = (cpu_s(pids["browser"]) - began[1], cpu_s(serving.roles) - began[2])
        watched.cores = (spent[0] / watched.length_s, spent[1] / watched.length_s)
        watched.meter = json.loads(await page.evaluate("JSON.stringify(meter)"))
        watched.tiles = await page.locator(".tile").count()
        await wearing
    return watched


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The system's own, without a window. Raises Misconfigured where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        raise Misconfigured("chromium", "is not installed: run deploy/services/install.sh")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def _watching(browser: Browser, url: str, watched: Watched) -> AsyncIterator[Page]:
    context: BrowserContext = await browser.new_context(viewport={"width": 1920, "height": 1080}, locale="en-GB")
    await context.add_init_script(path=METER)
    page = await context.new_page()
    own = url.split("/")[2]

    def asked(address: str) -> None:
        host = address.split("/")[2]
        if host != own:
            watched.elsewhere.add(host)

    page.on("request", lambda request: asked(request.url))
    page.on("websocket", lambda live: asked(live.url))
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    loads = await context.new_cdp_session(page)
    await loads.send("Network.enable")
    sizes: list[float] = []
    loads.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
    try:
        await page.goto(url)
        await page.wait_for_selector('body[data-link="up"]')
        watched.first_load_kb = sum(sizes) / 1000
        yield page
    finally:
        await context.close()
    if watched.complaints:
        raise AssertionError(f"the page complained: {watched.complaints[0]}")


async def _pids(session: Any) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {"browser": [], "renderer": []}
    for process in (await session.send("SystemInfo.getProcessInfo"))["processInfo"]:
        found.setdefault(process["type"], []).append(int(process["id"]))
    return found


def _private_mb(pids: Sequence[int]) -> float:
    """Of the largest of these processes, the memory that is its own, in RAM or swapped out."""
    sizes = [0.0]
    for pid in pids:
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
            sizes.append(
                sum(int(kb) for kb in re.findall(r"^(?:RssAnon|VmSwap):\s+(\d+)", status, re.MULTILINE)) / 1000
            )
    return max(sizes)


def _alarms_ms(engine: Engine, watched: Watched) -> tuple[list[float], int]:
    """Milliseconds from the monitor's decision to the tile, and how many were decided and never shown."""
    events, alarms = schema.alarm_events, schema.alarms
    query = (
        select(events.c.alarm_id, events.c.at_us)
        .join(alarms, alarms.c.alarm_id == events.c.alarm_id)
        .where(events.c.action.in_(("raised", "reactivated")), alarms.c.kind == Kind.PHYSIOLOGICAL.value)
        .order_by(events.c.at_us)
    )
    episodes, delays, missing = Counter[str](), list[float](), 0
    with reading(engine) as connection:
        for event in connection.execute(query).all():
            episodes[event.alarm_id] += 1
            at_ms = watched.meter["tiles"].get(f"{event.alarm_id} {episodes[event.alarm_id]}")
            if at_ms is None:
                missing += event.at_us < watched.ended_us - US_PER_S
            else:
                delays.append(at_ms - event.at_us / 1000)
    return delays, missing


def _drawing(watched: Watched, note: str) -> Iterator[Figure]:
    steps, work = np.array(watched.meter["steps"]), np.array(watched.meter["work"])
    # A frame may be late within its thirtieth of a second; one whose time has passed is dropped.
    slots = np.floor((steps - steps[0]) / SLOT_MS + 0.25)
    dropped = float(slots[-1] + 1 - len(np.unique(slots)))
    yield Figure("tiles", float(watched.tiles), "tiles", note=note)
    yield Figure("dropped_frames", dropped, "frames", note=f"{note}; thirtieths of a second without a drawing")
    yield Figure("frames_s", len(steps) / watched.length_s, "frames/s", note=note)
    yield Figure("longest_interval_ms", float(np.diff(steps).max()), "ms", note=note)
    yield Figure("frame_work_p99_ms", float(np.percentile(work, 99)), "ms", note=f"{note}; of the page's own thread")
    long = watched.meter["long"]
    what = f"{note}; over 50 ms, waiting for a processor included; the longest {max(long, default=0):.0f} ms"
    yield Figure("long_tasks", float(len(long)), "tasks", note=what)
    yield Figure("browser_cores", watched.cores[0], "cores", note=f"{note}; all processes of Chromium")
    yield Figure("system_cores", watched.cores[1], "cores", note=note)


def _delays(watched: Watched, alarms: tuple[list[float], int], note: str) -> Iterator[Figure]:
    pixels, (alarms_ms, missing) = np.array(watched.meter["pixels"]) / 1000, alarms
    what = f"{note}; {len(pixels)} frames, from arrival at the gateway to the pen on the first sample"
    for share in (50, 99):
        yield Figure(f"arrival_to_pixel_p{share}_s", float(np.percentile(pixels, share)), "s", note=what)
    what = f"{note}; {len(alarms_ms)} alarms, the monitor's decision to the tile"
    if alarms_ms:
        yield Figure("alarm_to_tile_p50_ms", float(np.percentile(alarms_ms, 50)), "ms", note=what)
        yield Figure("alarm_to_tile_max_ms", max(alarms_ms), "ms", note=what)
    yield Figure("alarms_never_shown", float(missing), "alarms", note=note)
    acks = watched.meter["acks"]
    if acks:
        what = f"{note}; {len(acks)} presses, from the press to the alarm shown as acknowledged"
        yield Figure("acknowledge_p50_ms", float(np.percentile(acks, 50)), "ms", note=what)
        yield Figure("acknowledge_p95_ms", float(np.percentile(acks, 95)), "ms", note=what)


def _weight(watched: Watched, note: str) -> Iterator[Figure]:
    yield Figure("tab_mb", watched.tab_mb, "MB", note=f"{note}; private memory of the renderer, the largest seen")
    pages = Pages()
    yield Figure("page_weight_kb", pages.packed_bytes / 1000, "kB", note="every page, compressed")
    yield Figure("first_load_kb", watched.first_load_kb, "kB", note="over the wire until the wall is live")
    hosts = ", ".join(sorted(watched.elsewhere)) or "none"
    yield Figure("hosts_elsewhere", float(len(watched.elsewhere)), "hosts", note=f"asked by the page: {hosts}")
