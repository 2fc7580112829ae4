"""What only looks at a store cannot write to it: PostgreSQL refuses, not our manners. SQLite: tests/unit/deploy."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import InternalError

from storage.readonly import open_readonly
from storage.settings import StorageSettings

pytestmark = pytest.mark.service


def test_postgres_refuses_every_transaction(postgres_url: str) -> None:
    engine = open_readonly(StorageSettings(postgres_url))
    try:
        for _ in range(2):  # a connection that comes back from the pool too
            with engine.connect() as connection, pytest.raises(InternalError, match="read-only"):
                connection.execute(text("CREATE TABLE written (x int)"))
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
    finally:
        engine.dispose()
    writer = create_engine(StorageSettings(postgres_url).url)
    with writer.connect() as connection:
        assert connection.scalar(text("SELECT to_regclass('written')")) is None
    writer.dispose()
