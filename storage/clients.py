"""Systems that may read over FHIR, and the token each proves itself with. Of a token its digest alone is kept."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select, update

from liteheart.errors import Poison
from liteheart.ids import is_identifier
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.people import OPERATOR
from storage.queries import insert_for
from storage.schema import clients


@dataclass(frozen=True, slots=True)
class Client:
    """A registered system."""

    name: str
    scopes: tuple[str, ...]
    by: str
    made_us: int
    revoked_us: int | None = None


class Clients:
    """The registry over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, name: str, scopes: Sequence[str], *, now_us: int, by: str = OPERATOR) -> str:
        """A token, shown this once. A name that was revoked may come back, with a token of its own.

        Raises Poison for a name that is no identifier or is taken, and for scopes that are none.
        """
        if not is_identifier(name):
            raise Poison("name", "must be 1 to 64 letters, digits or . _ : -")
        if not scopes or any(not scope or scope.split() != [scope] for scope in scopes):
            raise Poison("scope", "must be given, each without a blank")
        token = f"lhc_{secrets.token_urlsafe(32)}"
        row = {"scopes": " ".join(scopes), "by_whom": by, "made_us": now_us, "revoked_us": None}
        row["token_hash"] = _hash(token)
        with writing(self._engine) as connection:
            put = insert_for(connection, clients).values(row | {"client": name})
            again = put.on_conflict_do_update(
                index_elements=[clients.c.client], set_=row, where=clients.c.revoked_us.is_not(None)
            )
            if connection.execute(again.returning(clients.c.client)).one_or_none() is None:
                raise Poison("name", f"{name} is registered; revoke it first")
            note(connection, Deed(now_us, by, "client-added", name, {"scopes": list(scopes)}))
        return token

    def revoke(self, name: str, *, now_us: int, by: str = OPERATOR) -> bool:
        """End the token; False when there is none that is valid."""
        valid = (clients.c.client == name) & clients.c.revoked_us.is_(None)
        with writing(self._engine) as connection:
            ended = connection.execute(update(clients).where(valid).values(revoked_us=now_us)).rowcount == 1
            if ended:
                note(connection, Deed(now_us, by, "client-revoked", name))
        return ended

    def all(self) -> list[Client]:
        """Everyone who was ever registered, by name."""
        with reading(self._engine) as connection:
            return [_client(row) for row in connection.execute(select(clients).order_by(clients.c.client))]

    def authenticate(self, token: str) -> Client | None:
        """Whose token that is, None when it is unknown or revoked. 256 random bits need no slow hash."""
        mine = (clients.c.token_hash == _hash(token)) & clients.c.revoked_us.is_(None)
        with reading(self._engine) as connection:
            row = connection.execute(select(clients).where(mine)).one_or_none()
        return None if row is None else _client(row)


def _client(row: Any) -> Client:
    return Client(row.client, tuple(row.scopes.split()), row.by_whom, row.made_us, row.revoked_us)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
