"""Every resource that is emitted, judged by fhir.resources: its R5 models, and its R4B models for R4.

R4 proper is not in that library; R4B keeps all the resources used here as R4 has them. DeviceAlert is in none of its
releases: its shape is judged by hand, along the published 6.0.0-ballot3.
"""

import json
import re
from dataclasses import replace
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.catalogue import RULES
from alerts.fhir import alarms, capability, ids, outcome, readings, register, waveform
from alerts.fhir.search import Query, bundle
from alerts.fhir.version import Version
from liteheart.alarm import REASONS, Alarm, Kind, Priority
from liteheart.care import Delivery
from liteheart.conditions import CONDITIONS
from liteheart.finding import Finding, Quality
from liteheart.ids import AlarmId, DeviceId, ModelVersion, PatientId
from liteheart.signal import Frame

S = 1_000_000
T0 = 1_790_000_000 * S
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
BOTH = (Version.R4, Version.R5)
CHECKS = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

times = st.integers(T0 - 10**15, T0 + 10**15)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", fullmatch=True)
texts = st.text(max_size=60)
leads = st.sampled_from(["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V6", "MLII", "ECG", "x1"])
rates = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.floats(5, 400))


def judged(resource: dict[str, Any], version: Version) -> Any:
    """The resource as the library reads it. Raises what the library finds wrong."""
    kind = resource["resourceType"]
    package = "fhir.resources.R4B" if version is Version.R4 else "fhir.resources"
    model = getattr(import_module(f"{package}.{kind.lower()}"), kind)
    text = json.dumps(resource, allow_nan=False)
    if "id" in resource:
        assert FHIR_ID.fullmatch(resource["id"]), resource["id"]
    for reference in re.findall(r'"reference": "([^"]+)"', text):
        assert FHIR_ID.fullmatch(reference.partition("/")[2]), reference
    return model.model_validate_json(text)


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    codes = draw(st.lists(st.sampled_from([c.code for c in CONDITIONS]), unique=True, max_size=6))
    t0 = draw(times)
    return Finding(
        patient=PatientId(draw(names)),
        device=DeviceId(draw(names)),
        lead=draw(leads),
        t0_us=t0,
        t1_us=t0 + draw(st.integers(1, 60 * S)),
        model=ModelVersion(draw(names)),
        quality=Quality(draw(st.floats(0, 1)), draw(st.booleans()), tuple(draw(st.sets(st.just("noise"))))),
        abstained=draw(st.booleans()),
        heart_rate_bpm=draw(rates),
        scores={code: draw(st.floats(0, 1)) for code in codes},
        codes=tuple(codes),
        arrival_us=draw(times),
    )


@st.composite
def some_alarms(draw: st.DrawFn) -> Alarm:
    onset, acknowledged = draw(times), draw(st.one_of(st.none(), times))
    active = draw(st.booleans())
    return Alarm(
        alarm_id=AlarmId(draw(st.from_regex(r"[0-9a-f]{32}", fullmatch=True))),
        patient=PatientId(draw(names)),
        condition=draw(st.sampled_from([*RULES, *(c.code for c in CONDITIONS), "UNHEARD_OF"])),
        label=draw(texts),
        kind=draw(st.sampled_from(Kind)),
        priority=draw(st.sampled_from(Priority)),
        latching=draw(st.booleans()),
        onset_us=onset,
        raised_us=onset + draw(st.integers(0, 60 * S)),
        message=draw(texts),
        active=active,
        retrospective=draw(st.booleans()),
        ended_us=None if active else draw(times),
        acknowledged_us=acknowledged,
        acknowledged_by=None if acknowledged is None else draw(names),
        reason=None if acknowledged is None else draw(st.sampled_from([None, *REASONS])),
        evidence=draw(st.sampled_from([{}, {"limit": 40.0, "value": 31.5}, {"limit": float("nan")}, {"limit": "x"}])),
    )


