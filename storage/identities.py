"""Who a pseudonym is. Kept apart from everything else and sealed: the rest of the database holds pseudonyms only.

    master key (settings, never here) --wraps--> data key of one patient --seals--> {"name", "born", "record_number"}

Both with AES-256-GCM, the patient's pseudonym bound in, so that rows cannot be swapped. Destroying a wrapped data key
makes what it sealed unreadable for ever, in old backups of the sealed column too.
"""

import hashlib
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, Engine, insert, select, update

from liteheart.errors import Conflict
from liteheart.ids import PatientId
from storage import queries
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.schema import break_glass, identities, patients

log = logging.getLogger(__name__)

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class Vault:
    """Wraps and seals with the master key, which it asks for when it first needs it."""

    def __init__(self, master: Callable[[], bytes | None]) -> None:
        """`master` gives 32 bytes, or None where no key is set."""
        self._source = master
        self._master: bytes | None = None

    @property
    def fingerprint(self) -> str:
        """Tells keys apart, tells nothing of the key. Raises Conflict without one."""
        return hashlib.sha256(b"liteheart master" + self._key()).hexdigest()[:16]

    def wrap(self, patient: str, data_key: bytes) -> bytes:
        """The data key, for keeping."""
        return _encrypt(self._key(), b"key " + patient.encode(), data_key)

    def unwrap(self, patient: str, wrapped: bytes) -> bytes:
        """The data key. Raises Conflict for one that another master key wrapped."""
        try:
            return _decrypt(self._key(), b"key " + patient.encode(), wrapped)
        except InvalidTag:
            raise Conflict("identity", "was sealed with another key than the one that is set") from None

    def _key(self) -> bytes:
        if self._master is None:
            self._master = self._source()
        if self._master is None:
            raise Conflict("identity", "no key is set: identities can neither be kept nor read")
        return self._master


class Identities:
    """Over SQL. Every method raises Retryable when the database does not answer, Conflict where no key is set."""

    def __init__(self, engine: Engine, vault: Vault) -> None:
        self._engine, self._vault = engine, vault

    def set(self, patient: PatientId, identity: Mapping[str, Any], by: str, now_us: int) -> bool:
        """Keep or correct an identity; False for a patient who was never admitted."""
        with writing(self._engine) as connection:
            if connection.execute(select(patients).where(patients.c.patient_id == patient)).first() is None:
                return False
            keep(connection, self._vault, patient, identity, by, now_us)
        return True

    def read(self, patient: PatientId, by: str, now_us: int, *, glass: bool) -> dict[str, Any] | None:
        """Who that is, None where nobody said; the reading is noted. `glass`: it was broken for this."""
        with writing(self._engine) as connection:
            row = connection.execute(select(identities).where(identities.c.patient_id == patient)).one_or_none()
            if row is None or row.wrapped_key is None:
                return None
            data_key = self._vault.unwrap(patient, bytes(row.wrapped_key))
            sealed = _decrypt(data_key, b"identity " + patient.encode(), bytes(row.sealed))
            detail = {"flagged": True, "glass": "broken"} if glass else {}
            note(connection, Deed(now_us, by, "identity-read", patient, detail))
        found: dict[str, Any] = json.loads(sealed)
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
        """Make the identity unreadable for ever; False when there is none (any more)."""
        there = (identities.c.patient_id == patient) & identities.c.wrapped_key.is_not(None)
        with writing(self._engine) as connection:
            gone = update(identities).where(there).values(wrapped_key=None, sealed=b"", at_us=now_us)
            if not connection.execute(gone).rowcount:
                return False
            note(connection, Deed(now_us, by, "identity-destroyed", patient))
        return True


def keep(
    connection: Connection, vault: Vault, patient: PatientId, identity: Mapping[str, Any], by: str, now_us: int
) -> None:
    """Seal an identity under the patient's data key, as part of the caller's transaction."""
    mine = select(identities.c.wrapped_key).where(identities.c.patient_id == patient)
    wrapped = connection.scalar(mine.with_for_update())
    data_key = secrets.token_bytes(KEY_BYTES) if wrapped is None else vault.unwrap(patient, bytes(wrapped))
    plain = json.dumps(dict(identity), ensure_ascii=False).encode()
    row = {
        "patient_id": patient,
        "master": vault.fingerprint,
        "wrapped_key": vault.wrap(patient, data_key),
        "sealed": _encrypt(data_key, b"identity " + patient.encode(), plain),
        "at_us": now_us,
    }
    statement = queries.insert_for(connection, identities)
    fresh = {name: statement.excluded[name] for name in row if name != "patient_id"}
    connection.execute(statement.on_conflict_do_update(index_elements=["patient_id"], set_=fresh), row)
    note(connection, Deed(now_us, by, "identity-set", patient))


def _encrypt(key: bytes, bound: bytes, plain: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound)


def _decrypt(key: bytes, bound: bytes, sealed: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
