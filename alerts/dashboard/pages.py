"""The page and its modules: read once, compressed once, served from memory.

The modules live under a path that holds a digest of all of them, so that a browser may keep them for ever and yet
never mixes two versions; the page itself is asked for anew each time.
"""

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from alerts.dashboard.guard import Guard, Refused

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_PAGE = "index.html"


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
        contents = {
            entry.name: entry.read_bytes()
            for entry in sorted(files("alerts.dashboard").joinpath("static").iterdir(), key=lambda e: e.name)
            if entry.name.rpartition(".")[2] in _TYPES
        }
        whole = hashlib.sha256()
        for name, data in contents.items():
            whole.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
        self.version = whole.hexdigest()[:16]
        contents[_PAGE] = contents[_PAGE].replace(b"{{version}}", self.version.encode())
        self._assets = {name: _asset(name, data) for name, data in contents.items()}

    @property
    def weight_bytes(self) -> int:
        """Everything that the page loads, before compression."""
        return sum(len(asset.plain) for asset in self._assets.values())

    def router(self, guard: Guard) -> APIRouter:
        """Public: the page holds no data."""
        router = APIRouter(route_class=guard.route_class(public=True), include_in_schema=False)
        router.add_api_route("/", self.page, methods=["GET"])
        router.add_api_route("/static/{version}/{name}", self.module, methods=["GET"])
        return router

    async def page(self, request: Request) -> Response:
        """The page."""
        return self._answer(request, _PAGE, "no-cache")

    async def module(
        self,
        request: Request,
        version: Annotated[str, Path(max_length=64)],
        name: Annotated[str, Path(max_length=64)],
    ) -> Response:
        """A script, the style sheet or the icon."""
        if version != self.version or name not in self._assets or name == _PAGE:
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
