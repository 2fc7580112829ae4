"""Seconds and windows of a made-up patient, healthy unless told otherwise."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from alerts.engine import AlarmEngine
from liteheart.alarm import AlarmEvent
from liteheart.finding import Finding, Quality, Vitals
from liteheart.ids import DeviceId, ModelVersion, PatientId

PATIENT = PatientId("p1")
T0_US = 1_700_000_000_000_000
GOOD = Quality(0.95, True)
NOISE = Quality(0.2, False, ("noise",))


def make_second(t_s: float, *, lag_s: float = 0.5, **changes: Any) -> Vitals:
    values: dict[str, Any] = {
        "patient": PATIENT,
        "device": DeviceId("d1"),
        "t_us": T0_US + round(t_s * 1e6),
        "quality": GOOD,
        "heart_rate_bpm": 75.0,
        "rr_s": (0.8,) * 24,
        "since_beat_s": 0.4,
        "signal_s": 30.0,
        "fibrillation_s": 0.0,
        "ventricular_run": 0,
        "ventricular_rate_bpm": None,
        "flat_s": 0.0,
        "lead_off": False,
    }
    values |= {"arrival_us": values["t_us"] + round(lag_s * 1e6)} | changes
    return Vitals(**values)


def make_window(t1_s: float, *, lag_s: float = 0.5, length_s: float = 10.0, **changes: Any) -> Finding:
    t1_us = T0_US + round(t1_s * 1e6)
    values: dict[str, Any] = {
        "patient": PATIENT,
        "device": DeviceId("d1"),
        "lead": "I",
        "t0_us": t1_us - round(length_s * 1e6),
        "t1_us": t1_us,
        "model": ModelVersion("m1"),
        "quality": GOOD,
        "abstained": False,
        "heart_rate_bpm": 75.0,
        "arrival_us": t1_us + round(lag_s * 1e6),
    }
    return Finding(**values | changes)


def run(engine: AlarmEngine, inputs: Iterable[Vitals | Finding]) -> list[AlarmEvent]:
    """Feed the engine; each input is worked on 0.2 s after it arrived."""
    events: list[AlarmEvent] = []
    for item in inputs:
        now_us = item.arrival_us + 200_000
        events += engine.on_vitals(item, now_us) if isinstance(item, Vitals) else engine.on_finding(item, now_us)
    return events


@pytest.fixture
def second() -> Callable[..., Vitals]:
    """Vitals at a second."""
    return make_second


@pytest.fixture
def window() -> Callable[..., Finding]:
    """A finding of the ten seconds that end at a second."""
    return make_window


@pytest.fixture
def play() -> Callable[[AlarmEngine, Iterable[Vitals | Finding]], list[AlarmEvent]]:
    """Feeds an engine and returns all its events."""
    return run


@pytest.fixture
def t0_us() -> int:
    """Event time of second 0."""
    return T0_US


@pytest.fixture
def noise() -> Quality:
    """A signal that nobody should trust."""
    return NOISE
