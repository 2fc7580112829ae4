"""Who may do what, asked of the real routes one by one, over HTTP, as each role, and as nobody.

The table here is written by hand on purpose: it is what was agreed, and `alerts.dashboard.roles` must say the same.
"""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute

from alerts.dashboard import roles
from alerts.dashboard.feed import InProcessFeed
from alerts.dashboard.guard import Guard
from alerts.dashboard.settings import DashboardSettings
from deploy import wiring
from deploy.settings import load
from liteheart.clock import ManualClock
from storage.people import People, Role

with warnings.catch_warnings():  # starlette asks for a client library of another name; this one serves
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", UserWarning)
    from starlette.testclient import TestClient, WebSocketDenialResponse

NOW_US = 1_790_000_000 * 1_000_000
INITIALS = {"n": "nurse", "p": "physician", "t": "technician", "a": "administrator", "r": "researcher"}
API = "/api/v1"
PUBLIC = {("GET", "/"), ("GET", "/static/{name}")} | {(m, f"{API}/session") for m in ("GET", "POST", "DELETE")}
TABLE = """
GET    /live                                 nptar
GET    /patients                             nptar
GET    /patients/{patient}/strip             nptar
GET    /patients/{patient}/extent            nptar
GET    /patients/{patient}/findings          nptar
GET    /patients/{patient}/overview          nptar
GET    /patients/{patient}/trends            nptar
GET    /patients/{patient}/region-map        nptar
GET    /patients/{patient}/alarms            nptar
GET    /patients/{patient}/limits            nptar
PUT    /patients/{patient}/limits            npa
GET    /patients/{patient}/notes             npta
POST   /patients/{patient}/notes             npta
GET    /alarms                               nptar
GET    /alarms/{alarm_id}                    nptar
POST   /alarms/{alarm_id}/acknowledge        npa
GET    /alarms/{alarm_id}/notifications      nptar
GET    /conditions                           nptar
GET    /care                                 nptar
POST   /audio-pauses                         npa
DELETE /audio-pauses/{pause_id}              npa
GET    /burden                               npta
GET    /shift                                npta
GET    /handovers                            npta
POST   /handovers                            npta
GET    /admissions                           nptar
POST   /patients                             npa
POST   /patients/{patient}/transfer          npa
POST   /patients/{patient}/discharge         npa
POST   /patients/{patient}/pairing           npta
DELETE /devices/{device}                     npta
GET    /patients/{patient}/identity          np
PUT    /patients/{patient}/identity          np
POST   /patients/{patient}/break-glass       npta
GET    /patients/{patient}/consents          nptar
POST   /patients/{patient}/consents          npa
GET    /patients/{patient}/subject           nptar
PUT    /patients/{patient}/subject           npa
GET    /sessions                             nptar
DELETE /sessions                             nptar
PUT    /session/password                     nptar
GET    /people                               a
POST   /people                               a
PUT    /people/{username}                    a
DELETE /people/{username}                    a
GET    /audit                                a
GET    /audit/chain                          a
GET    /models                               nptar
GET    /models/{version}                     nptar
POST   /models/{version}/approve             pa
POST   /models/{version}/promote             pa
POST   /models/{version}/refuse              pa
POST   /models/{version}/rollback            pa
GET    /refresh                              nptar
"""
FHIR = """
/Patient        par
/Device         par
/Observation    par
/DetectedIssue  par
/Communication  par
/Provenance     par
/DeviceAlert    par
/AuditEvent     a
"""
EXPECTED = {
    (method, API + path): {INITIALS[i] for i in who} for method, path, who in map(str.split, TABLE.strip().splitlines())
} | {
    ("GET", f"/fhir/{{version}}{path}{name}"): {INITIALS[i] for i in who}
    for path, who in map(str.split, FHIR.strip().splitlines())
    for name in ("", "/{name}")
}
PUBLIC |= {("GET", "/fhir/{version}/metadata"), ("GET", "/fhir/{version}/.well-known/smart-configuration")}
PUBLIC |= {(method, "/fhir/{rest:path}") for method in ("GET", "POST", "PUT", "PATCH", "DELETE")}  # 404 and 405
VALUES = {
    "version": "R4",
    "name": "p-1",
    "patient": "p-1",
    "alarm_id": "a1",
    "pause_id": "7",
    "device": "d-1",
    "username": "somebody",
}


