"""Alarms as FHIR: DetectedIssue and Communication today, DeviceAlert as the R6 ballot (6.0.0-ballot3) has it."""

import math
from typing import Final

from alerts.fhir import codes, ids
from alerts.fhir.elements import (
    OURS,
    TERMINOLOGY,
    Json,
    coding,
    concept,
    instant,
    named,
    number,
    period,
    present,
    reference,
    words,
)
from alerts.fhir.version import Version
from liteheart.alarm import Alarm, Kind, Presence, Priority
from liteheart.care import Delivery
from liteheart.clock import US_PER_S
from liteheart.ids import PatientId

PRESENCE: Final = "http://hl7.org/fhir/devicealert-presence"
_SEVERITY: Final = {Priority.HIGH: "high", Priority.MEDIUM: "moderate", Priority.LOW: "low"}  # none of INFO
_URGENCY: Final = {Priority.HIGH: "stat", Priority.MEDIUM: "urgent"}
_EVIDENCE_US: Final = 5 * US_PER_S  # of signal on either side of the onset
_LIMITS: Final = {  # which bound the limit of an alarm is, and its unit
    "EXTREME_BRADY": ("low", "beats/minute", "/min"),
    "EXTREME_TACHY": ("high", "beats/minute", "/min"),
    "VT": ("high", "beats/minute", "/min"),
    "ASYSTOLE": ("high", "s", "s"),
    "PAUSE": ("high", "s", "s"),
    "VF": ("high", "s", "s"),
}


def detected_issue(alarm: Alarm, version: Version, *, snomed: bool) -> Json:
    """The alarm for readers of R4 and R5. Its presence, which neither has a place for, is a tag."""
    about = reference("Patient", ids.tag(alarm.patient))
    signal = _signal(alarm)
    return present(
        {
            "resourceType": "DetectedIssue",
            "id": str(alarm.alarm_id),
            "meta": {"lastUpdated": instant(changed_us(alarm)), "tag": [coding(PRESENCE, alarm.presence.value)]},
            "identifier": [{"system": f"{OURS}:alarm", "value": str(alarm.alarm_id)}],
            "status": _issue_status(alarm, version),
            "code": codes.alarm(alarm.condition, alarm.label, snomed=snomed),
            "severity": _SEVERITY.get(alarm.priority),
            ("patient" if version is Version.R4 else "subject"): about,
            "identifiedPeriod": period(alarm.onset_us, alarm.ended_us),
            "evidence": [{"detail": [signal]}] if signal else None,
            "detail": words(alarm.message),
            "mitigation": [_acknowledgement(alarm)] if alarm.acknowledged_us is not None else None,
        }
    )


def device_alert(alarm: Alarm, device: str | None, *, snomed: bool) -> Json:
    """The alarm as DeviceAlert. No model of it is published in code: a test of our own judges the shape."""
    signal = _signal(alarm)
    over_us = alarm.ended_us if not alarm.active else None
    return present(
        {
            "resourceType": "DeviceAlert",
            "id": str(alarm.alarm_id),
            "meta": {"lastUpdated": instant(changed_us(alarm))},
            "identifier": [{"system": f"{OURS}:alarm", "value": str(alarm.alarm_id)}],
            "status": "completed" if alarm.presence is Presence.OFF else "in-progress",
            "type": alarm.kind.value,
            "priority": alarm.priority.name.lower(),
            "subject": reference("Patient", ids.tag(alarm.patient)),
            "source": reference("Device", ids.tag(device)) if device else None,
            "condition": present(
                {
                    "code": codes.alarm(alarm.condition, alarm.label, snomed=snomed),
                    "acknowledged": alarm.acknowledged_us is not None,
                    "presence": alarm.active,
                    "timing": period(alarm.onset_us, over_us),
                    "limit": _limit(alarm),
                }
            ),
            "derivedFrom": [signal] if signal else None,
            "label": words(alarm.message) or words(alarm.label),
            "signal": [
                present(
                    {
                        "activationState": "off" if alarm.retrospective else "on",  # of back-fill: shown, never sounded
                        "presence": alarm.presence.value,
                        "annunciator": {"concept": concept(text="nurses' screen")},
                        "manifestation": [concept(text="visual"), concept(text="auditory")],
                        "indication": period(alarm.raised_us, _silent_us(alarm)),
                    }
                )
            ],
        }
    )


