"""The dashboard in a real Chromium, fed by a live source: what a nurse sees, hears and presses."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect

from alerts.dashboard.app import dashboard_router
from alerts.dashboard.feed import InProcessFeed
from alerts.dashboard.memory import MemoryBoard
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import People
from liteheart.alarm import Alarm, Kind, Priority
from liteheart.board import LiveMessage, PatientState, alarm_json
from liteheart.clock import US_PER_S, SystemClock
from liteheart.conditions import Condition
from liteheart.ids import DeviceId, PatientId, alarm_id
from liteheart.signal import Frame
from liteheart.wire import encode_frame
from tests.e2e.serving import Server
from tests.e2e.waiting import until

pytestmark = pytest.mark.browser

FS_HZ = 250.0
CONDITIONS = [
    Condition("NORM", "Normal ECG", None),
    Condition("AFIB", "Atrial fibrillation", "49436004"),
    Condition("CRBBB", "Complete right bundle branch block", "713427006"),
    Condition("STACH", "Sinus tachycardia", "11092001"),
]


def synthetic_ecg(seconds: np.ndarray, bpm: float, millivolts: float, seed: int) -> np.ndarray:
    """mV at `seconds`: one sum of bumps a beat, with wander and noise. P, Q, R, S, T as (place, width, height)."""
    phase = (seconds * bpm / 60 + 0.137 * seed) % 1.0
    waves = ((0.18, 0.022, 0.12), (0.365, 0.008, -0.12), (0.38, 0.009, 1.0), (0.398, 0.009, -0.22), (0.62, 0.04, 0.28))
    beat = sum(height * np.exp(-0.5 * ((phase - at) / width) ** 2) for at, width, height in waves)
    wander = 0.15 * np.sin(2 * np.pi * 0.21 * seconds + seed)
    return beat * millivolts + wander + 0.012 * np.random.default_rng(seed).standard_normal(len(seconds))


class Ward:
    """Patients that send one frame a second to a board and a feed, until told to be silent."""

    def __init__(self, patients: int) -> None:
        self.board, self.feed, self.clock = MemoryBoard(), InProcessFeed(), SystemClock()
        self.names = [PatientId(f"p-{i:03}") for i in range(1, patients + 1)]
        self.silent: set[PatientId] = set()
        self.lead_off: set[PatientId] = set()
        self.monitor_runs = True
        self._began_us = self.clock.now_us() - 40 * US_PER_S
        self._stop = threading.Event()
        for i in range(patients):
            for second in range(40):
                self.board.put_frame(self._frame(i, second))
            self.board.put_state(self._state(i, self._frame(i, 39)))
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> "Ward":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def bpm(self, i: int) -> float:
        """Each patient's own."""
        return (64, 78, 92, 71, 118, 57)[i % 6] + i // 6

    def raise_alarm(self, patient: PatientId, **values: Any) -> Alarm:
        """Store an alarm and put it on the feed as the monitor does."""
        now_us = self.clock.now_us()
        onset_us = values.pop("onset_us", now_us - 5 * US_PER_S)
        facts: dict[str, Any] = {
            "condition": "asystole",
            "label": "Asystole",
            "kind": Kind.PHYSIOLOGICAL,
            "priority": Priority.HIGH,
            "latching": True,
            "message": "no beat for 4.2 s > 4 s",
            "active": True,
        } | values
        alarm = Alarm(
            alarm_id=alarm_id(patient, facts["condition"], onset_us),
            patient=patient,
            onset_us=onset_us,
            raised_us=now_us,
            **facts,
        )
        self.put(alarm)
        return alarm

    def put(self, alarm: Alarm) -> None:
        """Store and publish."""
        self.board.put_alarm(alarm)
        self.feed.publish([LiveMessage("alarm", alarm.patient, json.dumps(alarm_json(alarm)).encode())])

    def _frame(self, i: int, second: int) -> Frame:
        at = np.arange(int(FS_HZ)) / FS_HZ + second
        mv = synthetic_ecg(at, self.bpm(i), 1.0 if i % 7 else 2.2, i)
        t0_us = self._began_us + second * US_PER_S + i * 37_000 % US_PER_S
        return Frame(
            patient=self.names[i],
            device=DeviceId(f"patch-{i:03}"),
            boot=1,
            sequence=second,
            t0_us=t0_us,
            fs_hz=FS_HZ,
            gain=1000.0,
            lead="I",
            samples=np.round(mv * 1000).astype(np.int16),
            arrival_us=t0_us + US_PER_S + 80_000,
            lead_off=self.names[i] in self.lead_off,
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
            heart_rate_bpm=self.bpm(i) + 0.2,
            sqi=(0.97, 0.88, 0.93, 0.41, 0.79)[i % 5],
            usable=i % 5 != 3,
            lead_off=frame.lead_off,
            battery_pct=frame.battery_pct,
            codes=(("NORM",), ("AFIB", "CRBBB"), ("NORM",), (), ("STACH",))[i % 5],
            model="test-1",
        )

    def _send(self) -> None:
        sent = [40] * len(self.names)
        while not self._stop.wait(0.02):
            now_us = self.clock.now_us()
            if self.monitor_runs:
                self.board.beat("monitor", now_us)
            for i, patient in enumerate(self.names):
                frame = self._frame(i, sent[i])
                if frame.arrival_us > now_us:
                    continue
                sent[i] += 1
                if patient in self.silent:
                    continue
                state = self._state(i, frame)
                self.board.put_frame(frame)
                self.board.put_state(state)
                payload = json.dumps(replace(state, bed="").to_json()).encode()  # the monitor knows no beds
                self.feed.publish(
                    [
                        LiveMessage("frame", patient, encode_frame(frame, raw=i % 2 == 1)),
                        LiveMessage("state", patient, payload),
                    ]
                )