@st.composite
def some_frames(draw: st.DrawFn) -> list[Frame]:
    """Frames of one or two leads with gaps, overlaps, jitter and extreme values."""
    found, patient = [], PatientId(draw(names))
    for lead in draw(st.lists(leads, unique=True, min_size=1, max_size=2)):
        fs, gain = draw(st.sampled_from([100.0, 125.0, 250.0, 256.0, 360.0, 1000.0])), draw(st.floats(0.1, 10_000))
        at = T0
        for sequence in range(draw(st.integers(1, 6))):
            n = draw(st.integers(0, 300))
            values = draw(st.sampled_from([(-32768, 32768), (32767, 32768), (-3, 4)]))
            samples = np.random.default_rng(sequence).integers(*values, n).astype(np.int16)
            off = draw(st.booleans())
            frame = Frame(patient, DeviceId("d"), 1, sequence, at, fs, gain, lead, samples, lead_off=off)
            found.append(frame)
            at = frame.t1_us + draw(st.sampled_from([0, 0, 1500, -20_000, 400_000, 2 * S]))
    return found


@CHECKS
@given(some_frames(), st.integers(-S, S), st.integers(1, 20 * S))
def test_a_waveform_is_valid_and_holds_every_sample(frames: list[Frame], shift: int, length: int) -> None:
    t0, t1 = T0 + shift, T0 + shift + length
    found = waveform.traces(frames, t0, t1)
    for trace in found:
        assert t0 <= trace.t0_us
        for frame in (f for f in frames if f.lead == trace.lead):  # what is there was sent, at its place
            begin = round((frame.t0_us - trace.t0_us) * trace.fs_hz / S)
            for k in (0, len(frame.samples) // 2, len(frame.samples) - 1):
                inside = 0 <= begin + k < len(trace.samples) and 0 <= k < len(frame.samples)
                if inside and t0 <= frame.t0_us + k * S / frame.fs_hz < t1 - S / frame.fs_hz:
                    assert trace.valid[begin + k]
    if not found:
        moments = np.concatenate([f.t0_us + np.arange(len(f.samples)) * S / f.fs_hz for f in frames])
        assert not ((moments > t0) & (moments < t1 - 1)).any()
        return
    for version in BOTH:
        made = waveform.observation(frames[0].patient, ids.ecg(frames[0].patient, t0, t1), found, version)
        read = judged(made, version)
        for part, trace in zip(read.component, found, strict=True):
            data = part.valueSampledData
            numbers = data.data.split(" ")
            assert len(numbers) == len(trace.samples)
            back = [None if number == "E" else int(number) for number in numbers]
            assert back == [v if ok else None for v, ok in zip(trace.samples.tolist(), trace.valid, strict=True)]
            step = data.period if version is Version.R4 else data.interval
            assert float(step) == pytest.approx(1000 / trace.fs_hz)
            assert float(data.factor) == pytest.approx(1 / trace.gain)
            assert (data.origin.value, data.origin.code) == (Decimal(0), "mV")


def test_an_uninterrupted_strip_comes_back_bit_by_bit() -> None:
    rng = np.random.default_rng(7)
    whole = rng.integers(-32768, 32768, 2500).astype(np.int16)
    frames = [
        Frame(PatientId("p"), DeviceId("d"), 1, n, T0 + n * S, 250.0, 200.0, "I", whole[n * 250 : (n + 1) * 250])
        for n in range(10)
    ]
    (trace,) = waveform.traces(reversed(frames), T0, T0 + 10 * S)
    data = waveform.sampled_data(trace, Version.R5)
    assert np.array_equal(np.array(data["data"].split(), np.int16), whole)
    assert data | {"data": ""} == {
        "origin": {"value": 0, "unit": "mV", "system": "http://unitsofmeasure.org", "code": "mV"},
        "interval": 4,
        "intervalUnit": "ms",
        "factor": 0.005,
        "dimensions": 1,
        "data": "",
    }
    assert waveform.sampled_data(trace, Version.R4)["period"] == 4
    lead = waveform.observation(PatientId("p"), "x", [trace], Version.R4)["component"][0]["code"]["coding"][0]
    assert lead == {"system": "urn:iso:std:iso:11073:10101", "code": "131329", "display": "MDC_ECG_ELEC_POTL_I"}


def test_a_gap_is_written_as_a_gap() -> None:
    ones = np.ones(100, np.int16)
    first = Frame(PatientId("p"), DeviceId("d"), 1, 0, T0, 100.0, 200.0, "MLII", ones)
    second = replace(first, sequence=1, t0_us=T0 + 2 * S)
    (trace,) = waveform.traces([first, second], T0, T0 + 10 * S)
    assert waveform.sampled_data(trace, Version.R5)["data"].split() == ["1"] * 100 + ["E"] * 100 + ["1"] * 100
    assert trace.t1_us == T0 + 3 * S


@CHECKS
@given(findings(), st.booleans())
def test_readings_are_valid(finding: Finding, snomed: bool) -> None:
    made = [readings.findings(finding, snomed=snomed), readings.provenance(finding)]
    rate = readings.heart_rate(finding)
    assert (rate is None) == (finding.heart_rate_bpm is None or not np.isfinite(finding.heart_rate_bpm))
    for version in BOTH:
        for resource in [*made, *([rate] if rate else [])]:
            judged(resource, version)
    assert ("valueCodeableConcept" in made[0]) != finding.abstained
    assert ("dataAbsentReason" in made[0]) == finding.abstained
    assert ("http://snomed.info/sct" in json.dumps(made)) <= snomed


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c.code)
def test_every_condition_has_its_codes(condition: Any) -> None:
    finding = Finding(
        PatientId("p"), DeviceId("d"), "I", T0, T0 + 10 * S, ModelVersion("m"), Quality(0.9, True), False, 70.0,
        {condition.code: 0.91}, (condition.code,), T0,
    )  # fmt: skip
    made = readings.findings(finding, snomed=True)
    codings = made["valueCodeableConcept"]["coding"]
    assert [c["code"] for c in codings] == [*([condition.snomed] if condition.snomed else []), condition.code]
    assert made["component"][0]["code"] == made["valueCodeableConcept"]
    assert made["component"][0]["valueQuantity"]["value"] == 0.91
    assert made["derivedFrom"] == [{"reference": f"Observation/ecg.{T0}.10000.p"}]
    for version in BOTH:
        judged(made, version)


