"""Who is let in: hosts, origins, addresses, sessions, roles, and the brake on guessing."""

from typing import Any

import pytest

from alerts.dashboard.auth import Attempts, Local, Sessions
from alerts.dashboard.settings import DashboardSettings
from liteheart.clock import US_PER_S
from liteheart.errors import Misconfigured

ACK = "/api/v1/alarms/a1/acknowledge"


def test_our_own_names_are_served(local: Any) -> None:
    for host in ("localhost", "localhost:8080", "127.0.0.1:9", "[::1]:8080", "LOCALHOST"):
        assert local.get("/api/v1/patients", headers={"host": host}).status_code == 200, host


@pytest.mark.parametrize("path", ["/", "/api/v1/patients", "/api/v1/session"])
def test_a_name_that_was_rebound_to_us_is_not_served(local: Any, path: str) -> None:
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "[::2]"):
        answer = local.get(path, headers={"host": host})
        assert answer.status_code == 421, host
        assert answer.json()["error"]["field"] == "host"


def test_foreign_hosts_open_no_live_view(local: Any, denied: Any) -> None:
    assert denied(local, host="evil.example") == 421
    assert denied(local, origin="http://evil.example") == 403
    assert denied(local, origin="null") == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"origin": "http://localhost.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_sites_page_changes_nothing(bench: Any, local: Any, headers: dict[str, str]) -> None:
    bench.alarm("a1")
    answer = local.post(ACK, json={"reason": None}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"]["field"] == "origin"
    assert bench.board.alarm("a1").acknowledged_us is None
    assert local.post(ACK, json={"reason": None}, headers={"origin": "http://localhost"}).status_code == 200


@pytest.mark.parametrize("address", ["10.0.0.7", "2001:db8::1", "testclient"])
def test_without_sign_in_only_this_machine_is_served(bench: Any, address: str) -> None:
    client = bench.client(address)
    assert client.get("/api/v1/patients").status_code == 403
    assert client.get("/").status_code == 200, "the page holds no data"


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip"])
def test_a_proxy_on_this_machine_does_not_make_its_guests_local(local: Any, header: str) -> None:
    assert local.get("/api/v1/patients", headers={header: "127.0.0.1"}).status_code == 403


def test_v4_in_v6_clothes_is_local_too(bench: Any) -> None:
    assert bench.client("::ffff:127.0.0.1").get("/api/v1/patients").status_code == 200


def test_everything_but_the_page_needs_a_session(guarded: Any, denied: Any) -> None:
    client = guarded.client()
    for path in (
        "/patients",
        "/alarms",
        "/alarms/a1",
        "/conditions",
        "/patients/p/strip?t0_us=0&t1_us=1",
        "/patients/p/findings",
        "/session",
    ):
        answer = client.get(f"/api/v1{path}")
        assert answer.status_code == 401, path
        assert answer.json()["error"]["field"] == "session"
    assert client.post(ACK, json={"reason": None}).status_code == 401
    assert denied(client) == 401
    assert client.get("/").status_code == 200


def test_a_session_is_a_strict_cookie_and_ends_at_sign_out(guarded: Any) -> None:
    client = guarded.client()
    answer = client.post("/api/v1/session", json={"username": "ada", "password": "ada-secret"})
    rights = ["acknowledge", "admit", "break_glass", "identity", "limits", "look", "note", "pair", "report"]
    assert answer.json() == {
        "username": "ada",
        "role": "nurse",
        "may": rights,
        "may_acknowledge": True,
        "can_sign_out": True,
        "models": False,
    }
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    token = client.cookies["liteheart"]
    assert len(token) >= 43, "256 bits"
    assert client.get("/api/v1/patients").status_code == 200
    assert client.delete("/api/v1/session").status_code == 204
    client.cookies.set("liteheart", token)
    assert client.get("/api/v1/patients").status_code == 401, "the token is dead, not only forgotten"


def test_behind_tls_the_cookie_is_secure(make_bench: Any, guarded: Any) -> None:
    bench = make_bench(staff=guarded.staff, settings=DashboardSettings(secure_cookie=True))
    answer = bench.client().post("/api/v1/session", json={"username": "ada", "password": "ada-secret"})
    assert answer.headers["set-cookie"].startswith("__Host-liteheart=")
    assert "Secure" in answer.headers["set-cookie"]


def test_signing_in_again_ends_the_session_before(guarded: Any) -> None:
    client = guarded.signed_in("ada")
    token = client.cookies["liteheart"]
    assert client.post("/api/v1/session", json={"username": "ada", "password": "ada-secret"}).status_code == 200
    assert client.cookies["liteheart"] != token
    assert guarded.client().get("/api/v1/patients", headers={"cookie": f"liteheart={token}"}).status_code == 401


def test_an_idle_session_ends_and_use_keeps_it(guarded: Any) -> None:
    client = guarded.signed_in("ada")
    for _ in range(3):
        guarded.clock.advance(1700)
        assert client.get("/api/v1/patients").status_code == 200
    guarded.clock.advance(1801)
    assert client.get("/api/v1/patients").status_code == 401


def test_roles_decide_who_acknowledges(guarded: Any) -> None:
    guarded.alarm("a1")
    answer = guarded.signed_in("rosa").post(ACK, json={"reason": None})
    assert answer.status_code == 403
    assert answer.json()["error"]["field"] == "role"
    assert guarded.board.alarm("a1").acknowledged_us is None
    assert guarded.signed_in("paul").post(ACK, json={"reason": None}).status_code == 200
    assert guarded.board.alarm("a1").acknowledged_by == "paul"


def test_guessing_is_braked_by_name_and_address(guarded: Any) -> None:
    client = guarded.client("10.0.0.1")
    wrong = {"username": "ada", "password": "guess"}
    right = {"username": "ada", "password": "ada-secret"}
    for _ in range(5):
        answer = client.post("/api/v1/session", json=wrong)
        assert answer.status_code == 401
        assert answer.json()["error"]["reason"] == "name or password is wrong"
    answer = client.post("/api/v1/session", json=right)
    assert answer.status_code == 429
    assert 290 < int(answer.headers["retry-after"]) <= 301
    assert "try again in" in answer.json()["error"]["reason"]
    assert guarded.staff.asked == 5, "the password is not even looked at"
    assert guarded.client("10.0.0.2").post("/api/v1/session", json=right).status_code == 200, "only there"
    guarded.clock.advance(301)
    assert client.post("/api/v1/session", json=right).status_code == 200


def test_credentials_are_bounded(guarded: Any) -> None:
    client = guarded.client()
    for body in (
        {"username": "", "password": "x"},
        {"username": "a" * 65, "password": "x"},
        {"username": "ada", "password": "x" * 257},
        {"username": "ada"},
        [],
    ):
        answer = client.post("/api/v1/session", json=body)
        assert answer.status_code == 422
        assert "xxxx" not in answer.text
    assert guarded.staff.asked == 0


def test_many_names_from_one_address_are_braked_too() -> None:
    attempts = Attempts(DashboardSettings(attempts_per_address=10))
    assert all(attempts.wait_s(f"n{i}", "10.0.0.1", i) == 0.0 for i in range(10))
    assert attempts.wait_s("fresh", "10.0.0.1", 11) == pytest.approx(300, abs=1)
    assert attempts.wait_s("fresh", "10.0.0.2", 11) == 0.0
    assert attempts.wait_s("fresh", "10.0.0.1", 301 * US_PER_S) == 0.0


def test_success_forgives_only_its_own_name() -> None:
    attempts = Attempts(DashboardSettings(attempts=2))
    assert attempts.wait_s("ada", "a", 0) == 0.0
    attempts.succeeded("ada", "a")
    assert [attempts.wait_s("ada", "a", 1) > 0 for _ in range(3)] == [False, False, True]


def test_sessions_are_bounded_and_end_after_a_shift() -> None:
    sessions = Sessions(DashboardSettings(sessions_max=3, session_max_s=100.0))
    tokens = [sessions.begin(Local(), now_us=i) for i in range(4)]
    assert [sessions.find(token, 5) is not None for token in tokens] == [False, True, True, True]
    assert sessions.find(tokens[3], 99 * US_PER_S) is not None
    assert sessions.find(tokens[3], 101 * US_PER_S) is None, "however busy"
    assert sessions.find("", 5) is None


def test_settings_name_a_wrong_value() -> None:
    with pytest.raises(Misconfigured, match="heartbeat_s"):
        DashboardSettings(heartbeat_s=0)
    with pytest.raises(Misconfigured, match="allowed_hosts"):
        DashboardSettings(allowed_hosts=())


def test_a_public_name_is_served_only_where_people_sign_in(make_bench: Any, guarded: Any) -> None:
    settings = DashboardSettings(allowed_hosts=("ward.example", "localhost"))
    named = make_bench(staff=guarded.staff, settings=settings).client(host="ward.example")
    assert named.get("/api/v1/session").status_code == 401
    assert make_bench(settings=settings).client(host="ward.example").get("/").status_code == 421
