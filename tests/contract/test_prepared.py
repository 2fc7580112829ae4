"""A select that the driver runs gives what SQLAlchemy gives, value by value, on both databases."""

import pytest
from sqlalchemy import bindparam, literal, select, text

from liteheart.errors import Misconfigured, Retryable
from storage.archive.read import SignalReader
from storage.engine import open_engine, reading
from storage.monitor_store import Batch, MonitorStore
from storage.prepared import Prepared
from storage.schema import frames
from storage.settings import StorageSettings


def test_rows_are_those_of_sqlalchemy_down_to_their_types(engine, sql_settings, make):
    sent = [make.frame(i, lead_off=i == 1, battery_pct=None if i == 2 else 50 + i) for i in range(4)]
    MonitorStore(engine, sql_settings).commit(Batch(frames=sent))
    wanted = frames.c.sequence > bindparam("after") - literal(1)
    statement = select(frames).where(wanted, frames.c.lead != "50 %").order_by(frames.c.sequence)
    prepared = Prepared(statement)
    with reading(engine) as connection:
        for after in (0, 2, 9):
            rows = prepared.rows(connection, {"after": after})
            told = [dict(row._mapping) for row in connection.execute(statement, {"after": after})]
            assert [row._asdict() for row in rows] == told
            assert [[type(v) for v in row] for row in rows] == [[type(v) for v in t.values()] for t in told]
    assert (rows, told) == ([], [])


def test_it_sees_the_transaction_that_it_is_asked_in(engine, sql_settings, make):
    prepared = Prepared(select(frames.c.sequence))
    monitor = MonitorStore(engine, sql_settings)
    with reading(engine) as connection:
        assert prepared.rows(connection, {}) == []
        monitor.commit(Batch(frames=[make.frame(0)]))
        assert prepared.rows(connection, {}) == [], "one state of the database for a whole transaction"
    with reading(engine) as connection:
        assert [row.sequence for row in prepared.rows(connection, {})] == [0]


def test_a_database_without_tables_is_named(tmp_path):
    bare = open_engine(StorageSettings(f"sqlite:///{tmp_path}/bare.db"))
    with pytest.raises(Misconfigured, match="run `liteheart migrate`"), reading(bare) as connection:
        SignalReader().overlapping(connection, "p1", 0, 1)
    with reading(bare) as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1, "the connection goes on"
    bare.dispose()


def _read_while_it_breaks(engine, prepared):
    with reading(engine) as connection:
        assert prepared.rows(connection, {"after": 0}) == []
        mine = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        with engine.connect() as another:
            another.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
        prepared.rows(connection, {"after": 0})


@pytest.mark.service
def test_a_connection_that_breaks_is_left_for_another(postgres_database):
    engine = open_engine(StorageSettings(postgres_database))
    prepared = Prepared(select(frames).where(frames.c.patient == "nobody", frames.c.sequence > bindparam("after")))
    with pytest.raises(Retryable):
        _read_while_it_breaks(engine, prepared)
    with reading(engine) as connection:
        assert prepared.rows(connection, {"after": 0}) == []
    engine.dispose()
