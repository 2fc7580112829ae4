"""One key for each patient: everything of a patient's is sealed with it, and destroying it is the erasure.

    master key (settings, never here) --wraps--> data key of one patient --seals--> identity, frames, blocks, overviews,
                                                                                    notes

All with AES-256-GCM, the patient's pseudonym and the row's own identity bound in, so that rows cannot be swapped. The
wrapped keys may lie in a database of their own (`storage.keys_url`), which no backup that is kept for long contains:
then what was destroyed here is unreadable there too.
"""

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from sqlalchemy import Connection, Engine, func, select, update

from liteheart.errors import Conflict, Misconfigured
from storage import queries
from storage.engine import forget_deleted, open_engine, reading, writing
from storage.readonly import open_readonly
from storage.schema import patient_keys
from storage.settings import StorageSettings
from storage.vault import KEY_BYTES, Cipher, Vault

log = logging.getLogger(__name__)

ASKED_S: Final = 10.0  # a key that was destroyed by another process is used no longer
MOST: Final = 16_384  # unwrapped keys in memory, some 1 kB each
_IN: Final = 500  # patients to an IN list


class Keyring:
    """The patients' keys over SQL. Thread-safe.

    Unwrapped ones are remembered, the newest `MOST`. That none of them was destroyed elsewhere is asked every `ASKED_S`
    while keys are used; a process that uses none opens nothing with those it remembers.

    Every method raises Retryable when the database does not answer. Ask it before a transaction is begun: it has its
    own, and on SQLite there is one writer at a time.
    """

    def __init__(
        self, engine: Engine, vault: Vault, *, most: int = MOST, tick: Callable[[], float] = time.monotonic
    ) -> None:
        """`tick`: seconds that never go back."""
        self._engine, self._vault, self._most, self._tick = engine, vault, most, tick
        self._lock, self._asking = threading.Lock(), threading.Lock()
        self._due_s = 0.0  # when it is asked anew who was erased
        self._known: dict[str, Cipher] = {}  # in the order in which they were unwrapped
        self._erased: dict[str, int] = {}  # when the key was destroyed
        self._newest: tuple[int, int] | None = None  # how many that are, and the time of the last
        self._told = False  # that nothing is sealed here

    @property
    def sealing(self) -> bool:
        """Whether what is written is sealed. Says once in the log when it is not."""
        if not self._vault.is_set and not self._told:
            self._told = True
            log.warning("no identity key is set: signal is kept unsealed, and its erasure does not reach backups")
        return self._vault.is_set

    def erased(self) -> Mapping[str, int]:
        """Whose key was destroyed, and when, as it is now; keys that are remembered of them are forgotten."""
        now_s = self._tick()
        with reading(self._engine) as connection:
            newest = tuple(connection.execute(_NEWEST).one())
            if newest == self._newest:
                self._due_s = now_s + ASKED_S
                return self._erased
            gone = {row.patient: row.destroyed_us for row in connection.execute(_GONE)}
        with self._lock:
            for patient, at_us in gone.items():
                if self._erased.get(patient) != at_us:
                    self._known.pop(patient, None)
            self._erased, self._newest, self._due_s = gone, (newest[0], newest[1]), now_s + ASKED_S
        return gone

    def has(self, patients: Iterable[str]) -> set[str]:
        """Of these, who has a key."""
        names, found = sorted(set(patients)), set()
        with reading(self._engine) as connection:
            for start in range(0, len(names), _IN):
                mine = patient_keys.c.patient.in_(names[start : start + _IN]) & patient_keys.c.wrapped.is_not(None)
                found |= set(connection.scalars(select(patient_keys.c.patient).where(mine)))
        return found

    def reading(self, patient: str) -> Cipher:
        """What opens what is sealed. Raises Conflict when the key is not here, was destroyed or cannot be unwrapped."""
        self._ask()
        found = self._known.get(patient)
        if found is not None:
            return found
        as_of = self._newest
        with reading(self._engine) as connection:
            wrapped = connection.scalar(select(patient_keys.c.wrapped).where(patient_keys.c.patient == patient))
        if wrapped is None:
            raise Conflict("key", f"there is no key of {patient}: what was sealed with it cannot be read")
        return self._remember(patient, self._vault.unwrap(patient, bytes(wrapped)), as_of)

    def making(self, patients: Iterable[str], now_us: int) -> dict[str, Cipher]:
        """What to seal with, of each patient, made where there is none; empty where no master key is set.

        Raises Misconfigured when another master key wrapped them.
        """
        if not self.sealing:
            return {}
        self._ask()
        wanted = sorted(set(patients))
        missing = [name for name in wanted if name not in self._known]
        for start in range(0, len(missing), _IN):
            self._make(missing[start : start + _IN], now_us)
        return {name: self._known.get(name) or self.reading(name) for name in wanted}

    def destroy(self, patient: str, now_us: int) -> bool:
        """Make everything that the key sealed unreadable for ever; False when there was none (any more).

        That it is destroyed is remembered also of patients who never had one.
        """
        with writing(self._engine) as connection:
            mine = (patient_keys.c.patient == patient) & patient_keys.c.wrapped.is_not(None)
            gone = update(patient_keys).where(mine).values(wrapped=None, destroyed_us=now_us)
            there = connection.execute(gone).rowcount > 0
            if not there:
                row = {"patient": patient, "master": "", "wrapped": None, "made_us": now_us, "destroyed_us": now_us}
                add = queries.insert_for(connection, patient_keys)
                fresh = {"destroyed_us": add.excluded.destroyed_us}
                connection.execute(add.on_conflict_do_update(index_elements=["patient"], set_=fresh), row)
        forget_deleted(self._engine, ("patient_keys",))
        with self._lock:
            self._known.pop(patient, None)
        return there

    def adopt(self, other: Engine) -> int:
        """Take the keys that lie in `other`, the database of all else, out of there; how many were taken."""
        with reading(other) as connection:
            rows = [dict(row._mapping) for row in connection.execute(select(patient_keys))]
        if not rows:
            return 0
        with writing(self._engine) as connection:
            connection.execute(queries.insert_ignoring(connection, patient_keys), rows)
        with writing(other) as connection:
            connection.execute(patient_keys.delete().where(patient_keys.c.patient.in_([r["patient"] for r in rows])))
        forget_deleted(other, ("patient_keys",))
        return len(rows)

    def _ask(self) -> None:
        """Who was erased, when that is due; one asks, the others go on."""
        if self._tick() >= self._due_s and self._asking.acquire(blocking=False):
            try:
                self.erased()
            finally:
                self._asking.release()

    def _make(self, names: list[str], now_us: int) -> None:
        """Keys of those who have none, and of those whose key was destroyed before they came again."""
        made, as_of = {name: secrets.token_bytes(KEY_BYTES) for name in names}, self._newest
        with reading(self._engine) as connection:
            rows = _wrapped(connection, names)
        if any(name not in rows for name in names):
            with writing(self._engine) as connection:
                add = queries.insert_for(connection, patient_keys)
                fresh = {column: add.excluded[column] for column in ("master", "wrapped")}
                add = add.on_conflict_do_update(
                    index_elements=["patient"], set_=fresh, where=patient_keys.c.wrapped.is_(None)
                )
                connection.execute(add, [self._row(n, made[n], now_us) for n in names if n not in rows])
                rows = _wrapped(connection, names)
        for name, wrapped in rows.items():
            try:
                self._remember(name, self._vault.unwrap(name, wrapped), as_of)
            except Conflict as conflict:
                raise Misconfigured("identity_key", f"the key of {name} {conflict.reason}") from None

    def _row(self, name: str, key: bytes, now_us: int) -> dict[str, object]:
        wrapped = self._vault.wrap(name, key)
        master = self._vault.fingerprint
        return {"patient": name, "master": master, "wrapped": wrapped, "made_us": now_us, "destroyed_us": None}

    def _remember(self, patient: str, key: bytes, as_of: tuple[int, int] | None) -> Cipher:
        """Unless someone was erased since it was read: it may have been this one."""
        cipher = Cipher(key)
        with self._lock:
            if as_of == self._newest:
                self._known[patient] = cipher
                while len(self._known) > self._most:
                    del self._known[next(iter(self._known))]
        return cipher


