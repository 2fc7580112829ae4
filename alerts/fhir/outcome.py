"""What is answered when there is nothing else to answer: an OperationOutcome, for every error alike."""

import json
from collections.abc import Mapping
from typing import Final

from fastapi import Response

from alerts.fhir.elements import OURS, Json, coding, concept, present

_TYPES: Final = {  # HTTP status -> issue type
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    421: "not-supported",
    429: "throttled",
    503: "transient",
}
MEDIA_TYPE: Final = "application/fhir+json"


def outcome(status: int, field: str, reason: str) -> Json:
    """One error; `field` names what was wrong."""
    detail = concept(coding(f"{OURS}:field", field), text=f"{field}: {reason}")
    issue = {"severity": "error", "code": _TYPES.get(status, "exception"), "details": detail, "diagnostics": reason}
    return {"resourceType": "OperationOutcome", "issue": [present(issue)]}


def answer(status: int, field: str, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    """The response that holds it."""
    body = json.dumps(outcome(status, field, reason), separators=(",", ":"))
    return Response(body, status, dict(headers or {}), MEDIA_TYPE)
