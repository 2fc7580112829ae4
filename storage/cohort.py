"""Who and what belongs to a cohort, in a steady order (patient, then time), a page of rows in memory at a time.

everybody with data --consent, subject--> candidates --findings, alarms--> windows --joined--> spans of signal
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor
from typing import Any, Final

import numpy as np
from sqlalchemy import ColumnElement, Connection, Engine, func, or_, select, tuple_

from liteheart.clock import US_PER_S
from liteheart.finding import Finding
from liteheart.ids import PatientId
from storage import queries
from storage.cohort_query import NO_REASON, AlarmMatch, Query, Range
from storage.consents import consenting
from storage.engine import reading
from storage.rows import row_finding
from storage.schema import alarms, blocks, findings, frames
from storage.subjects import Subject, all_subjects, with_data

_PAGE: Final = 1000  # findings read at once
_FOREVER_US: Final = 1 << 62
Interval = tuple[int, int]  # microseconds, the end is not in it


@dataclass(frozen=True, slots=True)
class Candidate:
    """A patient whom the cohort may take signal of, and from when to when."""

    patient: PatientId
    subject: Subject | None
    since_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """One window of the cohort, with the reading by which it was chosen."""

    candidate: Candidate
    finding: Finding

    @property
    def patient(self) -> PatientId:
        """Whose."""
        return self.candidate.patient

    @property
    def t0_us(self) -> int:
        """Its first sample."""
        return self.finding.t0_us

    @property
    def t1_us(self) -> int:
        """Just after its last."""
        return self.finding.t1_us

    @property
    def codes(self) -> tuple[str, ...]:
        """Conditions found."""
        return self.finding.codes

    @property
    def scores(self) -> Mapping[str, float]:
        """By condition; empty where the student abstained."""
        return self.finding.scores


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time of one patient."""

    candidate: Candidate
    t0_us: int
    t1_us: int


