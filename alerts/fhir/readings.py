"""The student's readings as FHIR: heart rate, what it found on a window, and which model said so."""

import math

from alerts.fhir import codes, ids
from alerts.fhir.elements import (
    TERMINOLOGY,
    Json,
    coding,
    concept,
    instant,
    listed,
    named,
    period,
    present,
    quantity,
    reference,
)
from liteheart.finding import Finding

HEART_RATE, FINDINGS = "hr", "dx"
_ABSENT = f"{TERMINOLOGY}/data-absent-reason"


def heart_rate(finding: Finding) -> Json | None:
    """The heart rate of the window, None where none was read. Follows FHIR's vital-signs profile."""
    rate = finding.heart_rate_bpm
    if rate is None or not math.isfinite(rate):
        return None
    return _observation(finding, HEART_RATE) | present(
        {
            "category": [_category("vital-signs", "Vital Signs")],
            "code": concept(codes.HEART_RATE, codes.HEART_RATE_MDC, text="Heart rate"),
            "valueQuantity": quantity(round(rate, 1), "beats/minute", "/min"),
        }
    )


def findings(finding: Finding, *, snomed: bool) -> Json:
    """What the student says of the window: the likeliest condition as the value, a component for each of them.

    A component's code is the condition, its value the calibrated probability. An abstention has no value and the
    reason that is meant for it.
    """
    found = [codes.condition(code, snomed=snomed) for code in finding.codes]
    nothing = concept(text="no condition reached its threshold")
    value = None if finding.abstained else (found or [nothing])[0]
    parts = [
        present({"code": what, "valueQuantity": _share(finding.scores.get(code))})
        for code, what in zip(finding.codes, found, strict=True)
    ]
    absent = concept(coding(_ABSENT, "not-performed", "Not Performed"), text=_why(finding))
    return _observation(finding, FINDINGS) | present(
        {
            "category": [_category("procedure", "Procedure")],
            "code": concept(codes.IMPRESSION, text="ECG findings"),
            "valueCodeableConcept": value,
            "dataAbsentReason": absent if finding.abstained else None,
            "component": listed([*parts, _quality(finding)]),
        }
    )


def provenance(finding: Finding) -> Json:
    """Which model made the findings of the window, from which signal."""
    return {
        "resourceType": "Provenance",
        "id": ids.reading(FINDINGS, finding.patient, finding.t0_us),
        "target": [reference("Observation", ids.reading(FINDINGS, finding.patient, finding.t0_us))],
        "occurredPeriod": period(finding.t0_us, finding.t1_us),
        "recorded": instant(finding.arrival_us),
        "activity": concept(text="reading of a window of one-lead ECG by a student network"),
        "agent": [
            {
                "type": concept(coding(f"{TERMINOLOGY}/provenance-participant-type", "performer", "Performer")),
                "who": named("model", finding.model, "Device"),
            }
        ],
        "entity": [{"role": "source", "what": _signal(finding)}],
    }


def _observation(finding: Finding, kind: str) -> Json:
    return {
        "resourceType": "Observation",
        "id": ids.reading(kind, finding.patient, finding.t0_us),
        "meta": {"lastUpdated": instant(finding.arrival_us)},
        "status": "final",
        "subject": reference("Patient", ids.tag(finding.patient)),
        "effectivePeriod": period(finding.t0_us, finding.t1_us),
        "device": reference("Device", ids.tag(finding.device)),
        "method": concept(text=f"LiteHeart {finding.model}"),
        "derivedFrom": [_signal(finding)],
    }


def _signal(finding: Finding) -> Json:
    return reference("Observation", ids.ecg(finding.patient, finding.t0_us, finding.t1_us))


def _category(code: str, display: str) -> Json:
    return concept(coding(f"{TERMINOLOGY}/observation-category", code, display))


def _share(score: float | None) -> Json | None:
    if score is None or not math.isfinite(score):
        return None
    return quantity(round(score, 4), "probability", "1")


def _quality(finding: Finding) -> Json | None:
    share = _share(finding.quality.sqi)
    if share is None:
        return None
    return {"code": concept(codes.SIGNAL_QUALITY), "valueQuantity": share | {"unit": "index"}}


def _why(finding: Finding) -> str:
    reasons = ", ".join(finding.quality.reasons)
    return f"the student abstained: {reasons}" if reasons else "the student abstained"
