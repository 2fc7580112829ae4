"""The page of one patient in a real Chromium, over a real database: known signal, read back as a nurse does."""

import json
import os
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from alerts.dashboard.feed import InProcessFeed
from deploy import wiring
from deploy.http import create_web
from deploy.metrics import PrometheusMetrics
from deploy.settings import load
from liteheart.alarm import Alarm, AlarmEvent, Kind, Priority
from liteheart.board import LiveMessage, PatientState, alarm_message
from liteheart.care import Delivery
from liteheart.clock import US_PER_S, SystemClock
from liteheart.finding import Finding, Quality
from liteheart.ids import DeviceId, ModelVersion, PatientId, alarm_id
from liteheart.signal import Frame
from liteheart.wire import encode_frame
from storage.imports import Whose
from storage.monitor_store import Batch
from tests.e2e.axe import violations
from tests.e2e.pictures import picture
from tests.e2e.serving import Server
from tests.e2e.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

S = US_PER_S
ANNA, BERT, CARL = (PatientId(f"p-{name}") for name in ("anna", "bert", "carl"))
FS_HZ = 250
BEAT_S = 0.8  # 75 a minute, to the sample
PX_PER_MM = 96 / 25.4
LETHAL_S, GAP_S, OFF_S = 600, (605, 608), (612, 615)  # seconds of the recording: VT; nothing received; lead off
HOP_S = 5
LONG_AGO_US = 946_684_800 * S


def beats(second: int) -> np.ndarray:
    """A second of Anna's signal, mV at 250 Hz: zero, but for a peak of 1 mV every 0.8 s and a T wave of 0.2 mV."""
    at = (np.arange(FS_HZ) / FS_HZ + second) % BEAT_S
    peak = np.maximum(0.0, 1.0 - np.abs(at - 0.4) / 0.02)
    return peak + 0.2 * np.exp(-0.5 * ((at - 0.62) / 0.03) ** 2)


