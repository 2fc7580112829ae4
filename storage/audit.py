"""Who did what, when: written in the transaction of the deed itself, never changed. Each row holds the one before.

A row's digest is SHA-256 over the digest before it and its own content, and `audit_head` keeps the last one: who
changes, removes or adds a row must make every later one anew, and then the head does not match what was noted
elsewhere (`liteheart audit verify` prints it). Writers queue at that one row, so note last in a transaction.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine, insert, select, update

from storage import queries
from storage.engine import reading, writing
from storage.schema import audit, audit_head

GENESIS: Final = bytes(32)
QUARTER_US: Final = 15 * 60 * 1_000_000
_AT_ONCE = 1000  # rows held in memory while verifying


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the audit."""

    at_us: int
    by: str
    action: str
    subject: str  # patient, station, person or device
    detail: dict[str, Any] = field(default_factory=dict)
    deed_id: int = 0  # 0 until it is written

    @property
    def flagged(self) -> bool:
        """Whether someone ought to look at it."""
        return bool(self.detail.get("flagged"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the chain says: how many rows hold, its head, and the first row that does not."""

    rows: int
    head: bytes
    broken: int | None = None  # id of the row
    reason: str = ""


def note(connection: Connection, deed: Deed) -> None:
    """Write the line, as part of the caller's transaction, which is alone at the end of the chain until it commits."""
    detail = json.dumps(deed.detail, separators=(",", ":"), sort_keys=True)
    last, before = _locked_head(connection)
    digest = chained(before, last + 1, deed, detail)
    row = {"at_us": deed.at_us, "by_whom": deed.by, "action": deed.action, "subject": deed.subject, "detail": detail}
    connection.execute(insert(audit), row | {"id": last + 1, "digest": digest})
    connection.execute(update(audit_head).where(audit_head.c.id == 1).values(last=last + 1, digest=digest))


def chained(before: bytes, deed_id: int, deed: Deed, detail: str) -> bytes:
    """The digest of a row that follows the one of digest `before`; `detail` as it is stored."""
    content = json.dumps([deed_id, deed.at_us, deed.by, deed.action, deed.subject, detail], separators=(",", ":"))
    return hashlib.sha256(before + content.encode()).digest()


class Audit:
    """Reads the audit, and writes what has no transaction of its own. Raises Retryable when there is no answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def latest(self, limit: int = 100, subject: str | None = None, by: str | None = None) -> list[Deed]:
        """The newest first; of one patient, station, person or device, or by one person."""
        statement = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if subject is not None:
            statement = statement.where(audit.c.subject == subject)
        if by is not None:
            statement = statement.where(audit.c.by_whom == by)
        with reading(self._engine) as connection:
            return [row_deed(row) for row in connection.execute(statement)]

    def seen(self, by: str, action: str, subject: str, now_us: int) -> None:
        """Note that `by` looked at `subject`: once in a quarter of an hour, lest the rest drown in it."""
        begin_us = now_us - now_us % QUARTER_US
        mine = (audit.c.subject == subject) & (audit.c.action == action) & (audit.c.by_whom == by)
        with writing(self._engine) as connection:
            _locked_head(connection)  # first: two who look at once are one
            if connection.execute(select(audit.c.id).where(mine, audit.c.at_us >= begin_us).limit(1)).first() is None:
                note(connection, Deed(now_us, by, action, subject))

    def verify(self, noted: bytes | None = None) -> Verdict:
        """Walk the whole chain. `noted`: a head of before, which must still be a link of it."""
        with reading(self._engine) as connection:
            before, count, last, missed = GENESIS, 0, 0, noted is not None
            for row in _rows(connection):
                if not _follows(before, row):
                    return Verdict(count, before, row.id, "does not follow from the row before and its own content")
                before, count, last = bytes(row.digest), count + 1, row.id
                missed = missed and before != noted
            head = connection.execute(select(audit_head)).one_or_none()
        if head is None and not count:
            return Verdict(0, GENESIS)
        if head is None or (head.last, bytes(head.digest)) != (last, before):
            return Verdict(count, before, (last if head is None else max(last, head.last)), "the end does not match")
        if missed:
            return Verdict(count, before, last, "the chain was made anew: the head that was noted is no link of it")
        return Verdict(count, before)


def _locked_head(connection: Connection) -> tuple[int, bytes]:
    """The end of the chain, which nobody else can move before this transaction ends."""
    locked = select(audit_head).where(audit_head.c.id == 1).with_for_update()
    row = connection.execute(locked).one_or_none()
    if row is None:
        first = queries.insert_ignoring(connection, audit_head)
        connection.execute(first, {"id": 1, "last": 0, "digest": GENESIS})
        row = connection.execute(locked).one()
    return row.last, bytes(row.digest)


def _follows(before: bytes, row: Any) -> bool:
    try:
        return chained(before, row.id, row_deed(row), row.detail) == bytes(row.digest)
    except TypeError:  # SQLite keeps any type in any column
        return False


def _rows(connection: Connection) -> Iterator[Any]:
    last = -1
    while True:
        some = connection.execute(select(audit).where(audit.c.id > last).order_by(audit.c.id).limit(_AT_ONCE)).all()
        if not some:
            return
        yield from some
        last = some[-1].id


def row_deed(row: Any) -> Deed:
    """The line that was stored."""
    try:
        detail = json.loads(row.detail)
    except (ValueError, TypeError):  # tampered with: `verify` says so
        detail = {"unreadable": True}
    return Deed(row.at_us, row.by_whom, row.action, row.subject, detail, row.id)
