"""What a nurse may do, and in which order alarms ask for it."""

from dataclasses import replace

import pytest

from alerts.lifecycle import acknowledge, sort_key
from liteheart.alarm import Alarm, Kind, Presence, Priority
from liteheart.ids import AlarmId, PatientId

ALARM = Alarm(
    AlarmId("a"), PatientId("p"), "VF", "VF", Kind.PHYSIOLOGICAL, Priority.HIGH, True, 100, 200, "m", active=True
)


def test_acknowledged_while_it_holds() -> None:
    done = acknowledge(ALARM, "nurse", "true-actioned", 300)
    assert (done.acknowledged_us, done.acknowledged_by, done.reason) == (300, "nurse", "true-actioned")
    assert done.presence is Presence.ACK
    assert done.active


def test_latched_goes_off() -> None:
    latched = replace(ALARM, active=False, ended_us=250)
    assert latched.presence is Presence.LATCHED
    assert acknowledge(latched, "nurse", None, 300).presence is Presence.OFF


def test_off_is_left_alone() -> None:
    off = replace(ALARM, active=False, latching=False)
    assert acknowledge(off, "nurse", "true-actioned", 300) is off


def test_the_first_who_looks_is_kept_and_a_reason_may_follow() -> None:
    first = acknowledge(ALARM, "nurse", None, 300)
    again = acknowledge(first, "other", "false-artefact", 400)
    assert (again.acknowledged_us, again.acknowledged_by, again.reason) == (300, "nurse", "false-artefact")
    assert acknowledge(again, "other", "true-actioned", 500) is again


@pytest.mark.parametrize(("by", "reason", "named"), [("nurse", "bored", "reason"), (" ", None, "by")])
def test_nonsense_is_refused(by: str, reason: str | None, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}:"):
        acknowledge(ALARM, by, reason, 300)


def test_order() -> None:
    wanted = [
        replace(ALARM, raised_us=500),
        replace(ALARM, raised_us=600, active=False),  # latched counts as waiting
        replace(ALARM, raised_us=1, acknowledged_us=2),
        replace(ALARM, raised_us=0, retrospective=True),
        replace(ALARM, raised_us=9, priority=Priority.MEDIUM),
        replace(ALARM, raised_us=0, priority=Priority.LOW),
        replace(ALARM, raised_us=0, active=False, acknowledged_us=1),  # over
    ]
    shuffled = wanted[3:] + wanted[:3]
    assert sorted(shuffled, key=sort_key) == wanted