class Ward:
    """A database with two patients and their past, a monitor's heartbeat, live signal of one, and the dashboard."""

    def __init__(self, folder: Path, *, sign_in: bool = False) -> None:
        self.clock, self.feed = SystemClock(), InProcessFeed()
        self.settings = load(environ={}, data_dir=folder)
        self.storage = wiring.open_storage(self.settings)
        router = wiring.dashboard(self.settings, self.storage, self.feed, self.clock, sign_in=sign_in)
        app = create_web([router], PrometheusMetrics(), lambda: None)
        self._server = Server(lambda: app)
        self.url = self._server.url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self.began_us = (self.clock.now_us() // S - 1800) * S  # the recording: half an hour up to now
        self.imported = self._import()
        if sign_in:
            return
        self._record_a_day()  # first: what comes a day late is not summed up at once
        self._record()

    def __enter__(self) -> "Ward":
        self._server.start()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._server.stop()
        self.storage.close()

    def at(self, second: float) -> int:
        """Microseconds of a second of the recording."""
        return self.began_us + round(second * S)

    def frame(self, second: int) -> Frame:
        """One second of it."""
        off = OFF_S[0] <= second < OFF_S[1]
        mv = np.zeros(FS_HZ) if off else beats(second)
        return Frame(
            patient=ANNA,
            device=DeviceId("d-anna"),
            boot=1,
            sequence=1_000_000 + second,
            t0_us=self.at(second),
            fs_hz=float(FS_HZ),
            gain=1000.0,
            lead="II",
            samples=np.round(mv * 1000).astype(np.int16),
            arrival_us=self.at(second + 1) + 50_000,
            lead_off=off,
            battery_pct=64,
        )

    def alarm(self, condition: str, second: float, **values: Any) -> Alarm:
        """Store an alarm of the past, and tell the screens."""
        onset_us = self.at(second)
        facts: dict[str, Any] = {
            "kind": Kind.PHYSIOLOGICAL,
            "priority": Priority.HIGH,
            "latching": True,
            "active": True,
            "message": "m",
            "raised_us": onset_us + 5 * S,
        } | values
        alarm = Alarm(alarm_id(ANNA, condition, onset_us), ANNA, condition, condition, onset_us=onset_us, **facts)
        event = AlarmEvent(alarm, "raised", onset_us, facts["raised_us"])
        self.storage.monitor.commit(Batch(alarms=[event]))
        self.feed.publish([alarm_message(event)])
        return alarm

    def _import(self) -> PatientId:
        """A minute and a half of somebody's signal of the year 2000, sealed, as `liteheart import` keeps it."""
        who = self.storage.imports.enrol(b"a recording", Whose(""), self.clock.now_us())
        frames = [
            replace(self.frame(s), patient=who, device=DeviceId("import-1"), sequence=s, t0_us=LONG_AGO_US + s * S)
            for s in range(90)
        ]
        self.storage.archive.keep(frames, self.clock.now_us())
        return who

    def _record_a_day(self) -> None:
        """24 hours of Carl's signal, in frames of ten seconds."""
        began_us = self.at(1800 - 24 * 3600)
        samples = np.round(np.concatenate([beats(s) for s in range(8)] + [beats(s) for s in range(2)]) * 1000)
        frames = [
            replace(
                self.frame(0), patient=CARL, device=DeviceId("d-carl"), sequence=i, samples=samples.astype(np.int16)
            )
            for i in range(8640)
        ]
        frames = [
            replace(f, t0_us=began_us + i * 10 * S, arrival_us=began_us + (i + 1) * 10 * S)
            for i, f in enumerate(frames)
        ]
        for i in range(0, len(frames), 6):  # a minute at a time, so that its row is written as it is on a ward
            self.storage.monitor.commit(Batch(frames=frames[i : i + 6]))

    def _record(self) -> None:
        long_ago = range(-20 * 3600, -20 * 3600 + 300)
        seconds = [s for s in (*long_ago, *range(1790)) if not GAP_S[0] <= s < GAP_S[1]]
        frames = [self.frame(s) for s in seconds]
        for i in range(0, len(frames), 300):
            self.storage.monitor.commit(Batch(frames=frames[i : i + 300]))
        self.storage.monitor.commit(Batch(findings=[self._finding(s) for s in range(0, 1780, HOP_S)]))
        self.vt = self.alarm(
            "VT", LETHAL_S, late=True, active=False, ended_us=self.at(LETHAL_S + 9), message="rate 176 bpm > 150 bpm"
        )
        self.storage.board.acknowledge(self.vt.alarm_id, "ada", "true-actioned", self.at(LETHAL_S + 47))
        told = Delivery("k1", "ward-phone", self.vt.alarm_id, 0, Priority.HIGH, {}, self.vt.raised_us)
        self.storage.notifications.accept([], [told], self.vt.raised_us)
        self.storage.notifications.delivered("k1", self.vt.raised_us + 2 * S, late=False)
        self.af = self.alarm("AFIB", 1500, priority=Priority.MEDIUM, message="p 0.94")
        self.off = self.alarm(
            "LEAD_OFF",
            OFF_S[0],
            kind=Kind.TECHNICAL,
            priority=Priority.LOW,
            latching=False,
            active=False,
            ended_us=self.at(OFF_S[1]),
        )
        self.old = self.alarm(
            "PAUSE", -20 * 3600 + 100, retrospective=True, priority=Priority.LOW, active=False, latching=False,
            ended_us=self.at(-20 * 3600 + 103), raised_us=self.at(60),
        )  # fmt: skip

    def _finding(self, second: int) -> Finding:
        """Atrial fibrillation for five minutes, nothing known for two, else normal."""
        codes, abstained = (("AFIB",), False) if 1200 <= second < 1500 else (("NORM",), False)
        if 300 <= second < 420:
            codes, abstained = (), True
        return Finding(
            patient=ANNA,
            device=DeviceId("d-anna"),
            lead="II",
            t0_us=self.at(second) + 1_300_000,
            t1_us=self.at(second + 10) + 1_300_000,
            model=ModelVersion("m1"),
            quality=Quality(0.9, usable=True),
            abstained=abstained,
            heart_rate_bpm=None if abstained else 75.0,
            scores={} if abstained else dict.fromkeys(codes, 0.9),
            codes=codes,
        )

    def _live(self) -> None:
        second = 1790
        while not self._stop.wait(0.1):
            now_us = self.clock.now_us()
            while self.at(second + 1) <= now_us:
                frame = self.frame(second)
                second += 1
                self.storage.monitor.heartbeat("monitor", "m1", now_us)
                states = [self._state(ANNA, "Bed 1", now_us), self._state(BERT, "Bed 2", now_us - 3600 * S)]
                self.storage.monitor.commit(Batch(frames=[frame], states=states))
                payload = json.dumps(self._state(ANNA, "", now_us).to_json()).encode()
                messages = [LiveMessage("frame", ANNA, encode_frame(frame)), LiveMessage("state", ANNA, payload)]
                self.feed.publish(messages)

    @staticmethod
    def _state(patient: PatientId, bed: str, now_us: int) -> PatientState:
        return PatientState(
            patient,
            DeviceId(f"d-{patient}"),
            "II",
            float(FS_HZ),
            now_us,
            now_us,
            bed=bed,
            heart_rate_bpm=75.2,
            usable=True,
            sqi=0.9,
            battery_pct=64,
            codes=("NORM",),
        )


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    with Ward(tmp_path_factory.mktemp("ward")) as ward:
        yield ward


@pytest.fixture
def screen(chromium: Browser, ward: Ward) -> Iterator[Callable[..., Page]]:
    """Screens at an address; what they complain about, or ask of another host, fails the test."""
    contexts, complaints, hosts = [], [], set()

    def opened(hash_: str = "", **options: Any) -> Page:
        context = chromium.new_context(**({"viewport": {"width": 1366, "height": 768}, "locale": "en-GB"} | options))
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: m.type in ("error", "warning") and complaints.append(m.text))
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on("request", lambda r: hosts.add(r.url.split("/")[2]))
        page.goto(f"{ward.url}/{hash_}")
        expect(page.locator("body")).to_have_attribute("data-link", "up")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert hosts <= {ward.url.removeprefix("http://")}


def at(ward: Ward, second: float) -> str:
    """The address of Anna's strip around a second of the recording."""
    return f"#/patient/{ANNA}?t={ward.at(second)}"


