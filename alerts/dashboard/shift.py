"""Looking back at a shift: /api/v1/burden, and /api/v1/shift, which is what one nurse tells the next."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from alerts.dashboard.api import worst_first
from alerts.dashboard.burden import burden
from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.history import History
from alerts.dashboard.present import everybody
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import Board
from liteheart.alarm import Alarm, Kind, Priority
from liteheart.board import PatientState, alarm_json
from liteheart.clock import US_PER_S, Clock
from liteheart.history import Activation, Note

Microseconds = Annotated[int, Query(ge=0, lt=1 << 62)]
_VITALS: Final = ("heart_rate_bpm", "sqi", "usable", "lead_off", "battery_pct", "last_sample_us")


class ShiftApi:
    """The routes as methods; plain `def`, so that they run in the thread pool."""

    def __init__(self, history: History, board: Board, clock: Clock, settings: DashboardSettings) -> None:
        self._history, self._board, self._clock, self._settings = history, board, clock, settings

    def router(self, guard: Guard) -> APIRouter:
        """The routes, each behind `guard`."""
        router = APIRouter(prefix="/api/v1", route_class=guard.route_class(public=False), tags=["shift"])
        router.add_api_route("/burden", self.burden, methods=["GET"], response_model=dict[str, Any])
        router.add_api_route("/shift", self.shift, methods=["GET"], response_model=dict[str, Any])
        return router

    def burden(self, since_us: Microseconds, until_us: Microseconds | None = None) -> JSONResponse:
        """How often alarms called, in all and by rule, patient and hour: heard, acknowledged, and judged to be what."""
        until_us = self._until(since_us, until_us)
        found = self._history.alarms.activations(since_us, until_us)
        return JSONResponse(burden(found, self._beds(), since_us, until_us))

    def shift(self, since_us: Microseconds) -> JSONResponse:
        """Of each patient who was heard of since then: alarms, what nobody has looked at, notes, the last vitals."""
        until_us = self._until(since_us, None)
        items = report(
            [s for s in self._board.patients() if s.last_arrival_us >= since_us],
            self._history.alarms.activations(since_us, until_us),
            self._board.alarms(open_only=True, limit=self._settings.snapshot_alarms_max),
            self._history.notes.since(since_us, self._settings.list_max),
            self._beds(),
        )
        return JSONResponse({"since_us": since_us, "until_us": until_us, "items": items})

    def _beds(self) -> dict[str, str]:
        return {str(one.patient): one.bed for one in everybody(self._board)}

    def _until(self, since_us: int, until_us: int | None) -> int:
        until_us = self._clock.now_us() + 1 if until_us is None else until_us
        if until_us <= since_us:
            raise Refused(422, "since_us", "must be before until_us, which is now unless it is given")
        if until_us - since_us > self._settings.burden_max_s * US_PER_S:
            raise Refused(422, "since_us", f"at most {self._settings.burden_max_s:g} s back")
        return until_us


def report(
    states: Iterable[PatientState],
    activations: Iterable[Activation],
    waiting: Sequence[Alarm],
    notes: Iterable[Note],
    beds: Mapping[str, str],
) -> list[dict[str, Any]]:
    """One entry for each patient of whom there is something to say; who has alarms that nobody has seen comes first."""
    known = {state.patient: state for state in states}
    called, open_now, written = defaultdict(list), defaultdict(list), defaultdict(list)
    for activation in activations:
        called[activation.patient].append(activation)
    for alarm in worst_first(waiting):
        open_now[alarm.patient].append(alarm)
    for note in notes:
        written[note.patient].append(note)
    entries = [
        {"patient": patient, "bed": beds.get(patient, "")}
        | _entry(known.get(patient), called[patient], open_now[patient], written[patient])
        for patient in sorted({*known, *called, *open_now, *written})
    ]
    return sorted(entries, key=_urgency)


def _entry(
    state: PatientState | None, called: list[Activation], waiting: list[Alarm], notes: list[Note]
) -> dict[str, Any]:
    of_patient = Counter(a.priority for a in called if a.kind is Kind.PHYSIOLOGICAL)
    vitals = None
    if state is not None:
        vitals = {name: getattr(state, name) for name in _VITALS} | {"codes": list(state.codes)}
    return {
        "alarms": {p.name.lower(): of_patient[p] for p in sorted(Priority, reverse=True)},
        "technical": sum(a.kind is Kind.TECHNICAL for a in called),
        "unacknowledged": sum(a.acknowledged_us is None for a in waiting),
        "reasons": dict(sorted(Counter(a.reason for a in called if a.reason is not None).items())),
        "open": [alarm_json(alarm) for alarm in waiting],
        "notes": [dataclasses.asdict(note) for note in notes],
        "vitals": vitals,
    }


def _urgency(entry: dict[str, Any]) -> tuple[Any, ...]:
    alarms = entry["alarms"]
    return (-entry["unacknowledged"], -alarms["high"], -alarms["medium"], -sum(alarms.values()), entry["bed"])
