"""Pausing the sound, escalation, limits and the link of a notice in a real Chromium, over a real database."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from alerts.dashboard.feed import InProcessFeed
from alerts.escalation import due
from deploy import wiring
from deploy.http import create_web
from deploy.metrics import PrometheusMetrics
from deploy.settings import load
from liteheart.alarm import Alarm, AlarmEvent, Kind, Priority
from liteheart.board import PatientState, alarm_message
from liteheart.clock import US_PER_S, SystemClock
from liteheart.ids import DeviceId, PatientId, alarm_id
from storage.monitor_store import Batch
from tests.e2e.waiting import until

pytestmark = pytest.mark.browser

NAMES = [PatientId(f"p-{i}") for i in range(1, 5)]


class Ward:
    """A database with four patients who are heard all the time, a monitor's heartbeat, and the dashboard."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.feed = SystemClock(), InProcessFeed()
        environ = {"LITEHEART_DASHBOARD_PAUSE_S": "4,120", "LITEHEART_DASHBOARD_STATIONS": "A,B"}
        environ["LITEHEART_DASHBOARD_RESYNC_S"] = "2"  # nobody tells live of these patients
        self.settings = load(environ=environ, data_dir=folder)
        self.storage = wiring.open_storage(self.settings)
        router = wiring.dashboard(self.settings, self.storage, self.feed, self.clock, sign_in=False)
        app = create_web([router], PrometheusMetrics(), lambda: None)
        config = uvicorn.Config(
            app, port=0, log_config=None, ws="websockets-sansio", lifespan="off", timeout_graceful_shutdown=2
        )
        self._server = uvicorn.Server(config)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._server.run), threading.Thread(target=self._live)]
        self.beds = {name: f"Bed {i}" for i, name in enumerate(NAMES, 1)}

    def __enter__(self) -> "Ward":
        for thread in self._threads:
            thread.start()
        until(lambda: self._server.started)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._server.should_exit = True
        for thread in self._threads:
            thread.join(10)
        self.storage.close()

    def _live(self) -> None:
        while not self._stop.wait(0.5):
            now_us = self.clock.now_us()
            self.storage.monitor.heartbeat("monitor", "m1", now_us)
            states = [
                PatientState(name, DeviceId(f"d-{name}"), "I", 250.0, now_us, now_us, bed=bed, usable=True, sqi=0.9)
                for name, bed in list(self.beds.items())
            ]
            self.storage.monitor.commit(Batch(states=states))

    def raise_alarm(self, patient: PatientId, condition: str = "VF", ago_s: float = 0.0, **values: Any) -> Alarm:
        """Store it and put it on the feed, as the monitor does."""
        at_us = self.clock.now_us() - round(ago_s * US_PER_S)
        facts: dict[str, Any] = {"kind": Kind.PHYSIOLOGICAL, "priority": Priority.HIGH, "latching": True} | values
        name = alarm_id(patient, condition, at_us)
        alarm = Alarm(
            name, patient, condition, condition, onset_us=at_us, raised_us=at_us, message="m", active=True, **facts
        )
        event = AlarmEvent(alarm, "raised", at_us, at_us)
        self.storage.monitor.commit(Batch(alarms=[event]))
        self.feed.publish([alarm_message(event)])
        return alarm

    def climb(self) -> None:
        """Take the steps of the ladder that are due."""
        ladder = self.storage.escalations
        ladder.take(due(ladder.unattended(), self.clock.now_us(), self.settings.escalation))


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    with Ward(tmp_path) as ward:
        yield ward


@pytest.fixture
def screen(chromium: Browser, ward: Ward) -> Iterator[Callable[..., Page]]:
    """Screens of the ward; what they complain about fails the test."""
    contexts, complaints = [], []

    def opened(path: str = "/", *, sound: bool = True) -> Page:
        contexts.append(chromium.new_context(viewport={"width": 1366, "height": 768}))
        page = contexts[-1].new_page()
        page.on("console", lambda m: m.type in ("error", "warning") and complaints.append(m.text))
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(ward.url + path)
        expect(page.locator(".tile")).to_have_count(len(NAMES), timeout=20_000)
        if sound:
            page.locator(".sound").click()
            expect(page.locator(".pause")).to_be_visible()
        until(lambda: page.evaluate("liteheart.ward.cares"))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def bursts(page: Page) -> list[Any]:
    """Sounds played so far."""
    return page.evaluate("liteheart.sound.bursts.map(b => b[1])")


def tile(page: Page, patient: PatientId) -> Any:
    return page.locator(f'.tile[data-patient="{patient}"]')


def test_a_station_is_quiet_together_until_a_new_high_alarm(ward: Ward, screen: Callable[..., Page]) -> None:
    here, there, elsewhere = screen("/?station=A"), screen("/?station=A"), screen("/?station=B")
    ward.raise_alarm(NAMES[0], "AFIB", priority=Priority.MEDIUM)
    for page in (here, there, elsewhere):
        until(lambda page=page: bursts(page))
    time.sleep(1.1)  # long enough for a person to have heard it
    here.locator(".pause").click()
    expect(here.locator(".pause")).to_contain_text("Sound paused 1:5")
    expect(there.locator(".pause")).to_contain_text("Sound paused 1:5")
    expect(elsewhere.locator(".pause")).to_have_text("Pause sound 2 min")
    before, loud = [bursts(here), bursts(there)], len(bursts(elsewhere))

    ward.raise_alarm(NAMES[1], "2AVB", priority=Priority.MEDIUM)
    until(lambda: len(bursts(elsewhere)) > loud, 20)
    assert [bursts(here), bursts(there)] == before, "no worse than what was silenced"
    for page in (here, there):
        for patient in NAMES[:2]:
            expect(tile(page, patient)).to_have_attribute("data-alarm", "medium")
            expect(tile(page, patient)).to_have_attribute("data-presence", "on")

    ward.raise_alarm(NAMES[2])
    for page in (here, there):
        until(lambda page=page: bursts(page)[-1] == 3)
        expect(page.locator(".pause")).to_contain_text("Sound paused")

    there.locator(".pause").click()
    expect(there.locator(".pause")).to_have_text("Pause sound 2 min")
    expect(here.locator(".pause")).to_have_text("Pause sound 2 min")
    assert ward.storage.pauses.pauses(ward.clock.now_us()) == []


