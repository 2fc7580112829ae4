"""`liteheart up` as a new user meets it: the real command, a fresh folder, a real browser, first strip to Ctrl-C.

The tests of one ward share it and run in order; each waits for what it needs. LITEHEART_SCREENSHOTS=DIR also writes
the pictures of the documentation there.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ingest.sources.scripts import PatientScript, ward
from ingest.sources.simulate import Episode, SimulatedPatient
from liteheart.ids import DeviceId, PatientId
from liteheart.wire import encode_frame
from tests.e2e.pictures import FOLDER, picture
from tests.e2e.serving import free_port
from tests.e2e.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

FIRST_STRIPS_S = 20.0  # promised are 10 on an idle machine; in a test run other work has its share of the cores
FIRST_ALARM_S = 60.0
STOP_S = 10.0
BEDS = ward(24)


class Up:
    """One `liteheart up` in a session of its own, and what it says."""

    def __init__(self, data: Path, *options: str) -> None:
        self.began = time.monotonic()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LITEHEART_")}
        self.errors = data.with_name(f"{data.name}-{time.monotonic_ns()}.stderr")
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deploy", "up", "--data", str(data), "--no-browser", *options],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
                env=clean | {"LITEHEART_ECG": str(data / "none")},  # as on a machine without recordings
            )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def age_s(self) -> float:
        """Seconds since the process was started."""
        return time.monotonic() - self.began

    def said(self, pattern: str, timeout_s: float = 60.0) -> re.Match[str]:
        """The first line that matches, waited for."""
        until(lambda: self._find(pattern) or self.process.poll() is not None, timeout_s)
        found = self._find(pattern)
        assert found, f"{pattern!r} is not in {self.lines}; {self.errors.read_text()[-2000:]}"
        return found

    def interrupt(self) -> tuple[int, float]:
        """Ctrl-C: exit status, and the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(30)
        self._reader.join(5)
        return status, time.monotonic() - began

    def kill(self) -> None:
        """Whatever is left of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self._reader.join(5)

    def _find(self, pattern: str) -> re.Match[str] | None:
        return next((m for line in self.lines if (m := re.search(pattern, line))), None)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self.lines.append(line.rstrip())


def get(url: str) -> Any:
    """JSON of the API."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def status_of(url: str, body: bytes | None = None) -> int:
    """The status of a request, whatever it is."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/octet-stream"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


class Watch:
    """A running ward and the screen on which it is watched."""

    def __init__(self, up: Up, page: Page, url: str, folder: Path) -> None:
        self.up, self.page, self.url, self.folder = up, page, url, folder
        self.first_strips_s = self.all_strips_s = 0.0
        self.queue = os.getloadavg()[0] / (os.cpu_count() or 1)  # who waits for a core besides us

    def api(self, path: str) -> Any:
        """JSON of the API."""
        return get(f"{self.url}/api/v1{path}")

    def alarms(self) -> list[dict[str, Any]]:
        """All that were ever raised, newest first."""
        return list(self.api("/alarms?state=all&limit=500")["items"])

    def tile(self, patient: str) -> Any:
        """The patient's tile."""
        return self.page.locator(f'.tile[data-patient="{patient}"]')

    def strips(self) -> int:
        """How many strips show at least a quarter of a second of signal."""
        return int(
            self.page.evaluate(
                """() => [...document.querySelectorAll(".tile canvas")].filter((canvas) => {
              const { width, height } = canvas;
              if (!width || !height) return false;
              const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
              copy.drawImage(canvas, 0, 0);
              const data = copy.getImageData(0, 0, width, height).data;
              const inked = new Set();
              for (let i = 3; i < data.length; i += 4) if (data[i] > 100) inked.add(((i - 3) / 4) % width);
              return inked.size > 24;
            }).length"""
            )
        )


