"""Who did what: /api/v1/audit, the newest first; and whether its chain holds."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.ports import Deed, Trail
from alerts.dashboard.settings import DashboardSettings
from liteheart.ids import ID_PATTERN

Subject = Annotated[str | None, Query(max_length=64)]
Username = Annotated[str | None, Query(pattern=f"^{ID_PATTERN.pattern}$")]


class AuditApi:
    """The routes as methods; plain `def`, so that they run in the thread pool."""

    def __init__(self, trail: Trail, settings: DashboardSettings) -> None:
        self._trail, self._settings = trail, settings

    def router(self, guard: Guard) -> APIRouter:
        """The routes, behind `guard`."""
        router = APIRouter(prefix="/api/v1", route_class=guard.route_class(public=False), tags=["audit"])
        router.add_api_route("/audit", self.latest, methods=["GET"])
        router.add_api_route("/audit/chain", self.chain, methods=["GET"])
        return router

    def latest(
        self, limit: Annotated[int, Query(ge=1)] = 100, subject: Subject = None, by: Username = None
    ) -> dict[str, list[dict[str, Any]]]:
        """Deeds of everybody or of one person, to everything or to one patient, station, person or device."""
        if limit > self._settings.list_max:
            raise Refused(422, "limit", f"at most {self._settings.list_max}")
        return {"items": [_plain(deed) for deed in self._trail.latest(limit, subject, by)]}

    def chain(self) -> dict[str, Any]:
        """Whether every row follows from the one before, as `liteheart audit verify` has it."""
        found = self._trail.verify()
        return {"rows": found.rows, "head": found.head.hex(), "broken": found.broken, "reason": found.reason}


def _plain(deed: Deed) -> dict[str, Any]:
    return {
        "id": deed.deed_id,
        "at_us": deed.at_us,
        "by": deed.by,
        "action": deed.action,
        "subject": deed.subject,
        "detail": dict(deed.detail),
        "flagged": deed.flagged,
    }
