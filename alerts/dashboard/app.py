"""The dashboard as one router, for any FastAPI application."""

from collections.abc import Sequence

from fastapi import APIRouter

from alerts.dashboard.api import Api
from alerts.dashboard.care import Care, CareApi
from alerts.dashboard.guard import Guard
from alerts.dashboard.live import LiveView
from alerts.dashboard.pages import Pages
from alerts.dashboard.session import SessionApi
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import Board, LiveFeed, People
from liteheart.clock import Clock
from liteheart.conditions import Condition


def dashboard_router(
    board: Board,
    feed: LiveFeed,
    people: People | None,
    clock: Clock,
    settings: DashboardSettings,
    *,
    conditions: Sequence[Condition] = (),
    care: Care | None = None,
) -> APIRouter:
    """Page, API and live view. Without `people`, requests from this machine act as the local nurse.

    `conditions` are the rows that /api/v1/conditions answers with and that the page takes its names from. Without
    `care` there are no limits and no escalation, and a pause of the sound is the browser's own.
    """
    guard = Guard(people, clock, settings)
    router = APIRouter()
    router.include_router(Pages().router(guard))
    router.include_router(SessionApi(guard, clock, settings).router())
    router.include_router(Api(board, feed, clock, settings, conditions).router(guard))
    if care is not None:
        router.include_router(CareApi(care, clock, settings).router(guard))
    router.add_api_websocket_route("/api/v1/live", LiveView(board, feed, guard, clock, settings, care).serve)
    return router
