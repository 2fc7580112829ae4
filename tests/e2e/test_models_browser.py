"""The page of models in a real Chromium: what a candidate had to show, a signature, service and the way back."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, Page, expect

from deploy import wiring
from deploy.settings import load
from deploy.succession import made_of
from inference.model.card import load_card
from inference.model.checkpoint import load_student, save_checkpoint
from inference.settings import SHIPPED
from storage.people import People
from tests.e2e.axe import violations
from tests.e2e.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

STAFF = {"doc": "physician", "ada": "nurse"}
CHECKS = [
    {"name": "macro AUROC, change at least", "value": 0.0123, "bound": -0.005, "ok": True, "judged": True},
    {"name": "AUROC of 3AVB, change at least", "value": None, "bound": -0.06, "ok": False, "judged": False},
]
DRIFT = "north, lead I, 250 Hz, 200/mV: noise_mv has shifted (index 0.61, chance 0.002, 12 and 14 patients)"


class House:
    """`liteheart up --sign-in` with a candidate that waits for a signature."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        self.candidate = self._prepare(folder, 0.01)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LITEHEART_")}
        command = [sys.executable, "-m", "deploy", "up", "--sign-in", "--patients", "0", "--no-browser"]
        self._errors = (folder / "stderr").open("w")
        self.process = subprocess.Popen(
            [*command, "--data", str(self.folder), "--port", str(port)],
            stdout=self._errors,
            stderr=self._errors,
            env=clean | {"LITEHEART_ECG": str(folder / "none")},
        )
        until(lambda: self._answers() or self.process.poll() is not None, 120)
        assert self.process.poll() is None, (folder / "stderr").read_text()[-3000:]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        finally:
            self._errors.close()
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(10)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _prepare(self, folder: Path, by: float) -> str:
        student, card = load_student(SHIPPED, folded=False)
        for parameter in list(student.parameters())[-1:]:
            parameter.data += by
        save_checkpoint(folder / "other", student, card)
        storage, now_us = wiring.open_storage(load(environ={}, data_dir=self.folder)), time.time_ns() // 1000
        try:
            quick = People(storage.people._engine, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
            for name, role in STAFF.items():
                quick.add(name, role, f"{name}-secret")
            storage.models.ship(made_of(SHIPPED), now_us)
            made = made_of(folder / "other")
            made = type(made)(
                made.version, load_card(SHIPPED).version, made.files, made.data_digest, made.code_version, made.card
            )
            storage.models.register(made, "refresh", now_us + 1)
            for step in ("passed", "shadowed"):
                storage.models.take_step(made.version, step, "refresh", "", now_us)
            told = {"checks": CHECKS, "drift": [DRIFT], "windows": 321, "patients": 12, "candidate": made.version}
            told["shadow"] = {"windows": 240, "agreement": 0.975, "extra_per_patient_day": 0.2}
            attempt = storage.refreshes.begin("elsewhere", now_us, 3_600_000_000)
            storage.refreshes.tell(attempt, "shadow", 0.4, now_us, 3_600_000_000, **told)
        finally:
            storage.close()
        return made.version


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("models"))
    yield house
    house.stop()


def signed_in(chromium: Browser, house: House, name: str, locale: str = "en-GB", **context: Any) -> Page:
    page = chromium.new_context(locale=locale, viewport={"width": 1400, "height": 1000}, **context).new_page()
    page.goto(house.url)
    page.locator("#username").fill(name)
    page.locator("#password").fill(f"{name}-secret")
    page.keyboard.press("Enter")
    expect(page.locator(".user")).to_have_text(name, timeout=30_000)
    page.goto(f"{house.url}/#/models")
    return page


def test_a_nurse_sees_and_signs_nothing(chromium: Browser, house: House) -> None:
    page = signed_in(chromium, house, "ada", "de-DE")
    row = page.locator(f"tr[data-version='{house.candidate}']")
    expect(row).to_be_visible(timeout=30_000)
    expect(page.get_by_role("heading", name="Rhythmusmodelle")).to_be_visible()
    expect(row.get_by_role("button")).to_have_count(1)
    expect(page.locator("progress")).to_have_js_property("value", 0.4)
    expect(page.get_by_text("keine Auffrischung eingerichtet")).to_be_visible()
    expect(page.get_by_text("noise_mv has shifted")).to_be_visible()
    page.context.close()


def test_drift_is_told_on_the_wall_until_somebody_has_read_it(chromium: Browser, house: House) -> None:
    page = signed_in(chromium, house, "ada")
    page.goto(f"{house.url}/#/")
    notice = page.locator(".notice.technical")
    expect(notice).to_contain_text("not what the rhythm model learned from (1 feature)")
    notice.get_by_role("link", name="Models").click()
    expect(page.get_by_text("noise_mv has shifted")).to_be_visible()
    with page.expect_response("**/api/v1/refresh"):
        page.reload()
    expect(notice).to_be_visible()
    notice.get_by_role("button", name="Close").click()
    expect(notice).to_be_hidden()
    with page.expect_response("**/api/v1/refresh"):
        page.reload()
    expect(page.get_by_text("noise_mv has shifted")).to_be_visible()
    expect(notice).to_be_hidden()
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_keeps_nobody_out(chromium: Browser, house: House, scheme: str) -> None:
    page = signed_in(chromium, house, "doc", color_scheme=scheme)
    row = page.locator(f"tr[data-version='{house.candidate}']")
    row.get_by_role("button", name="Details").click()
    expect(page.get_by_role("region", name=f"Gate of {house.candidate}")).to_be_visible()
    expect(page.locator(".notice.technical")).to_be_visible()
    assert violations(page) == []
    row.get_by_role("button", name="Sign").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []
    page.context.close()


def test_from_the_gate_table_to_service_and_back(chromium: Browser, house: House) -> None:
    page = signed_in(chromium, house, "doc")
    row = page.locator(f"tr[data-version='{house.candidate}']")
    shipped = page.locator(f"tr[data-version='{load_card(SHIPPED).version}']")
    expect(shipped).to_contain_text("in service", timeout=30_000)
    row.get_by_role("button", name="Details").click()
    gate = page.get_by_role("region", name=f"Gate of {house.candidate}")
    expect(gate.get_by_role("row").nth(1)).to_contain_text("0.0123")
    expect(gate.get_by_role("row").nth(2)).to_contain_text("too few to judge")
    expect(page.get_by_text("240 windows, 97.5 % of conditions alike")).to_be_visible()

    row.get_by_role("button", name="Sign").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("looked at 20 strips")
    dialog.get_by_role("button", name="Sign").click()
    expect(row).to_have_attribute("data-status", "approved")
    row.get_by_role("button", name="Put in service").click()
    dialog.get_by_role("button", name="Put in service").click()
    expect(row).to_contain_text("in service")
    expect(shipped).not_to_contain_text("in service")

    row.get_by_role("button", name="Roll back").click()
    dialog.get_by_role("button", name="Roll back").click()
    expect(dialog).to_be_visible()  # without a reason nothing happens
    dialog.get_by_label("Reason").fill("too many calls")
    dialog.get_by_role("button", name="Roll back").click()
    expect(shipped).to_contain_text("in service")
    expect(row).to_have_attribute("data-status", "rolled-back")
    expect(page.get_by_role("region", name="What became of it")).to_contain_text("too many calls")
    page.context.close()