def served(ward: Ward, people: People | None = None) -> Server:
    """Its dashboard."""

    def made() -> FastAPI:
        app = FastAPI()
        app.include_router(
            dashboard_router(ward.board, ward.feed, people, ward.clock, DashboardSettings(), conditions=CONDITIONS)
        )
        return app

    return Server(made)


class Watched:
    """A page and all that it asked for and complained about."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self._context = browser.new_context(**({"viewport": {"width": 1366, "height": 768}} | options))
        self.page: Page = self._context.new_page()
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.bytes = 0
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.complaints.append(m.text))
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("request", lambda r: self.hosts.add(r.url.split("/")[2]))
        self.page.on("websocket", lambda w: self.hosts.add(w.url.split("/")[2]))

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *exc: object) -> None:
        self._context.close()


@pytest.fixture
def ward() -> Iterator[Ward]:
    with Ward(6) as ward:
        yield ward


@pytest.fixture
def server(ward: Ward) -> Iterator[Server]:
    with served(ward) as server:
        yield server


@pytest.fixture
def watched(chromium: Browser, server: Server) -> Iterator[Watched]:
    """The page, opened; whatever it complains about fails the test unless the test expects it."""
    with Watched(chromium) as watched:
        watched.page.goto(server.url)
        expect(watched.page.locator(".tile").first).to_be_visible()
        yield watched
        assert watched.complaints == []
        assert watched.hosts == {f"127.0.0.1:{server.port}"}, "nothing may leave the host"


def tile(page: Page, patient: str) -> Any:
    """The patient's tile."""
    return page.locator(f'.tile[data-patient="{patient}"]')


def order(page: Page) -> list[str]:
    """Patients as the tiles stand."""
    return page.eval_on_selector_all(".tile", "tiles => tiles.map(t => t.dataset.patient)")


def ink(page: Page, patient: str) -> list[int]:
    """Columns of the patient's strip that hold ink."""
    return (
        tile(page, patient)
        .locator("canvas")
        .evaluate(
            """canvas => {
          const { width, height } = canvas;
          const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(canvas, 0, 0);
          const data = copy.getImageData(0, 0, width, height).data;
          const columns = [];
          for (let x = 0; x < width; x++)
            for (let y = 0; y < height; y++)
              if (data[4 * (y * width + x) + 3] > 100) { columns.push(x); break; }
          return columns;
        }"""
        )
    )


def bursts(page: Page) -> list[Any]:
    """Names of the sound bursts played so far."""
    return page.evaluate("liteheart.sound.bursts.map(b => b[1])")


def test_every_patient_has_a_moving_strip_and_numbers(watched: Watched, ward: Ward) -> None:
    page = watched.page
    expect(page.locator(".tile")).to_have_count(6)
    assert order(page) == ward.names, "nobody alarms: fixed places"
    expect(tile(page, "p-001").locator(".hr")).to_have_text("64")
    expect(tile(page, "p-005").locator(".hr")).to_have_text("118")
    expect(tile(page, "p-001").locator(".name")).to_have_text("Bed 1")
    expect(tile(page, "p-001").locator(".age")).to_have_text("< 2 s")
    expect(tile(page, "p-001").locator(".battery")).to_have_text("83 %")
    expect(tile(page, "p-002").locator(".message")).to_contain_text("Atrial fibrillation")
    expect(tile(page, "p-004").locator(".message")).to_contain_text("Poor signal")
    for patient in ward.names:
        until(lambda patient=patient: len(ink(page, patient)) > 80)
    before = {patient: ink(page, patient) for patient in ward.names}
    time.sleep(0.7)
    assert all(ink(page, patient) != columns for patient, columns in before.items())


