"""The wall of many pages, the list of everybody, and the link that drops, in a real Chromium."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Locator, Page, expect

from alerts.dashboard.app import dashboard_router
from alerts.dashboard.feed import InProcessFeed
from alerts.dashboard.memory import MemoryBoard
from alerts.dashboard.settings import DashboardSettings
from ingest.sources.simulate import Episode, simulate
from liteheart.alarm import Alarm, Kind, Priority
from liteheart.board import LiveMessage, PatientState, alarm_json
from liteheart.clock import US_PER_S, SystemClock
from liteheart.ids import DeviceId, PatientId, alarm_id
from liteheart.signal import Frame
from liteheart.wire import encode_frame
from tests.e2e.axe import violations
from tests.e2e.pictures import FOLDER, picture
from tests.e2e.serving import Server
from tests.e2e.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

FS_HZ = 250
SHAPES = 8
PAST_S = 20
SERIOUS = ("serious", "critical")


class Ward:
    """Simulated hearts, one frame a second each, on a board and a feed."""

    def __init__(self, patients: int) -> None:
        self.board, self.feed, self.clock = MemoryBoard(), InProcessFeed(4096), SystemClock()
        self.names = [PatientId(f"p-{i:03}") for i in range(1, patients + 1)]
        signals = [simulate([Episode("sinus", 60, 58 + 7 * k)], fs_hz=FS_HZ, seed=k) for k in range(SHAPES)]
        self._shapes, self._gain = [s.adc for s in signals], signals[0].gain
        self._began_us = self.clock.now_us() - PAST_S * US_PER_S
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        for i in range(patients):
            for second in range(PAST_S):
                self.board.put_frame(self._frame(i, second))
            self.board.put_state(self._state(i, self._frame(i, PAST_S - 1)))

    def __enter__(self) -> "Ward":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def raise_alarm(self, patient: PatientId, condition: str = "ASYSTOLE", **values: Any) -> Alarm:
        """Store an alarm and tell the screens."""
        now_us = self.clock.now_us()
        facts: dict[str, Any] = {
            "label": condition.capitalize(),
            "kind": Kind.PHYSIOLOGICAL,
            "priority": Priority.HIGH,
            "latching": True,
            "message": "no beat for 4.2 s > 4 s",
            "active": True,
            "onset_us": now_us - 5 * US_PER_S,
            "raised_us": now_us,
        } | values
        alarm = Alarm(alarm_id(patient, condition, facts["onset_us"]), patient, condition, **facts)
        self.put(alarm)
        return alarm

    def put(self, alarm: Alarm) -> None:
        """Store and tell."""
        self.board.put_alarm(alarm)
        self.feed.publish([LiveMessage("alarm", alarm.patient, json.dumps(alarm_json(alarm)).encode())])

    def rate(self, i: int) -> int:
        """A number of each patient's own."""
        return 50 + i % 100

    def _frame(self, i: int, second: int) -> Frame:
        shape, at = self._shapes[i % SHAPES], second % 60 * FS_HZ
        t0_us = self._began_us + second * US_PER_S + i * 37_000 % US_PER_S
        return Frame(
            patient=self.names[i],
            device=DeviceId(f"patch-{i:03}"),
            boot=1,
            sequence=second,
            t0_us=t0_us,
            fs_hz=float(FS_HZ),
            gain=self._gain,
            lead="I",
            samples=np.asarray(shape[at : at + FS_HZ]),
            arrival_us=t0_us + US_PER_S + 60_000,
            battery_pct=(83, 64, 41, 9, 97)[i % 5],
        )

    def _state(self, i: int, frame: Frame) -> PatientState:
        return PatientState(
            patient=frame.patient,
            device=frame.device,
            lead=frame.lead,
            fs_hz=frame.fs_hz,
            last_arrival_us=frame.arrival_us,
            last_sample_us=frame.t1_us,
            bed=f"Bed {i + 1}",
            heart_rate_bpm=float(self.rate(i)),
            sqi=(0.97, 0.88, 0.93, 0.41, 0.79)[i % 5],
            usable=i % 5 != 3,
            battery_pct=frame.battery_pct,
        )

    def _send(self) -> None:
        sent = [PAST_S] * len(self.names)
        while not self._stop.wait(0.02):
            now_us = self.clock.now_us()
            self.board.beat("monitor", now_us)
            for i, patient in enumerate(self.names):
                frame = self._frame(i, sent[i])
                if frame.arrival_us > now_us:
                    continue
                sent[i] += 1
                state = self._state(i, frame)
                self.board.put_frame(frame)
                self.board.put_state(state)
                told = json.dumps(replace(state, bed="").to_json()).encode()  # the monitor knows no beds
                self.feed.publish(
                    [LiveMessage("frame", patient, encode_frame(frame)), LiveMessage("state", patient, told)]
                )


