"""Who may sign in. Passwords are kept as argon2id hashes; a wrong name costs as much time as a wrong password."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from liteheart.errors import Poison
from liteheart.ids import is_identifier
from storage.engine import reading, writing
from storage.schema import people

MIN_PASSWORD, MAX_PASSWORD = 8, 1024  # characters; the upper bound keeps hashing from being an attack


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

    def add(self, username: str, role: str, password: str) -> Person:
        """Make an account. Raises Poison naming what is wrong: username (also when taken), role or password."""
        if not is_identifier(username):
            raise Poison("username", "must be 1 to 64 letters, digits or . _ : -")
        if role not in set(Role):
            raise Poison("role", f"must be one of {', '.join(Role)}")
        row = {"username": username, "role": role, "password_hash": self._hashed(password)}
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(people), row)
        except IntegrityError:
            raise Poison("username", f"{username} is taken") from None
        return Person(username, Role(role))

    def set_password(self, username: str, password: str) -> bool:
        """Change a password; False when there is no such account. Raises Poison for a password too short or long."""
        return self._keep(username, self._hashed(password))

    def remove(self, username: str) -> bool:
        """Delete an account; False when there was none."""
        with writing(self._engine) as connection:
            return connection.execute(delete(people).where(people.c.username == username)).rowcount == 1

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
