"""German of what the server says: every condition by its code, every message that the rules make."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alerts.catalogue import RULES
from alerts.engine import AlarmEngine
from alerts.rules import evaluate, judge_finding, judge_window_quality
from alerts.settings import AlarmSettings
from alerts.verdict import Assertion
from alerts.watch import CLOCK_SKEW, MODEL_STALE, watch, watch_answers, watch_awaited, watch_clocks
from liteheart.board import Awaited, PatientState
from liteheart.conditions import CONDITIONS
from liteheart.finding import Finding, Quality, Vitals
from liteheart.ids import DeviceId, PatientId

ROOT = Path(__file__).resolve().parents[4]
WEB = ROOT / "alerts" / "dashboard" / "web"
NODE = ROOT / ".venv" / "bin" / "node"  # set-up puts it there
SAID = """
import { readFileSync } from "node:fs";
import { conditions, sentence } from "./src/i18n/alarms.de.ts";
const messages = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify({ codes: Object.keys(conditions), said: messages.map((m) => sentence(m)) }));
"""
SETTINGS = AlarmSettings(thresholds={"3AVB": 0.4})
P = PatientId("p1")
POOR = Quality(0.12, False, ("gap", "no_beats"))
NOISE = Quality(0.02, False, ("noise",))
UNEVEN = (0.2, 0.5, 0.21, 0.45, 0.2, 0.3) * 4

SECONDS: tuple[dict[str, Any], ...] = (
    {"since_beat_s": 5.0},
    {"since_beat_s": 5.0, "quality": POOR},
    {"since_beat_s": 0.5, "rr_s": (0.8,) * 12 + (6.0,), "dead_s": 6.0},
    {"rr_s": (0.8,) * 12 + (3.0,)},
    {"fibrillation_s": 5.5},
    {"ventricular_run": 7, "ventricular_rate_bpm": 161.4},
    {"rr_s": (1.9,) * 12, "since_beat_s": 1.0},
    {"rr_s": (0.33,) * 24, "since_beat_s": 0.2},
    {"rr_s": UNEVEN, "since_beat_s": 0.1, "quality": NOISE},
    {"rr_s": UNEVEN, "since_beat_s": 0.1, "quality": NOISE, "irregularity": 9.0, "ectopic_per_min": 30.0},
    {"irregularity": 9.3},
    {"ectopic_per_min": 31.6},
    {"lead_off": True},
    {"quality": POOR, "rr_s": (0.8,) * 12 + (3.0,)},
)


def told(messages: list[str]) -> dict[str, Any]:
    ran = subprocess.run(
        [NODE, "--input-type=module", "--eval", SAID],
        cwd=WEB,
        input=json.dumps(messages),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def test_every_condition_has_a_german_name() -> None:
    codes = {c.code for c in CONDITIONS} | set(RULES) | {CLOCK_SKEW.code, MODEL_STALE.code}
    assert set(told([])["codes"]) == codes


def of_the_watch() -> list[str]:
    state = PatientState(P, DeviceId("d"), "I", 250.0, 10**12, 10**12, usable=True)
    ahead, late_us = replace(state, last_sample_us=10**12 + 5_000_000), 10**12 + 100_000_000
    events = watch([state], {}, 10**12 + 16_000_000, SETTINGS) + watch([state], {}, late_us, SETTINGS)
    events += watch_awaited([Awaited(P, 10**12)], {}, late_us, SETTINGS)
    events += watch_clocks([ahead], {}, 10**12 + 1_000_000, SETTINGS)
    events += watch_answers([state], {P: 10**12 - 500_000_000}, {}, set(), 10**12 + 1_000_000, SETTINGS)
    assert len(events) == 5
    return [event.alarm.message for event in events]


def of_the_engine(second: Callable[..., Vitals]) -> list[str]:
    """What only a course of seconds tells: no answers of the student, signal that is late, no analysis."""
    found: list[str] = []
    engine = AlarmEngine(P, SETTINGS)
    for s in range(1, 80):
        vitals = second(float(s))
        found += [e.alarm.message for e in engine.on_vitals(vitals, vitals.arrival_us)]
    engine = AlarmEngine(P, SETTINGS)
    for s in range(1, 80):
        vitals = second(float(s), lag_s=40.0)
        found += [e.alarm.message for e in engine.on_vitals(vitals, vitals.arrival_us)]
    vitals = second(100.0)
    return [*found, *(e.alarm.message for e in engine.on_failure(vitals.t_us, vitals.t_us))]


def test_every_message_of_the_rules_is_said_in_german(
    second: Callable[..., Vitals], window: Callable[..., Finding]
) -> None:
    messages = [a.message for values in SECONDS for a in evaluate(second(60.0, **values), SETTINGS)]
    block = window(60.0, codes=("3AVB",), scores={"3AVB": 0.93})
    for said in [
        *judge_finding(block, SETTINGS).values(),
        *judge_window_quality(replace(block, quality=POOR)).values(),
    ]:
        if isinstance(said, Assertion):
            messages.append(said.message.removeprefix(f"{RULES[said.code].label}, "))
    messages += of_the_watch() + of_the_engine(second)
    forms = ("without any signal", "not judged:", "not judged", "(poor signal:", "fibrillation", "ventricular beats at")
    forms += ("beats a minute", "log odds", "HR ", "between beats", "p 0.93", "no reading", "behind its", "electrode")
    for form in forms:
        assert any(form in message for message in messages), f"nothing here makes {form!r}"
    german = told(messages)["said"]
    assert [m for m, g in zip(messages, german, strict=True) if g is None or g == m] == []


@pytest.mark.parametrize("message", ["something quite new", "a new sentence (poor signal: noise)"])
def test_a_message_of_another_form_stays_as_it_is(message: str) -> None:
    assert told([message])["said"] == [None]
