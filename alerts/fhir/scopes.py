"""SMART-style scopes: what a registered system may read. Nothing can be written here, so that nothing else is granted.

system/Observation.rs            search (s) and read (r) of everybody's; system/*.rs: of every kind
patient/Observation.r            of the patients that the grant names with launch/patient=NAME
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from liteheart.errors import Poison
from liteheart.ids import PatientId, is_identifier

KINDS: Final = (
    "Patient",
    "Device",
    "Observation",
    "DetectedIssue",
    "Communication",
    "Provenance",
    "DeviceAlert",
    "AuditEvent",
)
_SCOPE: Final = re.compile(r"(system|patient)/(\*|[A-Za-z]+)\.(rs|r|s|read)")
_LAUNCH: Final = "launch/patient="


@dataclass(frozen=True, slots=True)
class Grant:
    """What one reader may do: kind -> the letters (r, s) for everybody's, and for those of `patients`."""

    everybody: dict[str, str]
    own: dict[str, str]
    patients: frozenset[PatientId]

    def whose(self, kind: str, letter: str) -> frozenset[PatientId] | None:
        """Of which patients the reader may read (r) or search (s) `kind`; None: of all. Raises PermissionError."""
        if letter in self.everybody.get(kind, ""):
            return None
        if letter in self.own.get(kind, "") and kind != "AuditEvent":
            return self.patients
        raise PermissionError(f"system/{kind}.{letter}")


def parse(scopes: Iterable[str]) -> Grant:
    """The grant of a list of scopes. Raises Poison naming the one that cannot be."""
    everybody: dict[str, str] = {}
    own: dict[str, str] = {}
    patients: set[PatientId] = set()
    for scope in scopes:
        if scope.startswith(_LAUNCH):
            patients.add(_patient(scope))
            continue
        found = _SCOPE.fullmatch(scope)
        if found is None or found[2] not in ("*", *KINDS):
            kinds = ", ".join(("*", *KINDS))
            raise Poison("scope", f"{scope!r} is neither system/KIND.rs nor patient/KIND.rs, with KIND one of {kinds}")
        letters = "rs" if found[3] == "read" else found[3]
        held = everybody if found[1] == "system" else own
        for kind in KINDS if found[2] == "*" else (found[2],):
            if kind != "AuditEvent" or found[2] != "*":  # the audit is never granted by a star
                held[kind] = "".join(sorted(set(held.get(kind, "") + letters)))
    if not everybody and not own:
        raise Poison("scope", "none is given")
    if bool(own) != bool(patients):
        raise Poison("patient", "belongs to scopes patient/..., and they need it")
    return Grant(everybody, own, frozenset(patients))


def launch(patient: str) -> str:
    """The scope that names a patient of scopes patient/... Raises Poison for what is no pseudonym."""
    return f"{_LAUNCH}{_patient(_LAUNCH + patient)}"


def _patient(scope: str) -> PatientId:
    name = scope.removeprefix(_LAUNCH)
    if not is_identifier(name):
        raise Poison("patient", f"{name!r} must be 1 to 64 letters, digits or . _ : -")
    return PatientId(name)