@pytest.fixture(scope="module")
def watch(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """A browser is open; the command is given; the page is opened as soon as the command says where."""
    folder = tmp_path_factory.mktemp("up")
    context = chromium.new_context(viewport={"width": 1366, "height": 768}, color_scheme="dark")
    page = context.new_page()
    up = Up(folder / "data", "--port", str(free_port()))
    try:
        url = up.said(r"dashboard on (http://127\.0\.0\.1:\d+) after")[1]
        page.goto(url)
        watch = Watch(up, page, url, folder)
        until(lambda: watch.strips() > 0, 60)
        watch.first_strips_s = up.age_s
        until(lambda: watch.strips() == len(BEDS), 60)
        watch.all_strips_s = up.age_s
        yield watch
    finally:
        watch.up.kill() if "watch" in locals() else up.kill()
        context.close()


def bed_of(condition: str) -> PatientScript:
    """The first bed whose story holds the condition."""
    return next(bed for bed in BEDS if any(episode.condition == condition for episode in bed.script))


def test_strips_are_drawn_soon_after_the_command(
    watch: Watch, record_testsuite_property: Callable[[str, object], None]
) -> None:
    record_testsuite_property("first_strips_s", round(watch.first_strips_s, 1))
    record_testsuite_property("all_strips_s", round(watch.all_strips_s, 1))
    assert watch.first_strips_s <= FIRST_STRIPS_S * max(1.0, watch.queue)
    said = watch.up.said(r"first strips after ([\d.]+) s")
    assert 1 < float(said[1]) <= watch.first_strips_s + 0.2, "counted from the start of the process"


def test_every_bed_has_its_tile(watch: Watch) -> None:
    expect(watch.page.locator(".tile")).to_have_count(24)
    for bed in BEDS:
        expect(watch.tile(bed.patient).locator(".name")).to_have_text(bed.bed)
    assert watch.api("/patients")["items"][0]["bed"] == "A-01"


def test_the_first_alarm_is_the_asystole_on_top_of_the_wall(
    watch: Watch, record_testsuite_property: Callable[[str, object], None]
) -> None:
    bed, page = bed_of("asystole"), watch.page
    expect(page.locator(".list li .label").first).to_have_text("Asystole", timeout=1000 * FIRST_ALARM_S)
    seen_s = watch.up.age_s
    record_testsuite_property("first_alarm_s", round(seen_s, 1))
    assert seen_s <= FIRST_ALARM_S
    assert watch.up.said(r"first alarm after [\d.]+ s: (.*)")[1] == f"Asystole {bed.bed}"
    expect(page.locator(".tile").first).to_have_attribute("data-patient", bed.patient)
    expect(watch.tile(bed.patient)).to_have_attribute("data-alarm", "high")
    expect(watch.tile(bed.patient).locator(".message")).to_contain_text("*** Asystole")


def test_one_press_acknowledges_it(watch: Watch) -> None:
    bed, page = bed_of("asystole"), watch.page
    alarm = next(a for a in watch.alarms() if a["condition"] == "ASYSTOLE")
    page.locator(f'[data-alarm-id="{alarm["alarm_id"]}"] .acknowledge').click()
    until(lambda: watch.tile(bed.patient).get_attribute("data-presence") in (None, "ack"), 5)
    stored = watch.api(f"/alarms/{alarm['alarm_id']}")
    assert stored["acknowledged_by"] == "nurse"
    assert stored["presence"] in ("ack", "off"), "over, when the six seconds have passed"


def test_quiet_patients_read_what_their_scripts_say(watch: Watch) -> None:
    calm = [b for b in BEDS if len(b.script) == 1 and b.script[0].condition == "sinus" and not b.script[0].pvc_per_min]
    assert len(calm) >= 8

    def wrong() -> dict[str, Any]:
        shown = {b.patient: watch.tile(b.patient).locator(".hr").text_content() for b in calm}
        due = {b.patient: b.script[0].rate for b in calm}
        return {p: (v, due[p]) for p, v in shown.items() if not v.isdigit() or abs(int(v) - due[p]) > 3}

    with suppress(AssertionError):  # say what was wrong instead
        until(lambda: not wrong(), 20)
    assert wrong() == {}


def test_atrial_fibrillation_is_called_by_its_name(watch: Watch) -> None:
    steady = [b for b in BEDS if b.script[0].condition == "af" and len(b.script) == 1]
    assert steady
    for bed in steady:
        expect(watch.tile(bed.patient).locator(".message")).to_contain_text("Atrial fibrillation", timeout=40_000)


def test_a_device_that_falls_silent_is_told_and_so_is_its_return(watch: Watch) -> None:
    guest, device = PatientId("guest"), DeviceId("guest-1")

    def send(seconds: int) -> None:
        t0_us = time.time_ns() // 1000 - seconds * 1_000_000
        frames = SimulatedPatient(guest, [Episode("sinus", 60.0)], device=device, boot=t0_us, t0_us=t0_us).frames()
        body = b"".join(encode_frame(f) for f in islice(frames, seconds))
        assert status_of(f"{watch.url}/api/v1/frames", body) // 100 == 2

    def silence() -> dict[str, Any]:
        return next((a for a in watch.alarms() if a["patient"] == guest and a["condition"] == "NO_DATA"), {})

    send(5)
    until(silence, 25)
    raised = silence()
    assert raised["presence"] == "on"
    assert 15 <= (raised["raised_us"] - raised["onset_us"]) / 1e6 <= 20
    expect(watch.tile(guest)).to_have_attribute("data-alarm", "technical")
    expect(watch.tile(guest).locator(".veil")).to_contain_text("NO DATA")
    send(2)
    until(lambda: silence()["presence"] == "off", 10)
    expect(watch.tile(guest).locator(".veil")).to_have_text("")


def test_what_cannot_start_says_why_in_one_line(watch: Watch) -> None:
    refused = {
        r"another process|in use|already": Up(watch.folder / "data", "--port", "0"),
        r"http\.port: \d+ cannot be used": Up(watch.folder / "third", "--port", watch.url.rpartition(":")[2]),
    }
    for reason, up in refused.items():
        try:
            assert up.process.wait(60) == 2
            said = up.errors.read_text().splitlines()
            assert len(said) == 1, said
            assert re.search(reason, said[0])
        finally:
            up.kill()
    assert watch.up.process.poll() is None


def test_pictures_for_the_documentation(watch: Watch) -> None:
    if not FOLDER:
        return
    page = watch.page
    until(lambda: any(a["condition"] == "VF" and a["active"] for a in watch.alarms()), 80)
    alarm = next(a for a in watch.alarms() if a["condition"] == "VF")
    time.sleep(2)
    picture(watch.page, "wall-dark")
    until(lambda: time.time() * 1e6 > alarm["onset_us"] + 24e6, 30)
    page.emulate_media(color_scheme="light")
    page.locator(f'[data-alarm-id="{alarm["alarm_id"]}"] .what').click()
    expect(page.locator("dialog.review .note")).to_contain_text("Lead I")
    time.sleep(5)
    picture(watch.page, "review-light")
    page.keyboard.press("Escape")
    page.emulate_media(color_scheme="dark")


def test_ctrl_c_ends_all_and_the_next_start_goes_on(watch: Watch) -> None:
    before = watch.alarms()
    status, took_s = watch.up.interrupt()
    assert (status, watch.up.lines[-1]) == (0, "liteheart: stopped")
    assert took_s <= STOP_S
    with pytest.raises(ProcessLookupError):
        os.killpg(watch.up.process.pid, 0)
    expect(watch.page.locator(".banner:visible")).to_contain_text("CONNECTION LOST", timeout=10_000)

    watch.up = Up(watch.folder / "data", "--port", watch.url.rpartition(":")[2])
    watch.up.said(r"first strips after")
    expect(watch.page.locator(".banner:visible")).to_have_count(0, timeout=20_000)
    until(lambda: watch.strips() >= len(BEDS), 30)
    expect(watch.tile(BEDS[0].patient).locator(".name")).to_have_text(BEDS[0].bed)
    after = watch.alarms()
    assert {a["alarm_id"] for a in before} <= {a["alarm_id"] for a in after}
    episodes = [(a["patient"], a["condition"], a["onset_us"]) for a in after]
    assert len(episodes) == len(set(episodes))
    steady = [a for a in after if a["condition"] == "AFIB"]
    assert len(steady) == len([a for a in before if a["condition"] == "AFIB"]), "they go on, they do not begin again"
    silent = [a for a in after if a["condition"] == "NO_DATA" and a["patient"] != "guest"]
    assert silent == [], "nobody was silent but the monitor"
    assert watch.up.interrupt()[0] == 0


def test_nobody_comes_in_without_signing_in(chromium: Browser, tmp_path: Path) -> None:
    up = Up(tmp_path / "data", "--port", "0", "--sign-in", "--patients", "1")
    context = chromium.new_context()
    try:
        url = up.said(r"dashboard on (\S+)")[1]
        password = up.said(r"sign in as nurse with (\S+)")[1]
        assert status_of(f"{url}/api/v1/patients") == 401
        assert status_of(f"{url}/api/v1/frames", b"anything") == 401
        page = context.new_page()
        page.goto(url)
        page.get_by_label("User name").fill("nurse")
        page.get_by_label("Password").fill(password)
        page.keyboard.press("Enter")
        expect(page.locator(".tile .name")).to_have_text(["A-01"], timeout=30_000)
        expect(page.locator(".user")).to_have_text("nurse")
        assert up.interrupt()[0] == 0
    finally:
        context.close()
        up.kill()
