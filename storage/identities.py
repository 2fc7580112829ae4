"""Who a pseudonym is. Kept apart from everything else and sealed with the patient's key (`storage.keys`): the rest of
the database holds pseudonyms only.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from liteheart.errors import Conflict, Poison
from liteheart.ids import PatientId
from storage import queries
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.keys import Keyring
from storage.schema import break_glass, identities, patients
from storage.vault import KEY_BYTES, Cipher, Vault

__all__ = ["KEY_BYTES", "Identities", "Vault", "keep", "sealing"]

log = logging.getLogger(__name__)


class Identities:
    """Over SQL. Every method raises Retryable when the database does not answer, Conflict where no key is set."""

    def __init__(self, engine: Engine, vault: Vault, keys: Keyring | None = None) -> None:
        self._engine, self._keys = engine, keys or Keyring(engine, vault)

    def set(self, patient: PatientId, identity: Mapping[str, Any], by: str, now_us: int) -> bool:
        """Keep or correct an identity; False for a patient who was never admitted."""
        with reading(self._engine) as connection:
            if connection.execute(select(patients).where(patients.c.patient_id == patient)).first() is None:
                return False
        cipher = sealing(self._keys, patient, now_us)
        with writing(self._engine) as connection:
            keep(connection, cipher, patient, identity, by, now_us)
        return True

    def read(self, patient: PatientId, by: str, now_us: int, *, glass: bool) -> dict[str, Any] | None:
        """Who that is, None where nobody said; the reading is noted. `glass`: it was broken for this."""
        with reading(self._engine) as connection:
            row = connection.execute(select(identities).where(identities.c.patient_id == patient)).one_or_none()
        if row is None:
            return None
        try:
            plain = self._keys.reading(patient).open(_bound(patient), bytes(row.sealed))
        except Poison as poison:
            raise Conflict("identity", poison.reason) from None
        with writing(self._engine) as connection:  # who reads is noted before anything is told
            detail = {"flagged": True, "glass": "broken"} if glass else {}
            note(connection, Deed(now_us, by, "identity-read", patient, detail))
        found: dict[str, Any] = json.loads(plain)
        return found

    def break_glass(self, patient: PatientId, by: str, reason: str, now_us: int, until_us: int) -> bool:
        """Let `by` read the identity until then, for a reason; False for a patient whom nobody knows."""
        with writing(self._engine) as connection:
            if connection.execute(select(patients).where(patients.c.patient_id == patient)).first() is None:
                return False
            row = {"patient_id": patient, "by_whom": by, "reason": reason, "at_us": now_us, "until_us": until_us}
            connection.execute(insert(break_glass), row)
            detail = {"flagged": True, "reason": reason, "until_us": until_us}
            note(connection, Deed(now_us, by, "glass-broken", patient, detail))
        log.warning("glass broken", extra={"by": by, "patient": patient, "until_us": until_us})
        return True

    def is_open(self, patient: PatientId, by: str, now_us: int) -> bool:
        """Whether the glass is broken now, by this person, for this patient."""
        table = break_glass
        mine = (table.c.patient_id == patient) & (table.c.by_whom == by) & (table.c.until_us > now_us)
        with reading(self._engine) as connection:
            return connection.execute(select(table.c.id).where(mine).limit(1)).first() is not None

    def destroy(self, patient: PatientId, by: str, now_us: int) -> bool:
        """Forget who that is; False when nobody said (any more). Backups forget it when the key is destroyed."""
        with writing(self._engine) as connection:
            if not connection.execute(identities.delete().where(identities.c.patient_id == patient)).rowcount:
                return False
            note(connection, Deed(now_us, by, "identity-destroyed", patient))
        return True


def sealing(keys: Keyring, patient: PatientId, now_us: int) -> Cipher:
    """What an identity is sealed with; before the transaction in which it is. Raises Conflict where no key is set."""
    if not keys.sealing:
        raise Conflict("identity", "no key is set: identities can neither be kept nor read")
    return keys.making([patient], now_us)[patient]


def keep(
    connection: Connection, cipher: Cipher, patient: PatientId, identity: Mapping[str, Any], by: str, now_us: int
) -> None:
    """Seal an identity, as part of the caller's transaction."""
    plain = json.dumps(dict(identity), ensure_ascii=False).encode()
    row = {"patient_id": patient, "sealed": cipher.seal(_bound(patient), plain), "at_us": now_us}
    statement = queries.insert_for(connection, identities)
    fresh = {name: statement.excluded[name] for name in ("sealed", "at_us")}
    connection.execute(statement.on_conflict_do_update(index_elements=["patient_id"], set_=fresh), row)
    note(connection, Deed(now_us, by, "identity-set", patient))


def _bound(patient: str) -> bytes:
    return b"identity " + patient.encode()
