"""Rows of the overview that nobody wrote: minutes that were open when a monitor died, frames of before the overview.

    the last day, an hour of a patient at a time, the newest hours first
    frames counted by minute --differs from the row--> the row made anew, a few at a time

A reader makes such minutes from the frames itself (`storage.overviews`), which for a whole day takes seconds. Here it
is done beforehand, so slowly that nobody notices. Any number of processes may do it: they write the same.
"""

import logging
from collections import deque
from typing import Final

from sqlalchemy import Connection, Engine, select

from liteheart.clock import US_PER_S
from liteheart.errors import Conflict, Poison
from storage import bulk
from storage.archive.read import SignalReader
from storage.engine import reading, writing
from storage.minutes import MINUTE_US, Key, summed_up
from storage.overviews import ROWS
from storage.rows import Row
from storage.schema import overviews, patient_state

log = logging.getLogger(__name__)

HOURS_A_STEP: Final = 60  # of patients, looked at: half a millisecond each
ROWS_A_STEP: Final = 60  # made anew: one or two milliseconds each
_DAY_MINUTES: Final = 24 * 60
_HOUR_MINUTES: Final = 60
_SETTLED_MINUTES: Final = 3  # younger ones are the monitor's, who has them in memory
_REST_US: Final = 600 * US_PER_S  # after everything was looked at, before it is again


class Backfill:
    """Over SQL. Not thread-safe: one step at a time. Raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine, signal: SignalReader | None = None) -> None:
        self._engine, self._signal = engine, signal or SignalReader()
        self._left: deque[Key] = deque()  # patient, first minute of an hour; still to be looked at
        self._rested_us = 0  # not before this time is everything looked at again

    def step(self, now_us: int) -> int:
        """A bounded piece of the work; how many rows it wrote."""
        until = now_us // MINUTE_US - _SETTLED_MINUTES
        rows: list[Row] = []
        with reading(self._engine) as connection:
            if not self._left and now_us >= self._rested_us:
                self._left.extend(_hours(connection, until))
                self._rested_us = now_us + _REST_US
            for _ in range(min(HOURS_A_STEP, len(self._left))):
                patient, first = self._left[0]
                missing = _missing(connection, self._signal, patient, first, min(first + _HOUR_MINUTES, until))
                rows += _made(connection, self._signal, missing[: ROWS_A_STEP - len(rows)])
                if missing and len(rows) >= ROWS_A_STEP:
                    break  # the rest of this hour comes next time
                self._left.popleft()
        if rows:
            with writing(self._engine) as connection:
                bulk.replace(connection, overviews, sorted(rows, key=lambda r: (r["patient"], r["minute"])))
        return len(rows)


def _hours(connection: Connection, until: int) -> list[Key]:
    """The hours of the last day of everybody who was heard in it, the newest first."""
    first = until - _DAY_MINUTES
    heard = select(patient_state.c.patient).where(patient_state.c.last_sample_us >= first * MINUTE_US)
    names = sorted(connection.scalars(heard))
    return [(name, begin) for begin in range(until - _HOUR_MINUTES, first - 1, -_HOUR_MINUTES) for name in names]


def _missing(connection: Connection, signal: SignalReader, patient: str, first: int, until: int) -> list[Key]:
    """Minutes from `first` up to `until` whose row is not there, or has seen more or fewer frames than are stored."""
    stored = signal.counts(connection, patient, first * MINUTE_US, until * MINUTE_US)
    for row in connection.execute(ROWS, {"whose": patient, "first": first, "last": until}):
        if stored.get(row.minute) == row.frames:
            del stored[row.minute]
    return [(patient, minute) for minute in sorted(stored, reverse=True)]


def _made(connection: Connection, signal: SignalReader, minutes: list[Key]) -> list[Row]:
    rows: list[Row] = []
    for patient, minute in minutes:
        try:
            rows.append(summed_up(connection, signal, (patient, minute)))
        except (Poison, Conflict) as poison:
            log.warning("no overview of a minute: %s", poison, extra={"patient": patient, "minute": minute})
    return rows
