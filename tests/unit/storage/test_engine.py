"""Transactions on SQLite: whole, durable, and patient with one another."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from liteheart.errors import Retryable
from storage.engine import open_engine, reading, writing
from storage.migrations import migrate
from storage.settings import StorageSettings


@pytest.fixture
def settings(tmp_path):
    return StorageSettings(f"sqlite:///{tmp_path}/deep/ward.db", busy_timeout_s=0.2)


@pytest.fixture
def engine(settings):
    migrate(settings)
    engine = open_engine(settings)
    yield engine
    engine.dispose()


def _beat(connection, instance):
    connection.execute(text("INSERT INTO heartbeats VALUES ('monitor', :i, 1, 1)"), {"i": instance})


def _beats_in(connection, instance):
    """Write a beat; nothing to show for it."""
    _beat(connection, instance)
    return ()


def _beats(engine):
    with reading(engine) as connection:
        return {row[0] for row in connection.execute(text("SELECT instance FROM heartbeats"))}


def test_the_database_is_set_up_to_survive(engine):
    with reading(engine) as connection:
        told = [
            connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert told == ["wal", 2, 1]


def test_an_error_takes_the_whole_transaction_back(engine):
    with pytest.raises(ZeroDivisionError), writing(engine) as connection:
        _beat(connection, str(1 // len(_beats_in(connection, "a"))))
    assert _beats(engine) == set()


def test_foreign_keys_hold(engine):
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(text("INSERT INTO alarm_events VALUES ('none', 'raised', 1, 1, NULL, NULL)"))


def test_a_second_writer_waits_then_is_told_to_try_again(engine):
    with writing(engine) as connection:
        _beat(connection, "a")
        started = time.monotonic()
        with pytest.raises(Retryable, match="locked"), writing(engine):
            pass
        assert time.monotonic() - started >= 0.2
        assert _beats(engine) == set()  # a reader sees the state before, and does not wait


def test_writers_queue_up_rather_than_fail_half_way(settings, engine):
    """Read then write in one transaction, from many threads: without BEGIN IMMEDIATE one would fail at the write."""
    patient = StorageSettings(settings.database_url, busy_timeout_s=20)
    shared = open_engine(patient)
    errors = []

    def count_up():
        try:
            for _ in range(20):
                with writing(shared) as connection:
                    n = connection.execute(text("SELECT count(*) FROM heartbeats")).scalar()
                    _beat(connection, str(n))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=count_up) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared.dispose()
    assert errors == []
    assert len(_beats(engine)) == 100


WRITER = """
import sys
from sqlalchemy import text
from storage.engine import open_engine, writing
from storage.settings import StorageSettings
engine = open_engine(StorageSettings(sys.argv[1]))
for n in range(1_000_000):
    with writing(engine) as connection:
        for half in "ab":
            connection.execute(text("INSERT INTO heartbeats VALUES ('m', :i, 1, 1)"), {"i": f"{n}{half}"})
    sys.stdout.write(f"{n}\\n")
    sys.stdout.flush()
"""


def test_after_kill_9_every_commit_is_there_and_none_by_half(settings, engine):
    child = subprocess.Popen([sys.executable, "-c", WRITER, settings.database_url], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(25)]
    os.kill(child.pid, signal.SIGKILL)
    told += [int(line) for line in child.stdout.read().splitlines() if line]
    child.stdout.close()
    child.wait()
    there = _beats(engine)
    assert {f"{n}{half}" for n in told for half in "ab"} <= there
    assert {b[:-1] for b in there if b.endswith("a")} == {b[:-1] for b in there if b.endswith("b")}
