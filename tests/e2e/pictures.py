"""Pictures for the documentation, by the journeys that stand there anyway: `make pictures`."""

import os
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

FOLDER = os.environ.get("LITEHEART_SCREENSHOTS")  # none are taken without


def picture(page: Page, name: str) -> None:
    """What the page shows, in 160 colours: a third of the size, and nobody sees it."""
    if not FOLDER:
        return
    path = Path(FOLDER) / f"{name}.png"
    page.screenshot(path=path)
    with Image.open(path) as image:
        image.convert("RGB").quantize(160, dither=Image.Dither.NONE).save(path, optimize=True)
