"""People and their patients in a real Chromium: the whole system with sign-in, a wearable that is paired by its code.

The tests of one station share it and run in order. What happened before it was started is in its database, so that
the figures of the shift are known.
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
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from alerts.dashboard.roles import RIGHTS
from deploy import wiring
from deploy.settings import load
from ingest.sources.simulate import Episode, SimulatedPatient, simulate
from liteheart.alarm import Alarm, AlarmEvent, Kind, Priority
from liteheart.board import PatientState
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId, PatientId, alarm_id
from liteheart.wire import encode_frame
from storage.monitor_store import Batch
from storage.people import People
from tests.e2e.axe import violations
from tests.e2e.pictures import picture
from tests.e2e.serving import free_port, is_ready
from tests.e2e.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SHOWN = ".office, .office-ask"  # page or dialog
STAFF = {"ada": "nurse", "tom": "technician", "boss": "administrator", "rosa": "researcher"}
OLD = PatientId("p-known")
ANNA = "Anna Müller"
TITLES = {
    "admit": "Aufnahmen",
    "people": "Personen",
    "audit": "Protokoll",
    "burden": "Alarmlast",
    "shift": "Schichtbericht",
}


class Station:
    """`liteheart up --sign-in` without patients of its own, and its staff."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        self._prepare()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LITEHEART_")}
        self._errors = (folder / "stderr").open("w")
        command = [sys.executable, "-m", "deploy", "up", "--sign-in", "--patients", "0", "--no-browser"]
        self.process = subprocess.Popen(
            [*command, "--data", str(self.folder), "--port", str(port)],
            stdout=self._errors,
            stderr=self._errors,
            start_new_session=True,
            env=clean | {"LITEHEART_ECG": str(folder / "none")},
        )
        until(lambda: is_ready(self.url) or self.process.poll() is not None, 90)
        assert self.process.poll() is None, (folder / "stderr").read_text()[-3000:]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(30)
        finally:
            self._errors.close()
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)

    def _prepare(self) -> None:
        """The staff, and six alarms of one patient over the last hours: what burden and shift must say is known."""
        storage = wiring.open_storage(load(environ={}, data_dir=self.folder))
        try:
            quick = People(storage.people._engine, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
            for name, role in STAFF.items():
                quick.add(name, role, f"{name}-secret")
            now_us = time.time_ns() // 1000
            state = PatientState(OLD, DeviceId("d-known"), "I", 250.0, now_us, now_us, bed="C-01", heart_rate_bpm=61.0)
            storage.monitor.commit(Batch(states=[replace(state, usable=True, sqi=0.9, codes=("AFIB",))]))
            answers = [(2, "true-actioned"), (4, "false-artefact"), (6, "false-algorithm"), (8, None), (20, None)]
            for i, (seconds, reason) in enumerate(answers):
                at_us = now_us - (i + 1) * 1800 * US_PER_S
                alarm = self._alarm(storage, "AFIB", Priority.MEDIUM, at_us, over=True)
                storage.board.acknowledge(alarm.alarm_id, "ada", reason, at_us + seconds * US_PER_S)
            self._alarm(storage, "VT", Priority.HIGH, now_us - 600 * US_PER_S)
            storage.notes.write(OLD, "Electrodes changed.", "ada", now_us - 300 * US_PER_S)
        finally:
            storage.close()

    def _alarm(self, storage: Any, condition: str, priority: Priority, at_us: int, *, over: bool = False) -> Alarm:
        alarm = Alarm(
            alarm_id(OLD, condition, at_us),
            OLD,
            condition,
            condition,
            Kind.PHYSIOLOGICAL,
            priority,
            latching=False,
            onset_us=at_us,
            raised_us=at_us,
            message="m",
            active=True,
        )
        events = [AlarmEvent(alarm, "raised", at_us, at_us)]
        if over:
            end_us = at_us + 60 * US_PER_S
            events.append(AlarmEvent(replace(alarm, active=False, ended_us=end_us), "ended", end_us, end_us))
        storage.monitor.commit(Batch(alarms=events))
        return alarm


class Wearable:
    """A device: pairs with a code, then sends a frame a second until it is refused or stopped."""

    def __init__(self, url: str, device: str) -> None:
        self.url, self.device = url, DeviceId(device)
        self.flat, self.refused = False, 0
        self.token = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._patient = PatientId("")

    def pair(self, code: str, patient: str) -> int:
        """The status of the answer."""
        body = json.dumps({"code": code, "device": self.device}).encode()
        status, answer = post(f"{self.url}/api/v1/pair", body, {"Content-Type": "application/json"})
        self.token, self._patient = answer.get("token", ""), PatientId(patient)
        return status

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _send(self) -> None:
        t0_us = time.time_ns() // 1000
        script = [Episode("sinus", 600.0, rate_bpm=72)]
        alive = SimulatedPatient(self._patient, script, device=self.device, boot=t0_us, t0_us=t0_us)
        line = simulate([Episode("asystole", 90.0)], seed=3).adc
        headers = {"Content-Type": "application/octet-stream", "Authorization": f"Bearer {self.token}"}
        for i, frame in enumerate(alive.frames()):
            late_s = (time.time_ns() // 1000 - frame.t1_us) / US_PER_S
            if self._stop.wait(max(0.0, -late_s)):
                return
            n = len(frame.samples)
            sent = replace(frame, samples=line[i % 90 * n :][:n].copy()) if self.flat else frame
            status, _ = post(f"{self.url}/api/v1/frames", encode_frame(sent), headers)
            if status in (401, 403):
                self.refused = status
                return


def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"{}")


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    station = Station(tmp_path_factory.mktemp("office"))
    yield station
    assert station.stop() == 0


class Desk:
    """Somebody who is signed in at a screen."""

    def __init__(self, page: Page, url: str, name: str) -> None:
        self.page, self._url, self.name = page, url, name

    def go(self, where: str) -> Locator:
        """The page of that address."""
        self.page.evaluate("where => { location.hash = where }", f"#/{where}")
        return self.page.locator("main.office")

    def api(self, path: str) -> Any:
        answer = self.page.request.get(f"{self._url}/api/v1{path}")
        assert answer.status == 200, answer.text()
        return answer.json()

    def status(self, path: str) -> int:
        return self.page.request.get(f"{self._url}/api/v1{path}").status

    def dialog(self) -> Locator:
        return self.page.locator("dialog.office-ask")

    def admit(self, bed: str, name: str = "") -> str:
        """The pseudonym."""
        form = self.go("admit").locator("form")
        form.get_by_label("Bed").fill(bed)
        if name:
            form.get_by_label("Name").fill(name)
            form.get_by_label("Date of birth").fill("1951-03-04")
        form.get_by_role("button", name="Admit").click()
        said = self.page.locator(".office-said")
        expect(said).to_contain_text(f"Admitted to {bed} as")
        found = re.search(r"as (p-\w+)\.", said.inner_text())
        assert found
        return found[1]

    def row(self, patient: str) -> Locator:
        return self.page.locator("main.office tbody tr").filter(has_text=patient)


@pytest.fixture
def desk(chromium: Browser, station: Station) -> Iterator[Callable[..., Desk]]:
    """Screens; what they complain about fails the test, but for answers that refuse."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def complain(text: str, of: str = "") -> None:
        if "Failed to load resource" not in text or "/api/v1/" not in of:  # some of the tests ask for refusals
            complaints.append(text)

    def opened(name: str, locale: str = "en-GB", **more: Any) -> Desk:
        contexts.append(chromium.new_context(locale=locale, **{"viewport": {"width": 1366, "height": 768}} | more))
        page = contexts[-1].new_page()
        page.on("console", lambda m: m.type in ("error", "warning") and complain(m.text, m.location["url"]))
        page.on("pageerror", lambda e: complain(str(e)))
        page.goto(station.url)
        page.locator("#username").fill(name)
        page.locator("#password").fill(f"{name}-secret")
        page.keyboard.press("Enter")
        expect(page.locator(".user")).to_have_text(name)
        return Desk(page, station.url, name)

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def wearable(station: Station) -> Iterator[Callable[[str], Wearable]]:
    worn: list[Wearable] = []

    def made(device: str) -> Wearable:
        worn.append(Wearable(station.url, device))
        return worn[-1]

    yield made
    for one in worn:
        one.stop()


def test_a_stay_from_the_admission_to_the_discharge(
    desk: Callable[..., Desk], wearable: Callable[[str], Wearable]
) -> None:
    ada = desk("ada")
    page, patch = ada.page, wearable("patch-1")
    patient, neighbour = ada.admit("A-01", ANNA), ada.admit("A-09")
    row = ada.row(patient)
    expect(row).to_contain_text("no device")
    expect(page.locator("body")).not_to_contain_text(ANNA)

    row.get_by_role("button", name="Pair").click()
    shown = ada.dialog().locator(".office-code")
    expect(shown).to_have_text(re.compile(r"^[A-Z2-9]{4} [A-Z2-9]{4}$"))
    expect(ada.dialog()).to_contain_text(re.compile(r"Holds for (10:00|9:5\d)"))
    assert patch.pair(shown.inner_text(), patient) == 201
    expect(ada.dialog()).to_contain_text("patch-1 is paired.")
    assert wearable("patch-2").pair("ABCD EFGH", patient) == 403
    ada.dialog().get_by_role("button", name="Close").click()
    expect(row).to_contain_text("patch-1")

    patch.start()
    ada.go("")
    tile = page.locator(f'.tile[data-patient="{patient}"]')
    expect(tile).to_be_visible(timeout=30_000)
    expect(tile.locator(".name")).to_have_text("A-01", timeout=20_000)  # beds are told anew every 15 s
    expect(tile.locator(".hr")).to_have_text(re.compile(r"^\d+$"), timeout=30_000)

    ada.go("admit")
    expect(row).to_contain_text(re.compile(r"live, \d+ bpm"))
    row.get_by_role("button", name="Transfer").click()
    ada.dialog().get_by_label("New bed").fill("A-09")
    page.keyboard.press("Enter")
    expect(ada.dialog()).to_contain_text("Someone lies in A-09.")
    ada.dialog().get_by_label("New bed").fill("B-02")
    page.keyboard.press("Enter")
    expect(page.locator(".office-said")).to_have_text(f"{patient} is now in B-02.")
    expect(row).to_contain_text("B-02")
    assert page.evaluate("document.querySelector('dialog.office-ask') === null")
    ada.go("")
    expect(tile.locator(".name")).to_have_text("B-02", timeout=20_000)

    patch.flat = True
    item = page.locator("[data-alarm-id]", has_text="Asystole").filter(has_text=patient)
    expect(item).to_be_visible(timeout=40_000)
    ada.go("admit")
    row.get_by_role("button", name="Discharge").click()
    ada.dialog().get_by_role("button", name="Discharge").click()
    expect(ada.dialog()).to_contain_text("an alarm of HIGH priority is open that nobody has acknowledged")
    expect(ada.dialog().get_by_role("button", name="Asystole: show the strip")).to_be_visible()
    ada.dialog().get_by_role("button", name="Cancel").click()
    expect(row).to_be_visible()
    patch.flat = False
    item.locator(".acknowledge").click()
    row.get_by_role("button", name="Discharge").click()
    ada.dialog().get_by_role("button", name="Discharge").click()
    expect(page.locator(".office-said")).to_contain_text("is discharged.")
    expect(row).to_have_count(0)
    expect(ada.row(neighbour)).to_be_visible()
    until(lambda: patch.refused in (401, 403))
    ada.go("")
    expect(tile).to_have_count(0, timeout=30_000)


def test_a_technician_breaks_the_glass_and_the_audit_shows_it(desk: Callable[..., Desk]) -> None:
    ada, tom = desk("ada"), desk("tom")
    patient = ada.admit("G-01", ANNA)
    row = ada.row(patient)
    row.get_by_role("button", name="Show").click()
    expect(row).to_contain_text(f"{ANNA} · 1951-03-04")
    row.get_by_role("button", name="Hide").click()
    expect(row).not_to_contain_text(ANNA)

    expect(tom.go("admit").locator("h2")).to_have_text("Admissions")
    row = tom.row(patient)
    expect(row).to_be_visible()
    expect(tom.page.get_by_role("button", name="Discharge")).to_have_count(0)
    expect(tom.page.locator("main.office form")).to_have_count(0)
    assert tom.status(f"/patients/{patient}/identity") == 403
    row.get_by_role("button", name="Break the glass").click()
    expect(tom.dialog()).to_contain_text("flagged for review")
    tom.dialog().get_by_label("Reason").fill("found without a wristband")
    tom.dialog().get_by_role("button", name="Break the glass").click()
    expect(row).to_contain_text(ANNA)
    expect(row).to_contain_text(re.compile(r"closes in (60:00|59:\d\d)"))
    tom.go("shift")
    expect(tom.page.locator("body")).not_to_contain_text(ANNA)

    boss = desk("boss")
    audit = boss.go(f"audit?subject={patient}")
    rows = audit.locator("tbody tr")
    expect(rows.first).to_be_visible()
    broken = audit.locator('tr[data-action="glass-broken"]')
    expect(broken).to_contain_text("tom")
    expect(broken).to_contain_text("for review")
    expect(broken).to_contain_text("found without a wristband")
    expect(audit.locator('tr[data-action="identity-read"][data-flagged]')).to_contain_text("tom")
    expect(audit).not_to_contain_text(ANNA)
    everything = rows.count()
    audit.get_by_label("Only what is flagged for review").check()
    expect(rows).to_have_count(2)
    assert everything == len(boss.api(f"/audit?subject={patient}")["items"]) > 2
    broken.get_by_role("button", name="tom").click()
    expect(boss.page).to_have_url(re.compile(r"#/audit\?by=tom$"))
    audit.get_by_label("Only what is flagged for review").uncheck()
    expect(audit.locator("tbody tr").filter(has_text="Signed in")).not_to_have_count(0)


def test_the_chain_of_the_audit_says_whether_it_holds(desk: Callable[..., Desk]) -> None:
    boss = desk("boss")
    boss.go("audit").get_by_role("button", name="Check the chain").click()
    there = boss.status("/audit/chain") == 200
    told = "The chain holds: " if there else "run `liteheart audit verify`"
    expect(boss.page.locator(".office-said")).to_contain_text(told)


def cells(row: Locator) -> list[str]:
    return [text.strip() for text in row.locator("th, td").all_inner_texts()]


def test_the_burden_page_says_what_the_api_says(desk: Callable[..., Desk]) -> None:
    ada = desk("ada")
    page = ada.go("burden?hours=8")
    row = page.get_by_role("table", name="By rule").locator("tbody tr").filter(has_text="AFIB")
    expect(row).to_have_count(1)
    # alarms, audible, acknowledged, median, 90 %, five reasons, no reason, false: of 2, 4, 6, 8 and 20 s
    figures = ["5", "5", "5", "6.0 s", "15 s", "1", "0", "1", "1", "0", "2", "67 %"]
    assert cells(row) == ["AFIB", "MEDIUM", *figures]
    since_us = time.time_ns() // 1000 - 8 * 3600 * US_PER_S
    told = ada.api(f"/burden?since_us={since_us}")
    row = page.get_by_role("table", name="By patient").locator("tbody tr").filter(has_text=OLD)
    mine = next(one for one in told["patients"] if one["patient"] == OLD)
    assert cells(row)[:4] == [f"C-01 · {OLD}", str(mine["count"]), str(mine["audible"]), str(mine["acknowledged"])]
    total = page.locator('[data-fact="count"] dd')
    expect(total).to_have_text(str(told["total"]["count"]))
    expect(page.locator('[data-fact="audible"] dd')).to_have_text(str(told["total"]["audible"]))
    rules = page.get_by_role("table", name="By rule").locator("tbody tr")
    assert [cells(rules.nth(i))[0] for i in range(rules.count())] == [rule["label"] for rule in told["rules"]]
    assert [int(cells(rules.nth(i))[2]) for i in range(rules.count())] == [rule["count"] for rule in told["rules"]]
    bars = page.locator("svg.office-chart g title")
    expect(bars).to_have_count(len(told["hours"]))
    heard = [int(re.findall(r"(\d+) audible", title)[0]) for title in bars.all_text_contents()]
    assert sum(heard) == told["total"]["audible"]
    page.get_by_role("button", name="7 days").click()
    expect(page.get_by_role("heading", name="By day")).to_be_visible()
    expect(ada.page).to_have_url(re.compile(r"hours=168$"))
    page.get_by_role("button", name="Between").click()
    page.get_by_label("From").fill("2020-01-01T00:00")
    page.get_by_label("Until").fill("2020-01-02T00:00")
    page.get_by_role("button", name="Show").click()
    expect(page).to_contain_text("No alarm called in this time.")
    page.get_by_label("Until").fill("2026-01-02T00:00")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("This could not be loaded")


def test_the_shift_report_and_the_hand_over(desk: Callable[..., Desk]) -> None:
    ada = desk("ada")
    page = ada.go("shift")
    row = page.locator(f'tr[data-patient="{OLD}"]')
    expect(row).to_be_visible()
    expect(row).to_contain_text("61 bpm · SQI 0.90 · Atrial fibrillation")
    # HIGH, MEDIUM, LOW, INFO, technical, not acknowledged, reasons, vitals
    shown = cells(row)
    assert shown[:7] == [f"C-01 · {OLD}", "1", "5", "0", "0", shown[5], shown[6]]
    told = ada.api(f"/shift?since_us={time.time_ns() // 1000 - 8 * 3600 * US_PER_S}")["items"]
    mine = next(entry for entry in told if entry["patient"] == OLD)
    assert shown[5:7] == [str(mine["technical"]), str(mine["unacknowledged"])]
    assert shown[7] == "True, acted on: 1 · False: artefact: 1 · False: algorithm: 1"
    order = page.locator("tr[data-patient]")
    assert [order.nth(i).get_attribute("data-patient") for i in range(order.count())] == [e["patient"] for e in told]
    expect(page.locator(".office-more").first).to_contain_text("VT")
    expect(page).to_contain_text("ada: Electrodes changed.")

    page.get_by_label("To", exact=True).fill("ben")
    page.get_by_label("What they should know").fill("C-01 had a VT that nobody looked at.")
    page.get_by_role("button", name="Hand over").click()
    expect(page.locator(".office-said")).to_have_text("Handed over to ben.")
    expect(page.locator(".office-handovers li").first).to_contain_text("ada to ben")
    assert ada.api("/handovers")["items"][0]["text"] == "C-01 had a VT that nobody looked at."

    ada.page.emulate_media(media="print")
    expect(row).to_be_visible()
    expect(page.locator(".office-printed")).to_contain_text("Printed by ada")
    expect(page.locator("form").first).to_be_hidden()
    assert page.evaluate("node => node.scrollHeight <= node.clientHeight"), "nothing is left behind a scroll bar"
    expect(ada.page.locator(".panel")).to_be_hidden()
    expect(ada.page.locator("header.top")).to_be_hidden()


def test_accounts_are_made_changed_and_removed(desk: Callable[..., Desk]) -> None:
    boss = desk("boss")
    page, said = boss.go("people"), boss.page.locator(".office-said")
    form = page.locator("form")

    def add(name: str, password: str, again: str) -> None:
        form.get_by_label("User name").fill(name)
        form.get_by_label("Role").select_option("Technician")
        form.get_by_label("Password", exact=True).fill(password)
        form.get_by_label("Repeat the password").fill(again)
        form.get_by_role("button", name="Add").click()

    add("ben", "ben-secret", "ben-secrets")
    expect(said).to_have_text("The two passwords differ.")
    add("ada", "ben-secret", "ben-secret")
    expect(said).to_contain_text("The name ada is taken")
    add("ben", "ben-secret", "ben-secret")
    expect(said).to_have_text("ben may sign in now.")
    table = page.get_by_role("table", name="People")
    row = table.locator("tbody tr").filter(has_text="ben")
    ben = desk("ben")
    pages = ben.page.locator("nav.pages")
    for label in ("Shift", "Alarm burden", "Admissions"):
        expect(pages.get_by_role("link", name=label)).to_be_visible()
    for label in ("People", "Audit"):
        expect(pages.get_by_role("link", name=label)).to_have_count(0)
    row.get_by_role("button", name="Role").click()
    boss.dialog().get_by_label("Role").select_option("Nurse")
    boss.dialog().get_by_role("button", name="Change").click()
    expect(row).to_contain_text("Nurse")
    expect(row).to_contain_text("on 1 screen")
    row.get_by_role("button", name="Remove").click()
    boss.dialog().get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)
    expect(ben.page.locator("#username")).to_be_visible(timeout=30_000)  # signed out within seconds

    row = table.locator("tbody tr").filter(has_text="boss")
    row.get_by_role("button", name="Remove").click()
    boss.dialog().get_by_role("button", name="Remove").click()
    expect(boss.dialog()).to_contain_text("The last administrator stays")
    boss.page.keyboard.press("Escape")
    expect(boss.dialog()).to_have_count(0)


def test_the_table_of_rights_is_that_of_the_server(desk: Callable[..., Desk]) -> None:
    boss = desk("boss")
    rows = boss.go("people").locator("tr[data-right]")
    expect(rows.first).to_be_visible()
    heads = boss.page.locator(".office-rights thead th").all_inner_texts()[1:]
    assert [head.lower() for head in heads] == list(RIGHTS)
    found: dict[str, set[str]] = {role: set() for role in RIGHTS}
    for i in range(rows.count()):
        right = rows.nth(i).get_attribute("data-right")
        for role, text in zip(RIGHTS, cells(rows.nth(i))[1:], strict=True):
            if right and text != "no":
                found[role].add(right)
    assert found == {role: {str(right) for right in rights} for role, rights in RIGHTS.items()}


def test_a_researcher_sees_no_office(desk: Callable[..., Desk]) -> None:
    rosa = desk("rosa")
    for name in ("shift", "burden", "people", "audit"):
        expect(rosa.go(name)).to_contain_text("Your role may not see this page.")
    page = rosa.go("admit")
    expect(page.locator("h2")).to_have_text("Admissions")
    expect(page.get_by_role("button")).to_have_count(0)


def test_a_password_of_ones_own_signs_out_everywhere(desk: Callable[..., Desk]) -> None:
    rosa = desk("rosa")
    page = rosa.go("account")
    expect(page).to_contain_text("this screen")
    page.get_by_label("Old password").fill("wrong")
    for label in ("Password", "Repeat the password"):
        page.get_by_label(label, exact=True).fill("rosa-secret")
    page.get_by_role("button", name="Change").click()
    expect(page.locator(".office-said")).to_have_text("The old password is wrong.")
    page.get_by_label("Old password").fill("rosa-secret")
    page.get_by_role("button", name="Change").click()
    expect(rosa.page.locator("#username")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", list(TITLES))
def test_every_page_reads_german_fits_a_ward_pc_and_keeps_nobody_out(
    desk: Callable[..., Desk], name: str, scheme: str
) -> None:
    boss = desk("boss", "de-DE", color_scheme=scheme)
    page = boss.go(name)
    expect(page.locator("h2")).to_have_text(TITLES[name])
    expect(page.locator("table").first).to_be_visible()
    wide = page.evaluate("node => [node.scrollWidth, node.clientWidth]")
    assert wide[0] <= wide[1], "nothing is cut off at the side"
    assert violations(boss.page, SHOWN) == []
    if (name, scheme) in (("shift", "light"), ("burden", "dark")):
        picture(boss.page, f"{name}-{scheme}")


@pytest.mark.parametrize("locale", ["de-DE", "en-GB"])
def test_the_top_bar_of_a_ward_pc_is_one_line(desk: Callable[..., Desk], locale: str) -> None:
    """Also of an administrator, who has most pages, and with the sound on, which has most buttons."""
    page = desk("boss", locale).page
    bar = page.locator(".top")
    expect(bar.locator(".pages a").nth(5)).to_be_visible()
    for press in (lambda: None, page.locator(".sound").click):
        press()
        page.locator(".pause").wait_for(state="visible" if page.locator(".sound[data-off]").count() == 0 else "hidden")
        height, inside = bar.evaluate("node => [node.offsetHeight, node.scrollWidth <= node.clientWidth]")
        assert (height < 45, inside) == (True, True)
        for what in (".summary", ".user", ".clock", ".languages", "button:last-child"):
            box = bar.locator(what).last.bounding_box()
            assert box is not None, what
            assert box["width"] >= 25, what
            assert box["x"] + box["width"] <= 1366, what


def test_a_phone_shows_it_all_and_the_keyboard_alone_pairs(desk: Callable[..., Desk]) -> None:
    ada = desk("ada", viewport={"width": 390, "height": 800})
    patient = ada.admit("K-01")
    focused = "document.activeElement.textContent"
    until(lambda: ada.page.evaluate(focused) == "Pair")  # the next step after an admission
    ada.page.keyboard.press("Enter")
    expect(ada.dialog().locator(".office-code")).to_have_text(re.compile(r"^\w{4} \w{4}$"))
    assert ada.page.evaluate(focused) == "Close"
    assert violations(ada.page, SHOWN) == []
    ada.page.keyboard.press("Escape")
    until(lambda: ada.page.evaluate(focused) == "Pair")
    expect(ada.row(patient)).to_contain_text("no device")
    for name in ("admit", "shift", "burden"):
        expect(ada.go(name).locator("table").first).to_be_visible()
        assert ada.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert violations(ada.page, SHOWN) == [], name


def test_what_the_server_does_not_answer_is_said(desk: Callable[..., Desk]) -> None:
    boss = desk("boss")
    boss.page.route(re.compile(r"/api/v1/(admissions|people|audit|burden|shift)"), lambda route: route.abort())
    for name in TITLES:
        told = boss.go(name).locator(".empty", has_text="This could not be loaded: the server did not answer.")
        expect(told).to_be_visible()
