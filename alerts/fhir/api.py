"""The routes under /fhir/{version}: metadata for all, the rest behind the door. Resources are made when asked for."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Final, cast

from fastapi import APIRouter, Request, Response

from alerts.dashboard.guard import Guard, Refused, Seen
from alerts.fhir import capability, ids, outcome
from alerts.fhir.door import EVERYBODY, Door, Reader
from alerts.fhir.elements import Json
from alerts.fhir.find import Finder
from alerts.fhir.pages import Names, Page
from alerts.fhir.ports import Sources
from alerts.fhir.search import Query, bundle, read_query
from alerts.fhir.settings import FhirSettings
from alerts.fhir.version import Version
from liteheart.ids import PatientId

_BASE: Final = "/fhir/{version}"
_ANY: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def fhir_router(sources: Sources, guard: Guard, settings: FhirSettings) -> APIRouter:
    """All routes. Raises nothing; without `settings.enabled` it is empty."""
    router = APIRouter()
    if settings.enabled:
        router.include_router(FhirApi(sources, guard, settings).router())
    return router


class FhirApi:
    """The routes as methods; plain `def`, so that they run in the thread pool."""

    def __init__(self, sources: Sources, guard: Guard, settings: FhirSettings) -> None:
        self._sources, self._settings = sources, settings
        self._door = Door(guard, sources.clients, Seen(sources.trail), sources.clock, settings)
        self._names = Names(sources.records)
        self._finder = Finder(sources, self._names, settings)

    def router(self) -> APIRouter:
        """Open ones first, then a search and a reading of each kind, then the answer to everything else."""
        whole = APIRouter()
        whole.include_router(self._open())
        for kind in capability.TABLE.values():
            for letter, path, make in (("s", "", self._searcher), ("r", "/{name}", self._reader)):
                routes = APIRouter(tags=["fhir"], route_class=self._door.route_class(kind=kind.name, letter=letter))
                routes.add_api_route(
                    f"{_BASE}/{kind.name}{path}",
                    make(kind),
                    methods=["GET"],
                    response_class=Response,
                    name=f"fhir {kind.name}{path}",
                )
                whole.include_router(routes)
        rest = APIRouter(route_class=self._door.route_class(kind=None))
        rest.add_api_route("/fhir/{rest:path}", self.nothing, methods=list(_ANY), include_in_schema=False)
        whole.include_router(rest)
        return whole

    def _open(self) -> APIRouter:
        routes = APIRouter(tags=["fhir"], route_class=self._door.route_class(kind=None))
        routes.add_api_route(f"{_BASE}/metadata", self.metadata, methods=["GET"], response_class=Response)
        smart = f"{_BASE}/.well-known/smart-configuration"
        routes.add_api_route(smart, self.smart, methods=["GET"], response_class=Response)
        return routes

    def metadata(self, request: Request, version: str) -> Response:
        """The CapabilityStatement."""
        spoken = _version(version)
        told = capability.statement(spoken, self._base(request, spoken), self._sources.clock.now_us())
        return _response(told, spoken)

    def smart(self, version: str) -> Response:
        """What of SMART there is."""
        _version(version)
        return Response(json.dumps(capability.smart_configuration()), media_type="application/json")

    def nothing(self, request: Request, rest: str) -> Response:
        """404 where nothing is, 405 for what would change something."""
        if request.method != "GET":
            return outcome.answer(405, "method", "nothing can be changed here", {"Allow": "GET"})
        return outcome.answer(404, "path", "there is nothing here")

    def _searcher(self, kind: capability.Kind) -> Callable[..., Response]:
        def search(request: Request, version: str) -> Response:
            spoken = _spoken(version, kind)
            reader: Reader = request.state.reader
            lenient = "handling=lenient" in request.headers.get("prefer", "")
            query = read_query(request.query_params.multi_items(), kind, self._settings, lenient=lenient)
            asked = query.reference("patient", "Patient") if "patient" in query.values else None
            patient = None if asked is None else self._names.patient(asked)
            if asked is not None and patient is None:
                page, subject = Page([], None), EVERYBODY
            else:
                whose = reader.narrowed(patient)
                page = self._finder.search(kind.name, query, whose, spoken)
                subject = _subject(patient, reader)
            self._door.note(reader, kind.name, subject)
            return _response(self._page(request, spoken, kind, query, page), spoken)

        return search

    def _reader(self, kind: capability.Kind) -> Callable[..., Response]:
        def read(request: Request, version: str, name: str) -> Response:
            spoken = _spoken(version, kind)
            reader: Reader = request.state.reader
            found = self._finder.read(kind.name, name, spoken) if ids.is_id(name) else None
            if found is None:
                raise Refused(404, "id", f"there is no such {kind.name}")
            if found.patient is not None:
                reader.narrowed(found.patient)
            elif reader.patients is not None:
                raise Refused(403, "patient", "the scopes are for other patients")
            self._door.note(reader, kind.name, found.patient or EVERYBODY)
            return _conditional(request, found.resource, spoken)

        return read

    def _page(self, request: Request, version: Version, kind: capability.Kind, query: Query, page: Page) -> Json:
        base = self._base(request, version)
        path = f"{base}/{kind.name}"
        links = {"self": query.page(path) if query.cursor is None else query.next_page(path, query.cursor)}
        if page.cursor is not None:
            links["next"] = query.next_page(path, page.cursor)
        return bundle(page.resources, base, links)

    def _base(self, request: Request, version: Version) -> str:
        root = self._settings.base_url.rstrip("/") or str(request.base_url).rstrip("/")
        return f"{root}/fhir/{version.value}"


def _version(text: str) -> Version:
    try:
        return Version(text)
    except ValueError:
        raise Refused(404, "version", f"only {', '.join(Version)} are spoken here") from None


def _spoken(text: str, kind: capability.Kind) -> Version:
    version = _version(text)
    if version not in kind.versions:
        raise Refused(404, "type", f"{kind.name} is told in {', '.join(kind.versions)} only")
    return version


def _subject(patient: PatientId | None, reader: Reader) -> str:
    """Whom a search was about; of a reader of a single patient it was about that one."""
    if patient is None and reader.patients is not None and len(reader.patients) == 1:
        return str(next(iter(reader.patients)))
    return EVERYBODY if patient is None else str(patient)


def _response(resource: Json, version: Version) -> Response:
    return Response(_bytes(resource), media_type=version.media_type)


def _conditional(request: Request, resource: Json, version: Version) -> Response:
    """With an ETag of the content, and Last-Modified where the resource says when; 304 for who has it already."""
    body = _bytes(resource)
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {"ETag": etag}
    updated = cast(dict[str, Any], resource.get("meta", {})).get("lastUpdated")
    modified = None if updated is None else datetime.fromisoformat(updated)
    if modified is not None and modified.year >= 1900:
        headers["Last-Modified"] = format_datetime(modified, usegmt=True)
    known = request.headers.get("if-none-match")
    if known is not None:
        fresh = known.strip() == "*" or etag in (part.strip() for part in known.split(","))
    else:
        fresh = modified is not None and _since(request.headers.get("if-modified-since"), modified)
    if fresh:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=version.media_type, headers=headers)


def _since(text: str | None, modified: datetime) -> bool:
    """Whether the reader's copy is as new; a header that cannot be read does not count."""
    try:
        return text is not None and modified.replace(microsecond=0) <= parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return False


def _bytes(resource: Json) -> bytes:
    return json.dumps(resource, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
