"""The patient page's past: all of the signal at any scale, trends, where the student looked, what became of alarms."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse

from alerts.dashboard.guard import Guard, Refused
from alerts.dashboard.lead_off import CODES, LOOK_BACK_US, lead_off
from alerts.dashboard.regions import Busy, RegionMaps
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import AlarmHistory, Board, Explainer, Notes, Overviews, Trends
from liteheart.board import alarm_json
from liteheart.clock import US_PER_S
from liteheart.history import AlarmStory, Envelope, Trend
from liteheart.ids import ID_PATTERN, PatientId

Identifier = Annotated[str, Path(pattern=f"^{ID_PATTERN.pattern}$")]
Microseconds = Annotated[int, Query(ge=0, lt=1 << 62)]
Limit = Annotated[int, Query(ge=1)]
_STEPS_MAX = 5000  # points of a trend; more than any screen is wide
_TOLD = ("target", "step", "created_us", "attempts", "delivered_us", "failed_us", "late", "error")


@dataclass(frozen=True, slots=True)
class History:
    """What the routes stand on, those of `notes.py` and `shift.py` too."""

    overviews: Overviews
    trends: Trends
    alarms: AlarmHistory
    notes: Notes
    explainer: Explainer


class HistoryApi:
    """The routes as methods; plain `def`, so that they run in the thread pool."""

    def __init__(self, history: History, board: Board, settings: DashboardSettings) -> None:
        self._history, self._settings = history, settings
        self._maps = RegionMaps(board, history.trends, history.explainer)

    def router(self, guard: Guard) -> APIRouter:
        """The routes, each behind `guard`."""
        router = APIRouter(prefix="/api/v1/patients", route_class=guard.route_class(public=False), tags=["history"])
        router.add_api_route("/{patient}/overview", self.overview, methods=["GET"], response_model=dict[str, Any])
        router.add_api_route("/{patient}/trends", self.trends, methods=["GET"], response_model=dict[str, Any])
        router.add_api_route("/{patient}/region-map", self.region_map, methods=["GET"])
        router.add_api_route("/{patient}/alarms", self.alarms, methods=["GET"])
        return router

    def overview(
        self,
        patient: Identifier,
        t0_us: Microseconds,
        t1_us: Microseconds,
        columns: Annotated[int, Query(ge=1, le=4096)] = 2000,
    ) -> JSONResponse:
        """Full disclosure: least and greatest sample of each column of [t0_us, t1_us), in microvolts.

        {"t0_us", "t1_us", "columns", "low_uv": [..], "high_uv": [..], "lead_off": [[from_us, to_us], ..]}: column k
        begins at t0_us + k (t1_us - t0_us) / columns; null where nothing was received. Columns of a second or more are
        made of whole seconds, each counted where it begins; narrower ones of the samples themselves. Up to a minute
        /strip has every sample. Where an alarm says that the electrode was off, what was received is no signal.
        """
        self._check(t0_us, t1_us)
        whose = PatientId(patient)
        found = self._history.overviews.envelope(whose, t0_us, t1_us, columns)
        told = self._history.alarms.of_patient(whose, max(0, t0_us - LOOK_BACK_US), self._settings.list_max, CODES)
        return JSONResponse(_overview(found) | {"lead_off": lead_off(told, t0_us, t1_us)})

    def trends(
        self,
        patient: Identifier,
        t0_us: Microseconds,
        t1_us: Microseconds,
        step_s: Annotated[float, Query(ge=5.0, le=86_400.0)] = 300.0,
    ) -> JSONResponse:
        """Readings of windows that begin in each step: means, and of the answered ones the share with each code."""
        self._check(t0_us, t1_us)
        step_us = round(step_s * US_PER_S)
        if t1_us - t0_us > _STEPS_MAX * step_us:
            raise Refused(422, "step_s", f"gives more than {_STEPS_MAX} steps")
        found = self._history.trends.trend(PatientId(patient), t0_us, t1_us, step_us)
        return JSONResponse({"t1_us": t1_us} | trend_json(found))

    def region_map(self, patient: Identifier, t0_us: Microseconds) -> dict[str, Any]:
        """Where on the window that begins at `t0_us` the student saw its codes: 50 bins of 0.2 s, 0 to 1.

        {"t0_us", "t1_us", "model", "code", "map", "maps"}: `maps` by code, the likeliest first, and that one alone in
        `code` and `map`. A reading without codes gives its likeliest superclass; null where the student abstained.
        """
        try:
            found = self._maps.of_window(PatientId(patient), t0_us)
        except Busy:
            raise Refused(503, "student", "is busy, try again", {"Retry-After": "2"}) from None
        if found is None:
            raise Refused(404, "t0_us", "no reading with its signal begins there")
        return found

    def alarms(
        self, patient: Identifier, since_us: Microseconds = 0, limit: Limit = 100
    ) -> dict[str, list[dict[str, Any]]]:
        """Alarms raised since then, or open, with all that became of them; the newest first."""
        if limit > self._settings.list_max:
            raise Refused(422, "limit", f"at most {self._settings.list_max}")
        found = self._history.alarms.of_patient(PatientId(patient), since_us, limit)
        return {"items": [story_json(story) for story in found]}

    def _check(self, t0_us: int, t1_us: int) -> None:
        if t1_us <= t0_us:
            raise Refused(422, "t1_us", "must be after t0_us")
        if t1_us - t0_us > self._settings.overview_max_s * US_PER_S:
            raise Refused(422, "t1_us", f"at most {self._settings.overview_max_s:g} s after t0_us")


def trend_json(trend: Trend) -> dict[str, Any]:
    """Plain values of a trend; null where there is nothing to say. `burden` is the share over the whole stretch."""
    answered = trend.answered.sum()
    return {
        "t0_us": trend.t0_us,
        "step_s": trend.step_us / US_PER_S,
        "windows": trend.windows.tolist(),
        "heart_rate": _numbers(trend.heart_rate, 1),
        "heart_rate_low": _numbers(trend.heart_rate_low, 1),
        "heart_rate_high": _numbers(trend.heart_rate_high, 1),
        "sqi": _numbers(trend.sqi, 3),
        "usable": _numbers(trend.usable, 3),
        "answered": _numbers(_share(trend.answered, trend.windows), 3),
        "codes": {code: _numbers(_share(n, trend.answered), 4) for code, n in trend.codes.items()},
        "burden": {code: round(float(n.sum() / answered), 4) for code, n in trend.codes.items()} if answered else {},
    }


def story_json(story: AlarmStory) -> dict[str, Any]:
    """Plain values of an alarm, with `events`, `notifications` and `escalations`."""
    return alarm_json(story.alarm) | {
        "events": [dataclasses.asdict(step) for step in story.steps],
        "notifications": [{name: getattr(d, name) for name in _TOLD} for d in story.deliveries],
        "escalations": [
            {name: getattr(e, name) for name in ("step", "owner", "due_us", "at_us")} for e in story.escalations
        ],
    }


def _overview(envelope: Envelope) -> dict[str, Any]:
    seen = (envelope.low_uv <= envelope.high_uv).tolist()
    return {
        "t0_us": envelope.t0_us,
        "t1_us": envelope.t1_us,
        "columns": len(seen),
        "low_uv": [v if there else None for v, there in zip(envelope.low_uv.tolist(), seen, strict=True)],
        "high_uv": [v if there else None for v, there in zip(envelope.high_uv.tolist(), seen, strict=True)],
    }


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    out: npt.NDArray[np.float64] = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return out


def _numbers(values: npt.NDArray[np.float64], decimals: int) -> list[float | None]:
    return [None if np.isnan(v) else round(v, decimals) for v in values.tolist()]
