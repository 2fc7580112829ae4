"""Which device speaks for which patient, and the token it proves it with."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, select, update

from liteheart.errors import Poison
from liteheart.ids import DeviceId, PatientId, is_identifier
from storage.audit import Deed, note
from storage.beds import is_free, lay, leave, one_to_a_bed, refuse_taken
from storage.engine import reading, writing
from storage.mosquitto import mosquitto_hash
from storage.people import OPERATOR
from storage.queries import insert_for
from storage.schema import checkpoints, devices, patient_state, patients


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token stands for."""

    device: DeviceId
    patient: PatientId


class Devices:
    """The registry over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def register(self, device: DeviceId, patient: PatientId, *, now_us: int, bed: str = "", by: str = OPERATOR) -> str:
        """A token for the device, shown this once. An earlier token of the device ends; a bed given replaces the old.

        A patient who was discharged is back with it, in the old bed if none is given and nobody lies there. Raises
        Conflict for a bed where someone else lies, Poison for a device or patient that is no identifier.
        """
        for field, name in (("device", device), ("patient", patient)):
            if not is_identifier(name):
                raise Poison(field, "must be 1 to 64 letters, digits or . _ : -")
        with one_to_a_bed(bed), writing(self._engine) as connection:
            _begin_anew(connection, patient)
            _admit(connection, patient, bed, by, now_us)
            token = give_token(connection, device, patient)
            note(connection, Deed(now_us, by, "device-registered", patient, {"device": device, "bed": bed}))
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

    def grants_of(self, devices_asked: Collection[DeviceId]) -> dict[DeviceId, Grant]:
        """The grants of those devices that have a valid token now; for a broker that has checked the token itself."""
        wanted = devices.c.device_id.in_(devices_asked) & devices.c.revoked_us.is_(None)
        with reading(self._engine) as connection:
            rows = connection.execute(select(devices.c.device_id, devices.c.patient_id).where(wanted)).all()
        return {DeviceId(d): Grant(DeviceId(d), PatientId(p)) for d, p in rows}

    def mqtt_accounts(self) -> list[tuple[DeviceId, str]]:
        """Devices with a valid token and its hash for Mosquitto's password file, by name.

        A device that was registered before this was kept has none, and is to be registered again.
        """
        wanted = devices.c.mqtt_hash.is_not(None) & devices.c.revoked_us.is_(None)
        statement = select(devices.c.device_id, devices.c.mqtt_hash).where(wanted).order_by(devices.c.device_id)
        with reading(self._engine) as connection:
            return [(DeviceId(device), kept) for device, kept in connection.execute(statement)]

    def revoke(self, device: DeviceId, now_us: int, *, by: str = OPERATOR) -> bool:
        """End the device's token; False when it has none that is valid."""
        valid = (devices.c.device_id == device) & devices.c.revoked_us.is_(None)
        with writing(self._engine) as connection:
            statement = update(devices).where(valid).values(revoked_us=now_us).returning(devices.c.patient_id)
            patient = connection.scalar(statement)
            if patient is not None:
                note(connection, Deed(now_us, by, "device-revoked", patient, {"device": device}))
        return patient is not None


def give_token(connection: Connection, device: DeviceId, patient: PatientId) -> str:
    """A new token, shown this once; whichever the device had ends. As part of the caller's transaction."""
    token = f"lh_{secrets.token_urlsafe(32)}"
    grant = insert_for(connection, devices)
    row = {
        "device_id": device,
        "patient_id": patient,
        "token_hash": _hash(token),
        "revoked_us": None,
        "mqtt_hash": mosquitto_hash(token),  # now or never: the token itself is not kept
    }
    columns = {name: grant.excluded[name] for name in row if name != "device_id"}
    connection.execute(grant.on_conflict_do_update(index_elements=[devices.c.device_id], set_=columns), row)
    return token


def end_devices(connection: Connection, patient: PatientId, now_us: int) -> list[str]:
    """End the tokens of all devices of a patient, as part of the caller's transaction; which they were."""
    valid = (devices.c.patient_id == patient) & devices.c.revoked_us.is_(None)
    ended = update(devices).where(valid).values(revoked_us=now_us).returning(devices.c.device_id)
    return sorted(row.device_id for row in connection.execute(ended))


def _begin_anew(connection: Connection, patient: PatientId) -> None:
    """Of someone who had left nothing of the stay before is left: neither alarms to go on from nor a last signal.

    First of all in the transaction: monitors lock in this order too.
    """
    gone = select(patients.c.patient_id).where(patients.c.discharged_us.is_not(None))
    mine = (checkpoints.c.patient == patient) & checkpoints.c.patient.in_(gone)
    again = {"state": "null", "epoch": checkpoints.c.epoch + 1}
    connection.execute(update(checkpoints).where(mine).values(again))
    last = (patient_state.c.patient == patient) & patient_state.c.patient.in_(gone)
    connection.execute(delete(patient_state).where(last))


def _admit(connection: Connection, patient: PatientId, bed: str, by: str, now_us: int) -> None:
    """Into a bed, or without one; who is here already stays where no bed is given."""
    known = connection.execute(select(patients).where(patients.c.patient_id == patient).with_for_update()).one_or_none()
    stays = known is not None and known.discharged_us is None
    before = "" if known is None else known.bed
    if stays:
        bed = bed or before
    elif not bed and before and is_free(connection, before):
        bed = before
    if stays and bed == before:
        return
    if bed:
        refuse_taken(connection, bed)
    since_us = known.admitted_us if stays and known is not None else now_us
    row = {"bed": bed, "admitted_us": since_us, "discharged_us": None}
    admit = insert_for(connection, patients).on_conflict_do_update(index_elements=[patients.c.patient_id], set_=row)
    connection.execute(admit, {"patient_id": patient} | row)
    leave(connection, patient, by, now_us)
    if bed:
        lay(connection, patient, bed, by, now_us)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