def test_a_strip_runs_at_25_mm_a_second(watched: Watched) -> None:
    page = watched.page
    pen = "[performance.now(), liteheart.wall.tiles.get('p-001').swept]"
    until(lambda: len(ink(page, "p-001")) > 80)
    t0, x0 = page.evaluate(pen)
    time.sleep(2)
    t1, x1 = page.evaluate(pen)
    assert (x1 - x0) / (t1 - t0) * 1000 == pytest.approx(25 * 96 / 25.4, rel=0.03)


def test_python_frames_decode_to_the_same_samples(watched: Watched) -> None:
    rng = np.random.default_rng(7)
    extremes = np.array([32767, -32768, 0, -1, 1, 32767, -32768], np.int16)
    frames = [
        Frame(
            patient=PatientId("p.x:1-_"),
            device=DeviceId("d" * n_device),
            boot=2**53 + 1,
            sequence=2**63 - 1,
            t0_us=1_790_000_000_123_457,
            fs_hz=fs,
            gain=gain,
            lead="MLII",
            samples=samples,
            arrival_us=1_790_000_001_000_001,
            lead_off=n_device == 64,
            battery_pct=battery,
        )
        for n_device, fs, gain, battery, samples in (
            (1, 250.0, 1000.0, None, extremes),
            (64, 128.5, 204.8, 0, rng.integers(-32768, 32768, 777).astype(np.int16)),
            (7, 1000.0, 1.0, 100, np.zeros(0, np.int16)),
        )
    ]
    script = """bytes => {
      const f = liteheart.decodeFrame(new Uint8Array([9, ...bytes]).subarray(1));
      return { ...f, boot: String(f.boot), sequence: String(f.sequence), samples: [...f.samples] };
    }"""
    for frame in frames:
        for raw in (False, True):
            got = watched.page.evaluate(script, list(encode_frame(frame, raw=raw)))
            assert got == {
                "patient": frame.patient,
                "device": frame.device,
                "lead": frame.lead,
                "boot": str(frame.boot),
                "sequence": str(frame.sequence),
                "t0": frame.t0_us,
                "arrival": frame.arrival_us,
                "fs": frame.fs_hz,
                "gain": frame.gain,
                "battery": frame.battery_pct,
                "leadOff": frame.lead_off,
                "samples": frame.samples.tolist(),
            }


def test_the_display_filter_does_not_care_how_samples_arrive(watched: Watched) -> None:
    script = """() => {
      const { HighPass } = liteheart;
      const x = Array.from({ length: 999 }, (_, i) => 500 + 300 * Math.sin(i / 9));
      const whole = new HighPass(250).run(x, 0.001);
      const filter = new HighPass(250);
      const parts = [[0, 1], [1, 400], [400, 999]].flatMap(([a, b]) => [...filter.run(x.slice(a, b), 0.001)]);
      return parts.length === whole.length && parts.every((v, i) => v === whole[i]);
    }"""
    assert watched.page.evaluate(script) is True


def test_an_alarm_comes_first_and_sounds_until_one_press_acknowledges_it(watched: Watched, ward: Ward) -> None:
    page = watched.page
    expect(page.locator(".sound")).to_contain_text("Sound is off")
    page.locator(".sound").click()
    expect(page.locator(".sound")).to_have_text("Sound on")
    ward.raise_alarm(
        ward.names[3], condition="afib", label="Atrial fibrillation", priority=Priority.MEDIUM, message="p 0.94"
    )
    expect(page.locator(".list li")).to_have_count(1)
    alarm = ward.raise_alarm(ward.names[4])
    expect(page.locator(".list li").first).to_contain_text("Asystole")
    until(lambda: order(page)[:2] == ["p-005", "p-004"])
    message = tile(page, "p-005").locator(".message")
    expect(message).to_contain_text("*** Asystole")
    expect(message).to_contain_text("no beat for 4.2 s > 4 s")
    expect(tile(page, "p-004").locator(".message")).to_contain_text("** Atrial fibrillation")
    expect(page.locator(".spoken")).to_contain_text("HIGH priority alarm, Asystole, Bed 5")
    expect(page).to_have_title("(2) LiteHeart")
    until(lambda: bursts(page)[:2] == [2, 3])

    page.locator(f'[data-alarm-id="{alarm.alarm_id}"] .acknowledge').click()
    expect(tile(page, "p-005")).to_have_attribute("data-presence", "ack")
    until(lambda: order(page)[0] == "p-004")
    stored = ward.board.alarm(alarm.alarm_id)
    assert stored is not None
    assert (stored.presence, stored.acknowledged_by, stored.reason) == ("ack", "nurse", None)
    expect(page.locator(f'[data-alarm-id="{alarm.alarm_id}"]')).to_contain_text("acknowledged by nurse")
    heard = len(bursts(page))
    ward.put(replace(alarm, episodes=2, raised_us=alarm.raised_us + 1))  # it comes back: the sound does too
    expect(tile(page, "p-005")).to_have_attribute("data-presence", "on")
    until(lambda: 3 in bursts(page)[heard:])


