"""Observations: what is behind an id, and a page of what a search asks for. Waveforms are made on demand."""

from collections.abc import Sequence
from typing import Final

from alerts.fhir import codes, ids, readings, waveform
from alerts.fhir.elements import Json
from alerts.fhir.pages import Found, Names, Page, Whose, before_number, only
from alerts.fhir.ports import Sources, Span
from alerts.fhir.search import FOREVER, Query
from alerts.fhir.settings import FhirSettings
from alerts.fhir.version import Version
from liteheart.clock import US_PER_S
from liteheart.errors import Poison
from liteheart.ids import PatientId

_AHEAD_US: Final = 86_400 * US_PER_S  # a device's clock may run ahead of ours so far


class Observations:
    """As `alerts.fhir.find.Finder`, of which it is a part."""

    def __init__(self, sources: Sources, names: Names, settings: FhirSettings) -> None:
        self._sources, self._names, self._settings = sources, names, settings

    def one(self, name: str, version: Version) -> Found | None:
        """The Observation of that id."""
        asked = ids.parse_observation(name)
        who = None if asked is None else self._names.patient(asked.tag)
        if asked is None or who is None:
            return None
        if isinstance(asked, ids.Stretch):
            if asked.t1_us - asked.t0_us > self._settings.window_max_s * US_PER_S:
                raise Poison("id", f"spans more than {self._settings.window_max_s:g} s")
            made = self._waveform(who, asked.t0_us, asked.t1_us, version)
        else:
            made = self._reading(who, asked)
        return None if made is None else Found(made, who)

    def some(self, query: Query, whose: Whose, version: Version) -> Page:
        """Waveforms where they are asked for by code; else heart rates, findings or both."""
        patient, span = only(whose), query.span("date")
        if "combo-code" in query.values:
            held = sorted({code for token in query.tokens("combo-code") for code in codes.named(*token)})
            return self._readings(patient, span, query, {"dx"}, held) if held else Page([], None)
        kinds = {"hr", "dx"}
        if "code" in query.values:
            kinds = {kind for token in query.tokens("code") if (kind := codes.measured(*token)) is not None}
        if "ecg" in kinds:
            if kinds != {"ecg"}:
                raise Poison("code", "waveforms are searched for by themselves")
            return self._waveforms(patient, span, query, version)
        return self._readings(patient, span, query, kinds) if kinds else Page([], None)

    def _reading(self, who: PatientId, asked: ids.Reading) -> Json | None:
        finding = self._sources.trends.finding(who, asked.t0_us)
        if finding is None:
            return None
        if asked.kind == readings.HEART_RATE:
            return readings.heart_rate(finding)
        return readings.findings(finding, snomed=self._settings.snomed)

    def _readings(
        self, patient: PatientId, span: Span, query: Query, kinds: set[str], held: Sequence[str] | None = None
    ) -> Page:
        """From the newest window on, an Observation of each kind."""
        until = min(span[1], before_number(query, span[1]))
        windows = max(1, query.count // len(kinds))
        found = self._sources.records.readings(
            patient, (span[0], until), windows + 1, rated=kinds == {"hr"}, codes=held
        )
        made: list[Json] = []
        for finding in found[:windows]:
            if "dx" in kinds:
                made.append(readings.findings(finding, snomed=self._settings.snomed))
            if "hr" in kinds and (rate := readings.heart_rate(finding)) is not None:
                made.append(rate)
        return Page(made, [found[windows - 1].t0_us] if len(found) > windows else None)

    def _waveforms(self, patient: PatientId, span: Span, query: Query, version: Version) -> Page:
        """Windows side by side on a grid of the epoch's, the newest first; those without any sample are left out."""
        settings, now_us = self._settings, self._sources.clock.now_us()
        if span[0] == FOREVER[0]:
            raise Poison("date", "a waveform needs a date from which: date=ge...")
        if min(span[1], now_us) - span[0] > settings.signal_max_s * US_PER_S:
            raise Poison("date", f"spans more than {settings.signal_max_s:g} s")
        step = round(settings.window_s * US_PER_S)
        until = min(span[1], now_us + _AHEAD_US)
        top = min(before_number(query, until), until)
        bottom = max(span[0], top - round(settings.signal_page_s * US_PER_S))
        made: list[Json] = []
        while top > bottom and len(made) < query.count:
            begin = max((top - 1) // step * step, bottom)
            resource = self._waveform(patient, begin, begin + -(-(top - begin) // 1000) * 1000, version)
            made += [resource] if resource is not None else []
            top = begin
        return Page(made, [top] if top > span[0] else None)

    def _waveform(self, patient: PatientId, t0_us: int, t1_us: int, version: Version) -> Json | None:
        """Of [t0_us, t1_us), whole milliseconds, as its id says."""
        found = waveform.traces(self._sources.board.strip(patient, t0_us, t1_us), t0_us, t1_us)
        return waveform.observation(patient, ids.ecg(patient, t0_us, t1_us), found, version) if found else None
