"""What a search, an id and a scope mean."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.fhir import codes, ids, scopes
from alerts.fhir.capability import TABLE
from alerts.fhir.search import FOREVER, read_query
from alerts.fhir.settings import FhirSettings
from liteheart.errors import Misconfigured, Poison
from liteheart.ids import PatientId

SETTINGS = FhirSettings()
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", fullmatch=True)


def us(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[arg-type]  # never a time zone


def asked(text: str, kind: str = "Observation", *, lenient: bool = False) -> Any:
    pairs = [tuple(part.split("=", 1)) for part in text.split("&") if part]
    return read_query(pairs, TABLE[kind], SETTINGS, lenient=lenient)  # type: ignore[arg-type]  # pairs they are


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("", *FOREVER),
        ("date=ge2026-11-22", us(2026, 11, 22), FOREVER[1]),
        ("date=gt2026-11-22", us(2026, 11, 23), FOREVER[1]),
        ("date=le2026-11-22", FOREVER[0], us(2026, 11, 23)),
        ("date=lt2026-11-22", FOREVER[0], us(2026, 11, 22)),
        ("date=2026-11-22", us(2026, 11, 22), us(2026, 11, 23)),
        ("date=eq2026", us(2026, 1, 1), us(2027, 1, 1)),
        ("date=2026-12", us(2026, 12, 1), us(2027, 1, 1)),
        ("date=2024-02", us(2024, 2, 1), us(2024, 3, 1)),
        ("date=2026-11-22T10:30Z", us(2026, 11, 22, 10, 30), us(2026, 11, 22, 10, 31)),
        ("date=ge2026-11-22T10:30:05.250Z", us(2026, 11, 22, 10, 30, 5) + 250_000, FOREVER[1]),
        ("date=le2026-11-22T10:30:05.250Z", FOREVER[0], us(2026, 11, 22, 10, 30, 5) + 251_000),
        ("date=ge2026-11-22T10:30:00+02:00", us(2026, 11, 22, 8, 30), FOREVER[1]),
        ("date=ge2026-11-22T10:30:00 02:00", us(2026, 11, 22, 8, 30), FOREVER[1]),
        ("date=ge2026-11-22&date=lt2026-11-23", us(2026, 11, 22), us(2026, 11, 23)),
    ],
)
def test_dates(text: str, since: int, until: int) -> None:
    assert asked(f"patient=p&{text}").span("date") == (since, until)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "patient"),
        ("patient=p&patient=q", "patient"),
        ("patient=Device/p", "patient"),
        ("patient=p&date=ne2026", "date"),
        ("patient=p&date=2026-13-01", "date"),
        ("patient=p&date=2026-02-30", "date"),
        ("patient=p&date=ge2026-01-01T00:00:00+99:00", "date"),
        ("patient=p&date=9999", "date"),
        ("patient=p&date=yesterday", "date"),
        ("patient=p&code=|", "code"),
        ("patient=p&_count=0", "_count"),
        ("patient=p&_count=-1", "_count"),
        ("patient=p&_count=²", "_count"),
        ("patient=p&_cursor=!", "_cursor"),
        ("patient=p&_cursor=e30", "_cursor"),
        ("patient=p&_cursor=WyJcdTAwMDAiXQ", "_cursor"),
        ("patient=p&_cursor=WyJcdWQ4MDAiXQ", "_cursor"),
        ("patient=\x00", "patient"),
        ("patient=p&name=ada", "name"),
        ("patient=p&_include=Observation:subject", "_include"),
    ],
)
def test_what_cannot_be_asked_is_named(text: str, field: str) -> None:
    def read() -> None:
        query = asked(text)
        query.reference("patient", "Patient")
        query.span("date")
        query.tokens("code")

    with pytest.raises(Poison) as poison:
        read()
    assert poison.value.field == field


@given(st.text(max_size=40))
def test_any_date_and_cursor_is_either_read_or_refused(text: str) -> None:
    for name in ("date", "_cursor"):
        with suppress(Poison):
            read_query([("patient", "p"), (name, text)], TABLE["Observation"], SETTINGS, lenient=False).span("date")


def test_what_is_unknown_is_left_out_where_the_reader_says_so() -> None:
    assert asked("patient=p&name=ada", lenient=True).values == {"patient": ("p",)}
    assert asked("patient=p&_count=999999999999").count == SETTINGS.count_max


plain = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


@given(st.one_of(st.tuples(st.integers(-(1 << 61), 1 << 61), plain), st.tuples(plain)))
def test_a_cursor_comes_back(cursor: tuple[Any, ...]) -> None:
    url = asked("patient=p").next_page("/x", list(cursor))
    packed = url.rpartition("_cursor=")[2]
    assert asked(f"patient=p&_cursor={packed}").cursor == list(cursor)


@given(names, st.integers(-(10**16), 10**17 - 1), st.integers(1, 60_000))
def test_ids_fit_and_come_back(patient: str, t0: int, ms: int) -> None:
    tag = ids.tag(patient)
    assert ids.is_digest(tag) or tag == patient
    for name in (ids.ecg(patient, t0, t0 + ms * 1000), ids.reading("hr", patient, t0), ids.reading("dx", patient, t0)):
        assert len(name) <= 64
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")
    assert ids.parse_observation(ids.ecg(patient, t0, t0 + ms * 1000)) == ids.Stretch(tag, t0, t0 + ms * 1000)
    assert ids.parse_observation(ids.reading("dx", patient, t0)) == ids.Reading("dx", tag, t0)
    assert ids.parse_observation(patient.replace(".", "")) is None


def test_no_two_names_share_a_tag() -> None:
    odd = "x_" + "y" * 60
    assert ids.tag(odd) != ids.tag(odd + "z")
    assert ids.tag(ids.tag(odd)) != ids.tag(odd), "a patient who is called as a digest has one too"


def test_tokens_name_conditions_and_measurements() -> None:
    assert codes.named(None, "AFIB") == codes.named("http://snomed.info/sct", "164889003") == ["AFIB"]
    assert set(codes.named(None, "164865005")) >= {"MI", "IMI", "AMI"}
    assert codes.named(None, "NO_DATA") == ["NO_DATA"]
    assert codes.named("http://loinc.org", "AFIB") == codes.named(None, "nothing") == []
    assert codes.measured("http://loinc.org", "8867-4") == codes.measured(None, "147842") == "hr"
    assert codes.measured("urn:iso:std:iso:11073:10101", "131328") == "ecg"
    assert codes.measured("urn:iso:std:iso:11073:10101", "8867-4") is None


@pytest.mark.parametrize(
    ("granted", "kind", "letter", "whose"),
    [
        (["system/Observation.rs"], "Observation", "s", None),
        (["system/Observation.read"], "Observation", "r", None),
        (["system/*.rs"], "Patient", "r", None),
        (["system/AuditEvent.s"], "AuditEvent", "s", None),
        (["patient/Observation.r", "launch/patient=p1"], "Observation", "r", {"p1"}),
        (["patient/*.rs", "launch/patient=p1", "launch/patient=p2", "system/Patient.r"], "Device", "s", {"p1", "p2"}),
    ],
)
def test_a_grant_says_whose(granted: list[str], kind: str, letter: str, whose: Any) -> None:
    assert scopes.parse(granted).whose(kind, letter) == whose


@pytest.mark.parametrize(
    ("granted", "kind", "letter"),
    [
        (["system/Observation.r"], "Observation", "s"),
        (["system/Patient.rs"], "Observation", "r"),
        (["system/*.rs"], "AuditEvent", "r"),
        (["patient/*.rs", "launch/patient=p1"], "AuditEvent", "r"),
        (["patient/AuditEvent.rs", "launch/patient=p1"], "AuditEvent", "r"),
    ],
)
def test_what_is_not_granted_is_not_held(granted: list[str], kind: str, letter: str) -> None:
    with pytest.raises(PermissionError):
        scopes.parse(granted).whose(kind, letter)


@pytest.mark.parametrize(
    ("granted", "field"),
    [
        ([], "scope"),
        (["system/Observation.cruds"], "scope"),
        (["system/Observation.write"], "scope"),
        (["user/Observation.rs"], "scope"),
        (["system/Medication.rs"], "scope"),
        (["openid"], "scope"),
        (["patient/Observation.rs"], "patient"),
        (["system/Observation.rs", "launch/patient=p1"], "patient"),
        (["patient/Observation.rs", "launch/patient=?"], "patient"),
    ],
)
def test_a_scope_that_cannot_be_is_refused(granted: list[str], field: str) -> None:
    with pytest.raises(Poison) as poison:
        scopes.parse(granted)
    assert poison.value.field == field


def test_a_launch_names_one_patient() -> None:
    assert scopes.parse(["patient/*.r", scopes.launch("p:1")]).patients == {PatientId("p:1")}


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": 300}, {"window_s": 90.0}, {"base_url": "ward.example"}])
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match=rf"^fhir\.{next(iter(wrong))}"):
        FhirSettings(**wrong)