def test_a_reason_can_be_given_with_the_keyboard_alone(watched: Watched, ward: Ward) -> None:
    page = watched.page
    alarm = ward.raise_alarm(ward.names[1])
    more = page.locator(f'[data-alarm-id="{alarm.alarm_id}"] .more')
    more.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".reasons button").first).to_be_visible()
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(f'[data-alarm-id="{alarm.alarm_id}"]')).to_contain_text("False: artefact")
    stored = ward.board.alarm(alarm.alarm_id)
    assert stored is not None
    assert stored.reason == "false-artefact"


def test_a_pause_holds_until_a_worse_alarm_and_the_past_never_sounds(watched: Watched, ward: Ward) -> None:
    page = watched.page
    page.locator(".sound").click()
    expect(page.locator(".sound")).to_have_text("Sound on")
    ward.raise_alarm(ward.names[0], condition="old", label="Old", retrospective=True)
    expect(page.locator(".list li")).to_contain_text("retrospective")
    time.sleep(1)
    assert bursts(page) == []
    ward.raise_alarm(ward.names[1], condition="af", label="AF", priority=Priority.MEDIUM)
    until(lambda: bursts(page) == [2])
    page.get_by_role("button", name="Pause sound").click()
    expect(page.locator("[data-paused]")).to_contain_text("1:5")
    ward.raise_alarm(ward.names[2], condition="pause", label="Pause", priority=Priority.LOW)
    ward.raise_alarm(ward.names[3], condition="af", label="AF", priority=Priority.MEDIUM)
    expect(page.locator(".list li")).to_have_count(4)
    time.sleep(1)
    assert bursts(page) == [2]
    ward.raise_alarm(ward.names[4])
    until(lambda: bursts(page) == [2, 3])
    expect(page.locator("[data-paused]")).to_be_visible()


def test_silence_is_named_and_never_frozen(watched: Watched, ward: Ward) -> None:
    page = watched.page
    until(lambda: len(ink(page, "p-003")) > 80)
    ward.silent.add(ward.names[2])
    ward.lead_off.add(ward.names[3])
    expect(tile(page, "p-004").locator(".veil")).to_have_text("LEAD OFF", timeout=5000)
    expect(tile(page, "p-003").locator(".veil")).to_contain_text("NO DATA", timeout=10000)
    expect(tile(page, "p-003").locator(".veil")).to_have_text("NO DATA 8 s", timeout=10000)
    expect(tile(page, "p-003").locator(".hr")).to_have_text("––")
    until(lambda: order(page)[0] == "p-003")
    until(lambda: ink(page, "p-003") == [], timeout_s=20)  # the pen went on and wiped what is old
    ward.silent.clear()
    expect(tile(page, "p-003").locator(".veil")).to_have_text("", timeout=5000)
    expect(tile(page, "p-003").locator(".hr")).to_have_text("92")


def test_a_stopped_monitor_is_told(watched: Watched, ward: Ward) -> None:
    ward.monitor_runs = False
    banner = watched.page.locator(".banner:visible")
    expect(banner).to_contain_text("MONITOR NOT RUNNING", timeout=16000)
    ward.monitor_runs = True
    expect(banner).to_have_count(0, timeout=6000)


