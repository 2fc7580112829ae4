"""What people wrote: notes about patients, and hand-overs of the ward. Only ever added to, with name and time.

Notes are sealed with the patient's key where there is one; a hand-over is about the ward and is not."""

import base64
import logging
from typing import Any

from sqlalchemy import Engine, insert, select

from liteheart.errors import Conflict, Poison
from liteheart.history import Handover, Note
from liteheart.ids import PatientId
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.keys import Keyring
from storage.schema import handovers, notes

log = logging.getLogger(__name__)


class Notes:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine, keys: Keyring | None = None) -> None:
        self._engine, self._keys = engine, keys

    def of_patient(self, patient: PatientId, limit: int) -> list[Note]:
        """The newest first."""
        return self._notes(select(notes).where(notes.c.patient == patient).order_by(notes.c.id.desc()).limit(limit))

    def since(self, since_us: int, limit: int) -> list[Note]:
        """Of all patients, the newest first."""
        return self._notes(select(notes).where(notes.c.at_us >= since_us).order_by(notes.c.id.desc()).limit(limit))

    def write(self, patient: PatientId, text: str, by: str, now_us: int) -> Note:
        """Keep a note. The audit tells that it was written, not what it says."""
        cipher = None if self._keys is None else self._keys.making([patient], now_us).get(patient)
        kept = text if cipher is None else base64.b64encode(cipher.seal(_bound(patient), text.encode())).decode()
        row = {"patient": patient, "text": kept, "by_whom": by, "at_us": now_us, "sealed": cipher is not None}
        with writing(self._engine) as connection:
            number = connection.execute(insert(notes).returning(notes.c.id), row).scalar_one()
            note(connection, Deed(now_us, by, "note-written", patient, {"note": number}))
        return Note(number, patient, text, by, now_us)

    def handovers(self, since_us: int, limit: int) -> list[Handover]:
        """The newest first."""
        table = handovers
        statement = select(table).where(table.c.at_us >= since_us).order_by(table.c.id.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [_handover(row) for row in connection.execute(statement)]

    def hand_over(self, by: str, to: str, text: str, now_us: int) -> Handover:
        """Keep who handed over to whom."""
        row = {"by_whom": by, "to_whom": to, "text": text, "at_us": now_us}
        with writing(self._engine) as connection:
            number = connection.execute(insert(handovers).returning(handovers.c.id), row).scalar_one()
            note(connection, Deed(now_us, by, "handed-over", to, {"handover": number}))
        return Handover(number, by, to, text, now_us)

    def _notes(self, statement: Any) -> list[Note]:
        with reading(self._engine) as connection:
            rows = connection.execute(statement).all()
        return [Note(row.id, PatientId(row.patient), self._text(row), row.by_whom, row.at_us) for row in rows]

    def _text(self, row: Any) -> str:
        """What was written. Of a sealed one without its key, that it cannot be read: the others shall be."""
        if not row.sealed:
            return str(row.text)
        try:
            if self._keys is None:
                raise Conflict("key", "no key is set")
            return self._keys.reading(row.patient).open(_bound(row.patient), base64.b64decode(row.text)).decode()
        except (Conflict, Poison) as error:
            log.error("a note cannot be read: %s", error, extra={"patient": row.patient, "note": row.id})
            return "(cannot be read)"


def _bound(patient: str) -> bytes:
    return f"note {patient}".encode()


def _handover(row: Any) -> Handover:
    return Handover(row.id, row.by_whom, row.to_whom, row.text, row.at_us)