class Cohort:
    """One query against the store as it is at the moment of reading. Raises Retryable when there is no answer."""

    def __init__(self, engine: Engine, query: Query) -> None:
        self._engine, self.query = engine, query
        self.left_out: Counter[str] = Counter()  # patients by reason
        self.candidates = self._choose()

    def windows(self) -> Iterator[Chosen]:
        """Windows that fit, by patient and time; drawn at random where the query says so, the same every time."""
        found = (chosen for candidate in self.candidates for chosen in self._of(candidate))
        if self.query.sample is None:
            return found
        return iter(sorted(self._drawn("sample", found, self.query.sample), key=lambda c: (c.patient, c.t0_us)))

    def spans(self) -> Iterator[Span]:
        """What to take signal of, without overlap: joined windows, surroundings of alarms, or all there is."""
        if self.query.by_window:
            yield from _joined((c.candidate, (c.t0_us, c.t1_us)) for c in self.windows())
            return
        for candidate in self.candidates:
            first, last = self._extent(candidate.patient)
            match = self.query.alarms
            found = [(first, last)] if match is None else self._near_alarms(candidate.patient, match)
            first, last = max(first, candidate.since_us), min(last, candidate.until_us)
            clipped = ((max(a, first), min(b, last)) for a, b in found)
            yield from _joined((candidate, (a, b)) for a, b in sorted(clipped) if a < b)

    def _choose(self) -> tuple[Candidate, ...]:
        query, chosen = self.query, []
        with reading(self._engine) as connection:
            people, known = with_data(connection), all_subjects(connection)
            agreed = consenting(connection, query.consent)
        if strangers := set(query.patients) - set(people):
            self.left_out["nobody knows"] = len(strangers)
        for patient in people:
            if query.patients and patient not in query.patients:
                continue
            if agreed is not None and patient not in agreed:
                self.left_out["consent"] += 1
                continue
            candidate = _candidate(query, patient, known.get(patient))
            if candidate is None:
                self.left_out["subject"] += 1
                continue
            chosen.append(candidate)
        return tuple(chosen)

    def _of(self, candidate: Candidate) -> Iterator[Chosen]:
        found = (Chosen(candidate, finding) for finding in self._matching(candidate))
        if self.query.per_patient is None:
            return found
        return iter(sorted(self._drawn("patient", found, self.query.per_patient), key=lambda c: c.t0_us))

    def _drawn(self, step: str, found: Iterable[Chosen], count: int) -> list[Chosen]:
        """A uniform draw that holds `count` windows, whatever the number that goes by."""

        def lot(chosen: Chosen) -> bytes:
            told = f"{self.query.seed}|{step}|{chosen.patient}|{chosen.t0_us}"
            return hashlib.blake2b(told.encode(), digest_size=16).digest()

        return heapq.nsmallest(count, found, key=lot)

    def _matching(self, candidate: Candidate) -> Iterator[Finding]:
        query = self.query
        near = None if query.alarms is None else self._near_alarms(candidate.patient, query.alarms)
        if near == []:
            return
        span = (candidate.since_us, candidate.until_us)
        for finding in readings(self._engine, candidate.patient, span, _conditions(query)):
            if not all(limits.holds(finding.scores.get(code)) for code, limits in query.scores.items()):
                continue
            if query.entropy is not None and not query.entropy.holds(entropy(finding.scores)):
                continue
            if near is None or any(a < finding.t1_us and finding.t0_us < b for a, b in near):
                yield finding

    def _near_alarms(self, patient: PatientId, match: AlarmMatch) -> list[Interval]:
        """Sorted; an alarm that is on has no end yet."""
        statement = select(alarms.c.onset_us, alarms.c.ended_us).where(alarms.c.patient == patient)
        if match.conditions:
            statement = statement.where(alarms.c.condition.in_(match.conditions))
        if match.reasons:
            named = alarms.c.reason.in_([r for r in match.reasons if r != NO_REASON])
            unnamed = alarms.c.reason.is_(None)
            statement = statement.where(or_(named, unnamed) if NO_REASON in match.reasons else named)
        around_us = round(match.around_s * US_PER_S)
        with reading(self._engine) as connection:
            rows = connection.execute(statement.order_by(alarms.c.onset_us, alarms.c.alarm_id)).all()
        return [(r.onset_us - around_us, (_FOREVER_US if r.ended_us is None else r.ended_us) + around_us) for r in rows]

    def _extent(self, patient: PatientId) -> Interval:
        """From the first to the last sample that is kept."""
        with reading(self._engine) as connection:
            ends = [_ends(connection, table, patient) for table in (frames, blocks)]
        there = [(a, b) for a, b in ends if a is not None]
        return (min(a for a, _ in there), max(b for _, b in there)) if there else (0, 0)


