"""The releases of FHIR that are spoken here. Where two differ, that element says so."""

from enum import StrEnum


class Version(StrEnum):
    """A release, as its base path names it."""

    R4 = "R4"
    R5 = "R5"
    R6 = "R6-ballot"  # the DeviceAlert of 6.0.0-ballot3 alone

    @property
    def number(self) -> str:
        """As a CapabilityStatement gives it."""
        return {"R4": "4.0.1", "R5": "5.0.0", "R6-ballot": "6.0.0-ballot3"}[self.value]

    @property
    def media_type(self) -> str:
        """Of every answer."""
        return f"application/fhir+json; fhirVersion={self.number[:3]}"
