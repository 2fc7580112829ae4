"""Who may sign in. Passwords are kept as argon2id hashes; a wrong name costs as much time as a wrong password."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from liteheart.clock import SystemClock
from liteheart.errors import Conflict, Poison
from liteheart.ids import is_identifier
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.schema import people, sessions

MIN_PASSWORD, MAX_PASSWORD = 8, 1024  # characters; the upper bound keeps hashing from being an attack
OPERATOR = "operator"  # whoever sits at the command line


class Role(StrEnum):
    """What a person may do; `alerts/dashboard` says which role may do what."""

    NURSE = "nurse"
    PHYSICIAN = "physician"
    TECHNICIAN = "technician"
    ADMINISTRATOR = "administrator"
    RESEARCHER = "researcher"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who has signed in."""

    username: str
    role: Role


class People:
    """Accounts over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine, hasher: PasswordHasher | None = None) -> None:
        self._engine = engine
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash("nobody's password")

    def add(self, username: str, role: str, password: str, *, by: str = OPERATOR, now_us: int | None = None) -> Person:
        """Make an account. Raises Poison naming what is wrong: username (also when taken), role or password."""
        if not is_identifier(username):
            raise Poison("username", "must be 1 to 64 letters, digits or . _ : -")
        row = {"username": username, "role": _role(role), "password_hash": self._hashed(password)}
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(people), row)
                note(connection, Deed(_at(now_us), by, "person-added", username, {"role": role}))
        except IntegrityError:
            raise Poison("username", f"{username} is taken") from None
        return Person(username, Role(role))

    def set_password(self, username: str, password: str, *, by: str = OPERATOR, now_us: int | None = None) -> bool:
        """Change a password and end the person's sessions; False when there is no such account.

        Raises Poison for a password too short or too long.
        """
        return self.change(username, None, password, by=by, now_us=now_us) is not None

    def change(
        self, username: str, role: str | None, password: str | None, *, by: str = OPERATOR, now_us: int | None = None
    ) -> Person | None:
        """Give another role, another password, or both; None when there is no such account.

        A new password ends the person's sessions. Raises Poison for a role or password that cannot be, and Conflict
        when nobody would be left to manage people.
        """
        values = {} if role is None else {"role": _role(role)}
        values |= {} if password is None else {"password_hash": self._hashed(password)}
        mine = people.c.username == username
        with writing(self._engine) as connection:
            managers = _managers(connection)
            row = connection.execute(select(people).where(mine).with_for_update()).one_or_none()
            if row is None:
                return None
            if managers == {username} and role not in (None, Role.ADMINISTRATOR):
                raise Conflict("username", f"{username} is the last administrator")
            if values:
                connection.execute(update(people).where(mine).values(values))
                detail: dict[str, Any] = {} if role is None else {"role": role}
                if password is not None:
                    detail |= {"password": "changed", "sessions": end_sessions(connection, username)}
                note(connection, Deed(_at(now_us), by, "person-changed", username, detail))
        return Person(username, Role(role or row.role))

    def remove(self, username: str, *, by: str = OPERATOR, now_us: int | None = None) -> bool:
        """Delete an account and its sessions; False when there was none.

        Raises Conflict for the only administrator, unless the command line asks.
        """
        with writing(self._engine) as connection:
            if by != OPERATOR and _managers(connection) == {username}:
                raise Conflict("username", f"{username} is the last administrator")
            ended = end_sessions(connection, username)
            if not connection.execute(delete(people).where(people.c.username == username)).rowcount:
                return False
            note(connection, Deed(_at(now_us), by, "person-removed", username, {"sessions": ended}))
        return True

    def all(self) -> list[Person]:
        """Every account, by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(people.c.username, people.c.role).order_by(people.c.username))
            return [Person(row.username, Role(row.role)) for row in rows]

    def find(self, username: str) -> Person | None:
        """The account of that name, which a session may still speak for; None when it is gone."""
        return next((person for person in self.all() if person.username == username), None)

    def verify(self, username: str, password: str) -> Person | None:
        """The person, or None. Takes one hash of time in either case."""
        with reading(self._engine) as connection:
            row = connection.execute(select(people).where(people.c.username == username)).one_or_none()
        password = _normal(password[:MAX_PASSWORD])
        try:
            self._hasher.verify(row.password_hash if row else self._nobody, password)
        except (VerificationError, InvalidHashError):
            return None
        if row is None:  # someone guessed the password of nobody
            return None
        if self._hasher.check_needs_rehash(row.password_hash):
            self._keep(username, self._hasher.hash(password))
        return Person(row.username, Role(row.role))

    def _keep(self, username: str, password_hash: str) -> bool:
        statement = update(people).where(people.c.username == username).values(password_hash=password_hash)
        with writing(self._engine) as connection:
            return connection.execute(statement).rowcount == 1

    def _hashed(self, password: str) -> str:
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise Poison("password", f"must have {MIN_PASSWORD} to {MAX_PASSWORD} characters")
        return self._hasher.hash(_normal(password))


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)  # the same keys on another keyboard are the same password


def end_sessions(connection: Connection, username: str) -> int:
    """Sign a person out everywhere, as part of the caller's transaction."""
    return connection.execute(delete(sessions).where(sessions.c.username == username)).rowcount


def _managers(connection: Connection) -> set[str]:
    """The administrators, none of whom changes before this transaction ends."""
    held = select(people.c.username).where(people.c.role == Role.ADMINISTRATOR).with_for_update()
    return {row.username for row in connection.execute(held.order_by(people.c.username))}


def _role(role: str) -> str:
    if role not in set(Role):
        raise Poison("role", f"must be one of {', '.join(Role)}")
    return role


def _at(now_us: int | None) -> int:
    """The command line has no clock of its own to give."""
    return SystemClock().now_us() if now_us is None else now_us
