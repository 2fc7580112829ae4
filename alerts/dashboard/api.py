"""The JSON API of the ward under /api/v1. Lists answer {"items": [...]}, errors {"error": {"field", "reason"}}."""

import dataclasses
import json
import logging
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict

from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.present import everybody
from alerts.dashboard.settings import DashboardSettings
from alerts.dashboard.strips import segments
from alerts.ports import Board, LiveFeed, Person
from liteheart.alarm import REASONS, Alarm
from liteheart.board import LiveMessage, alarm_json
from liteheart.clock import US_PER_S, Clock
from liteheart.conditions import Condition
from liteheart.ids import ID_PATTERN, AlarmId, PatientId

log = logging.getLogger(__name__)

Items = dict[str, list[dict[str, Any]]]
Identifier = Annotated[str, Path(pattern=f"^{ID_PATTERN.pattern}$")]
Microseconds = Annotated[int, Query(ge=0, lt=1 << 62)]
Limit = Annotated[int, Query(ge=1)]


class Acknowledgement(BaseModel):
    """What a nurse says when acknowledging; the reason is the label that the model learns from."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": REASONS[0]}]})
    reason: str | None = None


class Api:
    """The routes as methods; plain `def`, so that they run in the thread pool."""

    def __init__(
        self,
        board: Board,
        feed: LiveFeed,
        clock: Clock,
        settings: DashboardSettings,
        conditions: Sequence[Condition],
    ) -> None:
        self._board, self._feed, self._clock, self._settings = board, feed, clock, settings
        self._conditions = [dataclasses.asdict(condition) for condition in conditions]

    def router(self, guard: Guard) -> APIRouter:
        """The routes, each behind `guard`."""
        router = APIRouter(prefix="/api/v1", route_class=guard.route_class(public=False), tags=["ward"])
        router.add_api_route("/patients", self.patients, methods=["GET"])
        router.add_api_route("/patients/{patient}/strip", self.strip, methods=["GET"])
        router.add_api_route("/patients/{patient}/extent", self.extent, methods=["GET"])
        router.add_api_route("/patients/{patient}/findings", self.findings, methods=["GET"])
        router.add_api_route("/alarms", self.alarms, methods=["GET"])
        router.add_api_route("/alarms/{alarm_id}", self.alarm, methods=["GET"])
        router.add_api_route("/alarms/{alarm_id}/acknowledge", self.acknowledge, methods=["POST"])
        router.add_api_route("/conditions", self.conditions, methods=["GET"])
        return router

    def patients(self) -> Items:
        """The latest state of each patient who is here; `last_arrival_us` is null while nothing has come yet."""
        return {"items": [state.to_json() for state in everybody(self._board)]}

    def alarms(
        self,
        state: Literal["open", "all"] = "open",
        limit: Limit = 100,
        patient: Annotated[str | None, Query(pattern=f"^{ID_PATTERN.pattern}$")] = None,
    ) -> Items:
        """Open alarms worst first; or all alarms, newest first."""
        limit = self._bounded(limit)
        whose = None if patient is None else PatientId(patient)
        if state == "all":
            found = self._board.alarms(open_only=False, limit=limit, patient=whose)
        else:  # all of them, so that the limit cuts off the least urgent and not the oldest
            every = self._board.alarms(open_only=True, limit=self._settings.snapshot_alarms_max, patient=whose)
            found = worst_first(every)[:limit]
        return {"items": [alarm_json(alarm) for alarm in found]}

    def alarm(self, alarm_id: Identifier) -> dict[str, Any]:
        """One alarm."""
        return alarm_json(_known(self._board.alarm(AlarmId(alarm_id))))

    def acknowledge(
        self, request: Request, alarm_id: Identifier, said: Annotated[Acknowledgement, Body()]
    ) -> dict[str, Any]:
        """Store that the person who is signed in has seen the alarm; every screen is told."""
        person: Person = request.state.person
        if said.reason is not None and said.reason not in REASONS:
            raise Refused(422, "reason", f"must be null or one of {', '.join(REASONS)}")
        now_us = self._clock.now_us()
        stored = self._board.acknowledge(AlarmId(alarm_id), person.username, said.reason, now_us)
        plain = alarm_json(_known(stored))
        payload = json.dumps(plain, separators=(",", ":")).encode()
        self._feed.publish([LiveMessage("alarm", PatientId(plain["patient"]), payload)])
        log.info("alarm acknowledged", extra={"alarm": alarm_id, "by": person.username, "reason": said.reason})
        return plain

    def strip(self, patient: Identifier, t0_us: Microseconds, t1_us: Microseconds) -> dict[str, Any]:
        """The stored signal of [t0_us, t1_us) in event time, as contiguous segments in millivolts."""
        if t1_us <= t0_us:
            raise Refused(422, "t1_us", "must be after t0_us")
        if t1_us - t0_us > self._settings.strip_max_s * US_PER_S:
            raise Refused(422, "t1_us", f"at most {self._settings.strip_max_s:g} s after t0_us")
        frames = self._board.strip(PatientId(patient), t0_us, t1_us)
        found = [segment.to_json() for segment in segments(frames, t0_us, t1_us)]
        return {"patient": patient, "t0_us": t0_us, "t1_us": t1_us, "segments": found}

    def extent(self, patient: Identifier) -> dict[str, Any]:
        """From when to when signal of the patient is kept, in event time; null where nothing is."""
        begin_us, end_us = self._board.extent(PatientId(patient)) or (None, None)
        return {"patient": patient, "t0_us": begin_us, "t1_us": end_us}

    def findings(self, patient: Identifier, since_us: Microseconds = 0, limit: Limit = 100) -> Items:
        """The student's readings of the patient's windows, newest first."""
        found = self._board.findings(PatientId(patient), since_us, self._bounded(limit))
        return {"items": [dataclasses.asdict(finding) for finding in found]}

    def conditions(self) -> Items:
        """The table of conditions: codes and names."""
        return {"items": self._conditions}

    def _bounded(self, limit: int) -> int:
        if limit > self._settings.list_max:
            raise Refused(422, "limit", f"at most {self._settings.list_max}")
        return limit


def worst_first(alarms: Sequence[Alarm]) -> list[Alarm]:
    """Highest priority first; within it the unacknowledged, of those what still goes on, of those the longest."""
    return sorted(alarms, key=lambda a: (-a.priority, a.acknowledged_us is not None, not a.active, a.onset_us))


def _known(alarm: Alarm | None) -> Alarm:
    if alarm is None:
        raise Refused(404, "alarm_id", "no such alarm")
    return alarm
