"""Keys of patients: moved where they belong, made once, known to be destroyed everywhere."""

import threading
import uuid
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.engine import make_url

from liteheart.errors import Conflict, Poison
from storage.engine import open_engine, reading, writing
from storage.identities import Identities
from storage.keys import ASKED_S, Keyring, open_keys, open_keys_readonly
from storage.migrations import upgrade
from storage.schema import patient_keys
from storage.settings import StorageSettings
from storage.vault import KEY_BYTES, Cipher, Vault

S = 1_000_000
T0 = 1_790_000_000 * S
MASTER = bytes(range(KEY_BYTES))


@pytest.fixture
def ring(engine):
    return Keyring(engine, Vault(lambda: MASTER))


def test_a_key_is_made_once_whoever_asks_at_the_same_moment(engine):
    found, ready = [], threading.Barrier(4)

    def run():
        mine = Keyring(engine, Vault(lambda: MASTER))
        ready.wait()
        found.append(mine.making(["p1", "p2"], T0))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealed = found[0]["p1"].seal(b"a row", b"text")
    assert [f["p1"].open(b"a row", sealed) for f in found] == [b"text"] * 4
    with pytest.raises(Poison):
        found[1]["p2"].open(b"a row", sealed)
    with pytest.raises(Poison):
        found[1]["p1"].open(b"another row", sealed)
    with pytest.raises(Poison):
        found[1]["p1"].open(b"a row", b"short")


def test_a_destroyed_key_is_forgotten_by_every_process(engine, ring):
    other = Keyring(engine, Vault(lambda: MASTER))
    sealed = ring.making(["p1"], T0)["p1"].seal(b"x", b"text")
    assert other.reading("p1").open(b"x", sealed) == b"text"
    assert ring.destroy("p1", T0 + 1)
    assert dict(other.erased()) == {"p1": T0 + 1}
    with pytest.raises(Conflict, match="no key"):
        other.reading("p1")
    fresh = other.making(["p1"], T0 + 2)["p1"]  # given again
    with pytest.raises(Poison):
        fresh.open(b"x", sealed)
    assert dict(ring.erased()) == {"p1": T0 + 1}, "what is of before stays refused"
    assert ring.reading("p1").open(b"y", fresh.seal(b"y", b"new")) == b"new"
    assert not ring.destroy("nobody", T0 + 3)
    assert ring.erased()["nobody"] == T0 + 3


def test_a_key_that_another_process_destroyed_is_used_for_ten_seconds_at_most(engine, ring):
    now_s = [100.0]
    other = Keyring(engine, Vault(lambda: MASTER), tick=lambda: now_s[0])
    sealed = ring.making(["p1"], T0)["p1"].seal(b"x", b"text")
    assert other.reading("p1").open(b"x", sealed) == b"text"
    other.making(["p2"], T0)
    ring.destroy("p1", T0 + 1)
    ring.destroy("p2", T0 + 1)
    now_s[0] += ASKED_S
    with pytest.raises(Conflict, match="no key"):
        other.reading("p1")
    fresh = other.making(["p2"], T0 + 2)["p2"]  # not the one of before
    assert ring.reading("p2").open(b"y", fresh.seal(b"y", b"new")) == b"new"


def test_a_key_that_was_read_just_before_its_end_is_not_remembered(engine, ring):
    ring.making(["p1"], T0)
    at_that_moment = []

    class Slow(Vault):
        """The patient is erased, and that is told, between reading the wrapped key and unwrapping it."""

        def unwrap(self, patient, wrapped):
            for happens in at_that_moment:
                happens()
            return super().unwrap(patient, wrapped)

    other = Keyring(engine, Slow(lambda: MASTER))
    assert other.erased() == {}
    at_that_moment += [lambda: ring.destroy("p1", T0 + 1), other.erased]
    other.reading("p1")  # whoever asked before it was destroyed has it
    at_that_moment.clear()
    with pytest.raises(Conflict, match="no key"):
        other.reading("p1")


