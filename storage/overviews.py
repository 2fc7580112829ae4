"""A day of signal at a glance: least and greatest sample of each column, from the rows of minutes that are whole."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Engine, bindparam, select

from liteheart.clock import US_PER_S
from liteheart.history import Envelope, Microvolts
from liteheart.ids import PatientId
from storage.archive.read import LONGEST_FRAME_US, SignalReader
from storage.engine import reading
from storage.envelope import extremes, from_many, merge, nothing
from storage.minutes import MINUTE_S, MINUTE_US, unsealed
from storage.schema import overviews

_LONGEST_US: Final = LONGEST_FRAME_US

ROWS = select(overviews.c.minute, overviews.c.frames, overviews.c.extremes).where(
    overviews.c.patient == bindparam("whose"),
    overviews.c.minute >= bindparam("first"),
    overviews.c.minute < bindparam("last"),
)


class Overviews:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine, signal: SignalReader | None = None) -> None:
        self._engine, self._signal = engine, signal or SignalReader()

    def envelope(self, patient: PatientId, t0_us: int, t1_us: int, columns: int) -> Envelope:
        """[t0_us, t1_us) in `columns` equal columns.

        Columns of a second or more are made of whole seconds, each counted where it begins; the first takes the second
        that it begins in. Narrower ones are made of the samples themselves.
        """
        with reading(self._engine) as connection:
            if t1_us - t0_us < columns * US_PER_S:
                low, high = _of_samples(connection, self._signal, patient, t0_us, t1_us, columns)
            else:
                low, high = _of_seconds(connection, self._signal, patient, t0_us, t1_us, columns)
        return Envelope(t0_us, t1_us, low, high)


def _of_samples(
    connection: Connection, signal: SignalReader, patient: PatientId, t0_us: int, t1_us: int, columns: int
) -> tuple[Microvolts, Microvolts]:
    low, high = nothing(columns)
    for some in signal.beginning(connection, patient, t0_us - _LONGEST_US, t1_us, ends_after=t0_us):
        _, at, lower, higher = extremes(some, t0_us, (t1_us - t0_us) / columns, (0, columns))
        merge(low, high, at, lower, higher)
    return low, high


def _of_seconds(
    connection: Connection, signal: SignalReader, patient: PatientId, t0_us: int, t1_us: int, columns: int
) -> tuple[Microvolts, Microvolts]:
    first, last = t0_us // US_PER_S, -(-t1_us // US_PER_S)
    low, high = seconds(connection, signal, patient, first, last)
    begins_us = np.maximum(np.arange(first, last) * US_PER_S - t0_us, 0)
    column = begins_us * columns // (t1_us - t0_us)
    wide_low, wide_high = nothing(columns)
    merge(wide_low, wide_high, column, low, high)
    return wide_low, wide_high


def seconds(
    connection: Connection, signal: SignalReader, patient: PatientId, first: int, last: int
) -> tuple[Microvolts, Microvolts]:
    """int32 [last - first] each: lows and highs of the seconds since the epoch from `first` up to `last`."""
    low, high = nothing(last - first)
    minutes = (first * US_PER_S - _LONGEST_US) // MINUTE_US, -(-last // MINUTE_S)
    doubtful = signal.counts(connection, patient, minutes[0] * MINUTE_US, minutes[1] * MINUTE_US)
    sums: dict[int, dict[int, bytes]] = {}  # by their length, then by minute: nearly all reach as far
    for row in connection.execute(ROWS, {"whose": patient, "first": minutes[0], "last": minutes[1]}).all():
        if doubtful.get(row.minute) == row.frames:  # the row has seen all that is stored, and no more
            del doubtful[row.minute]
            told = unsealed(signal, patient, row)
            sums.setdefault(len(told), {})[row.minute] = told
    for alike in sums.values():
        at = np.fromiter(alike, np.int64) * MINUTE_S - first
        lower, higher = from_many(list(alike.values()))
        merge(low, high, (at[:, None] + np.arange(lower.shape[1])).ravel(), lower.ravel(), higher.ravel())
    for begin, end in _runs(sorted(doubtful)):
        whole = signal.beginning(connection, patient, begin * MINUTE_US, end * MINUTE_US, ends_after=first * US_PER_S)
        for some in whole:
            _, at, lower, higher = extremes(some, first * US_PER_S, US_PER_S, (0, last - first))
            merge(low, high, at, lower, higher)
    return low, high


def _runs(minutes: Iterable[Any]) -> Iterator[tuple[int, int]]:
    """[begin, end) of stretches of minutes that follow one another."""
    begin: int | None = None
    end = 0
    for minute in minutes:
        if begin is not None and minute != end:
            yield begin, end
            begin = None
        begin = minute if begin is None else begin
        end = minute + 1
    if begin is not None:
        yield begin, end
