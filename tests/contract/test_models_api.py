"""The page of models over HTTP: only what was looked at is signed, only what serves is rolled back."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from alerts.dashboard.feed import InProcessFeed
from deploy import wiring
from deploy.settings import load
from inference.refresh.plan import SHIPPED_PLAN
from liteheart.clock import ManualClock
from liteheart.ids import ModelVersion
from storage.models import Made
from storage.people import People

with warnings.catch_warnings():  # starlette asks for a client library of another name; this one serves
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", UserWarning)
    from starlette.testclient import TestClient

NOW_US = 1_790_000_000 * 1_000_000
API = "/api/v1"


def made(name: str) -> Made:
    return Made(ModelVersion(name), ModelVersion("shipped"), {"student.npz": name.encode()}, b"d", "0.1", {}, {})


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    """A ward whose plan lets physicians sign and no one else."""
    plan = tmp_path / "plan.toml"
    plan.write_text(SHIPPED_PLAN.read_text().replace('["physician", "administrator"]', '["physician"]'))
    settings = load(environ={}, data_dir=tmp_path, refresh__plan=plan)
    storage = wiring.open_storage(settings)
    people = People(storage.people._engine, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    for role in ("nurse", "physician", "administrator"):
        people.add(role, role, "long enough", now_us=NOW_US)
    storage.models.ship(replace(made("shipped"), parent=None), NOW_US)
    storage.models.register(made("fresh"), "refresh", NOW_US + 1)
    for step in ("passed", "shadowed"):
        storage.models.take_step(ModelVersion("fresh"), step, "refresh", "", NOW_US)
    attempt = storage.refreshes.begin("host", NOW_US, 60_000_000)
    checks = [{"name": "macro", "value": None, "bound": -0.005, "ok": False, "judged": False}]
    storage.refreshes.tell(attempt, "shadow", 0.25, NOW_US, 60_000_000, candidate="fresh", checks=checks, drift=["x"])
    app, clock = FastAPI(), ManualClock(NOW_US)
    app.include_router(
        wiring.dashboard(settings, replace(storage, people=people), InProcessFeed(), clock, sign_in=True)
    )
    yield app
    storage.close()


def client(app: FastAPI, role: str) -> TestClient:
    found = TestClient(app, base_url="http://localhost", client=("10.0.0.9", 5555))
    assert found.post(f"{API}/session", json={"username": role, "password": "long enough"}).status_code == 200
    return found


def test_everybody_sees_versions_progress_and_drift(app: FastAPI) -> None:
    nurse = client(app, "nurse")
    told = nurse.get(f"{API}/models").json()
    assert [(v["version"], v["status"]) for v in told["items"]] == [("fresh", "shadowed"), ("shipped", "promoted")]
    assert told["serves"] == "shipped"
    whole = nurse.get(f"{API}/models/fresh").json()
    assert (whole["checks"][0]["name"], whole["parent"], whole["serves"]) == ("macro", "shipped", False)
    told = nurse.get(f"{API}/refresh").json()
    assert told["scheduled"] is False, "it names no test set"
    (attempt,) = told["items"]
    assert (attempt["phase"], attempt["share"], attempt["detail"]["drift"]) == ("shadow", 0.25, ["x"])
    assert "salt" not in attempt
    assert nurse.get(f"{API}/models/nobody").status_code == 404


def test_signed_by_whom_the_plan_names_for_what_was_looked_at(app: FastAPI) -> None:
    physician, administrator = client(app, "physician"), client(app, "administrator")
    weights = physician.get(f"{API}/models/fresh").json()["weights"]
    refused = administrator.post(f"{API}/models/fresh/approve", json={"weights": weights})
    assert (refused.status_code, refused.json()["error"]["field"]) == (403, "role")
    assert physician.post(f"{API}/models/fresh/approve", json={"weights": "0" * 64}).status_code == 409
    assert physician.post(f"{API}/models/fresh/approve", json={"weights": weights[:8]}).status_code == 422
    assert physician.post(f"{API}/models/fresh/promote").status_code == 409, "nobody has signed"
    signed = physician.post(f"{API}/models/fresh/approve", json={"weights": weights, "reason": "20 strips"})
    assert (signed.json()["status"], signed.json()["steps"][-1]["by"]) == ("approved", "physician")
    assert administrator.post(f"{API}/models/fresh/promote").json()["serves"] is True
    assert physician.post(f"{API}/models/shipped/rollback", json={"reason": "x"}).status_code == 409, (
        "it does not serve"
    )
    assert physician.post(f"{API}/models/fresh/rollback", json={"reason": " "}).status_code == 422
    back = physician.post(f"{API}/models/fresh/rollback", json={"reason": "too many calls"})
    assert (back.json()["status"], back.json()["serves"]) == ("rolled-back", False)
    assert physician.get(f"{API}/models").json()["serves"] == "shipped"


def test_refused_is_refused(app: FastAPI) -> None:
    physician = client(app, "physician")
    assert physician.post(f"{API}/models/fresh/refuse", json={"reason": "not ours"}).json()["status"] == "refused"
    weights = physician.get(f"{API}/models/fresh").json()["weights"]
    assert physician.post(f"{API}/models/fresh/approve", json={"weights": weights}).status_code == 409


def test_a_plan_that_cannot_be_read_lets_nobody_sign_and_the_screen_goes_on(tmp_path: Path) -> None:
    settings = load(environ={}, data_dir=tmp_path, refresh__plan=tmp_path / "nowhere.toml")
    storage = wiring.open_storage(settings)
    storage.people.add("physician", "physician", "long enough", now_us=NOW_US)
    app, clock = FastAPI(), ManualClock(NOW_US)
    app.include_router(wiring.dashboard(settings, storage, InProcessFeed(), clock, sign_in=True))
    physician = client(app, "physician")
    assert physician.get(f"{API}/models").status_code == 200
    refused = physician.post(f"{API}/models/fresh/approve", json={"weights": "0" * 64})
    assert (refused.status_code, refused.json()["error"]["reason"]) == (403, "the plan lets nobody sign")
    storage.close()
