"""What is behind an id, and a page of what a search asks for: from storage to resources, version by version."""

from collections.abc import Callable, Sequence
from typing import Any

from alerts.fhir import alarms, codes, ids, readings, register
from alerts.fhir.elements import Json
from alerts.fhir.observations import Observations
from alerts.fhir.pages import (
    WALK,
    Found,
    Names,
    Page,
    Whose,
    after_name,
    before_number,
    before_place,
    only,
    page,
)
from alerts.fhir.ports import Sources, Span
from alerts.fhir.search import FOREVER, Query
from alerts.fhir.settings import FhirSettings
from alerts.fhir.version import Version
from liteheart.alarm import Alarm
from liteheart.ids import AlarmId, DeviceId, PatientId

_One = Callable[[str, Version], Found | None]
_Some = Callable[[Query, Whose, Version], Page]


class Finder:
    """Answers for every kind. Every method may raise Retryable, and Poison for what cannot be asked."""

    def __init__(self, sources: Sources, names: Names, settings: FhirSettings) -> None:
        self._sources, self._records, self._names, self._settings = sources, sources.records, names, settings
        observations = Observations(sources, names, settings)
        self._kinds: dict[str, tuple[_One, _Some]] = {
            "Patient": (self._patient, self._patients),
            "Device": (self._device, self._devices),
            "Observation": (observations.one, observations.some),
            "DetectedIssue": (self._issue, self._issues),
            "Communication": (self._communication, self._communications),
            "Provenance": (self._provenance, self._provenances),
            "AuditEvent": (self._audit_event, self._audit_events),
            "DeviceAlert": (self._alert, self._alerts),
        }

    def read(self, kind: str, name: str, version: Version) -> Found | None:
        """The resource of that id, None when there is none."""
        return self._kinds[kind][0](name, version)

    def search(self, kind: str, query: Query, whose: Whose, version: Version) -> Page:
        """A page; `whose` None: everybody's."""
        return self._kinds[kind][1](query, whose, version)

    # patients and devices

    def _patient(self, name: str, version: Version) -> Found | None:
        who = self._names.patient(name)
        here = None if who is None else self._records.patient(who)
        return None if who is None or here is None else Found(register.patient(who, here=here), who)

    def _patients(self, query: Query, whose: Whose, version: Version) -> Page:
        named: list[Sequence[PatientId | None]] = []
        if "_id" in query.values:
            named.append([self._names.patient(name) for _, name in query.tokens("_id")])
        if "identifier" in query.values:
            named.append([PatientId(code) for _, code in query.tokens("identifier")])
        if whose is not None:
            named.append(sorted(whose))
        if named:
            wanted = [who for who in dict.fromkeys(named[0]) if all(who in others for others in named)]
            known = [(who, self._records.patient(who)) for who in wanted[: self._settings.count_max] if who is not None]
            return Page([register.patient(who, here=here) for who, here in known if here is not None], None)
        rows = self._records.patients(after_name(query), query.count + 1)
        return page(rows, query, lambda row: register.patient(row[0], here=row[1]), lambda row: [row[0]])

    def _device(self, name: str, version: Version) -> Found | None:
        after = ""
        while some := self._records.devices(None, after, WALK):
            for device, wearer, valid in some:
                if ids.tag(device) == name:
                    return Found(register.device(device, wearer, version, valid=valid), wearer)
            after = some[-1][0]
        return None

    def _devices(self, query: Query, whose: Whose, version: Version) -> Page:
        rows = self._records.devices(whose, after_name(query), query.count + 1)
        return page(rows, query, lambda r: register.device(r[0], r[1], version, valid=r[2]), lambda r: [r[0]])

    # alarms

    def _issue(self, name: str, version: Version) -> Found | None:
        alarm = self._sources.board.alarm(AlarmId(name))
        if alarm is None:
            return None
        return Found(alarms.detected_issue(alarm, version, snomed=self._settings.snomed), alarm.patient)

    def _issues(self, query: Query, whose: Whose, version: Version) -> Page:
        held: list[str] | None = None
        if "code" in query.values:
            held = sorted({code for token in query.tokens("code") for code in codes.named(*token)})
        found, cursor = self._alarms(query, whose, query.span("identified"), held)
        snomed = self._settings.snomed
        return Page([alarms.detected_issue(alarm, version, snomed=snomed) for alarm in found], cursor)

    def _alert(self, name: str, version: Version) -> Found | None:
        alarm = self._sources.board.alarm(AlarmId(name))
        return None if alarm is None else Found(self._told(alarm, self._worn()), alarm.patient)

    def _alerts(self, query: Query, whose: Whose, version: Version) -> Page:
        found, cursor = self._alarms(query, whose, FOREVER, None)
        worn = self._worn()
        return Page([self._told(alarm, worn) for alarm in found], cursor)

    def _alarms(
        self, query: Query, whose: Whose, span: Span, held: list[str] | None
    ) -> tuple[list[Alarm], list[Any] | None]:
        found = list(self._records.alarms(whose, span, before_place(query), query.count + 1, held))
        last = found[query.count - 1] if len(found) > query.count else None
        return found[: query.count], None if last is None else [last.raised_us, last.alarm_id]

    def _told(self, alarm: Alarm, worn: dict[PatientId, DeviceId]) -> Json:
        return alarms.device_alert(alarm, worn.get(alarm.patient), snomed=self._settings.snomed)

    def _worn(self) -> dict[PatientId, DeviceId]:
        """The device that each patient was last heard by."""
        return {state.patient: state.device for state in self._sources.board.patients()}

    def _communication(self, name: str, version: Version) -> Found | None:
        alarm_id = AlarmId(name.partition(".")[0])
        alarm = self._sources.board.alarm(alarm_id)
        if alarm is None:
            return None
        for delivery in self._sources.told.of_alarm(alarm_id):
            if ids.communication(alarm_id, delivery.key) == name:
                return Found(alarms.communication(alarm.patient, delivery, version), alarm.patient)
        return None

    def _communications(self, query: Query, whose: Whose, version: Version) -> Page:
        patient = only(whose)
        rows = self._records.deliveries(patient, query.span("sent"), before_place(query), query.count + 1)
        return page(rows, query, lambda d: alarms.communication(patient, d, version), lambda d: [d.created_us, d.key])

    # where it comes from, and who looked

    def _provenance(self, name: str, version: Version) -> Found | None:
        asked = ids.parse_observation(name)
        who = None if asked is None else self._names.patient(asked.tag)
        if who is None or not isinstance(asked, ids.Reading) or asked.kind != readings.FINDINGS:
            return None
        finding = self._sources.trends.finding(who, asked.t0_us)
        return None if finding is None else Found(readings.provenance(finding), who)

    def _provenances(self, query: Query, whose: Whose, version: Version) -> Page:
        patient, target = only(whose), query.reference("target", "Observation")
        if target is not None:
            found = self._provenance(target, version)
            return Page([found.resource] if found is not None and found.patient == patient else [], None)
        until = before_number(query, FOREVER[1])
        rows = self._records.readings(patient, (FOREVER[0], until), query.count + 1)
        return page(rows, query, readings.provenance, lambda finding: [finding.t0_us])

    def _audit_event(self, name: str, version: Version) -> Found | None:
        number = int(name) if name.isascii() and name.isdigit() and len(name) < 19 else 0
        rows = self._records.deeds(None, FOREVER, number + 1, 1) if number else []
        return Found(register.audit_event(rows[0], version), None) if rows and rows[0].deed_id == number else None

    def _audit_events(self, query: Query, whose: Whose, version: Version) -> Page:
        subject = None if whose is None else str(only(whose))
        before = before_number(query, 0) or None
        rows = self._records.deeds(subject, query.span("date"), before, query.count + 1)
        return page(rows, query, lambda deed: register.audit_event(deed, version), lambda deed: [deed.deed_id])
