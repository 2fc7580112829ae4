"""The page: its weight, its headers, and that it asks nobody else for anything."""

import gzip
import re
from importlib.resources import files
from typing import Any

import pytest

from alerts.dashboard.pages import Pages

STATIC = files("alerts.dashboard").joinpath("static")


@pytest.fixture
def page(local: Any) -> str:
    return str(local.get("/").text)


def links(page: str) -> list[str]:
    """Everything that the page names."""
    return re.findall(r'(?:href|src)="([^"]+)"', page)


def test_the_whole_page_weighs_less_than_100_kb() -> None:
    assert 20_000 < Pages().weight_bytes < 100_000


def test_the_page_is_asked_anew_and_its_parts_never(local: Any, page: str) -> None:
    answer = local.get("/")
    assert answer.headers["cache-control"] == "no-cache"
    assert local.get("/", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert len(links(page)) == 3
    for link in links(page):
        part = local.get(link)
        assert part.status_code == 200
        assert part.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "{{" not in page


def test_modules_are_served_as_they_lie_compressed_or_not(local: Any, page: str) -> None:
    main = next(link for link in links(page) if link.endswith("main.js"))
    for entry in STATIC.iterdir():
        if entry.name == "index.html":
            continue
        link = main.replace("main.js", entry.name)
        plain = local.get(link, headers={"accept-encoding": "identity"})
        assert plain.content == entry.read_bytes()
        assert "content-encoding" not in plain.headers
        packed = local.get(link, headers={"accept-encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.content == entry.read_bytes()
        assert int(packed.headers["content-length"]) == len(gzip.compress(entry.read_bytes(), 9, mtime=0))
    assert local.get(main).headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path", ["/static/old/main.js", "/static/{v}/none.js", "/static/{v}/index.html", "/static/{v}/..%2Fapi.py"]
)
def test_nothing_else_is_served(local: Any, page: str, path: str) -> None:
    version = links(page)[0].split("/")[2]
    assert local.get(path.replace("{v}", version)).status_code == 404


def test_security_headers_stand_on_every_answer(local: Any, page: str) -> None:
    for path in (
        "/",
        links(page)[1],
        "/api/v1/patients",
        "/api/v1/alarms/none",
        "/api/v1/alarms?limit=0",
        "/api/v1/session",
    ):
        headers = local.get(path).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        if path.startswith("/api"):
            assert headers["cache-control"] == "no-store"


def test_no_part_builds_markup_from_text_or_names_another_host() -> None:
    for entry in STATIC.iterdir():
        text = entry.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            entry
        )
        foreign = [url for url in re.findall(r"\bhttps?://[^\s\"'`$]+", text) if url != "http://www.w3.org/2000/svg"]
        assert not foreign, entry
        assert not re.search(r"\sstyle=|\son\w+=\"", text), entry