@CHECKS
@given(some_alarms())
def test_alarms_are_valid(alarm: Alarm) -> None:
    for version in BOTH:
        read = judged(alarms.detected_issue(alarm, version, snomed=True), version)
        assert (read.mitigation is None) == (alarm.acknowledged_us is None)
        wanted = {Priority.HIGH: "high", Priority.MEDIUM: "moderate", Priority.LOW: "low"}.get(alarm.priority)
        assert read.severity == wanted
    judge_device_alert(alarms.device_alert(alarm, "d-1", snomed=True), alarm)


@pytest.mark.parametrize("code", RULES)
def test_every_alarm_of_the_catalogue_is_valid(code: str) -> None:
    rule = RULES[code]
    alarm = Alarm(
        AlarmId("a" * 32), PatientId("p"), code, rule.label, rule.kind, rule.priority, rule.latching, T0, T0, "", True
    )
    for version in BOTH:
        issue = alarms.detected_issue(alarm, version, snomed=True)
        judged(issue, version)
        assert ("evidence" in issue) == (rule.kind is Kind.PHYSIOLOGICAL)
    judge_device_alert(alarms.device_alert(alarm, None, snomed=False), alarm)


def judge_device_alert(told: dict[str, Any], alarm: Alarm) -> None:
    """The shape of 6.0.0-ballot3: cardinalities, types and required codes."""
    known = {"resourceType", "id", "meta", "identifier", "status", "type", "priority", "subject", "source"}
    assert set(told) <= known | {"condition", "derivedFrom", "label", "signal"}
    assert {"resourceType", "status", "subject", "condition"} <= set(told)
    assert told["status"] in ("in-progress", "completed", "entered-in-error", "unknown")
    assert (told["type"], told["priority"]) == (alarm.kind.value, alarm.priority.name.lower())
    assert told["priority"] in ("high", "medium", "low", "info")
    condition = told["condition"]
    assert set(condition) <= {"code", "acknowledged", "presence", "timing", "limit"}
    assert condition["code"]["coding"]
    assert (condition["presence"], condition["acknowledged"]) == (alarm.active, alarm.acknowledged_us is not None)
    assert set(condition["timing"]) <= {"start", "end"}
    assert set(condition.get("limit", {})) <= {"low", "high"}
    for reference in [told["subject"], *([told["source"]] if "source" in told else []), *told.get("derivedFrom", [])]:
        assert set(reference) == {"reference"}
    (signal,) = told["signal"]
    assert set(signal) <= {"activationState", "presence", "annunciator", "manifestation", "type", "indication"}
    assert signal["activationState"] in ("on", "off", "paused")
    assert signal["presence"] == alarm.presence.value
    assert signal["presence"] in ("on", "latched", "off", "ack")
    assert set(signal["annunciator"]) <= {"concept", "reference"}
    assert (told["status"] == "completed") == (signal["presence"] == "off")
    json.dumps(told, allow_nan=False)


