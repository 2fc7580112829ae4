"""Who is signed in, so that a restart or a second dashboard signs nobody out: a dark wall is a missed alarm.

Only digests of the tokens are kept. Changing a password or removing a person ends the sessions in the same transaction.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, Select, delete, insert, or_, select, update

from liteheart.ids import is_identifier
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.people import Person, Role, end_sessions
from storage.schema import people, sessions


class _Named(Protocol):
    @property
    def username(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one person."""

    digest: bytes
    person: Person
    began_us: int
    seen_us: int
    peer: str


class Sessions:
    """`SessionStore` over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, digest: bytes, person: _Named, now_us: int, peer: str) -> None:
        """Keep a new session, and that someone signed in."""
        row = {"digest": digest, "username": person.username, "began_us": now_us, "seen_us": now_us, "peer": peer}
        with writing(self._engine) as connection:
            connection.execute(insert(sessions), row)
            note(connection, Deed(now_us, person.username, "signed-in", person.username, {"from": peer}))

    def refused(self, username: str, now_us: int, peer: str) -> None:
        """Note a sign-in that failed. A name that nobody has is not kept: it may be a password."""
        with writing(self._engine) as connection:
            known = (
                is_identifier(username)
                and connection.execute(select(people.c.username).where(people.c.username == username)).first()
            )
            who = username if known else "unknown"
            note(connection, Deed(now_us, who, "sign-in-failed", who, {"from": peer}))

    def find(self, digest: bytes) -> Session | None:
        """The session, with the role that the person has now; None when it has ended or the person is gone."""
        with reading(self._engine) as connection:
            row = connection.execute(_with_people().where(sessions.c.digest == digest)).one_or_none()
        return None if row is None else _session(row)

    def touch(self, digest: bytes, now_us: int) -> None:
        """It was used."""
        with writing(self._engine) as connection:
            connection.execute(update(sessions).where(sessions.c.digest == digest).values(seen_us=now_us))

    def end(self, digest: bytes, now_us: int) -> None:
        """Someone signs out here."""
        with writing(self._engine) as connection:
            gone = delete(sessions).where(sessions.c.digest == digest).returning(sessions.c.username)
            username = connection.scalar(gone)
            if username is not None:
                note(connection, Deed(now_us, username, "signed-out", username))

    def end_all(self, username: str, by: str, now_us: int) -> int:
        """Sign a person out everywhere; how many sessions that were."""
        with writing(self._engine) as connection:
            count = end_sessions(connection, username)
            if count:
                note(connection, Deed(now_us, by, "signed-out-everywhere", username, {"sessions": count}))
        return count

    def of(self, username: str | None = None) -> list[Session]:
        """The sessions of a person, or of everybody; the newest first."""
        statement = _with_people().order_by(sessions.c.began_us.desc())
        if username is not None:
            statement = statement.where(sessions.c.username == username)
        with reading(self._engine) as connection:
            return [_session(row) for row in connection.execute(statement)]

    def forget(self, seen_before_us: int, began_before_us: int, keep: int) -> None:
        """Clear away what has expired, and of the rest all but the `keep` that began last."""
        expired = or_(sessions.c.seen_us < seen_before_us, sessions.c.began_us < began_before_us)
        with writing(self._engine) as connection:
            connection.execute(delete(sessions).where(expired))
            _drop_oldest(connection, keep)


def _drop_oldest(connection: Connection, keep: int) -> None:
    newest = (
        select(sessions.c.digest).order_by(sessions.c.began_us.desc(), sessions.c.digest).offset(keep).limit(10_000)
    )
    oldest = [row.digest for row in connection.execute(newest)]
    if oldest:
        connection.execute(delete(sessions).where(sessions.c.digest.in_(oldest[:500])))


def _with_people() -> Select[Any]:
    joined = sessions.join(people, people.c.username == sessions.c.username)
    return select(sessions, people.c.role).select_from(joined)


def _session(row: Any) -> Session:
    person = Person(row.username, Role(row.role))
    return Session(bytes(row.digest), person, row.began_us, row.seen_us, row.peer)
