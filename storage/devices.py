"""Which device speaks for which patient, and the token it proves it with."""

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import Engine, select, update

from liteheart.errors import Poison
from liteheart.ids import DeviceId, PatientId, is_identifier
from storage.engine import reading, writing
from storage.queries import insert_for
from storage.schema import devices, patients


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token stands for."""

    device: DeviceId
    patient: PatientId


class Devices:
    """The registry over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def register(self, device: DeviceId, patient: PatientId, *, now_us: int, bed: str = "") -> str:
        """A token for the device, shown this once. An earlier token of the device ends; a bed given replaces the old.

        Raises Poison for a device or patient that is no identifier.
        """
        for field, name in (("device", device), ("patient", patient)):
            if not is_identifier(name):
                raise Poison(field, "must be 1 to 64 letters, digits or . _ : -")
        token = f"lh_{secrets.token_urlsafe(32)}"
        with writing(self._engine) as connection:
            admit = insert_for(connection, patients)
            admit = admit.on_conflict_do_update(
                index_elements=[patients.c.patient_id],
                set_={"bed": admit.excluded.bed},
                where=admit.excluded.bed != "",
            )
            connection.execute(admit, {"patient_id": patient, "bed": bed, "admitted_us": now_us})
            grant = insert_for(connection, devices)
            columns = {name: grant.excluded[name] for name in ("patient_id", "token_hash", "revoked_us")}
            grant = grant.on_conflict_do_update(index_elements=[devices.c.device_id], set_=columns)
            connection.execute(
                grant,
                {"device_id": device, "patient_id": patient, "token_hash": _hash(token), "revoked_us": None},
            )
        return token

    def authenticate(self, token: str) -> Grant | None:
        """The device and patient of a token, or None when it is unknown or revoked.

        256 random bits need no slow hash, and looking a hash up tells nothing of the token by its time.
        """
        statement = select(devices.c.device_id, devices.c.patient_id).where(
            devices.c.token_hash == _hash(token), devices.c.revoked_us.is_(None)
        )
        with reading(self._engine) as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else Grant(DeviceId(row.device_id), PatientId(row.patient_id))

    def revoke(self, device: DeviceId, now_us: int) -> bool:
        """End the device's token; False when it has none that is valid."""
        valid = (devices.c.device_id == device) & devices.c.revoked_us.is_(None)
        with writing(self._engine) as connection:
            statement = update(devices).where(valid).values(revoked_us=now_us)
            return connection.execute(statement).rowcount == 1


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
