"""HL7 v2 messages, judged by hl7apy. It knows no ORU_R40: PCD-04 has the structure of ORU_R01 and is judged as one."""

from typing import Any

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.catalogue import RULES
from alerts.hl7.alarm import alarm_message
from alerts.hl7.message import components, escape, moment, segment, unescape
from alerts.hl7.vitals import vitals_key, vitals_message
from liteheart.board import PatientState
from liteheart.conditions import CONDITIONS
from liteheart.ids import DeviceId, PatientId

S = 1_000_000
T0 = 1_790_000_000 * S
NOTICE: dict[str, Any] = {
    "event": "raised",
    "alarm_id": "a" * 32,
    "episodes": 1,
    "condition": "ASYSTOLE",
    "label": "Asystole",
    "priority": "high",
    "kind": "physiological",
    "bed": "Bed 7",
    "patient": "p-7",
    "value": "no beat for 4.2 s > 4 s",
    "raised_us": T0,
    "presence": "on",
}
PHASES = {
    "raised": ("start", "active", "enabled"),
    "reactivated": ("start", "active", "enabled"),
    "escalated": ("escalate", "active", "enabled"),
    "acknowledged": ("continue", "active", "alert-acknowledged"),
    "latched": ("continue", "latched", "enabled"),
    "ended": ("end", "inactive", "enabled"),
}
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