def test_a_pause_ends_by_itself_and_then_it_sounds_again(ward: Ward, screen: Callable[..., Page]) -> None:
    page = screen()
    ward.raise_alarm(NAMES[0], "AFIB", ago_s=5, priority=Priority.MEDIUM)
    until(lambda: bursts(page))
    page.get_by_role("button", name="4 s", exact=True).click()
    until(lambda: page.evaluate("liteheart.ward.stationPause() !== null"))
    heard = len(bursts(page))
    until(lambda: page.evaluate("liteheart.ward.stationPause() === null"))
    until(lambda: len(bursts(page)) > heard, 20)
    expect(page.locator(".pause")).to_have_text("Pause sound 2 min")


def test_one_patient_is_quiet_and_the_screen_says_so_even_anew(ward: Ward, screen: Callable[..., Page]) -> None:
    page = screen()
    ward.raise_alarm(NAMES[0], ago_s=5)
    tile(page, NAMES[0]).locator(".name").click()
    page.get_by_role("button", name="Pause sound of this patient").click()
    expect(page.locator(".patient-pause")).to_contain_text("Sound paused 1:5")
    page.keyboard.press("Escape")
    expect(tile(page, NAMES[0]).locator(".flags")).to_contain_text("1:5")
    expect(tile(page, NAMES[0])).to_have_attribute("data-alarm", "high")
    heard = len(bursts(page))
    time.sleep(8)  # a burst of HIGH comes every seven
    assert len(bursts(page)) == heard
    page.reload()
    expect(tile(page, NAMES[0]).locator(".flags")).to_contain_text("1:", timeout=8000)
    ward.raise_alarm(NAMES[1], "VT")
    page.locator(".sound").click()
    until(lambda: 3 in bursts(page))


def test_an_alarm_climbs_the_ladder_until_it_is_acknowledged(ward: Ward, screen: Callable[..., Page]) -> None:
    page = screen(sound=False)
    alarm = ward.raise_alarm(NAMES[3], ago_s=50)
    item = page.locator(f'[data-alarm-id="{alarm.alarm_id}"]')
    expect(item.locator(".ladder")).to_contain_text("Primary nurse (step 1 of 3), Charge nurse in")
    time.sleep(max(0.0, (alarm.raised_us + 61 * US_PER_S - ward.clock.now_us()) / US_PER_S))
    ward.climb()
    expect(item.locator(".ladder")).to_contain_text("Charge nurse (step 2 of 3), Physician in", timeout=8000)
    expect(tile(page, NAMES[3]).locator(".flags")).to_contain_text("▲1")
    item.locator(".acknowledge").click()
    expect(item.locator(".ladder")).to_have_text("")
    expect(tile(page, NAMES[3]).locator(".flags")).to_have_text("")
    assert ward.storage.escalations.unattended() == []
    ward.climb()
    assert len(ward.storage.notifications.letters(10)) == 2, "raised and one step; then nobody is told any more"


def test_limits_are_set_in_the_form_and_kept_with_the_name(ward: Ward, screen: Callable[..., Page]) -> None:
    page = screen(sound=False)
    tile(page, NAMES[0]).locator(".name").click()
    page.get_by_role("button", name="Limits of this patient").click()
    field = page.get_by_label("Extreme tachycardia above")
    expect(field).to_have_attribute("placeholder", "140")
    field.fill("165")
    page.get_by_role("button", name="Save limits").click()
    expect(page.locator(".limits")).to_contain_text("Saved")
    expect(page.locator(".limits")).to_contain_text("Set by nurse")
    stored = ward.storage.limits.limits(NAMES[0])
    assert stored is not None
    assert (stored.limits, stored.by) == ({"tachy_bpm": 165.0}, "nurse")
    field.fill("1000")
    page.get_by_role("button", name="Save limits").click()
    time.sleep(0.5)
    assert ward.storage.limits.all()[NAMES[0]] == {"tachy_bpm": 165.0}


def test_the_link_of_a_notice_opens_its_alarm(ward: Ward, screen: Callable[..., Page]) -> None:
    alarm = ward.raise_alarm(NAMES[1], "VT")
    page = screen(f"/#alarm={alarm.alarm_id}", sound=False)
    expect(page.locator("dialog.review")).to_be_visible()
    expect(page.locator("dialog.review")).to_contain_text("VT")
    expect(page.locator("dialog.review")).to_contain_text("Bed 2")


def test_an_open_strip_names_the_bed_as_soon_as_it_is_known(ward: Ward, screen: Callable[..., Page]) -> None:
    """An alarm may be stored before its patient has a bed: who reads the strip then must see where to go."""
    newcomer = PatientId("p-9")
    alarm = ward.raise_alarm(newcomer, "VT")
    page = screen(f"/#alarm={alarm.alarm_id}", sound=False)
    expect(page.locator("dialog.review h2")).to_have_text(f"Strip of {newcomer}")
    ward.beds[newcomer] = "Bed 9"
    expect(page.locator("dialog.review h2")).to_have_text(f"Strip of Bed 9 \u00b7 {newcomer}", timeout=20_000)