def test_a_lost_link_is_told_and_mends_itself(
    chromium: Browser, server: Server, ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    with Watched(chromium) as watched:
        page = watched.page
        page.goto(server.url)
        page.locator(".sound").click()
        old = ward.raise_alarm(ward.names[0])
        expect(page.locator(".list li")).to_have_count(1)
        server.stop()
        expect(page.locator(".banner:visible")).to_contain_text("CONNECTION LOST", timeout=8000)
        until(lambda: "fault" in bursts(page) or 3 in bursts(page))
        ward.board.acknowledge(old.alarm_id, "other", None, ward.clock.now_us())
        ward.put(replace(old, active=False))
        ward.raise_alarm(ward.names[1], condition="vf", label="Ventricular fibrillation")
        server.start()
        expect(page.locator(".banner:visible")).to_have_count(0, timeout=15000)
        expect(page.locator(".list")).to_contain_text("Ventricular fibrillation")
        expect(page.locator(".list")).not_to_contain_text("Asystole")
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == []


def test_the_strip_of_an_alarm_opens_on_grid_paper(watched: Watched, ward: Ward) -> None:
    page = watched.page
    alarm = ward.raise_alarm(ward.names[4], onset_us=ward.clock.now_us() - 25 * US_PER_S)
    with page.expect_response(lambda r: "/strip?" in r.url) as asked:
        page.locator(f'[data-alarm-id="{alarm.alarm_id}"] .what').click()
    url = asked.value.url
    assert f"t0_us={alarm.onset_us - 10 * US_PER_S}&t1_us={alarm.onset_us + 20 * US_PER_S}" in url
    assert asked.value.status == 200
    expect(page.locator("dialog.review .note")).to_contain_text("Lead I · 25 mm/s · 10 mm/mV")
    dark = page.locator("dialog.review canvas").evaluate(
        """canvas => {
          const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
          copy.drawImage(canvas, 0, 0);
          const data = copy.getImageData(0, 0, canvas.width, canvas.height).data;
          let n = 0;
          for (let i = 0; i < data.length; i += 4) if (data[i] < 60 && data[i + 1] < 60) n++;
          return n;
        }"""
    )
    assert dark > 3000, "30 s of trace"
    page.locator("dialog.review .acknowledge").click()
    expect(page.locator("dialog.review .acknowledge")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("dialog.review")).to_be_hidden()
    tile(page, "p-001").locator(".name").click()
    expect(page.locator("dialog.review h2")).to_contain_text("Bed 1")


def test_what_devices_and_people_write_stays_text(watched: Watched, ward: Ward) -> None:
    nasty = "<img src=x onerror=alert(1)><b>x</b>"
    ward.raise_alarm(ward.names[0], label=nasty, message=nasty)
    expect(watched.page.locator(".list li .label")).to_have_text(nasty)
    expect(tile(watched.page, "p-001").locator(".message")).to_contain_text(nasty)
    assert watched.page.locator("img, b").count() == 0


class Staff:
    """Two people with passwords."""

    def verify(self, username: str, password: str) -> Any:
        """Whoever knows the password."""
        roles = {"ada": "nurse", "rosa": "researcher"}
        known = username in roles and password == f"{username}-secret"
        return type("Known", (), {"username": username, "role": roles[username]})() if known else None


def test_nobody_sees_the_ward_without_signing_in(chromium: Browser, ward: Ward) -> None:
    alarm = ward.raise_alarm(ward.names[0])
    with served(ward, Staff()) as server, Watched(chromium) as watched:
        page = watched.page
        page.goto(server.url)
        expect(page.locator(".signin")).to_be_visible()
        assert page.locator(".tile").count() == 0
        page.get_by_label("User name").fill("rosa")
        page.get_by_label("Password").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator(".fault")).to_have_text("name or password is wrong")
        page.get_by_label("Password").fill("rosa-secret")
        page.keyboard.press("Enter")
        expect(page.locator(".tile")).to_have_count(6)
        expect(page.locator(".list li")).to_have_count(1)
        assert page.locator(".acknowledge").count() == 0, "a researcher only looks"
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Sign out").click()
        expect(page.locator(".signin")).to_be_visible()
        page.get_by_label("User name").fill("ada")
        page.get_by_label("Password").fill("ada-secret")
        page.keyboard.press("Enter")
        page.locator(f'[data-alarm-id="{alarm.alarm_id}"] .acknowledge').click()
        expect(page.locator(".list li")).to_contain_text("acknowledged by ada")
        watched.complaints = [c for c in watched.complaints if "401" not in c]
        assert watched.complaints == []


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080), (390, 844)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_the_page_fits_the_screen(chromium: Browser, size: tuple[int, int], tmp_path: Path) -> None:
    with Ward(24) as ward, served(ward) as server, Watched(chromium) as watched:
        page = watched.page
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(server.url)
        expect(page.locator(".tile")).to_have_count(24)
        page.screenshot(path=tmp_path / "wall.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        boxes = [box for box in (t.bounding_box() for t in page.locator(".tile").all()) if box]
        assert len(boxes) == 24
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= size[0] for box in boxes)
        if size[0] > 760:
            assert all(box["y"] + box["height"] <= size[1] for box in boxes), "all 24 at one glance"
