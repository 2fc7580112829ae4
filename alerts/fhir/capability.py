"""What can be asked here: one table, which the searches are checked against and which the CapabilityStatement tells."""

from dataclasses import dataclass
from typing import Final

from alerts.fhir.elements import Json, coding, concept, instant, present
from alerts.fhir.scopes import KINDS
from alerts.fhir.version import Version

_SECURITY: Final = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_BOTH: Final = (Version.R4, Version.R5)
_HOW: Final = (
    "A bearer token that the operator gave a registered system (`liteheart clients`), with SMART-style scopes such as "
    "system/Observation.rs; or the session of someone who is signed in and has the right to. There is no OAuth "
    "server here: tokens are handed over by the operator."
)


@dataclass(frozen=True, slots=True)
class Param:
    """A search parameter."""

    name: str
    kind: str  # token, date, reference
    says: str = ""
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource type and how it is searched."""

    name: str
    params: tuple[Param, ...]
    versions: tuple[Version, ...] = _BOTH


_PATIENT: Final = Param("patient", "reference", "the pseudonym")
_ONE: Final = Param("patient", "reference", "the pseudonym; must be given", needed=True)

TABLE: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("Patient", (Param("_id", "token"), Param("identifier", "token"))),
        Kind("Device", (_PATIENT,)),
        Kind(
            "Observation",
            (
                _ONE,
                Param(
                    "code",
                    "token",
                    "heart rate (LOINC 8867-4), findings (LOINC 8601-7), waveform (MDC 131328; needs a date from"
                    " which). Without it heart rates and findings: waveforms are made on demand",
                ),
                Param("combo-code", "token", "a condition (SNOMED CT or our code): findings that hold it"),
                Param("date", "date", "ge, gt, le, lt, eq"),
            ),
        ),
        Kind("DetectedIssue", (_PATIENT, Param("identified", "date"), Param("code", "token"))),
        Kind("Communication", (_ONE, Param("sent", "date"))),
        Kind("Provenance", (_ONE, Param("target", "reference", "an Observation with findings"))),
        Kind("AuditEvent", (_PATIENT, Param("date", "date"))),
        Kind("DeviceAlert", (_PATIENT,), (Version.R6,)),
    )
}
assert set(TABLE) == set(KINDS)  # noqa: S101 - two tables of the same module tree


def served(version: Version) -> list[Kind]:
    """The types of a release."""
    return [kind for kind in TABLE.values() if version in kind.versions]


def statement(version: Version, base: str, now_us: int) -> Json:
    """The CapabilityStatement of `base`."""
    smart = concept(coding(_SECURITY, "SMART-on-FHIR"), text="SMART-style scopes with tokens of the operator's")
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(now_us),
        "kind": "instance",
        "software": {"name": "LiteHeart"},
        "implementation": {"description": "LiteHeart, read only; patients are pseudonyms", "url": base},
        "fhirVersion": version.number,
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "security": {"cors": False, "service": [smart], "description": _HOW},
                "resource": [_resource(kind) for kind in served(version)],
            }
        ],
    }


def smart_configuration() -> Json:
    """`.well-known/smart-configuration`: what of SMART there is. No endpoint gives tokens, and none is named."""
    scopes = [f"{context}/{kind}.rs" for kind in KINDS for context in ("system", "patient")]
    return {
        "capabilities": ["permission-v1", "permission-v2"],
        "scopes_supported": [s for s in scopes if s != "patient/AuditEvent.rs"],
        "grant_types_supported": [],
        "response_types_supported": [],
        "code_challenge_methods_supported": [],
    }


def _resource(kind: Kind) -> Json:
    params = [present({"name": p.name, "type": p.kind, "documentation": p.says}) for p in kind.params]
    return {
        "type": kind.name,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "searchParam": params,
    }
