"""Selects compiled once and run by the driver itself: what is read thousands of times a minute, a few rows at a time.

SQLAlchemy's own way takes 20 us a statement, of which SQLite needs 5. The words and the types of the columns are still
SQLAlchemy's, so that both databases are asked and answer alike.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Select

_namedtuple: Any = namedtuple  # mypy wants its names in the source
Reader = tuple[int, Callable[[Any], Any]]  # place of a column, and what makes its value of the driver's


@dataclass(frozen=True, slots=True)
class _Words:
    """The statement as one kind of database wants it."""

    text: str
    order: Sequence[str] | None  # of the parameters; None where they go by name
    fixed: Mapping[str, Any]  # parameters that the statement brings along


class Prepared:
    """One select, for any number of connections. Thread-safe."""

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._columns = list(statement.selected_columns)
        self._row = _namedtuple("StoredRow", [c.name for c in self._columns])
        self._words: dict[str, _Words] = {}
        self._readers: dict[str, tuple[Reader, ...]] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """All rows, as named tuples, within the connection's transaction; `values` by name of bound parameter."""
        name = connection.dialect.name
        words = self._words.get(name) or self._words.setdefault(name, _words(self._statement, connection.dialect))
        given = {**words.fixed, **values}
        cursor = connection.connection.cursor()
        try:
            cursor.execute(words.text, given if words.order is None else tuple(given[key] for key in words.order))
            found = cursor.fetchall()
            readers = self._readers.get(name)
            if readers is None:
                readers = self._readers[name] = self._typed(connection.dialect, cursor.description)
        finally:
            cursor.close()
        return [self._row._make(_read(row, readers)) for row in found]

    def _typed(self, dialect: Dialect, told: Sequence[Any]) -> tuple[Reader, ...]:
        """Of the columns whose values the driver does not give as we want them; `told`: its description of them."""
        kinds = [column.type.dialect_impl(dialect) for column in self._columns]
        made = [kind.result_processor(dialect, about[1]) for kind, about in zip(kinds, told, strict=True)]
        return tuple((place, read) for place, read in enumerate(made) if read is not None)


def _words(statement: Select[Any], dialect: Dialect) -> _Words:
    made: Any = statement.compile(dialect=dialect)
    return _Words(str(made), made.positiontup, {k: v for k, v in made.params.items() if v is not None})


def _read(row: Sequence[Any], readers: tuple[Reader, ...]) -> Sequence[Any]:
    if not readers:
        return row
    values = list(row)
    for place, read in readers:
        values[place] = read(values[place])
    return values