def of_day(us: int) -> str:
    """The time of day as the page says it."""
    return time.strftime("%H:%M:%S", time.localtime(us // S))


def strip(page: Page) -> Locator:
    return page.locator(".patient-strip")


def loaded(page: Page, lead: str = "Lead II") -> Page:
    """Once the strip is drawn."""
    expect(strip(page).locator(".patient-note").first).to_contain_text(lead)
    return page


def place(page: Page, ward: Ward, second: float, begin: float) -> tuple[float, float]:
    """Where a second of the recording lies on a strip that begins at `begin`, ten seconds a row; its row's top."""
    row, rest = divmod(second - begin, 10)
    box = page.locator(".patient-rows svg").nth(int(row)).bounding_box()
    assert box
    return box["x"] + (15 + 25 * rest) * PX_PER_MM, box["y"]


def test_a_tile_and_its_strip_lead_to_the_page_and_escape_back(ward: Ward, screen: Callable[..., Page]) -> None:
    page = screen()
    page.locator(f'.tile[data-patient="{ANNA}"]').get_by_role("link", name=ANNA).click()
    head = page.locator(".patient-head")
    expect(head.locator("h1")).to_have_text("Bed 1")
    expect(head).to_contain_text(ANNA)
    expect(head.locator(".patient-rate")).to_have_text("75 bpm")
    expect(head).to_contain_text("SQI 0.90")
    expect(head).to_contain_text("64 %")
    assert page.evaluate("location.hash").startswith(f"#/patient/{ANNA}?t=")
    ink = """canvas => {
      const { width, height } = canvas;
      const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const data = copy.getImageData(0, 0, width, height).data;
      let n = 0;
      for (let i = 3; i < data.length; i += 4) if (data[i] > 100) n++;
      return n;
    }"""
    until(lambda: page.locator(".patient-live canvas").evaluate(ink) > 200)
    page.keyboard.press("Escape")
    expect(page.locator(".wall")).to_be_visible()
    expect(page.locator(".patient-page")).to_have_count(0)
    page.locator(f'.tile[data-patient="{BERT}"] .name').click()
    page.locator("dialog.review").get_by_role("link", name="Patient page").click()
    expect(page.locator("dialog.review")).to_be_hidden()
    expect(page.locator(".patient-live .veil")).to_contain_text("NO DATA")
    expect(page.locator(".patient-rate")).to_have_text("––")
    expect(strip(page)).to_contain_text("No signal is stored for this time.")


def test_the_strip_of_an_alarm_tells_what_is_missing(ward: Ward, screen: Callable[..., Page]) -> None:
    page = loaded(screen(at(ward, LETHAL_S)))
    about = strip(page).locator("header .patient-about")
    expect(about).to_contain_text("VT – rate 176 bpm > 150 bpm, late")
    expect(about).to_contain_text(of_day(ward.at(LETHAL_S - 10)))
    expect(about).to_contain_text(of_day(ward.at(LETHAL_S + 20)))
    expect(strip(page)).to_contain_text("3.0 s without signal · 3.0 s lead off")
    rows = page.locator(".patient-rows svg")
    expect(rows).to_have_count(3)
    expect(rows.nth(1).locator(".patient-missing-name")).to_have_text(["NO SIGNAL"])
    expect(rows.nth(2).locator(".patient-missing-name")).to_have_text(["LEAD OFF"])
    expect(rows.nth(1).locator(".patient-onset-name")).to_contain_text("*** VT")
    expect(rows.nth(1).locator(".patient-onset-name")).to_contain_text("late")
    drawn = rows.nth(1).locator(".patient-trace").get_attribute("d") or ""
    xs = np.array([float(x) for x in re.findall(r"[ML]([\d.]+) ", drawn)])
    assert drawn.count("M") == 2, "the line begins anew after what is missing"
    assert not ((xs > 15 + 25 * 5.01) & (xs < 15 + 25 * 7.99)).any(), "nothing is drawn there"
    assert rows.nth(1).locator(".patient-pulse").get_attribute("d") == "M0.5 25H3V15H8V25H11", "1 mV for 0.2 s"


def test_from_alarm_to_alarm_and_through_time_by_keys(ward: Ward, screen: Callable[..., Page]) -> None:
    page = loaded(screen(at(ward, LETHAL_S)))
    expect(page.locator(".patient-stories li[data-story]")).to_have_count(4)
    about = strip(page).locator("header .patient-about")
    frame = page.locator(".patient-frame")
    frame.focus()
    frame.press("n")
    expect(about).to_contain_text("LEAD_OFF – m")
    frame.press("n")
    expect(about).to_contain_text("AFIB – p 0.94")
    assert page.evaluate("location.hash") == at(ward, 1500)
    for _ in range(3):
        frame.press("p")
    expect(about).to_contain_text("PAUSE – m, retrospective")
    frame.press("p")
    expect(strip(page)).to_contain_text("No alarm lies further that way.")
    frame.press("ArrowRight")
    expect(about).to_contain_text("no alarm begins here")
    assert page.evaluate("location.hash") == at(ward, -20 * 3600 + 110)
    page.get_by_role("button", name="20 mm/mV").click()
    page.get_by_role("button", name="50 mm/s").click()
    expect(page.locator(".patient-rows svg")).to_have_count(6)
    expect(strip(page)).to_contain_text("50 mm/s · 20 mm/mV")
    assert page.locator(".patient-pulse").first.get_attribute("d") == "M0.5 25H2.5V5H12.5V25H14.5"


def test_calipers_measure_a_signal_that_is_known(ward: Ward, screen: Callable[..., Page]) -> None:
    page = loaded(screen(at(ward, 1010), viewport={"width": 1366, "height": 900}))
    begin = 1000.0
    page.get_by_role("button", name="Unfiltered").click()
    page.get_by_role("button", name="Calipers").click()
    a, b = page.get_by_role("slider", name="Caliper A"), page.get_by_role("slider", name="Caliper B")
    page.locator(".patient-frame").scroll_into_view_if_needed()
    first = begin + (0.4 - begin) % BEAT_S  # a peak

    def still() -> None:
        """What loads above the strip has come, and nothing scrolls: the pointer goes by places on the screen."""
        seen = [place(page, ward, first, begin)]
        while seen[-3:] != [seen[-1]] * 3:
            page.wait_for_timeout(150)
            seen.append(place(page, ward, first, begin))
            assert len(seen) < 60, "the page does not come to rest"

    def drag(marker: Locator, second: float, mv: float) -> None:
        still()
        box = marker.bounding_box()
        assert box
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
        page.mouse.down()
        still()
        x, top = place(page, ward, second, begin)
        page.mouse.move(x, top + (25 - 10 * mv) * PX_PER_MM, steps=4)
        page.mouse.up()

    says = page.locator(".patient-measured")
    drag(a, first, 1.0)
    drag(b, first + 3 * BEAT_S, 1.0)
    expect(says).to_have_text("Δt 2400 ms · 25 bpm · ΔU +0.00 mV")
    b.focus()
    for key in ("PageDown", "PageDown", *["Shift+ArrowRight"] * 10):
        b.press(key)
    expect(says).to_have_text("Δt 800 ms · 75 bpm · ΔU +0.00 mV")
    for _ in range(5):  # to the foot of the peak, a sample at a time
        b.press("ArrowRight")
    expect(says).to_have_text("Δt 820 ms · 73 bpm · ΔU −1.00 mV")
    b.press("ArrowUp")
    expect(says).to_contain_text("ΔU −0.95 mV")
    expect(b).to_have_attribute("aria-valuetext", re.compile(r"^\d\d:\d\d:\d\d\.\d{3}, 0\.05 mV$"))
    drag(a, first, 0.3)  # far from the line: a level of its own
    expect(says).to_contain_text("ΔU −0.25 mV")


def test_calipers_measure_nothing_where_nothing_was_received(ward: Ward, screen: Callable[..., Page]) -> None:
    page = loaded(screen(at(ward, GAP_S[0] + 1.5)))
    page.locator(".patient-frame").press("c")
    expect(page.get_by_role("slider", name="Caliper A")).to_have_attribute("aria-valuetext", re.compile("no signal"))
    expect(page.locator(".patient-measured")).to_contain_text("ΔU – (no signal under a caliper)")


def test_the_print_is_true_to_the_millimetre(ward: Ward, screen: Callable[..., Page], tmp_path: Path) -> None:
    page = loaded(screen(at(ward, LETHAL_S)))
    page.get_by_role("button", name="Calipers").click()
    pdf = page.pdf(path=tmp_path / "strip.pdf", prefer_css_page_size=True, print_background=True)
    page.emulate_media(media="print")
    sheet = page.locator(".patient-sheet")
    expect(sheet).to_be_visible()
    expect(page.locator(".patient-page")).to_be_hidden()
    expect(page.locator(".top")).to_be_hidden()
    for said in (
        f"Patient Bed 1 · {ANNA}",
        "VT – rate 176 bpm > 150 bpm, late",
        of_day(ward.at(LETHAL_S - 10)),
        "Lead II · 25 mm/s · 10 mm/mV · high-pass 0.3 Hz",
        "calibration pulse 1 mV = 10 mm, 0.2 s = 5.0 mm",
        "3.0 s without signal",
        "Δt 1000 ms",
        "by nurse",
        "Not a medical device.",
    ):
        expect(sheet).to_contain_text(said)
    row = sheet.locator("svg").first
    lefts = row.locator(".patient-second").evaluate_all("all => all.map(e => e.getBoundingClientRect().left)")
    assert len(lefts) == 11
    assert np.diff(lefts) / PX_PER_MM == pytest.approx(25, rel=1e-3), "25 mm a second"
    pulse = row.locator(".patient-pulse").evaluate("e => [e.getBoundingClientRect().height, e.getBBox().height]")
    assert pulse[0] / PX_PER_MM == pytest.approx(10, rel=1e-3), "10 mm a millivolt"
    assert pulse[1] == 10, "and a unit of the drawing is a millimetre"
    box = row.bounding_box()
    assert box
    assert box["width"] / PX_PER_MM <= 277 + 1e-3, "it fits between the margins of A4"

    pages = [[float(v) for v in box.split()] for box in re.findall(rb"/MediaBox \[([\d. ]+)\]", pdf)]
    assert pages == [pytest.approx([0, 0, 842, 595], abs=1.5)], "one sheet of A4 across"
    assert strong_lines_mm(pdf) == pytest.approx(5, rel=2e-3), "on paper too the strong lines are 5 mm apart"


def strong_lines_mm(pdf: bytes) -> float:
    """How far the strong vertical lines of a printed strip are apart, read from the drawing in the PDF."""
    for raw in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            text = zlib.decompress(raw).decode("latin-1")
        except zlib.error:
            continue
        scale, stack = 1.0, []
        for line in re.finditer(
            r"(?m)^(q|Q)$|^(-?[\d.]+) (\S+) (\S+) (\S+) (\S+) (\S+) cm$|^0 0 m\n0 40 l\n5 0 m", text
        ):
            if line[1] == "q":
                stack.append(scale)
            elif line[1] == "Q":
                scale = stack.pop()
            elif line[2]:
                scale *= float(line[2])
            else:
                return 5 * scale * 25.4 / 72
    raise AssertionError("there is no grid in the PDF")


def test_full_disclosure_leads_from_a_day_to_the_strip(ward: Ward, screen: Callable[..., Page]) -> None:
    page = loaded(screen(at(ward, LETHAL_S)))
    full = page.locator(".patient-disclosure")
    canvas = full.locator("canvas")
    expect(canvas).to_have_attribute("data-state", "fine", timeout=20_000)
    expect(full.locator("[role=status]")).to_contain_text(f"Cursor at {day(ward.at(LETHAL_S))}")
    expect(full.locator("[role=status]")).to_contain_text("*** VT")
    canvas.focus()
    canvas.press("n")
    expect(full.locator("[role=status]")).to_contain_text("!!! LEAD_OFF")
    canvas.press("p")
    canvas.press("p")  # twenty hours ago
    expect(full.locator("[role=status]")).to_contain_text("* PAUSE")
    expect(full.locator("[role=status]")).to_contain_text("0.00 to 1.00 mV")
    canvas.press("ArrowDown")
    expect(full.locator("[role=status]")).to_contain_text("nothing received")
    canvas.press("ArrowUp")
    for lines in ("10 min", "1 min"):
        canvas.press("Enter")
        expect(full.get_by_role("button", name=lines, exact=True)).to_have_attribute("aria-pressed", "true")
        expect(canvas).to_have_attribute("data-state", "fine", timeout=20_000)
    canvas.press("-")
    expect(full.get_by_role("button", name="10 min", exact=True)).to_have_attribute("aria-pressed", "true")
    canvas.press("Enter")
    canvas.press("Enter")
    expect(strip(page).locator("header .patient-about")).to_contain_text("PAUSE – m, retrospective")
    loaded(page)


def test_a_click_zooms_in_where_it_fell(ward: Ward, screen: Callable[..., Page]) -> None:
    page = loaded(screen(at(ward, LETHAL_S)))
    full = page.locator(".patient-disclosure")
    canvas = full.locator("canvas")
    full.get_by_role("button", name="1 min", exact=True).click()
    expect(canvas).to_have_attribute("data-state", "fine", timeout=20_000)
    begin = full.locator("header .patient-about").text_content() or ""
    box = canvas.bounding_box()
    assert box
    canvas.click(position={"x": 52 + (box["width"] - 52) * 0.25, "y": 26 * 2 + 13})  # the third line, after 15 s
    t0_us = time.mktime(time.strptime(begin[:19], "%Y-%m-%d %H:%M:%S")) * S
    chosen = int(page.evaluate("location.hash").split("t=")[1])
    assert chosen == pytest.approx(t0_us + 135 * S, abs=0.1 * S)


def test_a_day_is_overviewed_at_once(
    ward: Ward, screen: Callable[..., Page], record_testsuite_property: Callable[[str, object], None]
) -> None:
    page = screen(f"#/patient/{CARL}?t={ward.at(0)}")
    full = page.locator(".patient-disclosure")
    expect(full.locator("canvas")).to_have_attribute("data-state", "fine", timeout=30_000)
    took = full.evaluate(
        """async (full) => {
          const canvas = full.querySelector("canvas");
          const newest = [...full.querySelectorAll("button")].find((b) => b.textContent === "Newest");
          const found = [];
          for (let i = 0; i < 7; i++) {
            const began = performance.now();
            await new Promise((done) => {
              const watch = new MutationObserver(() => {
                if (canvas.dataset.state !== "coarse") return;
                watch.disconnect();
                requestAnimationFrame(() => setTimeout(done));
              });
              watch.observe(canvas, { attributes: true });
              newest.click();
            });
            found.push(performance.now() - began);
          }
          return found.sort((a, b) => a - b);
        }"""
    )
    record_testsuite_property("overview_24h_median_ms", round(took[3]))
    record_testsuite_property("overview_24h_greatest_ms", round(took[-1]))
    queue = os.getloadavg()[0] / (os.cpu_count() or 1)  # who waits for a core besides us
    assert took[3] <= 300 * max(1.0, queue), "from the press to the picture"
    expect(full.locator("canvas")).to_have_attribute("data-state", "fine", timeout=30_000)


def test_findings_over_time_and_where_the_student_looked(ward: Ward, screen: Callable[..., Page]) -> None:
    page = loaded(screen(at(ward, 1405)))
    trends = page.locator(".patient-trends")
    expect(trends).to_contain_text("Heart rate: mean 75, lowest 75, highest 75 bpm.")
    expect(trends).to_contain_text("Atrial fibrillation: 18 % of the windows that the student answered.")
    expect(trends).to_contain_text("It was undecided about 6.7 % of all windows.")
    expect(trends.locator(".uplot")).to_have_count(2)
    rows = trends.locator(".patient-lanes tbody th")
    expect(rows).to_have_text(["Normal ECG", "Atrial fibrillation", "Undecided", "Poor signal"])
    trends.get_by_role("button", name="Normal ECG").click()
    expect(trends.locator("h3").nth(1)).to_have_text("Normal ECG, % of answered windows")

    readings = strip(page).get_by_role("group", name="Readings of the student on this strip")
    expect(readings.get_by_role("button")).to_have_count(8)  # of 10 s, one every 5 s, on 30 s
    chosen = readings.get_by_role("button").nth(4)
    expect(chosen).to_contain_text("Atrial fibrillation")
    chosen.click()
    expect(strip(page).locator("[role=status]")).to_contain_text(
        re.compile("Blue: where the student looked|No moment of this window"), timeout=60_000
    )
    expect(chosen).to_have_attribute("aria-pressed", "true")
    regions = page.locator(".patient-rows .patient-region")
    if "Blue" in (strip(page).locator("[role=status]").text_content() or ""):
        assert regions.count() > 0
    chosen.click()
    expect(regions).to_have_count(0)


def test_an_undecided_reading_says_so_and_has_no_map(ward: Ward, screen: Callable[..., Page]) -> None:
    page = loaded(screen(at(ward, 350)))
    readings = strip(page).get_by_role("group", name="Readings of the student on this strip")
    expect(readings.get_by_role("button").nth(3)).to_contain_text("undecided")
    readings.get_by_role("button").nth(3).click()
    expect(strip(page).locator("[role=status]")).to_contain_text("The student was undecided", timeout=60_000)
    expect(page.locator(".patient-region")).to_have_count(0)


def test_an_open_alarm_is_acknowledged_in_one_action_and_given_a_reason(
    ward: Ward, screen: Callable[..., Page]
) -> None:
    alarm = ward.alarm("VF", 1700)
    page = loaded(screen(at(ward, 1700)))
    row = page.locator(f'.patient-open [data-of="{alarm.alarm_id}"]')
    expect(row).to_contain_text("*** HIGH")
    row.get_by_role("button", name="VF: Acknowledge", exact=True).click()
    expect(row).to_contain_text("acknowledged")
    row.get_by_role("button", name="VF: Add a reason").click()
    row.get_by_role("button", name="False: artefact").click()
    expect(row.get_by_role("button", name="Add a reason")).to_have_count(0)
    stored = ward.storage.board.alarm(alarm.alarm_id)
    assert stored
    assert (stored.acknowledged_by, stored.reason) == ("nurse", "false-artefact")
    story = page.locator(f'[data-story="{alarm.alarm_id}"]')
    expect(story).to_contain_text("Acknowledged by nurse")
    expect(story).to_contain_text("Reason: False: artefact")


def test_the_history_says_who_acknowledged_why_and_who_was_told(ward: Ward, screen: Callable[..., Page]) -> None:
    page = screen(at(ward, 100))
    story = page.locator(f'[data-story="{ward.vt.alarm_id}"]')
    expect(story).to_contain_text("LATE")
    expect(story).to_contain_text("lasted 9 s")
    expect(story).to_contain_text("raised 5 s after onset")
    expect(story).to_contain_text("Acknowledged by ada")
    expect(story).to_contain_text("after 42 s")
    expect(story).to_contain_text("Reason: True, acted on")
    expect(story).to_contain_text(f"ward-phone: told at {of_day(ward.vt.raised_us + 2 * S)}")
    story.get_by_text("Course").click()
    expect(story.locator("details li")).to_have_count(2)
    expect(page.locator(f'[data-story="{ward.old.alarm_id}"]')).to_contain_text("RETROSPECTIVE")
    story.get_by_role("button", name=re.compile("^VT ")).click()
    expect(strip(page).locator("header .patient-about")).to_contain_text("VT – rate")
    expect(strip(page).locator("h2")).to_be_focused()


def test_notes_are_read_and_written(ward: Ward, screen: Callable[..., Page]) -> None:
    ward.storage.notes.write(ANNA, "Electrodes changed.", "ada", ward.at(700))
    page = screen(at(ward, 100))
    notes = page.locator(".patient-notes")
    expect(notes).to_contain_text("Electrodes changed.")
    nasty = "<img src=x onerror=alert(1)>\nsecond line"
    notes.get_by_label("New note").fill(nasty)
    notes.get_by_role("button", name="Write note").click()
    expect(notes.locator("li").first).to_contain_text("<img src=x onerror=alert(1)>")
    expect(notes.locator("li").first).to_contain_text("nurse")
    expect(notes.get_by_label("New note")).to_have_value("")
    assert ward.storage.notes.of_patient(ANNA, 1)[0].text == nasty


def test_who_it_is_is_shown_when_asked_for(ward: Ward, screen: Callable[..., Page]) -> None:
    now_us = ward.clock.now_us()
    who = ward.storage.admissions.admit("Bed 9", {"name": "Maria Muster", "born": "1950-02-03"}, "ada", now_us)
    page = screen(f"#/patient/{who}")
    expect(page.locator(".patient-head")).to_contain_text(who)
    expect(page.locator("body")).not_to_contain_text("Maria Muster")
    page.get_by_role("button", name="Show identity").click()
    expect(page.locator(".patient-identity")).to_contain_text("Maria Muster")
    expect(page.locator(".patient-identity")).to_contain_text("1950-02-03")
    page.get_by_role("button", name="Hide identity").click()
    expect(page.locator("body")).not_to_contain_text("Maria Muster")
    assert "Maria" not in page.url


def test_who_may_not_know_breaks_the_glass_with_a_reason(chromium: Browser, tmp_path: Path) -> None:
    with Ward(tmp_path, sign_in=True) as ward:
        now_us = ward.clock.now_us()
        ward.storage.people.add("tom", "technician", "a long enough secret", by="test", now_us=now_us)
        ward.storage.people.add("rosa", "researcher", "a long enough secret", by="test", now_us=now_us)
        who = ward.storage.admissions.admit("Bed 9", {"name": "Maria Muster"}, "ada", now_us)

        def entered(name: str) -> Page:
            page = chromium.new_context(locale="en-GB").new_page()
            page.goto(f"{ward.url}/#/patient/{who}")
            page.get_by_label("User name").fill(name)
            page.get_by_label("Password").fill("a long enough secret")
            page.keyboard.press("Enter")
            expect(page.locator(".patient-head")).to_contain_text(who)
            return page

        page = entered("tom")
        page.get_by_role("button", name="Show identity").click()
        page.get_by_label("Reason").fill("no wristband")
        page.get_by_role("button", name="Break the glass").click()
        expect(page.locator(".patient-identity")).to_contain_text("Maria Muster")
        expect(page.get_by_role("button", name="Limits of this patient")).to_be_disabled()
        page.context.close()

        page = entered("rosa")
        expect(page.get_by_role("button", name="Show identity")).to_be_hidden()
        expect(page.locator(".patient-notes")).to_contain_text("Your role may not read notes.")
        expect(page.get_by_label("New note")).to_have_count(0)
        expect(page.locator('.patient-consent [data-scope="research"]')).to_contain_text("not agreed to")
        expect(page.locator(".patient-consent").get_by_role("button")).to_have_count(0)
        page.context.close()


def asked_of(page: Page, patient: PatientId) -> list[str]:
    """What the page asks of a patient from now on, in order."""
    asked: list[str] = []
    page.on("request", lambda r: f"/{patient}/" in r.url and asked.append(r.url.split(f"/{patient}/")[1].split("?")[0]))
    return asked


@pytest.mark.parametrize("way", ["link", "slow link", "inside"])
def test_who_was_imported_opens_at_the_newest_signal(ward: Ward, screen: Callable[..., Page], way: str) -> None:
    page = screen(f"#/patient/{ward.imported}" if way == "link" else "")
    asked = asked_of(page, ward.imported)
    held: list[Route] = []
    if way == "slow link":  # who is here is known long before the strip that was asked for first
        page.route("**/strip?*", lambda route: route.continue_() if held else held.append(route))
        page.goto(f"{ward.url}/?anew#/patient/{ward.imported}")
    if way == "inside":
        expect(page.locator(f'.tile[data-patient="{ANNA}"]')).to_be_visible()
        page.evaluate(f"location.hash = '#/patient/{ward.imported}'")
    newest_us = LONG_AGO_US + 90 * S
    head = page.locator(".patient-head")
    expect(head.get_by_role("status")).to_have_text(
        f"Not here: nothing is heard of this patient. The newest stored signal is of {day(newest_us)}."
    )
    expect(head.locator(".patient-live")).to_be_hidden()
    for route in held:
        route.continue_()
    loaded(page)
    expect(strip(page).locator("header .patient-about")).to_contain_text(day(newest_us - 30 * S))
    expect(page.locator(".patient-missing")).to_have_count(0)
    assert page.evaluate("location.hash").endswith(f"?t={newest_us - 20 * S}")
    if way == "inside":
        assert asked.index("extent") < asked.index("strip"), "what is not there is not asked for"
    full = page.locator(".patient-disclosure")
    expect(full.locator("canvas")).to_have_attribute("data-state", "fine", timeout=20_000)
    expect(full.get_by_role("group", name="Length of a line").get_by_role("button", name="1 min")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(full.locator(".patient-about")).to_contain_text(day(LONG_AGO_US))
    full.get_by_role("button", name="Earlier").click()
    expect(full.get_by_role("status")).to_have_text("No earlier signal is stored.")
    strip(page).get_by_role("button", name="10 s back").click()
    expect(strip(page).locator("header .patient-about")).to_contain_text(day(newest_us - 40 * S))
    strip(page).get_by_role("button", name="Newest").click()
    expect(strip(page).locator("header .patient-about")).to_contain_text(day(newest_us - 30 * S))


def test_who_was_imported_is_no_lost_stream(ward: Ward, screen: Callable[..., Page]) -> None:
    page = screen()
    expect(page.locator(f'.tile[data-patient="{ANNA}"]')).to_be_visible()
    expect(page.locator(f'.tile[data-patient="{ward.imported}"]')).to_have_count(0)
    assert ward.imported not in {a["patient"] for a in page.request.get(f"{ward.url}/api/v1/alarms").json()["items"]}
    page.evaluate("location.hash = '#/list'")
    search = page.get_by_role("searchbox")
    search.fill(ward.imported)
    expect(page.locator(".list-page .empty")).to_contain_text("Nobody who is here matches.")
    page.get_by_role("link", name=f"Stored signal of {ward.imported}").click()
    expect(page.locator(".patient-head")).to_contain_text("The newest stored signal is of")


def test_an_address_with_a_moment_is_kept_and_nobody_is_told_apart(ward: Ward, screen: Callable[..., Page]) -> None:
    page = loaded(screen(f"#/patient/{ward.imported}?t={LONG_AGO_US + 30 * S}"))
    expect(strip(page).locator("header .patient-about")).to_contain_text(day(LONG_AGO_US + 20 * S))
    expect(page.locator(".patient-head").get_by_role("status")).to_contain_text(day(LONG_AGO_US + 90 * S))
    expect(page.locator(".patient-disclosure .patient-about")).to_contain_text(day(LONG_AGO_US))
    page.evaluate("location.hash = '#/patient/p-nobody'")
    expect(page.locator(".patient-head")).to_contain_text("and no signal is stored")
    expect(strip(page)).to_contain_text("No signal is stored for this time.")


def test_of_who_is_here_nothing_is_asked_before_the_strip(ward: Ward, screen: Callable[..., Page]) -> None:
    page = screen()
    asked = asked_of(page, ANNA)
    page.locator(f'.tile[data-patient="{ANNA}"]').get_by_role("link", name=ANNA).click()
    loaded(page)
    assert "strip" in asked
    assert "extent" not in asked
    expect(page.locator(".patient-gone")).to_have_text("")


def test_consent_is_written_down_and_withdrawn(ward: Ward, screen: Callable[..., Page]) -> None:
    page = screen(f"#/patient/{ward.imported}")
    consent = page.locator(".patient-consent")
    training = consent.locator('[data-scope="training"]')
    expect(training).to_contain_text("Nothing was written down, so it is not agreed to.")
    choice = training.get_by_role("group", name="Training")
    choice.get_by_role("button", name="Agreed", exact=True).focus()
    page.keyboard.press("Enter")
    expect(consent.get_by_role("status")).to_have_text("Training: written down as agreed.")
    expect(training).to_contain_text("Agreed, written down by nurse")
    expect(choice.get_by_role("button", name="Agreed", exact=True)).to_have_attribute("aria-pressed", "true")
    assert {c.scope: c.given for c in ward.storage.consents.of(ward.imported)} == {"training": True}
    choice.get_by_role("button", name="Not agreed").click()
    expect(training).to_contain_text("Not agreed, written down by nurse")
    expect(consent.locator('[data-scope="export"]')).to_contain_text("Nothing was written down")
    consent.get_by_text("What studies choose by").click()
    expect(consent).to_contain_text("Site: not said")
    consent.get_by_label("Site").fill("north")
    consent.get_by_label("Sex").select_option("female")
    consent.get_by_label("Year of birth").fill("1950")
    consent.get_by_role("button", name="Keep").click()
    expect(consent).to_contain_text("Site: north · sex: female · year of birth: 1950")
    told = ward.storage.subjects.of(ward.imported)
    assert told
    assert (told.site, told.sex, told.birth_year) == ("north", "female", 1950)
    done = [d.action for d in ward.storage.audit.latest(20, subject=ward.imported)]
    assert [a for a in done if not a.endswith("-read")][:3] == ["subject-set", "consent-withdrawn", "consent-given"]
    page.set_viewport_size({"width": 390, "height": 844})
    assert consent.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    assert violations(page, ".patient-page") == []


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080), (390, 844)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_it_fits_the_screen(ward: Ward, screen: Callable[..., Page], size: tuple[int, int]) -> None:
    page = loaded(screen(at(ward, LETHAL_S), viewport={"width": size[0], "height": size[1]}))
    expect(page.locator(".patient-disclosure canvas")).to_have_attribute("data-state", "fine", timeout=20_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    wide = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.className)"
    assert page.locator(".patient-page > section").evaluate_all(wide) == []
    row = page.locator(".patient-rows svg").first.bounding_box()
    assert row
    assert 0 <= row["x"] <= size[0] - row["width"], "the paper needs no sideways scrolling"
    seconds = page.locator(".patient-rows svg").first.locator(".patient-second")
    lefts = seconds.evaluate_all("all => all.map(e => e.getBoundingClientRect().left)")
    assert np.diff(lefts) / PX_PER_MM == pytest.approx(25, rel=1e-3), "25 mm/s on every screen"


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_everything_has_a_name_and_can_be_read(ward: Ward, screen: Callable[..., Page], scheme: str) -> None:
    page = loaded(screen(at(ward, LETHAL_S), color_scheme=scheme))
    page.get_by_role("button", name="Calipers").click()
    expect(page.locator(".patient-lanes tbody tr")).to_have_count(4)
    nameless = """() => [...document.querySelectorAll(
        ".patient-page :is(button, a, input, textarea, [role=slider], [role=img], [role=application], [tabindex='0'])"
      )].filter(e => e.checkVisibility() && !(e.getAttribute("aria-label") || e.textContent.trim() ||
        e.labels?.length || e.title)).map(e => e.outerHTML)"""
    assert page.evaluate(nameless) == []
    assert page.evaluate(FAINT) == []
    assert violations(page, ".patient-page") == []
    picture(page, f"patient-{scheme}")


FAINT = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (css) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = css;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255, 255];
  };
  const texts = [...document.querySelectorAll(".patient-page *")].filter((e) => e instanceof HTMLElement
    && e.checkVisibility() && !e.closest("button:disabled")
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()));
  return texts.map((e) => {
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(behind(e))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.className, e.textContent.slice(0, 30)];
  }).filter(([contrast]) => contrast < 4.5);
}"""


def day(us: int) -> str:
    """The moment as the page says it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(us // S))
