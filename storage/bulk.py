"""Many rows in one statement: COPY through a staging table on PostgreSQL, executemany on SQLite.

The staging table is emptied at commit: use one of these once a transaction for each table.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from storage.rows import Row

Insert = postgresql.Insert | sqlite.Insert


def insert_new(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Insert the rows that are new; how many they were."""
    return _run(connection, _insert(connection, table).on_conflict_do_nothing(), rows).rowcount if rows else 0


def insert_returning(
    connection: Connection, table: Table, rows: Sequence[Row], columns: Sequence[Column[Any]]
) -> set[tuple[Any, ...]]:
    """Insert the rows that are new; `columns` of them."""
    if not rows:
        return set()
    statement = _insert(connection, table).on_conflict_do_nothing().returning(*columns)
    return {tuple(row) for row in _run(connection, statement, rows)}


def replace(connection: Connection, table: Table, rows: Sequence[Row], newer: str | None = None) -> int:
    """Insert, or replace what is there unless its `newer` column is greater; how many were written.

    A key may stand in `rows` once.
    """
    if not rows:
        return 0
    statement = _insert(connection, table)
    new = statement.excluded
    columns = {c.name: new[c.name] for c in table.columns if not c.primary_key}
    where = None if newer is None else new[newer] >= table.c[newer]
    keys = list(table.primary_key.columns)
    written = _run(connection, statement.on_conflict_do_update(index_elements=keys, set_=columns, where=where), rows)
    return int(written.rowcount)


def _insert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT; on PostgreSQL it reads from the staging table, so that DML and COPY meet."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    staging = _staging(table)
    return postgresql.insert(table).from_select([c.name for c in table.columns], select(staging))


@cache  # one object for each table, or every statement would be compiled anew
def _staging(table: Table) -> Table:
    columns = [Column(c.name, c.type) for c in table.columns]
    return Table(f"new_{table.name}", MetaData(), *columns, prefixes=["TEMPORARY"])


def _run(connection: Connection, statement: Any, rows: Sequence[Row]) -> Any:
    if connection.dialect.name == "sqlite":
        return connection.execute(statement, list(rows))
    table: Table = statement.table
    names = [c.name for c in table.columns]
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE IF NOT EXISTS new_{table.name} (LIKE {table.name}) ON COMMIT DELETE ROWS"
    )
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY new_{table.name} ({', '.join(names)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([row[name] for name in names])
    return connection.execute(statement, execution_options={"preserve_rowcount": True})
