"""Bring a database to the tables of `storage.schema`: `upgrade(engine)`, or `liteheart migrate`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from storage.engine import open_engine, reading, writing
from storage.settings import StorageSettings

_LOCK = 5_101_402_511  # any number that nobody else locks in this database


def upgrade(engine: Engine, revision: str = "head") -> str:
    """Apply the migrations that are missing, in one transaction; the revision reached.

    Several processes may call it at once: one works, the others wait. Raises Retryable when the database does not
    answer.
    """
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        command.upgrade(_config(connection), revision)
        return _revision(connection) or "base"


def current(engine: Engine) -> str | None:
    """The revision of the database, None when it is empty."""
    with reading(engine) as connection:
        return _revision(connection)


def head() -> str:
    """The newest revision there is."""
    return ScriptDirectory.from_config(_config()).get_current_head() or "base"


def migrate(settings: StorageSettings) -> str:
    """What `liteheart migrate` does: open the database, upgrade it; the revision reached."""
    engine = open_engine(settings)
    try:
        return upgrade(engine)
    finally:
        engine.dispose()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
