"""Who lies where: admit, transfer, discharge. A bed holds one patient, whoever admits at the same moment.

Patients whose device was registered at the command line are here too, with the bed that was given then.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, insert, select, update

from liteheart.alarm import Alarm, Priority
from liteheart.errors import Conflict
from liteheart.ids import DeviceId, PatientId
from storage import queries, schema
from storage.audit import Deed, note
from storage.beds import lay, leave, one_to_a_bed, refuse_taken
from storage.devices import end_devices
from storage.engine import reading, writing
from storage.identities import keep, sealing
from storage.keys import Keyring
from storage.pairing import end_codes
from storage.rows import row_alarm
from storage.schema import devices, identities, patients
from storage.vault import Vault

_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Stay:
    """A patient who is here."""

    patient: PatientId
    bed: str
    since_us: int | None
    devices: tuple[DeviceId, ...]  # whose tokens are valid
    identified: bool  # somebody said who that is


class Admissions:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine, vault: Vault, keys: Keyring | None = None) -> None:
        self._engine, self._keys = engine, keys or Keyring(engine, vault)
        self.departed = 0  # how many have left by this object: whoever remembers who has left asks again

    def present(self) -> list[Stay]:
        """Everybody who is here, by bed."""
        known = identities.c.patient_id.is_not(None).label("identified")
        joined = patients.outerjoin(identities, identities.c.patient_id == patients.c.patient_id)
        here = select(patients, known).select_from(joined).where(patients.c.discharged_us.is_(None))
        worn = select(devices.c.patient_id, devices.c.device_id).where(devices.c.revoked_us.is_(None))
        with reading(self._engine) as connection:
            of: dict[str, list[DeviceId]] = {}
            for row in connection.execute(worn.order_by(devices.c.device_id)):
                of.setdefault(row.patient_id, []).append(DeviceId(row.device_id))
            rows = connection.execute(here.order_by(patients.c.bed, patients.c.patient_id)).all()
        return [_stay(row, of.get(row.patient_id, [])) for row in rows]

    def discharged(self) -> frozenset[PatientId]:
        """Those who have left."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(patients.c.patient_id).where(patients.c.discharged_us.is_not(None)))
            return frozenset(PatientId(row.patient_id) for row in rows)

    def left_on(self) -> list[Alarm]:
        """Alarms that are still active of patients who have left.

        Not those of HIGH priority that nobody has acknowledged: one that was raised in the moment of the discharge
        is looked at by someone first.
        """
        gone = select(patients.c.patient_id).where(patients.c.discharged_us.is_not(None))
        table = schema.alarms
        seen = (table.c.priority < Priority.HIGH) | table.c.acknowledged_us.is_not(None)
        with reading(self._engine) as connection:
            rows = connection.execute(select(table).where(schema.OPEN, table.c.active, seen, table.c.patient.in_(gone)))
            return [row_alarm(row) for row in rows]

    def admit(self, bed: str, identity: Mapping[str, Any] | None, by: str, now_us: int) -> PatientId:
        """A fresh pseudonym in a free bed. Raises Conflict where someone lies, or without a key for the identity."""
        patient = PatientId("p-" + "".join(secrets.choice(_LETTERS) for _ in range(12)))
        cipher = None if identity is None else sealing(self._keys, patient, now_us)
        with one_to_a_bed(bed), writing(self._engine) as connection:
            refuse_taken(connection, bed)
            connection.execute(insert(patients), {"patient_id": patient, "bed": bed, "admitted_us": now_us})
            lay(connection, patient, bed, by, now_us)
            note(connection, Deed(now_us, by, "admitted", patient, {"bed": bed}))
            if identity is not None and cipher is not None:
                keep(connection, cipher, patient, identity, by, now_us)
        return patient

    def transfer(self, patient: PatientId, bed: str, by: str, now_us: int) -> bool:
        """To another bed; False for a patient who is not here. Raises Conflict where someone lies."""
        with one_to_a_bed(bed), writing(self._engine) as connection:
            row = _held(connection, patient)
            if row is None:
                return False
            if row.bed == bed:
                return True
            refuse_taken(connection, bed)
            connection.execute(update(patients).where(patients.c.patient_id == patient).values(bed=bed))
            leave(connection, patient, by, now_us)
            lay(connection, patient, bed, by, now_us)
            note(connection, Deed(now_us, by, "transferred", patient, {"from": row.bed, "bed": bed}))
        return True

    def discharge(self, patient: PatientId, by: str, now_us: int) -> bool:
        """End the stay, the device's token and open codes; False for a patient who is not here.

        Raises Conflict while an alarm of HIGH priority is on that nobody has acknowledged.
        """
        with writing(self._engine) as connection:
            row = _held(connection, patient)
            if row is None:
                return False
            for alarm in queries.alarms(connection, open_only=True, limit=None, patient=patient):
                if alarm.priority >= Priority.HIGH and alarm.acknowledged_us is None:
                    raise Conflict("alarm", f"{alarm.label} ({alarm.alarm_id}) is on and nobody has acknowledged it")
            connection.execute(update(patients).where(patients.c.patient_id == patient).values(discharged_us=now_us))
            leave(connection, patient, by, now_us)
            ended = end_devices(connection, patient, now_us)
            end_codes(connection, patient, now_us)
            note(connection, Deed(now_us, by, "discharged", patient, {"bed": row.bed, "devices": ended}))
        self.departed += 1
        return True


def _held(connection: Connection, patient: PatientId) -> Any:
    """The row of a patient who is here, locked."""
    here = (patients.c.patient_id == patient) & patients.c.discharged_us.is_(None)
    return connection.execute(select(patients).where(here).with_for_update()).one_or_none()


def _stay(row: Any, worn: Sequence[DeviceId]) -> Stay:
    return Stay(PatientId(row.patient_id), row.bed, row.admitted_us, tuple(worn), bool(row.identified))
