"""The monitor takes up the limits of a patient: at the next batch, after a restart, and without losing an alarm."""

from typing import Any

import pytest

from alerts.settings import AlarmSettings
from deploy.monitor import Monitor
from deploy.wiring import patient_alarms
from ingest.settings import IngestSettings
from liteheart.ids import PatientId
from liteheart.metrics import NullMetrics

P, Q = PatientId("p"), PatientId("q")


def watching(rig: Any) -> Any:
    """The rig with a monitor that knows of limits."""
    rig.monitor = Monitor(
        ingest=IngestSettings(),
        alarms=AlarmSettings(),
        scorer=rig.scorer,
        store=rig.store,
        feed=rig.feed,
        clock=rig.clock,
        metrics=NullMetrics(),
        own_alarms=patient_alarms,
    )
    return rig


def delay_s(rig: Any, patient: str, stop_s: int = 30) -> float:
    """Seconds from standstill to the alarm."""
    found = [a for a in rig.board.alarms(open_only=False, limit=9) if (a.patient, a.condition) == (patient, "ASYSTOLE")]
    assert len(found) == 1
    return (found[0].raised_us - (rig.T0 + stop_s * 1_000_000)) / 1e6


def test_limits_hold_from_the_next_batch_on_and_for_their_patient_only(lab: Any) -> None:
    rig = watching(lab.rig())
    both = [[a, b] for a, b in zip(*(lab.frames(n, lab.heart(45, stop_s=30)) for n in ("p", "q")), strict=True)]
    for values in both[:20]:
        rig.step(values)
    rig.monitor.limits_are({P: {"asystole_s": 6.0}})
    for values in both[20:]:
        rig.step(values)
    assert delay_s(rig, "p") >= delay_s(rig, "q") + 1.5


def test_limits_taken_back_give_those_of_the_ward(lab: Any) -> None:
    rig = watching(lab.rig())
    values = lab.frames("p", lab.heart(45, stop_s=30))
    rig.play(values[:10])
    rig.monitor.limits_are({P: {"asystole_s": 6.0}})
    rig.play(values[10:20])
    rig.monitor.limits_are({})
    rig.play(values[20:])
    plain = watching(lab.rig())
    plain.play(values)
    assert rig.alarms() == plain.alarms()
    assert delay_s(rig, "p") == delay_s(plain, "p")


def test_a_change_in_the_middle_of_an_alarm_neither_loses_nor_doubles_it(lab: Any) -> None:
    rig = watching(lab.rig())
    values = lab.frames("p", lab.heart(50, stop_s=30))
    rig.play(values[:40])
    before = rig.board.alarms()
    assert [a.condition for a in before] == ["ASYSTOLE"]
    rig.monitor.limits_are({P: {"asystole_s": 6.0, "tachy_bpm": 150.0}})
    rig.play(values[40:])
    assert [(a.alarm_id, a.active, a.episodes) for a in rig.board.alarms()] == [(before[0].alarm_id, True, 1)]


def test_limits_that_do_not_fit_any_more_leave_those_of_the_ward(lab: Any, caplog: pytest.LogCaptureFixture) -> None:
    rig = watching(lab.rig())
    values = lab.frames("p", lab.heart(45, stop_s=30))
    rig.play(values[:10])
    rig.monitor.limits_are({P: {"asystole_s": 2.0, "unheard_of": 1.0}})
    rig.play(values[10:])
    assert delay_s(rig, "p") <= 10
    assert "the ward's hold" in caplog.text
