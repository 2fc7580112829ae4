"""How long the page of a patient takes to show a day of signal, in Chromium."""

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page

from benchmarks.figures import Figure, Measured, Options, figure
from benchmarks.history import T0_US, Past, fill
from deploy import wiring
from deploy.http import create_web, serving
from deploy.metrics import PrometheusMetrics
from deploy.settings import load
from liteheart.clock import US_PER_S, ManualClock

VISITS: Final = 6
_SHOWN: Final = """async hash => {
  const began = performance.now();
  const canvas = () => document.querySelector(".patient-disclosure canvas");
  const old = canvas();
  location.hash = hash;
  const took = [];
  for (const states of [["coarse", "fine"], ["fine"]]) {
    while (canvas() === old || !states.includes(canvas()?.dataset.state)) await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    took.push(performance.now() - began);
  }
  return took;
}"""
_STAGES: Final = (("overview_ms", "every line drawn"), ("overview_fine_ms", "every line as fine as the screen"))


async def overviews(options: Options, chromium: Callable[[], AbstractAsyncContextManager[Browser]]) -> list[Figure]:
    """From the address to the day's signal on the screen: the first visit, which loads the page's code, and others."""
    hours = 2 if options.quick else 24
    with tempfile.TemporaryDirectory(prefix="liteheart-bench-") as folder:
        settings = load(environ={}, data_dir=Path(folder), http__port=0)
        storage = wiring.open_storage(settings)
        past = Past(2, options.seed)
        await asyncio.to_thread(fill, storage, past, hours)
        clock = ManualClock(T0_US + hours * 3600 * US_PER_S)
        try:
            async with wiring.live_feed(settings) as feed, chromium() as browser:
                router = wiring.dashboard(settings, storage, feed, clock, sign_in=False)
                web = create_web([router], PrometheusMetrics(), lambda: None)
                async with serving(web, "127.0.0.1", 0) as port:
                    page = await browser.new_page(viewport={"width": 1366, "height": 768}, locale="en-GB")
                    took = await _visit(page, f"http://127.0.0.1:{port}/", past)
        finally:
            storage.close()
    what = f"page of a patient with {hours} h of signal, Chromium, from the address to"
    return [
        figure(name, "ms", Measured.of([v[k] for v in took[1:]]), note=f"{what} {end}; first visit {took[0][k]:.0f} ms")
        for k, (name, end) in enumerate(_STAGES)
    ]


async def _visit(page: Page, url: str, past: Past) -> list[list[float]]:
    await page.goto(url)
    await page.wait_for_selector('body[data-link="up"]')
    took: list[list[float]] = []
    for k in range(VISITS):
        took.append(list(await page.evaluate(_SHOWN, f"#/patient/{past.patients[k % 2]}")))
        await asyncio.sleep(0.5)
    return took
