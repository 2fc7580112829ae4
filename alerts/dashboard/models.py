"""The students that there are: which one serves, what each had to show, and who signs. /api/v1/models, /refresh."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.model_ports import Attempt, Attempts, Registry, Version
from liteheart.clock import Clock
from liteheart.errors import Conflict, Poison
from liteheart.ids import ID_PATTERN, ModelVersion

log = logging.getLogger(__name__)
Name = Annotated[str, Path(pattern=f"^{ID_PATTERN.pattern}$")]


@dataclass(frozen=True, slots=True)
class Learning:
    """What the page of models shows, and the roles that the plan lets sign."""

    registry: Registry
    attempts: Attempts
    signers: Collection[str]
    scheduled: bool | None = None  # whether a refresh is begun by the clock; None: not for this process to know


class Signed(BaseModel):
    """A signature: the digits of the weights that were looked at, and why."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"weights": "0123456789ab"}]})
    weights: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{12,64}$")]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""


class Why(BaseModel):
    """A reason that has to be given."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "too many calls"}]})
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class ModelsApi:
    """The routes as methods; plain `def`, so that they run in the thread pool."""

    def __init__(self, learning: Learning, clock: Clock) -> None:
        self._registry, self._attempts, self._signers = learning.registry, learning.attempts, learning.signers
        self._clock, self._scheduled = clock, learning.scheduled

    def router(self, guard: Guard) -> APIRouter:
        """The routes, each behind `guard`."""
        router = APIRouter(prefix="/api/v1", route_class=guard.route_class(public=False), tags=["models"])
        router.add_api_route("/models", self.all, methods=["GET"])
        router.add_api_route("/models/{version}", self.one, methods=["GET"])
        router.add_api_route("/models/{version}/approve", self.approve, methods=["POST"])
        router.add_api_route("/models/{version}/promote", self.promote, methods=["POST"])
        router.add_api_route("/models/{version}/refuse", self.refuse, methods=["POST"])
        router.add_api_route("/models/{version}/rollback", self.roll_back, methods=["POST"])
        router.add_api_route("/refresh", self.refresh, methods=["GET"])
        return router

    def all(self, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> dict[str, Any]:
        """Every version, the newest first, and which one serves."""
        return {"items": [_line(v) for v in self._registry.latest(limit)], "serves": self._registry.champion()}

    def one(self, version: Name) -> dict[str, Any]:
        """A version with all that became of it, and what the gate and the time beside the champion showed."""
        found = self._known(version)
        attempt = next((a for a in self._attempts.latest(200) if a.candidate == version), None)
        return _whole(found) | {
            "checks": [] if attempt is None else list(attempt.detail.get("checks", [])),
            "shadow": None if attempt is None else attempt.detail.get("shadow"),
            "serves": self._registry.champion() == version,
        }

    def approve(self, request: Request, version: Name, said: Annotated[Signed, Body()]) -> dict[str, Any]:
        """Sign for it. The weights are named, so that nobody signs for others than were looked at."""
        person = request.state.person
        if person.role not in self._signers:
            raise Refused(403, "role", f"the plan lets {' and '.join(sorted(self._signers)) or 'nobody'} sign")
        by, name = person.username, ModelVersion(version)
        self._do(lambda: self._registry.approve(name, said.weights, by, said.reason, self._now))
        return self._done(request, "approved", version)

    def promote(self, request: Request, version: Name) -> dict[str, Any]:
        """It serves within seconds, without a restart."""
        self._do(lambda: self._registry.promote(ModelVersion(version), request.state.person.username, self._now))
        return self._done(request, "promoted", version)

    def refuse(self, request: Request, version: Name, said: Annotated[Why, Body()]) -> dict[str, Any]:
        """It is never to serve."""
        by = request.state.person.username
        self._do(lambda: self._registry.take_step(ModelVersion(version), "refused", by, said.reason, self._now))
        return self._done(request, "refused", version)

    def roll_back(self, request: Request, version: Name, said: Annotated[Why, Body()]) -> dict[str, Any]:
        """`version` serves and shall no longer: the one before does."""
        if self._registry.champion() != version:
            raise Refused(409, "version", f"{version} does not serve")
        self._do(lambda: self._registry.roll_back(request.state.person.username, said.reason, self._now))
        return self._done(request, "rolled back", version)

    def refresh(self) -> dict[str, Any]:
        """The latest refreshes, one that goes on among them: phase, share, counts, drift.

        `scheduled` false: none is begun by the clock, for no test set is named; null: that is another process's part.
        """
        return {"items": [_attempt(a) for a in self._attempts.latest(10)], "scheduled": self._scheduled}

    @property
    def _now(self) -> int:
        return self._clock.now_us()

    def _known(self, version: str) -> Version:
        found = self._registry.get(ModelVersion(version))
        if found is None:
            raise Refused(404, "version", "there is no such version")
        return found

    def _do(self, deed: Callable[[], object]) -> None:
        try:
            deed()
        except Conflict as conflict:
            raise Refused(409, conflict.field, conflict.reason) from None
        except Poison as poison:
            raise Refused(422, poison.field, poison.reason) from None

    def _done(self, request: Request, what: str, version: str) -> dict[str, Any]:
        log.warning("model %s", what, extra={"model": version, "by": request.state.person.username})
        return _whole(self._known(version)) | {"serves": self._registry.champion() == version}


def _line(found: Version) -> dict[str, Any]:
    return {
        "version": found.version,
        "parent": found.parent,
        "status": found.status,
        "weights": found.weights_digest.hex(),
        "made_us": found.made_us,
        "reason": found.steps[-1].reason if found.steps else "",
    }


def _whole(found: Version) -> dict[str, Any]:
    steps = [{"step": s.step, "by": s.by, "reason": s.reason, "at_us": s.at_us} for s in found.steps]
    made = {"data": found.data_digest.hex(), "code_version": found.code_version, "metrics": dict(found.metrics)}
    return _line(found) | made | {"steps": steps}


def _attempt(found: Attempt) -> dict[str, Any]:
    names = ("refresh_id", "phase", "share", "began_us", "told_us", "ended_us", "outcome", "reason", "candidate")
    return {name: getattr(found, name) for name in names} | {"detail": dict(found.detail)}
