"""Values to rows and back: one pair of functions for each thing that is kept."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from liteheart.alarm import Alarm, Kind, Priority
from liteheart.board import PatientState
from liteheart.errors import Poison
from liteheart.finding import Finding, Quality
from liteheart.ids import AlarmId, DeviceId, ModelVersion, PatientId

Row = dict[str, Any]


def layout_of(codes: tuple[str, ...]) -> str:
    """Name of an ordered set of condition codes: 16 hex digits."""
    return hashlib.sha256(",".join(codes).encode()).hexdigest()[:16]


def finding_row(finding: Finding) -> Row:
    """A row of `findings`; scores as float16, 0.0005 or finer. Raises Poison for an sqi that is no number."""
    if not math.isfinite(finding.quality.sqi):
        raise Poison("sqi", f"{finding.quality.sqi} is not a number")
    return {
        "patient": finding.patient,
        "t0_us": finding.t0_us,
        "model": finding.model,
        "t1_us": finding.t1_us,
        "device": finding.device,
        "lead": finding.lead,
        "sqi": float(finding.quality.sqi),
        "usable": bool(finding.quality.usable),
        "reasons": ",".join(finding.quality.reasons),
        "abstained": bool(finding.abstained),
        "heart_rate_bpm": _number(finding.heart_rate_bpm),
        "layout": layout_of(tuple(finding.scores)),
        "scores": np.fromiter(finding.scores.values(), "<f2", len(finding.scores)).tobytes(),
        "codes": ",".join(finding.codes),
        "arrival_us": finding.arrival_us,
    }


def row_finding(row: Any, layouts: Mapping[str, tuple[str, ...]]) -> Finding:
    """The finding that was stored; `layouts` names the codes of its scores."""
    scores = np.frombuffer(row.scores, "<f2").astype(float).tolist()
    return Finding(
        patient=PatientId(row.patient),
        device=DeviceId(row.device),
        lead=row.lead,
        t0_us=row.t0_us,
        t1_us=row.t1_us,
        model=ModelVersion(row.model),
        quality=Quality(row.sqi, row.usable, split(row.reasons)),
        abstained=row.abstained,
        heart_rate_bpm=row.heart_rate_bpm,
        scores=dict(zip(layouts[row.layout], scores, strict=True)),
        codes=split(row.codes),
        arrival_us=row.arrival_us,
    )


def finding_json(finding: Finding) -> dict[str, Any]:
    """Plain values of a finding for the bus; scores to four decimals."""
    return {
        "patient": finding.patient,
        "device": finding.device,
        "lead": finding.lead,
        "t0_us": finding.t0_us,
        "t1_us": finding.t1_us,
        "model": finding.model,
        "quality": {
            "sqi": finding.quality.sqi,
            "usable": finding.quality.usable,
            "reasons": finding.quality.reasons,
        },
        "abstained": finding.abstained,
        "heart_rate_bpm": _number(finding.heart_rate_bpm),
        "scores": {code: round(float(p), 4) for code, p in finding.scores.items()},
        "codes": finding.codes,
        "arrival_us": finding.arrival_us,
    }


def alarm_row(alarm: Alarm) -> Row:
    """A row of `alarms`, acknowledgement aside: that belongs to the dashboard."""
    row = {field.name: getattr(alarm, field.name) for field in dataclasses.fields(alarm)}
    return row | {
        "kind": alarm.kind.value,
        "priority": int(alarm.priority),
        "evidence": json.dumps(alarm.evidence),
        "acknowledged_us": None,
        "acknowledged_by": None,
        "reason": None,
    }


def row_alarm(row: Any) -> Alarm:
    """The alarm as it stands."""
    values = dict(row._mapping)
    return Alarm(
        **values
        | {
            "alarm_id": AlarmId(row.alarm_id),
            "patient": PatientId(row.patient),
            "kind": Kind(row.kind),
            "priority": Priority(row.priority),
            "evidence": json.loads(row.evidence),
        }
    )


def state_row(state: PatientState) -> Row:
    """A row of `patient_state`; the bed is kept with the patient."""
    return {
        "patient": state.patient,
        "device": state.device,
        "lead": state.lead,
        "fs_hz": float(state.fs_hz),
        "last_arrival_us": state.last_arrival_us,
        "last_sample_us": state.last_sample_us,
        "heart_rate_bpm": _number(state.heart_rate_bpm),
        "sqi": _number(state.sqi),
        "usable": bool(state.usable),
        "lead_off": bool(state.lead_off),
        "battery_pct": state.battery_pct,
        "codes": ",".join(state.codes),
        "model": state.model,
    }


def row_state(row: Any) -> PatientState:
    """The state of a patient; `row` carries `bed` beside the columns of `patient_state`."""
    values = dict(row._mapping)
    return PatientState(
        **values
        | {
            "patient": PatientId(row.patient),
            "device": DeviceId(row.device),
            "bed": row.bed or "",
            "codes": split(row.codes),
        }
    )


def split(text: str) -> tuple[str, ...]:
    """The inverse of joining codes with commas."""
    return tuple(text.split(",")) if text else ()


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
