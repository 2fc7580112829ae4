"""Who may do what: roles and their rights, and the right that each route asks for. A route without one is refused.

              look  acknowledge  limits  admit  pair  identity  break_glass  note  report  people  audit  models  fhir
nurse          x        x          x       x     x       x           x         x      x
physician      x        x          x       x     x       x           x         x      x                   x          x
technician     x                                 x                   x         x      x
administrator  x        x          x       x     x                   x         x      x       x       x   x          x
researcher     x                                                                                                     x
device         its own token, for the gateway alone
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from alerts.fhir.scopes import KINDS


class Right(StrEnum):
    """What a person may do."""

    LOOK = "look"  # at pseudonyms, their signal, findings and alarms
    ACKNOWLEDGE = "acknowledge"  # alarms, and hold back sound
    LIMITS = "limits"
    ADMIT = "admit"  # transfer and discharge too, and write down consent
    PAIR = "pair"  # devices, and part them
    IDENTITY = "identity"
    BREAK_GLASS = "break_glass"  # read an identity for an hour all the same, with a reason
    NOTE = "note"  # free text, read or written: it may name someone
    REPORT = "report"  # of the shift, of the burden of alarms
    PEOPLE = "people"
    AUDIT = "audit"
    MODELS = "models"  # sign for a student, let it serve, refuse it, roll it back
    FHIR = "fhir"  # the same over the interface for other systems; over FHIR the audit takes AUDIT


_WARD: Final = frozenset(Right) - {Right.PEOPLE, Right.AUDIT, Right.FHIR, Right.MODELS}
RIGHTS: Final[Mapping[str, frozenset[Right]]] = {
    "nurse": _WARD,
    "physician": _WARD | {Right.FHIR, Right.MODELS},
    "technician": frozenset({Right.LOOK, Right.PAIR, Right.BREAK_GLASS, Right.NOTE, Right.REPORT}),
    "administrator": frozenset(Right) - {Right.IDENTITY},
    "researcher": frozenset({Right.LOOK, Right.FHIR}),
}

# Any one of the rights will do. Routes that ask nobody's name are not here: the page, the session, pairing's other end.
_API: Final = "/api/v1"
_FHIR: Final = {
    ("GET", f"/fhir/{{version}}/{kind}{path}"): frozenset({Right.AUDIT if kind == "AuditEvent" else Right.FHIR})
    for kind in KINDS
    for path in ("", "/{name}")
}
ROUTES: Final[Mapping[tuple[str, str], frozenset[Right]]] = _FHIR | {
    (method, _API + path): frozenset(rights)
    for method, path, *rights in (
        ("GET", "/live", Right.LOOK),
        ("GET", "/patients", Right.LOOK),
        ("GET", "/patients/{patient}/strip", Right.LOOK),
        ("GET", "/patients/{patient}/extent", Right.LOOK),
        ("GET", "/patients/{patient}/findings", Right.LOOK),
        ("GET", "/patients/{patient}/overview", Right.LOOK),
        ("GET", "/patients/{patient}/trends", Right.LOOK),
        ("GET", "/patients/{patient}/region-map", Right.LOOK),
        ("GET", "/patients/{patient}/alarms", Right.LOOK),
        ("GET", "/patients/{patient}/limits", Right.LOOK),
        ("PUT", "/patients/{patient}/limits", Right.LIMITS),
        ("GET", "/patients/{patient}/notes", Right.NOTE),
        ("POST", "/patients/{patient}/notes", Right.NOTE),
        ("GET", "/alarms", Right.LOOK),
        ("GET", "/alarms/{alarm_id}", Right.LOOK),
        ("POST", "/alarms/{alarm_id}/acknowledge", Right.ACKNOWLEDGE),
        ("GET", "/alarms/{alarm_id}/notifications", Right.LOOK),
        ("GET", "/conditions", Right.LOOK),
        ("GET", "/care", Right.LOOK),
        ("POST", "/audio-pauses", Right.ACKNOWLEDGE),
        ("DELETE", "/audio-pauses/{pause_id}", Right.ACKNOWLEDGE),
        ("GET", "/burden", Right.REPORT),
        ("GET", "/shift", Right.REPORT),
        ("GET", "/handovers", Right.NOTE),
        ("POST", "/handovers", Right.NOTE),
        ("GET", "/admissions", Right.LOOK),
        ("POST", "/patients", Right.ADMIT),
        ("POST", "/patients/{patient}/transfer", Right.ADMIT),
        ("POST", "/patients/{patient}/discharge", Right.ADMIT),
        ("POST", "/patients/{patient}/pairing", Right.PAIR),
        ("DELETE", "/devices/{device}", Right.PAIR),
        ("GET", "/patients/{patient}/identity", Right.IDENTITY, Right.BREAK_GLASS),
        ("PUT", "/patients/{patient}/identity", Right.IDENTITY),
        ("POST", "/patients/{patient}/break-glass", Right.BREAK_GLASS),
        ("GET", "/patients/{patient}/consents", Right.LOOK),
        ("POST", "/patients/{patient}/consents", Right.ADMIT),
        ("GET", "/patients/{patient}/subject", Right.LOOK),
        ("PUT", "/patients/{patient}/subject", Right.ADMIT),
        ("GET", "/sessions", Right.LOOK),
        ("DELETE", "/sessions", Right.LOOK),
        ("PUT", "/session/password", Right.LOOK),
        ("GET", "/people", Right.PEOPLE),
        ("POST", "/people", Right.PEOPLE),
        ("PUT", "/people/{username}", Right.PEOPLE),
        ("DELETE", "/people/{username}", Right.PEOPLE),
        ("GET", "/audit", Right.AUDIT),
        ("GET", "/audit/chain", Right.AUDIT),
        ("GET", "/models", Right.LOOK),
        ("GET", "/models/{version}", Right.LOOK),
        ("POST", "/models/{version}/approve", Right.MODELS),
        ("POST", "/models/{version}/promote", Right.MODELS),
        ("POST", "/models/{version}/refuse", Right.MODELS),
        ("POST", "/models/{version}/rollback", Right.MODELS),
        ("GET", "/refresh", Right.LOOK),
    )
}
SIGNAL: Final = frozenset(  # reading these of a patient is noted
    f"{_API}/patients/{{patient}}/{what}"
    for what in ("strip", "extent", "findings", "overview", "trends", "region-map")
)


def may(role: str) -> frozenset[Right]:
    """The rights of a role; none of one that nobody knows."""
    return RIGHTS.get(role, frozenset())


def holders(right: Right) -> frozenset[str]:
    """The roles that have it."""
    return frozenset(role for role, rights in RIGHTS.items() if right in rights)


def needed(method: str, path: str) -> frozenset[Right]:
    """Of which rights a route asks for one; none: nobody may."""
    return ROUTES.get((method, path), frozenset())
