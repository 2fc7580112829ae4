"""Engines, and the two ways in: `reading` and `writing`. A committed transaction survives kill -9 and a power cut."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from liteheart.errors import Misconfigured, Retryable
from storage.settings import StorageSettings

_WRITE = "liteheart_write"
_DRIVERS: Final = (sqlite3.Error, psycopg.Error)  # of what is run past SQLAlchemy, which would wrap them


def open_engine(settings: StorageSettings) -> Engine:
    """An engine for SQLite or PostgreSQL; connects at first use. Makes the folder of a SQLite file."""
    url = settings.url
    if url.drivername == "sqlite":
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, pool_size=settings.pool_size, connect_args={"timeout": settings.busy_timeout_s})
        _tame_sqlite(engine, settings)
        return engine
    engine = create_engine(
        url,
        pool_size=settings.pool_size,
        pool_pre_ping=True,
        pool_timeout=settings.busy_timeout_s,
        connect_args={"connect_timeout": 5, "application_name": "liteheart"},
    )
    _tame_postgres(engine, settings)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that sees one state of the database. Raises Retryable when the database does not answer."""
    with translating(), engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that holds SQLite's write lock from its first moment, so that it can never fail half-way.

    Raises Retryable when the database does not answer or another writer keeps the lock.
    """
    with (
        translating(),
        engine.connect().execution_options(**{_WRITE: True}) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def translating() -> Iterator[None]:
    """Errors of the database as verbs: try again, or stop because the tables are not there."""
    try:
        yield
    except (exc.DBAPIError, *_DRIVERS) as error:
        text = str(error.orig if isinstance(error, exc.DBAPIError) else error).strip()
        if "no such table" in text or "no such column" in text or "does not exist" in text:
            raise Misconfigured("database_url", f"{text}; run `liteheart migrate`") from error
        if _passing(error):
            raise Retryable(f"database: {text}") from error
        raise
    except exc.TimeoutError as error:
        raise Retryable(f"database: no free connection: {error}") from error


def forget_deleted(engine: Engine, tables: Sequence[str]) -> bool:
    """Have what was deleted leave the files too, as far as the database can; False when readers hold it up.

    SQLite: the write-ahead log is emptied, for deleted bytes were overwritten already. PostgreSQL: the tables are
    vacuumed, the small table of keys is written anew; the write-ahead log goes its own way.
    """
    if engine.dialect.name == "sqlite":
        with translating(), engine.connect() as connection:
            cursor = connection.connection.cursor()  # outside of a transaction, which SQLAlchemy would begin
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return not (cursor.fetchone() or (1,))[0]
    with translating(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in tables:
            connection.exec_driver_sql(f"VACUUM {'FULL ' if table == 'patient_keys' else ''}{table}")
    return True


def _passing(error: Exception) -> bool:
    if isinstance(error, exc.DBAPIError):
        return isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated
    passing = (sqlite3.OperationalError, sqlite3.InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
    return isinstance(error, passing)


def _tame_sqlite(engine: Engine, settings: StorageSettings) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver keeps its hands off BEGIN; we say which below
        for pragma in (
            f"busy_timeout = {round(settings.busy_timeout_s * 1000)}",
            "journal_mode = WAL",
            "synchronous = FULL",  # NORMAL survives kill -9 but forgets the last commits at a power cut
            "foreign_keys = ON",
            "journal_size_limit = 67108864",
            "cache_size = -32768",  # 32 MiB
            "secure_delete = ON",  # what is deleted is overwritten: an erased patient must not live on in free pages
        ):
            connection.cursor().execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get(_WRITE)
        cursor = connection.connection.cursor()  # SQLAlchemy's own way takes as long as two small queries
        cursor.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        cursor.close()


def _tame_postgres(engine: Engine, settings: StorageSettings) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET statement_timeout = {round(settings.statement_timeout_s * 1000)}")
        cursor.close()
        connection.commit()
