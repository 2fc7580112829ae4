"""The dashboard as one router, for any FastAPI application."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter

from alerts.dashboard.admissions import AdmissionsApi
from alerts.dashboard.api import Api
from alerts.dashboard.audit import AuditApi
from alerts.dashboard.care import Care, CareApi
from alerts.dashboard.consent import ConsentApi
from alerts.dashboard.guard import Guard
from alerts.dashboard.history import History, HistoryApi
from alerts.dashboard.identity import IdentityApi
from alerts.dashboard.live import LiveView
from alerts.dashboard.models import Learning, ModelsApi
from alerts.dashboard.notes import NotesApi
from alerts.dashboard.pages import Pages
from alerts.dashboard.people import PeopleApi
from alerts.dashboard.ports import Accounts, Codes, Consents, Identities, SessionStore, Stays, Subjects, Trail, Worn
from alerts.dashboard.session import SessionApi
from alerts.dashboard.settings import DashboardSettings
from alerts.dashboard.shift import ShiftApi
from alerts.fhir.api import fhir_router
from alerts.fhir.ports import Sources
from alerts.fhir.settings import FhirSettings
from alerts.ports import Board, LiveFeed, People
from liteheart.clock import Clock
from liteheart.conditions import Condition


@dataclass(frozen=True, slots=True)
class Office:
    """What people and their patients are administered with."""

    accounts: Accounts
    sessions: SessionStore
    stays: Stays
    identities: Identities
    codes: Codes
    worn: Worn
    trail: Trail
    consents: Consents
    subjects: Subjects


def dashboard_router(
    board: Board,
    feed: LiveFeed,
    people: People | None,
    clock: Clock,
    settings: DashboardSettings,
    *,
    conditions: Sequence[Condition] = (),
    care: Care | None = None,
    history: History | None = None,
    office: Office | None = None,
    fhir: tuple[Sources, FhirSettings] | None = None,
    learning: Learning | None = None,
) -> APIRouter:
    """Page, API and live view. Without `people`, requests from this machine act as the local nurse.

    `conditions` are the rows that /api/v1/conditions answers with and that the page takes its names from. Without
    `care` there are no limits and no escalation, and a pause of the sound is the browser's own. Without
    `history` nothing but strips, findings and alarms is looked back at. Without `office` sessions end with the
    process, nobody is admitted and nothing that is read is noted. Without `fhir` no other system can read; without
    `learning` nothing is told of the students.
    """
    guard = Guard(
        people,
        clock,
        settings,
        sessions=None if office is None else office.sessions,
        trail=None if office is None else office.trail,
    )
    router = APIRouter()
    router.include_router(Pages().router(guard))
    accounts = None if office is None else office.accounts
    router.include_router(SessionApi(guard, clock, settings, accounts, models=learning is not None).router())
    router.include_router(Api(board, feed, clock, settings, conditions).router(guard))
    if care is not None:
        router.include_router(CareApi(care, clock, settings).router(guard))
    if history is not None:
        router.include_router(HistoryApi(history, board, settings).router(guard))
        router.include_router(NotesApi(history.notes, clock, settings).router(guard))
        router.include_router(ShiftApi(history, board, clock, settings).router(guard))
    if office is not None:
        beds = AdmissionsApi(office.stays, office.codes, office.worn, board, feed, clock, settings)
        router.include_router(beds.router(guard))
        router.include_router(ConsentApi(office.consents, office.subjects, clock).router(guard))
        router.include_router(IdentityApi(office.identities, clock, settings).router(guard))
        router.include_router(PeopleApi(office.accounts, guard, clock).router())
        router.include_router(AuditApi(office.trail, settings).router(guard))
    if learning is not None:
        router.include_router(ModelsApi(learning, clock).router(guard))
    if fhir is not None:
        router.include_router(fhir_router(fhir[0], guard, fhir[1]))
    router.add_api_websocket_route("/api/v1/live", LiveView(board, feed, guard, clock, settings, care).serve)
    return router