def test_no_more_keys_are_remembered_than_wanted(engine, ring):
    names = [f"p{k:02}" for k in range(12)]
    sealed = {name: cipher.seal(b"x", b"text") for name, cipher in ring.making(names, T0).items()}
    unwrapped = []

    class Counted(Vault):
        """Tells whose key is unwrapped."""

        def unwrap(self, patient, wrapped):
            unwrapped.append(patient)
            return super().unwrap(patient, wrapped)

    few = Keyring(engine, Counted(lambda: MASTER), most=4)
    assert few.making(names, T0).keys() == sealed.keys(), "more at once than are remembered"
    for name in names:
        assert few.reading(name).open(b"x", sealed[name]) == b"text"
    unwrapped.clear()
    for name in names[-4:] + names[:1]:
        few.reading(name)
    assert unwrapped == names[:1]


def test_without_a_master_key_nothing_is_sealed_and_that_is_said_once(engine, caplog):
    ring = Keyring(engine, Vault(lambda: None))
    assert ring.making(["p1"], T0) == {}
    assert ring.making(["p1"], T0) == {}
    assert caplog.text.count("unsealed") == 1
    with reading(engine) as connection:
        assert connection.execute(select(patient_keys)).all() == []


def test_keys_move_to_a_database_of_their_own(engine, ring, sql_settings, tmp_path):
    sealed = ring.making(["p1"], T0)["p1"].seal(b"x", b"text")
    apart = replace(sql_settings, keys_url=f"sqlite:///{tmp_path}/keys/keys.db")
    with reading(engine) as connection:
        wrapped = bytes(connection.scalar(select(patient_keys.c.wrapped)))
    assert open_keys_readonly(apart, engine, Vault(lambda: MASTER)).reading("p1").open(b"x", sealed) == b"text"
    for _ in range(2):
        keys, close = open_keys(apart, engine, Vault(lambda: MASTER))
        assert keys.reading("p1").open(b"x", sealed) == b"text"
        assert keys.has(["p1", "p2"]) == {"p1"}
        close()
    with reading(engine) as connection:
        assert connection.execute(select(patient_keys)).all() == []
    if engine.dialect.name == "sqlite":
        engine.dispose()
        assert not [p for p in tmp_path.glob("ward.db*") if wrapped in p.read_bytes()]
    assert wrapped in (tmp_path / "keys" / "keys.db").read_bytes()
    assert open_keys_readonly(apart, engine, Vault(lambda: MASTER)).reading("p1").open(b"x", sealed) == b"text"
    keys, close = open_keys(apart, engine, Vault(lambda: MASTER))
    keys.destroy("p1", T0)
    close()
    assert not [p for p in (tmp_path / "keys").iterdir() if wrapped in p.read_bytes()]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.service)])
def before(request, tmp_path):
    """An empty database, without a table."""
    if request.param == "sqlite":
        return StorageSettings(f"sqlite:///{tmp_path}/old.db")
    url = make_url(request.getfixturevalue("postgres_url"))
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    name = f"keys_{uuid.uuid4().hex[:12]}"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    server.dispose()
    return StorageSettings(url.set(database=name).render_as_string(hide_password=False))


def test_identities_of_before_keep_their_keys(before):
    engine = open_engine(before)
    upgrade(engine, "0005")
    vault, data_key = Vault(lambda: MASTER), b"k" * KEY_BYTES
    with writing(engine) as connection:
        for name in ("anna", "gone"):
            connection.execute(text("INSERT INTO patients (patient_id, bed) VALUES (:p, '')"), {"p": name})
        row = {
            "p": "anna",
            "m": vault.fingerprint,
            "w": vault.wrap("anna", data_key),
            "s": Cipher(data_key).seal(b"identity anna", b'{"name": "Anna"}'),
        }
        statement = "INSERT INTO identities (patient_id, master, wrapped_key, sealed, at_us) VALUES (:p, :m, :w, :s, 5)"
        connection.execute(text(statement), row)
        connection.execute(text(statement), row | {"p": "gone", "w": None, "s": b""})
        connection.execute(
            text("INSERT INTO notes (patient, text, by_whom, at_us) VALUES ('anna', 'as ever', 'ada', 5)")
        )
    upgrade(engine)
    names = Identities(engine, vault)
    assert names.read("anna", "ada", T0, glass=False) == {"name": "Anna"}
    assert names.read("gone", "ada", T0, glass=False) is None
    assert Keyring(engine, vault).has(["anna", "gone"]) == {"anna"}
    assert dict(Keyring(engine, vault).erased()) == {}
    engine.dispose()
