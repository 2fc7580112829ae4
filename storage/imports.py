"""What was imported from files, and of whom: so that a second run, or one after a crash, adds what is missing only.

A row of `imports` is either a recording that is wholly here (SHA-256 of its signal), or one who was met in files: then
its digest is an HMAC, keyed with the master key, of what files call that patient. So the same patient gets the same
pseudonym next month, and nobody without the key can tell from a row whose it is.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, insert, select

from liteheart.errors import Conflict, Poison
from liteheart.ids import DeviceId, PatientId
from storage import queries
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.identities import keep, sealing
from storage.keys import Keyring
from storage.schema import blocks, frames, identities, imports, patients, subjects
from storage.subjects import Subject, check, keep_subject

BY: Final = "import"
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Whose:
    """Who a recording is of, as far as its file says. Nothing of `group` and `identity` is kept in clear."""

    group: str  # equal for files of one patient; "" where the file says nothing
    site: str = ""
    sex: str = "unknown"
    birth_year: int | None = None
    identity: Mapping[str, Any] | None = None  # to be sealed; None: dropped


@dataclass(frozen=True, slots=True)
class Begun:
    """What is stored of a recording."""

    t0_us: int
    t1_us: int


class Imports:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(
        self,
        engine: Engine,
        keys: Keyring | None,
        master: Callable[[], bytes | None],
    ) -> None:
        """Without `keys` only looks: nobody can be enrolled."""
        self._engine, self._keys, self._master = engine, keys, master

    def known(self, digest: bytes) -> PatientId | None:
        """Whose recording it is, when it is wholly here."""
        with reading(self._engine) as connection:
            found = connection.scalar(select(imports.c.patient).where(imports.c.digest == digest))
        return None if found is None else PatientId(found)

    def enrol(self, digest: bytes, whose: Whose, now_us: int) -> PatientId:
        """The pseudonym for a recording, a fresh one of a patient who is not here, unless the patient is known.

        Raises Conflict for a patient who was erased, and without a key when files name their patients; Poison for a
        site that cannot be.
        """
        if self._keys is None:
            raise Conflict("patient", "cannot be enrolled while nothing may be written")
        key, erased = self._key(digest, whose.group), self._keys.erased()
        with writing(self._engine) as connection:
            found = connection.scalar(select(imports.c.patient).where(imports.c.digest == key))
            if found is not None and found in erased:
                raise Conflict("patient", "was erased here")
            patient = PatientId(found or "p-" + "".join(secrets.choice(_LETTERS) for _ in range(12)))
            if found is None:
                connection.execute(
                    insert(patients),
                    {"patient_id": patient, "bed": "", "admitted_us": None, "discharged_us": now_us},
                )
                connection.execute(insert(imports), {"digest": key, "patient": patient, "samples": 0, "at_us": now_us})
            _describe(connection, patient, whose, now_us)
            mine = select(identities.c.patient_id).where(identities.c.patient_id == patient)
            named = connection.execute(mine).first() is not None
        if whose.identity and not named:
            cipher = sealing(self._keys, patient, now_us)
            with writing(self._engine) as connection:
                keep(connection, cipher, patient, whose.identity, BY, now_us)
        return patient

    def begun(self, patient: PatientId, device: DeviceId) -> Begun | None:
        """What an import that broke off left of a recording; None: nothing."""
        with reading(self._engine) as connection:
            spans = [_span(connection, t, (t.c.patient == patient) & (t.c.device == device)) for t in (frames, blocks)]
        there = [s for s in spans if s is not None]
        return Begun(min(s.t0_us for s in there), max(s.t1_us for s in there)) if there else None

    def end_us(self, patient: PatientId, since_us: int, until_us: int) -> int | None:
        """The end of what is stored of a patient and begins in a period; None: nothing does."""
        with reading(self._engine) as connection:
            spans = [
                _span(connection, t, (t.c.patient == patient) & (t.c.t0_us >= since_us) & (t.c.t0_us < until_us))
                for t in (frames, blocks)
            ]
        return max((s.t1_us for s in spans if s is not None), default=None)

    def finish(self, digest: bytes, patient: PatientId, samples: int, now_us: int) -> None:
        """The recording is wholly here."""
        row = {"digest": digest, "patient": patient, "samples": samples, "at_us": now_us}
        with writing(self._engine) as connection:
            if connection.execute(queries.insert_ignoring(connection, imports), row).rowcount:
                note(connection, Deed(now_us, BY, "imported", patient, {"samples": samples}))

    def _key(self, digest: bytes, group: str) -> bytes:
        if not group:
            return hashlib.sha256(b"patient of " + digest).digest()
        master = self._master()
        if master is None:
            raise Conflict("key", "no key is set: whose files these are cannot be remembered without keeping a name")
        return hmac.new(hmac.digest(master, b"liteheart imports", "sha256"), group.encode(), "sha256").digest()


def _span(connection: Connection, table: Any, where: Any) -> Begun | None:
    row = connection.execute(select(func.min(table.c.t0_us), func.max(table.c.t1_us)).where(where)).one()
    return None if row[0] is None else Begun(row[0], row[1])


def _describe(connection: Connection, patient: PatientId, whose: Whose, now_us: int) -> None:
    """Add what is new to what is known of the subject; what was said before stays."""
    said = Subject(patient, whose.site, whose.sex, whose.birth_year)
    try:
        check(said, now_us)
    except Poison as poison:
        if poison.field == "site":
            raise
        said = replace(said, birth_year=None)  # a year that cannot be is not known
    before = connection.execute(select(subjects).where(subjects.c.patient == patient)).one_or_none()
    if before is not None:
        said = Subject(
            patient,
            before.site or said.site,
            before.sex if before.sex != "unknown" else said.sex,
            before.birth_year if before.birth_year is not None else said.birth_year,
        )
        if (said.site, said.sex, said.birth_year) == (before.site, before.sex, before.birth_year):
            return
    if said != Subject(patient):
        keep_subject(connection, said, BY, now_us)