def judged(text: str) -> dict[str, list[list[str]]]:
    """The fields of every segment, after hl7apy has found nothing wrong."""
    structure = text.replace("ORU^R40^ORU_R40", "ORU^R01^ORU_R01", 1)
    message = parse_message(structure, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
    assert message.validate()
    found: dict[str, list[list[str]]] = {}
    for line in text.rstrip("\r").split("\r"):
        name, *fields = line.split("|")
        found.setdefault(name, []).append([name, *fields] if name != "MSH" else [name, "|", *fields])
    return found


def told(**changes: Any) -> dict[str, list[list[str]]]:
    return judged(alarm_message(NOTICE | changes, "k" * 32, T0 + S, T0 + 2 * S, "Ward 7"))


@given(texts)
def test_what_is_escaped_comes_back(text: str) -> None:
    hidden = escape(text)
    assert not set(hidden) & set("|^&~\r\n\x0b\x1c")
    assert unescape(hidden) == text


def test_separators_within_a_value_are_escaped() -> None:
    assert escape("a|b^c&d~e\\f\r") == "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f\\X0D\\"
    assert unescape("\\H\\bold\\N\\ \\") == "\\H\\bold\\N\\ \\", "what it never makes stays"
    assert components("a", "", "b^", "") == "a^^b\\S\\"
    assert segment("OBX", {1: "1", 3: "x"}) == "OBX|1||x"
    assert moment(T0 + 5_250) == "20260921141320.005+0000"


@pytest.mark.parametrize("event", PHASES)
def test_each_phase_of_an_alarm(event: str) -> None:
    found = told(event=event)
    (msh,) = found["MSH"]
    assert (msh[9], msh[10], msh[12]) == ("ORU^R40^ORU_R40", "k" * 20, "2.6")
    assert msh[21] == "IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.4.4^ISO"
    assert (msh[15], msh[16], msh[18]) == ("NE", "AL", "UNICODE UTF-8")
    values = {row[3].split("^")[1]: row[5] for row in found["OBX"]}
    state = tuple(values[f"MDC_ATTR_{n}"] for n in ("EVENT_PHASE", "ALARM_STATE", "ALARM_INACTIVATION_STATE"))
    assert state == PHASES[event]
    assert values["MDC_EVT_ALARM"] == "397829000^Asystole^SCT^ASYSTOLE^Asystole^99LITEHEART"
    assert (values["MDC_ATTR_ALARM_PRIORITY"], values["MDC_ATTR_ALERT_TYPE"]) == ("PH", "SP")
    assert values["MDC_ATTR_ALERT_TEXT"] == "no beat for 4.2 s > 4 s"
    assert [row[4] for row in found["OBX"]] == [f"1.0.0.0.{n}" for n in range(1, 9)]
    assert found["OBX"][0][8] == "PH~SP"


def test_the_patient_is_a_pseudonym_and_nothing_else() -> None:
    (pid,), (pv1,) = told()["PID"], told()["PV1"]
    assert pid == ["PID", "", "", "p-7^^^LITEHEART^PI", "", "^^^^^^S"]
    assert pv1[3] == "^^Bed 7"


def test_all_messages_of_an_episode_have_one_parent() -> None:
    parents = {told(event=event)["OBR"][0][29] for event in PHASES}
    assert parents == {f"^{'a' * 32}-1&LITEHEART"}
    assert told(episodes=2)["OBR"][0][29] not in parents


@pytest.mark.parametrize("code", RULES)
def test_every_alarm_of_the_catalogue(code: str) -> None:
    rule = RULES[code]
    found = told(condition=code, label=rule.label, kind=rule.kind.value, priority=rule.priority.name.lower())
    assert code in found["OBX"][0][5]


@settings(deadline=None, max_examples=40)
@given(texts, texts, texts, texts)
def test_no_value_breaks_out_of_its_field(label: str, value: str, bed: str, facility: str) -> None:
    text = alarm_message(NOTICE | {"label": label, "value": value, "bed": bed}, "k" * 32, T0, T0, facility)
    found = judged(text)
    assert {name: len(rows) for name, rows in found.items()} == {"MSH": 1, "PID": 1, "PV1": 1, "OBR": 1, "OBX": 8}
    assert unescape(found["OBX"][7][5]) == (value or label)


def test_what_is_told_of_the_system_and_of_a_test() -> None:
    system = {"event": "raised", "kind": "technical", "priority": "high", "condition": "MONITOR_DOWN", "label": "Down"}
    found = judged(alarm_message(system, "k" * 32, T0, T0, ""))
    assert "PID" not in found
    trial = system | {"event": "test", "priority": "low"}
    assert judged(alarm_message(trial, "k" * 32, T0, T0, ""))["OBX"][2][5] == "tpoint"


def state(**changes: Any) -> PatientState:
    values: dict[str, Any] = {
        "patient": PatientId("p-7"), "device": DeviceId("d|7"), "lead": "I", "fs_hz": 250.0, "last_arrival_us": T0,
        "last_sample_us": T0, "bed": "Bed 7", "heart_rate_bpm": 71.46, "sqi": 0.93, "usable": True, "codes": ("AFIB",),
    }  # fmt: skip
    return PatientState(**values | changes)


def test_vitals_of_a_patient() -> None:
    found = judged(vitals_message(state(), "key", T0 + S, "Ward 7"))
    (msh,) = found["MSH"]
    assert (msh[9], msh[10]) == ("ORU^R01^ORU_R01", "key")
    assert msh[21] == "IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"
    monitor, rate, quality, condition = found["OBX"]
    assert monitor[18] == "d\\F\\7^LITEHEART"
    assert rate[2:7] == ["NM", "147842^MDC_ECG_HEART_RATE^MDC", "1.1.1.1", "71.5", "264864^MDC_DIM_BEAT_PER_MIN^MDC"]
    assert quality[5] == "0.930"
    assert condition[5] == "164889003^Atrial fibrillation^SCT^AFIB^Atrial fibrillation^99LITEHEART"
    assert {row[11] for row in found["OBX"][1:]} == {"F"}


def test_vitals_that_are_not_known_are_left_out() -> None:
    found = judged(vitals_message(state(heart_rate_bpm=None, sqi=float("nan"), usable=False, codes=()), "key", T0, ""))
    assert len(found["OBX"]) == 1
    doubted = judged(vitals_message(state(usable=False), "key", T0, ""))
    assert {row[11] for row in doubted["OBX"][1:]} == {"R"}


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c.code)
def test_every_condition_can_be_reported(condition: Any) -> None:
    found = judged(vitals_message(state(codes=(condition.code,)), vitals_key(state(), T0), T0, ""))
    assert condition.code in found["OBX"][-1][5].split("^")