def served(ward: Ward) -> Server:
    """Its dashboard."""

    def made() -> FastAPI:
        app = FastAPI()
        app.include_router(dashboard_router(ward.board, ward.feed, None, ward.clock, DashboardSettings()))
        return app

    return Server(made)


@pytest.fixture
def screen(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page; what it complains about fails the test, unless `down` is expected to break the link."""
    contexts, complaints = [], list[str]()

    def opened(url: str, *, down: bool = False, **options: Any) -> Page:
        context = chromium.new_context(**({"viewport": {"width": 1920, "height": 1080}, "locale": "en-GB"} | options))
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: m.type in ("error", "warning") and not down and complaints.append(m.text))
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(url)
        expect(page.locator("body")).to_have_attribute("data-link", "up")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def ward(request: pytest.FixtureRequest) -> Iterator[Ward]:
    with Ward(getattr(request, "param", 100)) as ward:
        yield ward


@pytest.fixture
def server(ward: Ward) -> Iterator[Server]:
    with served(ward) as server:
        yield server


def tile(page: Page, patient: str) -> Locator:
    """The patient's tile."""
    return page.locator(f'.tile[data-patient="{patient}"]')


def shown(page: Page) -> list[str]:
    """Patients as the tiles stand."""
    return list(page.eval_on_selector_all(".tile", "tiles => tiles.map(t => t.dataset.patient)"))


INK = """canvas => {
  const { width, height } = canvas;
  const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const data = copy.getImageData(0, 0, width, height).data;
  let columns = 0;
  for (let x = 0; x < width; x++)
    for (let y = 0; y < height; y++)
      if (data[4 * (y * width + x) + 3] > 100) { columns++; break; }
  return columns / width;
}"""


def test_a_page_holds_48_and_the_keyboard_turns_it(ward: Ward, server: Server, screen: Callable[..., Page]) -> None:
    page = screen(server.url)
    expect(page.locator(".tile")).to_have_count(48)
    expect(page.locator(".pager .where")).to_have_text("Page 1 of 3")
    boxes = [box for box in (t.bounding_box() for t in page.locator(".tile").all()) if box]
    assert all(box["y"] + box["height"] <= 1080 for box in boxes), "all 48 at one glance"
    ink = [0.0]
    while max(ink) <= 0.8 and len(ink) <= 3:  # a starved machine sweeps gaps; with no past three looks stay dark
        time.sleep(3)
        page.keyboard.press("PageDown")
        assert shown(page) == ward.names[48:96]
        ink.append(tile(page, "p-060").locator("canvas").evaluate(INK))
        page.keyboard.press("PageUp")
    assert max(ink) > 0.8, f"who comes into sight has a past: {ink}"
    page.keyboard.press("PageDown")
    assert shown(page) == ward.names[48:96]
    expect(tile(page, "p-060").locator(".hr")).to_have_text(str(ward.rate(59)))
    page.keyboard.press("PageDown")
    assert shown(page) == ward.names[96:]
    page.keyboard.press("PageDown")
    expect(page.locator(".pager .where")).to_have_text("Page 3 of 3")
    page.get_by_role("button", name="Page 1", exact=True).click()
    expect(page.locator(".pager .where")).to_have_text("Page 1 of 3")
    assert len(shown(page)) == 48
    assert page.evaluate("liteheart.wall.traces.size") == 100


def test_what_waits_on_another_page_is_told_and_one_key_away(
    ward: Ward, server: Server, screen: Callable[..., Page]
) -> None:
    page = screen(server.url)
    page.get_by_role("button", name="Fixed places").click()
    expect(page.locator(".elsewhere")).to_be_hidden()
    ward.raise_alarm(ward.names[60], "AFIB", priority=Priority.MEDIUM)
    alarm = ward.raise_alarm(ward.names[98])
    elsewhere = page.locator(".elsewhere")
    expect(elsewhere).to_contain_text("*** Asystole, Bed 99, page 3, and 1 more on other pages")
    expect(page.locator(".numbers button").nth(1)).to_have_text("2 **")
    expect(page.locator(".numbers button").nth(2)).to_have_attribute("data-alarm", "high")
    expect(page.locator(".spoken")).to_contain_text("Asystole, Bed 99")
    expect(page.locator(".panel .list li").first).to_contain_text("Asystole")
    assert "p-099" not in shown(page)
    page.keyboard.press("F8")
    expect(page.locator(".pager .where")).to_have_text("Page 3 of 3")
    expect(tile(page, "p-099").locator(".name")).to_be_focused()
    expect(elsewhere).to_contain_text("** Afib, Bed 61, page 2")
    page.evaluate("location.hash = '#/list'")
    expect(page.locator(".list-table")).to_be_visible()
    ward.board.acknowledge(alarm.alarm_id, "ada", None, ward.clock.now_us())
    page.keyboard.press("F8")
    expect(tile(page, "p-061").locator(".name")).to_be_focused()


def test_what_is_wrong_with_the_device_hides_no_rhythm(ward: Ward, server: Server, screen: Callable[..., Page]) -> None:
    page, patient = screen(server.url), ward.names[2]
    ward.raise_alarm(patient, "VT", message="rate 176 bpm > 150 bpm")
    ward.raise_alarm(patient, "BATTERY", kind=Kind.TECHNICAL, priority=Priority.LOW, message="battery 4 %")
    one = tile(page, patient)
    expect(one.locator(".message")).to_contain_text("*** Vt")
    expect(one.locator(".device")).to_contain_text("!!! Battery")
    expect(one).to_have_attribute("data-alarm", "high")
    expect(page.locator(".panel .list li")).to_have_count(1)
    expect(page.locator(".panel .faults li")).to_have_count(1)
    expect(page.locator(".panel .faults")).to_contain_text("TECHNICAL")
    other = ward.names[7]
    ward.raise_alarm(other, "LEAD_OFF", kind=Kind.TECHNICAL, priority=Priority.MEDIUM)
    expect(tile(page, other)).to_have_attribute("data-alarm", "technical")
    expect(tile(page, other).locator(".message")).to_be_hidden()
    expect(tile(page, other).locator(".link")).to_have_attribute("title", "Link: live")


@pytest.mark.parametrize("ward", [12], indirect=True)
def test_after_a_drop_the_strip_has_no_hole_and_no_alarm_is_lost(
    ward: Ward, server: Server, screen: Callable[..., Page]
) -> None:
    page = screen(server.url, down=True)
    expect(page.locator(".tile")).to_have_count(12)
    time.sleep(4)
    kept = ward.raise_alarm(ward.names[0], "VT")
    expect(page.locator(".panel .list li")).to_have_count(1)
    server.stop()
    expect(page.locator(".banner:visible")).to_contain_text("CONNECTION LOST", timeout=8000)
    gone = ward.raise_alarm(ward.names[3], "PAUSE", latching=False, priority=Priority.MEDIUM)
    time.sleep(3)
    ward.put(replace(gone, active=False, ended_us=ward.clock.now_us()))
    ward.put(replace(kept, active=False, ended_us=ward.clock.now_us()))
    server.start()
    expect(page.locator(".banner:visible")).to_have_count(0, timeout=15_000)
    notice = page.locator(".notice:not(.technical)")
    expect(notice).to_contain_text("1 alarm began and ended while this screen was cut off")
    expect(notice).to_contain_text("Pause, Bed 4 · p-004")
    expect(notice).not_to_contain_text("Vt")
    behind = """patient => {
      let gaps = 0, samples = 0;
      liteheart.wall.tiles.get(patient).trace.behind(8, (_, mv) => (Number.isNaN(mv) ? gaps++ : samples++));
      return [gaps, samples];
    }"""
    for patient in ward.names:
        until(lambda patient=patient: page.evaluate(behind, patient) == [0, 8 * FS_HZ], 6)
    assert tile(page, "p-001").locator("canvas").evaluate(INK) > 0.9
    notice.get_by_role("button", name="Close").click()
    expect(notice).to_be_hidden()


def rows(page: Page) -> list[str]:
    """Patients of the rows in the document, from top to bottom."""
    script = """rows => rows.map(r => [Number(r.ariaRowIndex ?? r.getAttribute("aria-rowindex")), r.dataset.patient])
      .sort((a, b) => a[0] - b[0]).map(r => r[1])"""
    return list(page.eval_on_selector_all(".list-body .list-row", script))


@pytest.mark.parametrize("ward", [500], indirect=True)
def test_500_patients_in_one_list(ward: Ward, server: Server, screen: Callable[..., Page]) -> None:
    page = screen(f"{server.url}/#/list", viewport={"width": 1366, "height": 768})
    table = page.get_by_role("table", name="Patients, one a row")
    expect(page.locator(".list-count")).to_have_text("500 patients", timeout=15_000)
    expect(table).to_have_attribute("aria-rowcount", "501")
    assert len(rows(page)) < 60, "only what is in sight is in the document"
    alarm = ward.raise_alarm(ward.names[432])
    first = page.locator('.list-row[data-patient="p-433"]')
    expect(first).to_contain_text("*** Asystole")
    expect(first).to_have_attribute("aria-rowindex", "2")
    expect(first.locator(".list-rate")).to_have_text(f"{ward.rate(432)} bpm")
    expect(first.locator(".list-age")).to_have_text("< 2 s")
    page.get_by_role("button", name="Acknowledge Asystole of Bed 433 · p-433").click()
    expect(first).to_have_attribute("data-presence", "ack")
    stored = ward.board.alarm(alarm.alarm_id)
    assert stored is not None
    assert stored.acknowledged_by == "nurse"

    page.get_by_role("searchbox").fill("bed 49")
    expect(page.locator(".list-count")).to_have_text("15 of 500 patients")
    page.get_by_role("button", name="High", exact=True).click()
    expect(page.locator(".list-count")).to_have_text("0 of 500 patients")
    page.get_by_role("searchbox").fill("")
    expect(page.locator(".list-count")).to_have_text("1 of 500 patients")
    page.get_by_role("button", name="All", exact=True).click()
    head = page.get_by_role("columnheader", name="Heart rate")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert page.locator(f'.list-row[data-patient="{rows(page)[0]}"] .list-rate').text_content() == "149 bpm"
    head.get_by_role("button").click()
    until(lambda: page.locator(f'.list-row[data-patient="{rows(page)[0]}"] .list-rate').text_content() == "50 bpm")
    table.evaluate("t => { t.scrollTop = t.scrollHeight; }")
    until(lambda: page.locator('.list-row[aria-rowindex="501"]').count() == 1)
    assert len(rows(page)) < 60


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
@pytest.mark.parametrize("size", [(1366, 768), (390, 844)], ids=["ward-pc", "phone"])
def test_nothing_keeps_anyone_out(
    ward: Ward, server: Server, screen: Callable[..., Page], scheme: str, locale: str, size: tuple[int, int]
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    page = screen(server.url, color_scheme=scheme, locale=locale, viewport=viewport, reduced_motion="reduce")
    kinds = ((0, Priority.HIGH), (1, Priority.MEDIUM), (2, Priority.LOW), (70, Priority.HIGH))
    for i, priority in kinds:
        ward.raise_alarm(ward.names[i], f"C{i}", priority=priority)
    ward.raise_alarm(ward.names[2], "LEAD_OFF", kind=Kind.TECHNICAL, priority=Priority.MEDIUM)
    over = ward.raise_alarm(ward.names[4], "VT")
    ward.board.acknowledge(over.alarm_id, "ada", None, ward.clock.now_us())
    ward.put(over)
    expect(page.locator(".panel li")).to_have_count(6)
    time.sleep(0.5)
    assert violations(page, impacts=SERIOUS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.evaluate("location.hash = '#/list'")
    expect(page.locator(".list-body .list-row").first).to_be_visible()
    assert violations(page, impacts=SERIOUS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("ward", [48], indirect=True)
def test_pictures_for_the_documentation(ward: Ward, server: Server, screen: Callable[..., Page]) -> None:
    if not FOLDER:
        return
    ward.raise_alarm(ward.names[11], "ASYSTOLE")
    ward.raise_alarm(ward.names[30], "AFIB", label="Atrial fibrillation", priority=Priority.MEDIUM, message="p 0.94")
    ward.raise_alarm(ward.names[5], "BATTERY", kind=Kind.TECHNICAL, priority=Priority.LOW, message="battery 9 %")

    page = screen(server.url, color_scheme="dark")
    expect(page.locator(".tile")).to_have_count(48)
    time.sleep(8)
    picture(page, "wall-48-dark")
    page.emulate_media(color_scheme="light")
    time.sleep(1)
    picture(page, "wall-48-light")
    page.set_viewport_size({"width": 1366, "height": 768})
    page.evaluate("location.hash = '#/list'")
    expect(page.locator(".list-body .list-row").first).to_be_visible()
    picture(page, "list-light")
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate("location.hash = '#/'")
    time.sleep(4)
    picture(page, "phone-light")
