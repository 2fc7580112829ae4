"""Rows of the overview that a monitor left behind are made later, a bounded piece at a time, and change no picture."""

import numpy as np
import pytest
from sqlalchemy import delete, select, update

from storage import backfill
from storage.backfill import ROWS_A_STEP, Backfill
from storage.engine import reading, writing
from storage.monitor_store import Batch, MonitorStore
from storage.overviews import Overviews
from storage.schema import frames, overviews

S = 1_000_000
MINUTE = 60 * S
T0 = 1_700_000_040 * S  # a whole minute
HOUR = 60 * MINUTE


def sparse(make, patient, minute, sequence=0):
    """A second of signal at the begin of a minute."""
    t0_us = T0 + minute * MINUTE + sequence * S
    return make.frame(minute * 60 + sequence, patient, t0_us=t0_us, arrival_us=t0_us + 2 * S)


def rows_of(engine, patient):
    with reading(engine) as connection:
        mine = select(overviews.c.minute, overviews.c.frames).where(overviews.c.patient == patient)
        return {row.minute - T0 // MINUTE: row.frames for row in connection.execute(mine)}


def fill(engine, settings, make, patient, minutes):
    """Frames of these minutes, by a monitor that died before it wrote any row."""
    some = [sparse(make, patient, m, k) for m in minutes for k in range(2)]
    last = some[-1]
    state = make.state(0, patient, last_arrival_us=last.arrival_us, last_sample_us=last.t1_us)
    MonitorStore(engine, settings).commit(Batch(frames=some, states=[state]))
    with writing(engine) as connection:
        connection.execute(delete(overviews).where(overviews.c.patient == patient))


def steps(work, now_us, most=1000):
    """What each step wrote until nothing is left."""
    written = []
    for _ in range(most):
        written.append(work.step(now_us))
        if not work._left:
            return written
    raise AssertionError("does not end")


def test_missing_minutes_of_the_last_day_are_made_and_nothing_else(engine, sql_settings, make):
    minutes = [0, 1, 100, 200, 1500, 1501, 1502, 1503]
    fill(engine, sql_settings, make, "p1", minutes)
    fill(engine, sql_settings, make, "p2", [1400])
    now_us = T0 + 1505 * MINUTE + 5 * S
    before = Overviews(engine).envelope("p1", T0, T0 + 26 * HOUR, 2000)
    assert sum(steps(Backfill(engine), now_us)) == 5
    assert rows_of(engine, "p1") == {100: 2, 200: 2, 1500: 2, 1501: 2}, "older and younger ones are left"
    assert rows_of(engine, "p2") == {1400: 2}
    after = Overviews(engine).envelope("p1", T0, T0 + 26 * HOUR, 2000)
    assert np.array_equal(before.low_uv, after.low_uv)
    assert np.array_equal(before.high_uv, after.high_uv)


def test_a_reader_believes_them_and_asks_for_no_frame(engine, sql_settings, make):
    fill(engine, sql_settings, make, "p1", [10])
    steps(Backfill(engine), T0 + HOUR)
    with writing(engine) as connection:  # were it to look, it would stumble
        connection.execute(update(frames).values(payload=b"damaged"))
    assert Overviews(engine).envelope("p1", T0, T0 + HOUR, 60).low_uv[10] < 2**31 - 1


def test_a_row_that_has_not_seen_all_is_made_anew(engine, sql_settings, make):
    fill(engine, sql_settings, make, "p1", [10, 11])
    work, now_us = Backfill(engine), T0 + HOUR
    assert sum(steps(work, now_us)) == 2
    late = sparse(make, "p1", 10, 30)
    with reading(engine) as connection:
        assert len(connection.execute(select(frames)).all()) == 4
    MonitorStore(engine, sql_settings).commit(Batch(frames=[late]))
    assert work.step(now_us + 300 * S) == 0, "it rests"
    assert sum(steps(work, now_us + 601 * S)) == 1
    assert rows_of(engine, "p1") == {10: 3, 11: 2}


def test_a_step_is_bounded_and_the_newest_come_first(engine, sql_settings, make, monkeypatch):
    fill(engine, sql_settings, make, "p1", range(150))
    monkeypatch.setattr(backfill, "HOURS_A_STEP", 3)
    work, now_us = Backfill(engine), T0 + 153 * MINUTE
    assert work.step(now_us) == ROWS_A_STEP
    assert set(rows_of(engine, "p1")) == set(range(90, 150))
    assert work.step(now_us) == ROWS_A_STEP
    assert work.step(now_us) == 30
    assert set(rows_of(engine, "p1")) == set(range(150))
    assert max(steps(work, now_us)) == 0
    assert len(steps(Backfill(engine), now_us)) == 8, "24 hours, 3 at a time"


def test_damaged_samples_hold_nothing_up(engine, sql_settings, make, caplog):
    fill(engine, sql_settings, make, "p1", [10, 11, 12])
    with writing(engine) as connection:
        connection.execute(update(frames).where(frames.c.t0_us == T0 + 11 * MINUTE).values(payload=b"damaged"))
    assert sum(steps(Backfill(engine), T0 + HOUR)) == 2
    assert set(rows_of(engine, "p1")) == {10, 12}
    assert "no overview of a minute" in caplog.text


@pytest.mark.parametrize("minutes", [[], [5]])
def test_a_ward_of_which_nothing_is_missing_is_left_alone(engine, sql_settings, make, minutes):
    if minutes:
        fill(engine, sql_settings, make, "p1", minutes)
    work = Backfill(engine)
    steps(work, T0 + HOUR)
    assert sum(steps(work, T0 + 2 * HOUR)) == 0
