"""The page as Vite built it from `web/`: read once, compressed once, served from memory.

Every part but the page itself bears a digest of its content in its name, so that a browser may keep it for ever and
yet never mixes two versions; the page is asked for anew each time.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from alerts.dashboard.guard import Guard, Refused
from liteheart.errors import Misconfigured

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_PAGE = "index.html"
_NAMED = re.compile(r'"/static/([^"/]+)"')


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, plain and compressed."""

    plain: bytes
    packed: bytes
    content_type: str
    etag: str


class Pages:
    """The routes of the page."""

    def __init__(self) -> None:
        """Raises Misconfigured when the page has not been built."""
        folder = files("alerts.dashboard").joinpath("static")
        if not folder.joinpath(_PAGE).is_file():
            raise Misconfigured("alerts/dashboard/static", "the page is not built: run `make setup`")
        self._assets = {
            entry.name: _asset(entry.name, entry.read_bytes())
            for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
            if entry.name.rpartition(".")[2] in _TYPES
        }

    @property
    def weight_bytes(self) -> int:
        """The page and all that it names, before compression: what a screen loads before it shows the wall."""
        first = {_PAGE, *_NAMED.findall(self._assets[_PAGE].plain.decode())}
        return sum(len(self._assets[name].plain) for name in first)

    @property
    def packed_bytes(self) -> int:
        """All there is, compressed: what a screen loads that visits every page."""
        return sum(len(asset.packed) for asset in self._assets.values())

    def router(self, guard: Guard) -> APIRouter:
        """Public: the page holds no data."""
        router = APIRouter(route_class=guard.route_class(public=True), include_in_schema=False)
        router.add_api_route("/", self.page, methods=["GET"])
        router.add_api_route("/static/{name}", self.module, methods=["GET"])
        return router

    async def page(self, request: Request) -> Response:
        """The page."""
        return self._answer(request, _PAGE, "no-cache")

    async def module(self, request: Request, name: Annotated[str, Path(max_length=64)]) -> Response:
        """A script, a style sheet or the icon."""
        if name not in self._assets or name == _PAGE:
            raise Refused(404, "path", "no such file")
        return self._answer(request, name, "public, max-age=31536000, immutable")

    def _answer(self, request: Request, name: str, caching: str) -> Response:
        asset = self._assets[name]
        headers = {"Cache-Control": caching, "ETag": asset.etag, "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == asset.etag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.packed, media_type=asset.content_type, headers=headers | {"Content-Encoding": "gzip"})
        return Response(asset.plain, media_type=asset.content_type, headers=headers)


def _asset(name: str, data: bytes) -> Asset:
    digest = hashlib.sha256(data).hexdigest()[:32]
    packed = gzip.compress(data, 9, mtime=0)
    return Asset(data, packed, _TYPES[name.rpartition(".")[2]], f'W/"{digest}"')
