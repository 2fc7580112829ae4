"""The page as it was built: its weight, its headers, and that it asks nobody else for anything."""

import gzip
import re
from importlib.resources import files
from typing import Any

import pytest

from alerts.dashboard import pages
from alerts.dashboard.pages import Pages
from liteheart.errors import Misconfigured

STATIC = files("alerts.dashboard").joinpath("static")


@pytest.fixture
def page(local: Any) -> str:
    return str(local.get("/").text)


def links(page: str) -> list[str]:
    """Everything that the page names."""
    return re.findall(r'(?:href|src)="([^"]+)"', page)


def test_the_whole_page_weighs_less_than_100_kb() -> None:
    assert 20_000 < Pages().weight_bytes < 100_000


def test_every_page_together_weighs_at_most_250_kb_compressed() -> None:
    assert 10_000 < Pages().packed_bytes <= 250_000


def test_the_page_is_asked_anew_and_its_parts_never(local: Any, page: str) -> None:
    answer = local.get("/")
    assert answer.headers["cache-control"] == "no-cache"
    assert local.get("/", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert {link.rpartition(".")[2] for link in links(page)} == {"css", "js", "svg"}
    for link in links(page):
        part = local.get(link)
        assert part.status_code == 200
        assert part.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]* src=)", page)


def test_every_part_bears_its_content_in_its_name(page: str) -> None:
    """Otherwise a browser that keeps it for ever would mix two versions."""
    parts = [entry.name for entry in STATIC.iterdir() if entry.name != "index.html"]
    assert {link.removeprefix("/static/") for link in links(page)} <= set(parts)
    assert [name for name in parts if not re.fullmatch(r"[\w.-]+-[\w-]{8}\.(js|css|svg)", name)] == []


def test_modules_are_served_as_they_lie_compressed_or_not(local: Any, page: str) -> None:
    for entry in STATIC.iterdir():
        if entry.name == "index.html":
            continue
        link = f"/static/{entry.name}"
        plain = local.get(link, headers={"accept-encoding": "identity"})
        assert plain.content == entry.read_bytes()
        assert "content-encoding" not in plain.headers
        packed = local.get(link, headers={"accept-encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.content == entry.read_bytes()
        assert int(packed.headers["content-length"]) == len(gzip.compress(entry.read_bytes(), 9, mtime=0))
    main = next(link for link in links(page) if link.endswith(".js"))
    assert local.get(main).headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path", ["/static/old/{name}", "/static/none.js", "/static/index.html", "/static/..%2Fapi.py", "/static/"]
)
def test_nothing_else_is_served(local: Any, page: str, path: str) -> None:
    name = links(page)[0].split("/")[2]
    assert local.get(path.replace("{name}", name)).status_code == 404


def test_a_page_that_was_not_built_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(pages, "files", lambda package: tmp_path)
    with pytest.raises(Misconfigured, match="not built: run `make setup`"):
        Pages()


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
