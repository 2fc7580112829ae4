"""Settings of the FHIR endpoints, validated at birth."""

from dataclasses import dataclass, fields
from urllib.parse import urlsplit

from liteheart.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class FhirSettings:
    """What a site may choose. Raises Misconfigured naming the key."""

    enabled: bool = True  # False: there is no /fhir
    snomed: bool = True  # SNOMED CT codes stand beside our own; False where the site has no licence for them
    base_url: str = ""  # as readers reach /fhir, without it; empty: what they asked for
    count: int = 50  # entries to a page where the reader says nothing
    count_max: int = 200  # and at most
    window_s: float = 10.0  # of signal in one waveform Observation of a search
    window_max_s: float = 60.0  # and at most in one that is named by its id
    signal_max_s: float = 86_400.0  # longest stretch that a search for waveforms may span
    signal_page_s: float = 3600.0  # signal looked through for one page of it
    requests: int = 600  # of one reader, of an address where no reader is known, within the window below
    requests_window_s: float = 60.0
    refused_tokens: int = 30  # of one address within the window below, as with sign-ins
    refused_window_s: float = 300.0

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if f.type in (int, float)):
            if getattr(self, name) <= 0:
                raise Misconfigured(f"fhir.{name}", f"{getattr(self, name)} must be above 0")
        if self.count > self.count_max:
            raise Misconfigured("fhir.count", f"{self.count} is above count_max {self.count_max}")
        if self.window_s > self.window_max_s:
            raise Misconfigured("fhir.window_s", f"{self.window_s:g} is above window_max_s {self.window_max_s:g}")
        if self.base_url and urlsplit(self.base_url).scheme not in ("http", "https"):
            raise Misconfigured("fhir.base_url", "must be http:// or https://")