def test_an_alarm_tells_its_limit() -> None:
    alarm = Alarm(
        AlarmId("a" * 32), PatientId("p"), "EXTREME_BRADY", "Extreme bradycardia", Kind.PHYSIOLOGICAL, Priority.HIGH,
        True, T0, T0 + S, "HR 31 < 40", True, evidence={"value": 31.0, "limit": 40.0},
    )  # fmt: skip
    told = alarms.device_alert(alarm, "d", snomed=True)
    assert told["condition"]["limit"]["low"]["value"] == 40
    assert told["label"] == "HR 31 < 40"
    done = replace(alarm, acknowledged_us=T0 + 9 * S, acknowledged_by="ada", reason="true-actioned")
    assert alarms.detected_issue(done, Version.R5, snomed=True)["status"] == "mitigated"
    assert alarms.detected_issue(done, Version.R4, snomed=True)["status"] == "preliminary"
    (mitigation,) = alarms.detected_issue(done, Version.R4, snomed=True)["mitigation"]
    assert mitigation["author"]["identifier"]["value"] == "ada"


@CHECKS
@given(names, times, st.one_of(st.none(), times), texts, st.sampled_from(Priority), st.integers(0, 2))
def test_notices_are_valid(who: str, made: int, taken: int | None, error: str, priority: Priority, step: int) -> None:
    notice = {"event": "raised", "label": error, "value": "x"}
    failed = None if taken is not None else made
    delivery = Delivery(
        "k" * 32, "pager", AlarmId("a" * 32), step, priority, notice, made, 0, taken, failed, False, error
    )
    for version in BOTH:
        read = judged(alarms.communication(PatientId(who), delivery, version), version)
        assert read.status == ("completed" if taken is not None else "not-done")


@CHECKS
@given(names, names, st.booleans(), times, st.text(max_size=20), texts)
def test_the_register_and_the_audit_are_valid(
    patient: str, device: str, here: bool, at: int, action: str, subject: str
) -> None:
    deed = SimpleNamespace(
        deed_id=7, at_us=at, by="ada", action=action or "x", subject=subject, detail={"a": [1]}, flagged=False
    )
    for version in BOTH:
        told = register.patient(PatientId(patient), here=here)
        read = judged(told, version)
        assert read.name is None
        assert set(told) == {"resourceType", "id", "meta", "identifier", "active"}, "nothing that names anyone"
        judged(register.device(DeviceId(device), PatientId(patient), version, valid=here), version)
        if action.strip() and action.isprintable():
            judged(register.audit_event(deed, version), version)


@pytest.mark.parametrize("version", BOTH)
def test_statements_bundles_and_errors_are_valid(version: Version) -> None:
    base = f"http://localhost/fhir/{version}"
    judged(capability.statement(version, base, T0), version)
    judged(outcome.outcome(403, "scope", "system/Observation.s is not granted"), version)
    query = Query({"patient": ("p",)}, 2)
    links = {"self": query.page(f"{base}/Patient"), "next": query.next_page(f"{base}/Patient", ["p"])}
    judged(bundle([register.patient(PatientId("p"), here=True)], base, links), version)
    judged(bundle([], base, links), version)


def test_the_statement_of_the_ballot_names_device_alert_alone() -> None:
    told = capability.statement(Version.R6, "http://localhost/fhir/R6-ballot", T0)
    assert told["fhirVersion"] == "6.0.0-ballot3"
    assert [r["type"] for r in told["rest"][0]["resource"]] == ["DeviceAlert"]
