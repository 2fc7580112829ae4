"""The frame around the pages in a real Chromium: addresses, languages, and pages that load when they are asked for."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect

from alerts.dashboard.app import dashboard_router
from alerts.dashboard.feed import InProcessFeed
from alerts.dashboard.memory import MemoryBoard
from alerts.dashboard.settings import DashboardSettings
from liteheart.clock import SystemClock
from tests.e2e.serving import Server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A dashboard without patients."""
    app = FastAPI()
    app.include_router(
        dashboard_router(MemoryBoard(), InProcessFeed(), None, SystemClock(), DashboardSettings(), conditions=[])
    )
    with Server(lambda: app) as server:
        yield server.url


@pytest.fixture
def page(chromium: Browser, url: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page in a browser of some language; whatever it complains about fails the test."""
    context = chromium.new_context(locale=getattr(request, "param", "en-GB"))
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: m.type in ("error", "warning") and complaints.append(m.text))
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.goto(url)
    expect(page.locator("body")).to_have_attribute("data-link", "up")
    yield page
    context.close()
    assert complaints == []


def test_an_address_that_is_no_page_says_so_and_leads_back(page: Page) -> None:
    page.evaluate("location.hash = '#/nowhere'")
    expect(page.locator("main.page")).to_contain_text("There is no such page.")
    expect(page.locator(".wall")).to_be_hidden()
    expect(page.locator(".panel")).to_be_visible()  # alarms stay in sight whatever is shown
    page.get_by_role("link", name="Back to the wall").click()
    expect(page.locator(".wall")).to_be_visible()
    expect(page.locator("main.page")).to_have_count(0)


@pytest.mark.parametrize("page", ["de-CH"], indirect=True)
def test_a_german_browser_reads_german_until_someone_chooses_otherwise(page: Page) -> None:
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator(".panel")).to_contain_text("Keine offenen Alarme.")
    page.get_by_role("button", name="EN", exact=True).click()
    expect(page.locator(".panel")).to_contain_text("No open alarms.")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="DE", exact=True).click()
    expect(page.locator(".empty").first).to_contain_text("Noch keine Patienten.")


def test_english_is_what_an_unknown_language_gets(page: Page) -> None:
    expect(page.locator("html")).to_have_attribute("lang", "en")