class Cohorts:
    """Asks the store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def select(self, query: Query) -> Cohort:
        """Who fits now; the windows are read when they are asked for."""
        return Cohort(self._engine, query)


def readings(
    engine: Engine, patient: PatientId, span: Interval, where: Sequence[ColumnElement[bool]] | None = None
) -> Iterator[Finding]:
    """One reading of each window that begins in `span`, the oldest window first; a short transaction for each page."""
    after, end_us = span[0] - 1, span[1]
    more = [_first_reading()] if where is None else where
    mine = findings.c.patient == patient
    while True:
        here = findings.c.t0_us.between(after + 1, end_us - 1)
        page = select(findings).where(mine, here, *more).order_by(findings.c.t0_us).limit(_PAGE)
        with reading(engine) as connection:
            layouts = queries.layouts(connection)
            rows = [row_finding(row, layouts) for row in connection.execute(page)]
        yield from rows
        if len(rows) < _PAGE:
            return
        after = rows[-1].t0_us


def entropy(scores: Mapping[str, float]) -> float | None:
    """How undecided a reading is: the mean binary entropy of its scores in bits, 0 to 1; None without scores."""
    if not scores:
        return None
    p = np.clip(np.fromiter(scores.values(), np.float64, len(scores)), 1e-9, 1 - 1e-9)
    return float(np.mean(-p * np.log2(p) - (1 - p) * np.log2(1 - p)))


def age_at(subject: Subject | None, t_us: int) -> int | None:
    """Years by the calendar: a year of birth is all that is known."""
    if subject is None or subject.birth_year is None:
        return None
    return datetime.fromtimestamp(t_us / US_PER_S, UTC).year - subject.birth_year


def _candidate(query: Query, patient: PatientId, subject: Subject | None) -> Candidate | None:
    said = subject or Subject(patient)
    if (query.sexes and said.sex not in query.sexes) or (query.sites and said.site not in query.sites):
        return None
    since_us = 0 if query.since_us is None else query.since_us
    until_us = _FOREVER_US if query.until_us is None else query.until_us
    if query.age is not None:
        if said.birth_year is None:
            return None
        low, high = _years(query.age, said.birth_year)
        since_us, until_us = max(since_us, low), min(until_us, high)
    return Candidate(patient, subject, since_us, until_us) if since_us < until_us else None


def _years(age: Range, birth_year: int) -> Interval:
    """The time in which someone of that year of birth is of that age."""
    first = birth_year + (ceil(age.low) if age.low > -200 else -200)
    last = birth_year + (floor(age.high) if age.high < 200 else 200)
    return _new_year(first), _new_year(last + 1)


def _new_year(year: int) -> int:
    return round(datetime(min(max(year, 1970), 2200), 1, 1, tzinfo=UTC).timestamp() * US_PER_S)


def _conditions(query: Query) -> list[ColumnElement[bool]]:
    """What the database can tell without reading scores."""
    f = findings.c
    where: list[ColumnElement[bool]] = []
    limits: tuple[tuple[Any, Range | None], ...] = ((f.sqi, query.sqi), (f.heart_rate_bpm, query.heart_rate_bpm))
    for column, within in limits:
        where += [] if within is None else [column >= within.low, column <= within.high]
    flags: tuple[tuple[Any, bool | None], ...] = ((f.usable, query.usable), (f.abstained, query.abstained))
    for column, wanted in flags:
        where += [] if wanted is None else [column.is_(wanted)]
    if query.conditions:
        listed = "," + f.codes + ","
        where.append(or_(*(listed.contains(f",{code},", autoescape=True) for code in query.conditions)))
    return [*where, f.model == query.model if query.model is not None else _first_reading()]


def _first_reading() -> ColumnElement[bool]:
    """Of a window that several models read, the reading that was made first."""
    other = findings.alias("other")
    same = (other.c.patient == findings.c.patient) & (other.c.t0_us == findings.c.t0_us)
    earlier = tuple_(other.c.arrival_us, other.c.model) < tuple_(findings.c.arrival_us, findings.c.model)
    return ~select(other.c.t0_us).where(same, earlier).exists()


def _ends(connection: Connection, table: Any, patient: PatientId) -> Any:
    return connection.execute(select(func.min(table.c.t0_us), func.max(table.c.t1_us)).where(_is(table, patient))).one()


def _is(table: Any, patient: PatientId) -> ColumnElement[bool]:
    same: ColumnElement[bool] = table.c.patient == patient
    return same


def _joined(pieces: Iterable[tuple[Candidate, Interval]]) -> Iterator[Span]:
    """Intervals in order, those that touch made one."""
    open_: Span | None = None
    for candidate, (t0_us, t1_us) in pieces:
        if open_ is not None and open_.candidate is candidate and t0_us <= open_.t1_us:
            open_ = Span(candidate, open_.t0_us, max(open_.t1_us, t1_us))
            continue
        if open_ is not None:
            yield open_
        open_ = Span(candidate, t0_us, t1_us)
    if open_ is not None:
        yield open_
