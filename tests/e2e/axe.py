"""What axe-core finds wrong with what is shown."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

_SOURCE = Path(__file__).parents[2] / "alerts/dashboard/web/node_modules/axe-core/axe.min.js"


def violations(page: Page, within: str = "html", impacts: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    """(rule, impact, element) of each, of these impacts or of all; `within` names a part of the page."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_SOURCE.read_text(encoding="utf-8"))
    found = page.evaluate("within => axe.run(within).then(found => found.violations)", within)
    return [(v["id"], v["impact"], v["nodes"][0]["html"]) for v in found if not impacts or v["impact"] in impacts]
