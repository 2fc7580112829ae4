"""What stands beside the signal: where the student's answer changes, and alarms from onset to end."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Engine, or_, select

from liteheart.alarm import Priority
from liteheart.clock import US_PER_S
from liteheart.ids import PatientId
from storage.engine import reading
from storage.export.deidentify import condition_code
from storage.export.tape import Mark
from storage.rows import split
from storage.schema import alarms, findings

_WINDOW_US: Final = 60 * US_PER_S  # longer than a window: the answer that held at the begin is among these
NOTHING: Final = "-"
ABSTAINED: Final = "?"


def marks(engine: Engine, patient: PatientId, t0_us: int, t1_us: int) -> list[Mark]:
    """Of [t0_us, t1_us), by time; a day is a few thousand. Raises Retryable when there is no answer."""
    found = [*_findings(engine, patient, t0_us, t1_us), *_alarms(engine, patient, t0_us, t1_us)]
    return sorted(found, key=lambda m: (m.t_s, m.kind, m.code))


def _findings(engine: Engine, patient: PatientId, t0_us: int, t1_us: int) -> Iterator[Mark]:
    """One where the answer is another than before."""
    f = findings.c
    within = (f.patient == patient, f.t0_us >= t0_us - _WINDOW_US, f.t0_us < t1_us, f.t1_us > t0_us)
    columns = select(f.t0_us, f.abstained, f.codes).where(*within).order_by(f.t0_us, f.arrival_us, f.model)
    with reading(engine) as connection:
        rows = connection.execute(columns).all()
    window, said = None, None
    for row in rows:
        if row.t0_us == window:  # another model's reading of the same window
            continue
        window = row.t0_us
        codes = " ".join(map(condition_code, split(row.codes)))
        answer = ABSTAINED if row.abstained else codes or NOTHING
        if answer != said:
            said = answer
            yield Mark(max(0, row.t0_us - t0_us) / US_PER_S, None, "finding", answer)


def alarmed(engine: Engine, patient: PatientId, t0_us: int, t1_us: int) -> list[tuple[int, int | None, str, str]]:
    """Alarms that were on in [t0_us, t1_us): onset, end or None, condition, priority; by onset."""
    a = alarms.c
    within = (a.patient == patient, a.onset_us < t1_us, or_(a.ended_us.is_(None), a.ended_us > t0_us))
    columns = select(a.onset_us, a.ended_us, a.condition, a.priority).where(*within).order_by(a.onset_us, a.alarm_id)
    with reading(engine) as connection:
        rows = connection.execute(columns).all()
    return [(r.onset_us, r.ended_us, condition_code(r.condition), Priority(r.priority).name.lower()) for r in rows]


def _alarms(engine: Engine, patient: PatientId, t0_us: int, t1_us: int) -> Iterator[Mark]:
    for onset_us, ended_us, code, priority in alarmed(engine, patient, t0_us, t1_us):
        begin_us = max(onset_us, t0_us)
        lasted = None if ended_us is None or ended_us > t1_us else (ended_us - begin_us) / US_PER_S
        yield Mark((begin_us - t0_us) / US_PER_S, lasted, "alarm", code, priority)
