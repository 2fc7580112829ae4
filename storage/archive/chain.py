"""The chain over a patient's blocks: each holds the digest of the one before, `block_heads` that of the newest.

Whoever appends locks the patient's head first, so that two who do it at once do it one after the other. What retention
drops in the middle stays as a link without signal; links at the old end are deleted, and the head says from where on
the chain goes. Digests are of what is stored, sealed or not: no key is needed to verify.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from liteheart.errors import Poison
from storage import queries
from storage.archive.blocks import BlockReader, content_of
from storage.rows import Row
from storage.schema import block_heads, blocks

GENESIS: Final = bytes(32)
_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a patient's chain says: how many blocks hold, the head, and the first that does not."""

    blocks: int
    head: bytes
    broken: int | None = None  # id of the row
    reason: str = ""


def append(connection: Connection, patient: str, rows: Sequence[Row]) -> list[int]:
    """Add blocks to a patient's chain, as part of the caller's transaction; their ids."""
    last, before = locked_head(connection, patient)
    added = []
    for row in rows:
        digest = linked(before, row["content"])
        link = row | {"previous": before, "digest": digest}
        last = connection.execute(insert(blocks).returning(blocks.c.id), link).scalar_one()
        before = digest
        added.append(last)
    mine = block_heads.c.patient == patient
    connection.execute(update(block_heads).where(mine).values(last=last, digest=before))
    return added


def linked(before: bytes, content: bytes) -> bytes:
    """The digest of a block that follows the one of digest `before`."""
    return hashlib.sha256(before + content).digest()


def locked_head(connection: Connection, patient: str) -> tuple[int, bytes]:
    """The newest block's id and digest, which nobody else can move before this transaction ends."""
    statement = select(block_heads).where(block_heads.c.patient == patient).with_for_update()
    row = connection.execute(statement).one_or_none()
    if row is None:
        first = queries.insert_ignoring(connection, block_heads)
        connection.execute(first, {"patient": patient, "base": GENESIS, "last": 0, "digest": GENESIS})
        row = connection.execute(statement).one()
    return row.last, bytes(row.digest)


def newest(connection: Connection, patient: str) -> int:
    """The id of the patient's newest block, 0 without any."""
    return connection.scalar(select(block_heads.c.last).where(block_heads.c.patient == patient)) or 0


def trim(connection: Connection, patient: str) -> int:
    """Delete links without signal at the old end of a chain, as part of the caller's transaction; how many."""
    locked_head(connection, patient)
    mine = blocks.c.patient == patient
    alive = select(blocks.c.id).where(mine, blocks.c.dropped_us.is_(None)).order_by(blocks.c.id).limit(1)
    first = connection.scalar(alive)
    dead = mine if first is None else mine & (blocks.c.id < first)
    last = connection.execute(select(blocks.c.digest).where(dead).order_by(blocks.c.id.desc()).limit(1)).scalar()
    if last is None:
        return 0
    gone = connection.execute(blocks.delete().where(dead)).rowcount
    connection.execute(update(block_heads).where(block_heads.c.patient == patient).values(base=bytes(last)))
    return int(gone)


def verify(connection: Connection, patient: str, reader: BlockReader, *, objects: bool = True) -> Verdict:
    """Walk the whole chain, payloads included; of those outside of the database unless `objects` is off."""
    head = connection.execute(select(block_heads).where(block_heads.c.patient == patient)).one_or_none()
    before, last, count = (GENESIS if head is None else bytes(head.base)), 0, 0
    while some := connection.execute(_SOME, {"whose": patient, "after": last}).all():
        for row in some:
            reason = _fault(row, before, reader, objects=objects)
            if reason:
                return Verdict(count, before, row.id, reason)
            before, last, count = bytes(row.digest), row.id, count + 1
    if (head is None and count) or (head is not None and bytes(head.digest) != before):
        return Verdict(count, before, last or (head.last if head is not None else 0), "the end does not match")
    return Verdict(count, before)


def _fault(row: Any, before: bytes, reader: BlockReader, *, objects: bool) -> str:
    if bytes(row.previous) != before:
        return "does not follow the block before"
    if linked(before, bytes(row.content)) != bytes(row.digest):
        return "does not match its digest"
    if row.dropped_us is not None:
        return ""
    try:
        if row.payload is None and not objects:
            return ""
        return "" if content_of(row, reader.stored(row)) == bytes(row.content) else "its content was changed"
    except Poison as poison:
        return str(poison)


_SOME = (
    select(blocks)
    .where(blocks.c.patient == bindparam("whose"), blocks.c.id > bindparam("after"))
    .order_by(blocks.c.id)
    .limit(_AT_ONCE)
)