def served(router: Any) -> set[tuple[str, str]]:
    """Every (method, path) that the application answers, hidden ones and WebSockets too."""
    found: set[tuple[str, str]] = set()
    for route in router.routes:
        if isinstance(route, APIWebSocketRoute):
            found.add(("GET", route.path))
        elif isinstance(route, APIRoute):
            found |= {(method, route.path) for method in route.methods or ()}
        elif hasattr(route, "original_router"):
            found |= served(route.original_router)
    return found


class House:
    """The dashboard as it is wired, over SQLite, and someone of each role."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        settings, self._stack = load(environ={}, data_dir=folder), stack
        storage = wiring.open_storage(settings)
        stack.callback(storage.close)
        people = People(storage.people._engine, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        self.storage = replace(storage, people=people)
        self.app = FastAPI()
        clock = ManualClock(NOW_US)
        self.app.include_router(wiring.dashboard(settings, self.storage, InProcessFeed(), clock, sign_in=True))
        for role in Role:
            people.add(f"one-{role}", role, "long enough", now_us=NOW_US)

    def client(self, role: str | None) -> TestClient:
        client = TestClient(self.app, base_url="http://localhost", client=("10.0.0.9", 5555))
        self._stack.enter_context(client)
        if role is not None:
            who = {"username": f"one-{role}", "password": "long enough"}
            assert client.post(f"{API}/session", json=who).status_code == 200
        return client


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(tmp_path, stack)


def asked(client: TestClient, method: str, path: str) -> tuple[int, str]:
    """Status, and the field that is blamed. An empty body: whoever may is told of that, whoever may not is not."""
    url = path.format(**VALUES)
    if path == f"{API}/live":
        try:
            with client.websocket_connect("ws://localhost" + url):
                return 101, ""
        except WebSocketDenialResponse as denied:
            return denied.status_code, denied.json()["error"]["field"]
    body = {} if method in ("GET", "DELETE") else {"content": b"[]", "headers": {"content-type": "application/json"}}
    answer = client.request(method, url, **body)
    refused = answer.status_code >= 400
    if refused and path.startswith("/fhir/"):
        return answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]
    return answer.status_code, answer.json()["error"]["field"] if refused else ""


def test_no_route_is_without_a_right(house: House) -> None:
    assert served(house.app) - PUBLIC == EXPECTED.keys()
    published = {(m.upper(), path) for path, of in house.app.openapi()["paths"].items() for m in of}
    assert published <= served(house.app), "the walk over the routes sees them all"


def test_the_table_of_the_code_is_this_one() -> None:
    holders = {route: set().union(*map(roles.holders, rights)) for route, rights in roles.ROUTES.items()}
    identity = ("GET", f"{API}/patients/{{patient}}/identity")
    assert holders.pop(identity) == {"nurse", "physician", "technician", "administrator"}, "some after breaking glass"
    assert holders == {route: who for route, who in EXPECTED.items() if route != identity}
    assert set(roles.RIGHTS) == set(Role)


@pytest.mark.parametrize("role", list(Role))
def test_every_route_asks_for_its_right(house: House, role: str) -> None:
    client, wrong = house.client(role), []
    for method, path in sorted(EXPECTED, key=lambda route: route == ("DELETE", f"{API}/sessions")):  # that one last
        status, field = asked(client, method, path)
        refused = status in (401, 403) and field in ("role", "identity", "session")
        if refused == (role in EXPECTED[method, path]):
            wrong.append((method, path, status, field))
    assert wrong == []


def test_nobody_gets_anything(house: House) -> None:
    client = house.client(None)
    told = {(method, path): asked(client, method, path) for method, path in EXPECTED}
    assert set(told.values()) == {(401, "session")}


def test_a_route_that_nobody_gave_a_right_is_refused_to_all(house: House) -> None:
    guard = Guard(house.storage.people, ManualClock(NOW_US), DashboardSettings(), sessions=house.storage.sessions)
    router = APIRouter(prefix=API, route_class=guard.route_class(public=False))
    router.add_api_route("/patients/{patient}/secret", lambda patient: {"told": patient}, methods=["GET"])
    house.app.include_router(router)
    assert ("GET", f"{API}/patients/{{patient}}/secret") in served(house.app) - PUBLIC - EXPECTED.keys()
    for role in Role:
        answer = house.client(role).get(f"{API}/patients/p-1/secret")
        assert answer.status_code == 403, role
        assert "not in the table" in answer.json()["error"]["reason"]
