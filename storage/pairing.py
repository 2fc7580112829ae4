"""One-time codes that make a device the device of a patient: shown once, kept as a slow hash, used once."""

import hashlib
import secrets
from typing import Final

from sqlalchemy import Connection, Engine, insert, select, update

from liteheart.errors import Conflict, Poison
from liteheart.ids import DeviceId, PatientId, is_identifier
from storage.audit import Deed, note
from storage.devices import give_token
from storage.engine import writing
from storage.schema import devices, pairings, patients

ALPHABET: Final = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # nothing that looks like something else: no I, L, O, 0, 1
LENGTH: Final = 8
_WRONG = "is unknown, used up or expired"


class Pairing:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def offer(self, patient: PatientId, by: str, now_us: int, until_us: int) -> str | None:
        """A code, the only one of this patient that holds from now on; None for a patient who is not here."""
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        kept = _hash(code)
        with writing(self._engine) as connection:
            if not _here(connection, patient):
                return None
            end_codes(connection, patient, now_us)
            row = {"patient_id": patient, "code_hash": kept, "by_whom": by, "created_us": now_us, "until_us": until_us}
            connection.execute(insert(pairings), row)
            note(connection, Deed(now_us, by, "pairing-offered", patient, {"until_us": until_us}))
        return code

    def redeem(self, code: str, device: DeviceId, now_us: int) -> str:
        """The device's token. Of many who use one code at once, one gets it.

        Raises Poison for a code that does not hold or a device that is no identifier, Conflict for a device that
        speaks for someone else: pairing must not silence another patient.
        """
        if not is_identifier(device):
            raise Poison("device", "must be 1 to 64 letters, digits or . _ : -")
        entered = "".join(code.upper().replace("-", "").split())
        if len(entered) != LENGTH or not set(entered) <= set(ALPHABET):
            raise Poison("code", _WRONG)
        kept = _hash(entered)
        holds = (pairings.c.code_hash == kept) & pairings.c.ended_us.is_(None) & (pairings.c.until_us > now_us)
        with writing(self._engine) as connection:
            row = connection.execute(select(pairings).where(holds)).one_or_none()
            if row is None or not _here(connection, PatientId(row.patient_id)):
                raise Poison("code", _WRONG)
            use = update(pairings).where(holds).values(ended_us=now_us, device=device)
            if not connection.execute(use).rowcount:  # someone else was faster
                raise Poison("code", _WRONG)
            _refuse_foreign(connection, device, row.patient_id)
            token = give_token(connection, device, PatientId(row.patient_id))
            detail = {"device": device, "offered_by": row.by_whom}
            note(connection, Deed(now_us, device, "device-paired", row.patient_id, detail))
        return token


def end_codes(connection: Connection, patient: PatientId, now_us: int) -> None:
    """Codes of the patient hold no longer, as part of the caller's transaction."""
    open_now = (pairings.c.patient_id == patient) & pairings.c.ended_us.is_(None)
    connection.execute(update(pairings).where(open_now).values(ended_us=now_us))


def _here(connection: Connection, patient: PatientId) -> bool:
    """Whether the patient is here, and stays until this transaction ends."""
    here = (patients.c.patient_id == patient) & patients.c.discharged_us.is_(None)
    return connection.execute(select(patients.c.patient_id).where(here).with_for_update()).first() is not None


def _refuse_foreign(connection: Connection, device: DeviceId, patient: str) -> None:
    other = (devices.c.device_id == device) & (devices.c.patient_id != patient) & devices.c.revoked_us.is_(None)
    if connection.execute(select(devices.c.device_id).where(other)).first() is not None:
        raise Conflict("device", "speaks for another patient; end that first")


def _hash(code: str) -> bytes:
    """Slow, for 40 bits are few; the same for the same code, for it is looked up by this."""
    return hashlib.scrypt(code.encode(), salt=b"liteheart pairing", n=1 << 14, r=8, p=1, dklen=32)