def communication(patient: PatientId, delivery: Delivery, version: Version) -> Json:
    """One notice of an alarm to one target: what became of it. R4 has text in a payload, R5 a concept."""
    said = words(" ".join(str(delivery.notice.get(k, "")) for k in ("event", "label", "value"))) or "notice"
    content = {"contentString": said} if version is Version.R4 else {"contentCodeableConcept": {"text": said}}
    waiting = delivery.delivered_us is None and delivery.failed_us is None
    return present(
        {
            "resourceType": "Communication",
            "id": ids.communication(delivery.alarm_id or "", delivery.key),
            "identifier": [{"system": f"{OURS}:delivery", "value": delivery.key}],
            "status": "in-progress" if waiting else "completed" if delivery.delivered_us is not None else "not-done",
            "statusReason": concept(text=delivery.error) or None,
            "category": [concept(coding(f"{TERMINOLOGY}/communication-category", "alert", "Alert"))],
            "priority": _URGENCY.get(delivery.priority, "routine"),
            "subject": reference("Patient", ids.tag(patient)),
            "about": [reference("DetectedIssue", str(delivery.alarm_id))] if delivery.alarm_id else None,
            "sent": instant(delivery.created_us),
            "received": None if delivery.delivered_us is None else instant(delivery.delivered_us),
            "recipient": [{"display": delivery.target}],
            "payload": [content],
            "note": [{"text": f"step {delivery.step} of the ladder"}] if delivery.step else None,
        }
    )


def changed_us(alarm: Alarm) -> int:
    """When something about the alarm was last different, as far as it says."""
    return max(alarm.raised_us, alarm.acknowledged_us or 0, alarm.ended_us or 0)


def _issue_status(alarm: Alarm, version: Version) -> str:
    """R5 alone can say that something was done about it."""
    if version is not Version.R4 and alarm.reason == "true-actioned":
        return "mitigated"
    return "preliminary" if alarm.active else "final"


def _acknowledgement(alarm: Alarm) -> Json:
    why = "acknowledged" if alarm.reason is None else f"acknowledged: {alarm.reason}"
    code = coding(f"{OURS}:acknowledgement", alarm.reason) if alarm.reason else None
    return present(
        {
            "action": concept(*([code] if code else []), text=why),
            "date": instant(alarm.acknowledged_us or 0),
            "author": named("person", alarm.acknowledged_by, "Practitioner") if alarm.acknowledged_by else None,
        }
    )


def _silent_us(alarm: Alarm) -> int | None:
    """When the signal ended: acknowledged, or over by itself where it does not latch."""
    ends = [alarm.acknowledged_us, None if alarm.active or alarm.latching else alarm.ended_us]
    return min((us for us in ends if us is not None), default=None)


def _signal(alarm: Alarm) -> Json | None:
    """The waveform around the onset. Equipment that fails has none to show."""
    if alarm.kind is Kind.TECHNICAL:
        return None
    begin_us = alarm.onset_us - _EVIDENCE_US
    return reference("Observation", ids.ecg(alarm.patient, begin_us, begin_us + 2 * _EVIDENCE_US))


def _limit(alarm: Alarm) -> Json | None:
    bound, value = _LIMITS.get(alarm.condition), alarm.evidence.get("limit")
    if bound is None or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    side, unit, code = bound
    return {side: {"value": number(value), "unit": unit, "system": "http://unitsofmeasure.org", "code": code}}
