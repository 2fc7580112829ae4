"""Who imported files belong to, and what was imported: the same on every SQL database."""

import hashlib
from dataclasses import replace

import pytest
from sqlalchemy import Engine, select

from liteheart.errors import Conflict, Poison
from liteheart.ids import DeviceId
from storage.admissions import Admissions
from storage.audit import Audit
from storage.board import Board
from storage.engine import reading
from storage.identities import Identities
from storage.imports import Imports, Whose
from storage.keys import Keyring
from storage.monitor_store import Batch, MonitorStore
from storage.schema import imports, patients
from storage.settings import StorageSettings
from storage.subjects import Subject, Subjects
from storage.vault import Vault

T0 = 1_790_000_000_000_000
KEY = bytes(range(32))
ANNA = {"name": "Anna", "born": "1951-03-04", "record_number": "4711"}


def digest(n: int) -> bytes:
    return hashlib.sha256(bytes([n])).digest()


@pytest.fixture
def keys(engine: Engine) -> Keyring:
    return Keyring(engine, Vault(lambda: KEY))


@pytest.fixture
def desk(engine: Engine, keys: Keyring) -> Imports:
    return Imports(engine, keys, lambda: KEY)


def test_one_who_is_named_in_two_files_is_one_and_nobody_else_is(desk: Imports) -> None:
    anna = desk.enrol(digest(1), Whose("id|a|4711"), T0)
    assert desk.enrol(digest(2), Whose("id|a|4711"), T0 + 1) == anna
    assert desk.enrol(digest(3), Whose("id|b|4711"), T0) != anna
    nameless = desk.enrol(digest(4), Whose(""), T0)
    assert desk.enrol(digest(4), Whose(""), T0 + 1) == nameless  # the same file, taken up after a crash
    assert desk.enrol(digest(5), Whose(""), T0) != nameless


def test_they_are_not_here(engine: Engine, desk: Imports, keys: Keyring, make: object) -> None:
    patient = desk.enrol(digest(1), Whose("id|a|4711"), T0)
    assert Admissions(engine, Vault(lambda: KEY), keys).present() == []
    assert patient in Admissions(engine, Vault(lambda: KEY), keys).discharged()
    assert Board(engine).awaited() == []


def test_what_is_known_is_known_after_it_is_finished(engine: Engine, desk: Imports) -> None:
    patient = desk.enrol(digest(1), Whose(""), T0)
    assert desk.known(digest(1)) is None
    for _ in range(2):
        desk.finish(digest(1), patient, 7, T0)
    assert desk.known(digest(1)) == patient
    assert Imports(engine, None, lambda: None).known(digest(1)) == patient
    assert Audit(engine).verify(None).broken is None


def test_what_is_stored_of_a_recording_that_broke_off(
    engine: Engine, desk: Imports, sql_settings: StorageSettings, make: object
) -> None:
    patient, device = desk.enrol(digest(1), Whose(""), T0), DeviceId("import-1")
    assert desk.begun(patient, device) is None
    assert desk.end_us(patient, 0, T0 * 2) is None
    frames = [make.frame(k, patient, device=device) for k in range(3)]  # type: ignore[attr-defined]
    MonitorStore(engine, sql_settings).commit(Batch(frames=frames))
    begun = desk.begun(patient, device)
    assert begun is not None
    assert (begun.t0_us, begun.t1_us) == (frames[0].t0_us, frames[2].t1_us)
    assert desk.end_us(patient, 0, T0 * 2) == frames[2].t1_us
    assert desk.end_us(patient, 0, frames[0].t0_us) is None
    assert Board(engine).awaited() == []


def test_what_is_said_of_the_subject_adds_up(engine: Engine, desk: Imports) -> None:
    anna = Whose("id|a|4711", site="a", sex="female")
    patient = desk.enrol(digest(1), anna, T0)
    assert Subjects(engine).of(patient) == Subject(patient, "a", "female", None)
    desk.enrol(digest(2), replace(anna, sex="male", birth_year=1951), T0)
    assert Subjects(engine).of(patient) == Subject(patient, "a", "female", 1951)
    desk.enrol(digest(3), replace(anna, birth_year=1066), T0)
    assert Subjects(engine).of(patient) == Subject(patient, "a", "female", 1951)
    with pytest.raises(Poison, match="site"):
        desk.enrol(digest(4), Whose("", site="ward 3"), T0)


def test_identities_are_sealed_or_dropped_and_the_id_is_nowhere(engine: Engine, desk: Imports, keys: Keyring) -> None:
    patient = desk.enrol(digest(1), Whose("id|a|4711"), T0)
    people = Identities(engine, Vault(lambda: KEY), keys)
    assert people.read(patient, "test", T0, glass=False) is None
    assert desk.enrol(digest(2), Whose("id|a|4711", identity=ANNA), T0) == patient
    assert people.read(patient, "test", T0, glass=False) == ANNA
    with reading(engine) as connection:
        rows = connection.execute(select(imports)).all()
    assert hashlib.sha256(b"id|a|4711").digest() not in {bytes(row.digest) for row in rows}
    assert not any(b"4711" in bytes(row.digest) for row in rows)


def test_who_was_erased_does_not_come_back_by_accident(engine: Engine, desk: Imports, keys: Keyring) -> None:
    patient = desk.enrol(digest(1), Whose("id|a|4711"), T0)
    keys.destroy(patient, T0)
    with pytest.raises(Conflict, match="was erased here"):
        desk.enrol(digest(2), Whose("id|a|4711"), T0)


def test_without_a_key_files_that_name_people_are_refused(engine: Engine) -> None:
    desk = Imports(engine, Keyring(engine, Vault(lambda: None)), lambda: None)
    with pytest.raises(Conflict, match="no key is set"):
        desk.enrol(digest(1), Whose("id|a|4711"), T0)
    desk.enrol(digest(1), Whose(""), T0)
    with reading(engine) as connection:
        assert len(connection.execute(select(patients)).all()) == 1
