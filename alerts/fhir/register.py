"""Patients, devices and the audit as FHIR. A patient is a pseudonym: there is nothing here that names anyone."""

import json
from typing import Final

from alerts.dashboard.ports import Deed
from alerts.fhir import ids
from alerts.fhir.elements import (
    OURS,
    TERMINOLOGY,
    Json,
    coding,
    concept,
    instant,
    named,
    present,
    reference,
)
from alerts.fhir.version import Version
from liteheart.ids import DeviceId, PatientId

_OBSERVED: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
_READING: Final = ("fhir-", "signal-read", "identity-read")
_FAILED: Final = ("failed", "refused")


def patient(who: PatientId, *, here: bool) -> Json:
    """The pseudonym, and whether the stay goes on."""
    return {
        "resourceType": "Patient",
        "id": ids.tag(who),
        "meta": {"security": [coding(_OBSERVED, "PSEUDED", "pseudonymized")]},
        "identifier": [{"system": f"{OURS}:pseudonym", "value": str(who)}],
        "active": here,
    }


def device(name: DeviceId, wearer: PatientId, version: Version, *, valid: bool) -> Json:
    """A wearable. R4 says who wears it, and calls name and type otherwise than R5."""
    kind = concept(text="one-lead ECG wearable")
    own: Json = (
        {
            "deviceName": [{"name": str(name), "type": "user-friendly-name"}],
            "type": kind,
            "patient": reference("Patient", ids.tag(wearer)),
        }
        if version is Version.R4
        else {"name": [{"value": str(name), "type": "user-friendly-name"}], "type": [kind]}
    )
    return {
        "resourceType": "Device",
        "id": ids.tag(name),
        "identifier": [{"system": f"{OURS}:device", "value": str(name)}],
        "status": "active" if valid else "inactive",
    } | own


def audit_event(deed: Deed, version: Version) -> Json:
    """One line of the audit. R5 has other names for what was done and for how it went."""
    action = coding(f"{OURS}:deed", deed.action)
    failed = deed.action.endswith(_FAILED)
    rest = coding(f"{TERMINOLOGY}/audit-event-type", "rest", "RESTful Operation")
    outcome = coding("http://hl7.org/fhir/issue-severity", "error" if failed else "information")
    own: Json = (
        {"type": rest, "subtype": [action], "outcome": "8" if failed else "0"}
        if version is Version.R4
        else {"category": [concept(rest)], "code": concept(action), "outcome": {"code": outcome}}
    )
    return present(
        {
            "resourceType": "AuditEvent",
            "id": str(deed.deed_id),
            **own,
            "action": "R" if deed.action.startswith(_READING) else "E",
            "recorded": instant(deed.at_us),
            "agent": [{"who": named("account", deed.by), "requestor": True}],
            "source": {"observer": {"display": "LiteHeart"}},
            "entity": [_entity(deed, version)],
        }
    )


def _entity(deed: Deed, version: Version) -> Json:
    """To whom or what; the rest as JSON, as the audit keeps it."""
    what = named("subject", deed.subject) if deed.subject else {"display": "the ward"}
    kind = "detail" if version is Version.R4 else {"text": "detail"}
    detail = [{"type": kind, "valueString": json.dumps(dict(deed.detail), sort_keys=True)}] if deed.detail else None
    return present({"what": what, "detail": detail})