def open_keys(settings: StorageSettings, engine: Engine, vault: Vault) -> tuple[Keyring, Callable[[], None]]:
    """The patients' keys, and what closes their database; `engine` is that of everything else.

    Keys that lay there move to their own database when there is one.
    """
    own = settings.keys
    if own is None:
        return Keyring(engine, vault), lambda: None
    apart = open_engine(own)
    with writing(apart) as connection:
        patient_keys.create(connection, checkfirst=True)
    keys = Keyring(apart, vault)
    moved = keys.adopt(engine)
    if moved:
        log.info("keys of %d patients moved to their own database", moved)
    return keys, apart.dispose


def open_keys_readonly(settings: StorageSettings, engine: Engine, vault: Vault) -> Keyring:
    """The patients' keys for what only looks: nothing is made and nothing moves."""
    own = settings.keys
    with contextlib.suppress(Misconfigured):
        if own is not None:
            return Keyring(open_readonly(own), vault)
    return Keyring(engine, vault)


def _wrapped(connection: Connection, names: list[str]) -> dict[str, bytes]:
    table = patient_keys
    mine = table.c.patient.in_(names) & table.c.wrapped.is_not(None)
    return {
        r.patient: bytes(r.wrapped) for r in connection.execute(select(table.c.patient, table.c.wrapped).where(mine))
    }


_NEWEST = select(func.count(), func.coalesce(func.max(patient_keys.c.destroyed_us), 0)).where(
    patient_keys.c.destroyed_us.is_not(None)
)
_GONE = select(patient_keys.c.patient, patient_keys.c.destroyed_us).where(patient_keys.c.destroyed_us.is_not(None))
