"""A wrong limit stops the program and is named."""

from dataclasses import replace
from typing import Any

import pytest

from alerts.catalogue import BEAT_RULES, LINE_RULES, REPLACES, RULES, SIGNAL_RULES, STUDENT
from alerts.settings import AlarmSettings
from liteheart.alarm import Kind, Priority
from liteheart.conditions import BY_CODE
from liteheart.errors import Misconfigured


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("asystole_s", {"asystole_s": 0}),
        ("asystole_s", {"asystole_s": float("nan")}),
        ("asystole_s", {"asystole_s": "4"}),
        ("pause_s", {"pause_s": 4.0}),
        ("brady_bpm", {"brady_bpm": 139.0}),
        ("brady_beats", {"brady_beats": 2}),
        ("tachy_beats", {"tachy_beats": 26}),
        ("vt_beats", {"vt_beats": 2}),
        ("merge_s", {"merge_s": -1.0}),
        ("score_release", {"score_release": 1.1}),
        ("thresholds", {"thresholds": {"AFIB": 0.0}}),
        ("thresholds", {"thresholds": "AFIB"}),
        ("rules", {"rules": {"AFIB": RULES["VF"]}}),
        ("rules", {"rules": {"VF": replace(RULES["VF"], persistence_s=5.0)}}),
        ("rules", {"rules": {"AFIB": replace(RULES["AFIB"], clear_s=-1.0)}}),
        ("rules", {"rules": "none"}),
    ],
)
def test_a_wrong_setting_is_named(key: str, changes: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured) as caught:
        AlarmSettings(**changes)
    assert caught.value.key == f"alarms.{key}"


def test_lethal_rhythms_alarm_high_at_once_and_latch() -> None:
    lethal = [r for r in RULES.values() if r.kind is Kind.PHYSIOLOGICAL and r.priority is Priority.HIGH]
    assert {r.code for r in lethal} == {"ASYSTOLE", "VF", "VT", "EXTREME_BRADY", "EXTREME_TACHY"}
    assert all(r.latching and r.persistence_s == 0 for r in lethal)
    # no silence between a run that stops and the standstill that follows
    assert all(r.clear_s > AlarmSettings().asystole_s for r in lethal)


def test_technical_alarms_never_latch() -> None:
    assert not any(r.latching for r in RULES.values() if r.kind is Kind.TECHNICAL)


def test_every_rule_is_judged_by_someone() -> None:
    known = {
        *BEAT_RULES,
        *LINE_RULES,
        *SIGNAL_RULES,
        *STUDENT,
        "NO_DATA",
        "NO_DATA_LONG",
        "NOT_LIVE",
        "MODEL_UNAVAILABLE",
        "ANALYSIS_FAILED",
    }
    assert set(RULES) == known


def test_the_longer_form_is_the_more_urgent() -> None:
    for long, short in REPLACES.items():
        assert RULES[long].priority > RULES[short].priority
        assert RULES[long].persistence_s > RULES[short].persistence_s


def test_codes_agree_with_the_table_of_conditions() -> None:
    for code in set(RULES) & set(BY_CODE):
        assert RULES[code].snomed == BY_CODE[code].snomed
        assert RULES[code].label == BY_CODE[code].name


def test_most_findings_are_not_alarms() -> None:
    assert not {"LVH", "NDT", "IMI", "CRBBB", "SR", "STACH", "SBRAD", "PAC", "PVC"} & set(RULES)
