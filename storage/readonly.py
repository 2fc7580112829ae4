"""An engine that cannot write: for what only looks at what is stored."""

import sqlite3
from pathlib import Path

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from liteheart.errors import Misconfigured
from storage.engine import open_engine
from storage.settings import StorageSettings


def open_readonly(settings: StorageSettings) -> Engine:
    """An engine on a database that is there; whatever would change it is refused by the database itself.

    Raises Misconfigured for a SQLite file that does not exist: looking must not make one.
    """
    url = settings.url
    if url.drivername == "sqlite":
        path = Path(str(url.database))
        if not path.is_file():
            raise Misconfigured("database_url", f"there is no database at {path}")

        def connect() -> sqlite3.Connection:
            address = f"{path.absolute().as_uri()}?mode=ro"
            return sqlite3.connect(address, uri=True, timeout=settings.busy_timeout_s, check_same_thread=False)

        return create_engine("sqlite://", creator=connect, poolclass=QueuePool)
    engine = open_engine(settings)

    @event.listens_for(engine, "connect")
    def refuse(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        cursor.close()
        connection.commit()

    return engine
