"""Episodes of one condition as alarms and their events. Nothing here reads or writes an acknowledgement."""

from dataclasses import dataclass, replace

from alerts.verdict import Assertion
from liteheart.alarm import Alarm, AlarmEvent, AlarmRule
from liteheart.clock import US_PER_S
from liteheart.ids import PatientId, alarm_id


@dataclass(frozen=True, slots=True)
class Episode:
    """The latest alarm of one condition."""

    alarm: Alarm
    closed_us: int | None = None  # event time of the verdict that ended it; None while active


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is told: event time, the clock, and whether the signal came too late to be live."""

    t_us: int
    now_us: int
    retrospective: bool


def raised(
    patient: PatientId, rule: AlarmRule, said: Assertion, onset_us: int, at: Moment, promised_s: float
) -> AlarmEvent:
    """A new alarm. Its id follows from patient, condition and onset, so that any worker gives the same."""
    alarm = Alarm(
        alarm_id=alarm_id(patient, rule.code, onset_us),
        patient=patient,
        condition=rule.code,
        label=rule.label,
        kind=rule.kind,
        priority=rule.priority,
        latching=rule.latching,
        onset_us=onset_us,
        raised_us=at.now_us,
        message=said.message,
        active=True,
        retrospective=at.retrospective,
        late=is_late(rule, onset_us, at.now_us, promised_s),
        evidence=said.evidence,
    )
    return AlarmEvent(alarm, "raised", at.t_us, at.now_us)


def reactivated(alarm: Alarm, said: Assertion, *, late: bool, at: Moment) -> AlarmEvent:
    """The condition is back shortly after its end: the same alarm, one episode more, to be acknowledged anew."""
    again = replace(
        alarm,
        active=True,
        ended_us=None,
        episodes=alarm.episodes + 1,
        message=said.message,
        evidence=said.evidence,
        late=alarm.late or late,
    )
    return AlarmEvent(again, "reactivated", at.t_us, at.now_us)


def ended(alarm: Alarm, ended_us: int, at: Moment) -> AlarmEvent:
    """The condition has been gone since `ended_us`."""
    return AlarmEvent(replace(alarm, active=False, ended_us=ended_us), "ended", at.t_us, at.now_us)


def is_late(rule: AlarmRule, onset_us: int, now_us: int, promised_s: float) -> bool:
    """Whether the alarm took longer from onset than its own persistence and the promise allow."""
    return now_us - onset_us > (rule.persistence_s + promised_s) * US_PER_S
