"""Sessions, accounts, stays, identities, codes and the audit: what holds when two do the same at once."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, delete, select, text, update

from alerts.dashboard.auth import Sessions as Signed
from alerts.dashboard.memory import MemorySessions
from alerts.dashboard.settings import DashboardSettings
from liteheart.alarm import Priority
from liteheart.errors import Conflict, Poison, Retryable
from liteheart.ids import DeviceId, PatientId
from storage import migrations
from storage.admissions import Admissions
from storage.audit import QUARTER_US, Audit, Deed, note
from storage.board import Board
from storage.devices import Devices
from storage.engine import open_engine, reading, writing
from storage.identities import KEY_BYTES, Identities, Vault
from storage.monitor_store import Batch, MonitorStore, Superseded
from storage.pairing import ALPHABET, LENGTH, Pairing
from storage.people import People, Person, Role
from storage.schema import audit, audit_head, identities, pairings, patient_keys, sessions
from storage.sessions import Sessions
from storage.settings import StorageSettings

S = 1_000_000
T0 = 1_790_000_000 * S
HOUR = 3600 * S
FAST = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
ADA = Person("ada", Role.NURSE)
ANNA = {"name": "Anna Müller", "born": "1951-03-04", "record_number": "4711"}


def at_once(step: Callable[[int], Any], runners: int = 6) -> list[Any]:
    """Results, or what was raised, of doing the same at once; a busy database is asked again."""
    results: list[Any] = []
    ready = threading.Barrier(runners)

    def run(i: int) -> None:
        ready.wait()
        for _ in range(100):
            try:
                results.append(step(i))
            except Retryable:
                continue
            except Exception as error:
                results.append(error)
            return

    threads = [threading.Thread(target=run, args=(i,)) for i in range(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == runners
    return results


@pytest.fixture
def vault() -> Vault:
    return Vault(lambda: bytes(range(KEY_BYTES)))


@pytest.fixture
def stays(engine: Engine, vault: Vault) -> Admissions:
    return Admissions(engine, vault)


def actions(engine: Engine, **of: Any) -> list[str]:
    return [deed.action for deed in reversed(Audit(engine).latest(1000, **of))]


# sessions


@pytest.fixture(params=["memory", "sql"])
def session_store(request: pytest.FixtureRequest, engine: Engine) -> Any:
    if request.param == "memory":
        return MemorySessions()
    for name in ("ada", "paul"):
        People(engine, FAST).add(name, "nurse", "long enough", now_us=T0)
    return Sessions(engine)


def test_a_session_store_keeps_what_it_is_given(session_store: Any) -> None:
    paul = Person("paul", Role.NURSE)
    session_store.begin(b"1" * 32, ADA, T0, "10.0.0.1")
    session_store.begin(b"2" * 32, ADA, T0 + 1, "10.0.0.2")
    session_store.begin(b"3" * 32, paul, T0 + 2, "10.0.0.3")
    found = session_store.find(b"1" * 32)
    assert (found.person, found.began_us, found.seen_us, found.peer) == (ADA, T0, T0, "10.0.0.1")
    session_store.touch(b"1" * 32, T0 + 9)
    assert session_store.find(b"1" * 32).seen_us == T0 + 9
    assert [s.digest[:1] for s in session_store.of("ada")] == [b"2", b"1"]
    assert [s.digest[:1] for s in session_store.of()] == [b"3", b"2", b"1"]
    session_store.end(b"2" * 32, T0)
    session_store.end(b"9" * 32, T0)
    assert session_store.find(b"2" * 32) is None
    assert session_store.end_all("ada", "boss", T0) == 1
    assert session_store.end_all("ada", "boss", T0) == 0
    assert [s.person for s in session_store.of()] == [paul]
    session_store.refused("nobody", T0, "10.0.0.1")


def test_a_session_store_forgets_what_expired_and_the_oldest(session_store: Any) -> None:
    for i in range(6):
        session_store.begin(bytes([i]) * 32, ADA, T0 + i, "")
    session_store.touch(bytes([0]) * 32, T0 + 100)
    session_store.forget(T0 + 2, T0, 10)
    assert sorted(s.digest[0] for s in session_store.of()) == [0, 2, 3, 4, 5]
    session_store.forget(T0, T0 + 1, 3)
    assert sorted(s.digest[0] for s in session_store.of()) == [3, 4, 5]


def test_a_second_dashboard_knows_who_is_signed_in_and_soon_who_is_not(engine: Engine) -> None:
    People(engine, FAST).add("ada", "nurse", "long enough", now_us=T0)
    here, there = (Signed(DashboardSettings(), Sessions(engine)) for _ in range(2))
    token = here.begin(ADA, T0, "10.0.0.1")
    assert there.find(token, T0) == ADA, "nor does a restart sign anybody out"
    assert there.known(token, T0 + 4 * S) == ADA
    here.end(token, T0)
    assert here.find(token, T0) is None, "at once"
    assert there.known(token, T0 + 6 * S) is None
    assert there.find(token, T0 + 6 * S) is None, "within five seconds"
    with reading(engine) as connection:
        assert connection.execute(select(sessions)).all() == []


def test_only_a_digest_of_the_token_is_kept(engine: Engine) -> None:
    People(engine, FAST).add("ada", "nurse", "long enough", now_us=T0)
    token = Signed(DashboardSettings(), Sessions(engine)).begin(ADA, T0, "10.0.0.1")
    with reading(engine) as connection:
        (row,) = connection.execute(select(sessions))
    assert len(row.digest) == 32
    assert token not in repr(row)
    assert token.encode() not in bytes(row.digest)


class Counting:
    """A store that counts how often it is asked, and may be away."""

    def __init__(self, store: Any) -> None:
        self._store, self.asked, self.away = store, 0, False

    def find(self, digest: bytes) -> Any:
        self.asked += 1
        if self.away:
            raise Retryable("away")
        return self._store.find(digest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_asking_is_cheap_and_use_is_told_once_a_minute(engine: Engine) -> None:
    People(engine, FAST).add("ada", "nurse", "long enough", now_us=T0)
    store = Counting(Sessions(engine))
    signed = Signed(DashboardSettings(), store)
    token = signed.begin(ADA, T0)
    for second in range(59):
        for _ in range(20):
            assert signed.find(token, T0 + second * S) == ADA
    assert store.asked == 12
    assert Sessions(engine).of("ada")[0].seen_us == T0
    assert signed.find(token, T0 + 61 * S) == ADA
    assert Sessions(engine).of("ada")[0].seen_us == T0 + 61 * S


def test_a_wall_stays_lit_while_storage_is_away(engine: Engine) -> None:
    People(engine, FAST).add("ada", "nurse", "long enough", now_us=T0)
    store = Counting(Sessions(engine))
    signed = Signed(DashboardSettings(), store)
    token = signed.begin(ADA, T0)
    assert signed.find(token, T0) == ADA
    store.away = True
    for minute in range(1, 120):
        assert signed.find(token, T0 + minute * 60 * S) == ADA
    with pytest.raises(Retryable):
        signed.find("someone else", T0)
    assert signed.find(token, T0 + 13 * HOUR) is None, "but no longer than a shift"


def test_a_sign_out_that_overtakes_a_reading_wins(engine: Engine) -> None:
    People(engine, FAST).add("ada", "nurse", "long enough", now_us=T0)

    class Slow(Counting):
        def find(self, digest: bytes) -> Any:
            found = super().find(digest)
            signed.end_all("ada", "ada", T0)  # after the row was read, before it is kept
            return found

    signed = Signed(DashboardSettings(), Slow(Sessions(engine)))
    token = signed.begin(ADA, T0)
    signed.find(token, T0)
    assert signed.known(token, T0) is None


# accounts


def test_a_new_password_or_a_removal_signs_out_everywhere(engine: Engine) -> None:
    people, store = People(engine, FAST), Sessions(engine)
    people.add("ada", "nurse", "long enough", now_us=T0)
    store.begin(b"1" * 32, ADA, T0, "")
    assert people.change("ada", "physician", None, by="boss", now_us=T0) == Person("ada", Role.PHYSICIAN)
    assert store.find(b"1" * 32).person.role == Role.PHYSICIAN, "the role that they have now"
    assert people.change("ada", None, "something else", by="boss", now_us=T0) is not None
    assert store.find(b"1" * 32) is None
    store.begin(b"2" * 32, ADA, T0, "")
    assert people.remove("ada", by="boss", now_us=T0)
    assert store.find(b"2" * 32) is None
    assert people.change("ada", "nurse", None, by="boss", now_us=T0) is None
    assert actions(engine, subject="ada") == [
        "person-added",
        "signed-in",
        "person-changed",
        "person-changed",
        "signed-in",
        "person-removed",
    ]
    assert "something else" not in repr(Audit(engine).latest())


def test_the_last_administrator_stays_one_whoever_acts_at_once(engine: Engine) -> None:
    people = People(engine, FAST)
    names = [f"boss{i}" for i in range(4)]
    for name in names:
        people.add(name, "administrator", "long enough", now_us=T0)
    steps = [
        lambda name: people.remove(name, by="x", now_us=T0),
        lambda name: people.change(name, "nurse", None, by="x", now_us=T0),
    ]
    results = at_once(lambda i: steps[i % 2](names[i]), 4)
    assert sum(isinstance(result, Conflict) for result in results) == 1
    assert [p.role for p in people.all()].count(Role.ADMINISTRATOR) == 1


def test_a_password_typed_into_the_name_is_not_kept(engine: Engine) -> None:
    People(engine, FAST).add("ada", "nurse", "long enough", now_us=T0)
    Sessions(engine).refused("ada", T0, "10.0.0.1")
    Sessions(engine).refused("correcthorse", T0, "10.0.0.1")
    assert [(d.by, d.action) for d in Audit(engine).latest(2)] == [
        ("unknown", "sign-in-failed"),
        ("ada", "sign-in-failed"),
    ]
    assert "correcthorse" not in repr(Audit(engine).latest())


# the audit


def test_the_chain_holds_under_many_writers(engine: Engine) -> None:
    trail = Audit(engine)

    def write(i: int) -> None:
        for n in range(8):
            with writing(engine) as connection:
                note(connection, Deed(T0, f"w{i}", "did", f"s{n}", {"n": n, "ü": "\u2603"}))

    assert at_once(write) == [None] * 6
    found = trail.verify()
    assert (found.rows, found.broken) == (48, None)
    assert {(d.by, d.subject) for d in trail.latest(100)} == {(f"w{i}", f"s{n}") for i in range(6) for n in range(8)}


def test_a_deed_that_is_taken_back_leaves_no_trace_in_the_chain(engine: Engine) -> None:
    def fail() -> None:
        with writing(engine) as connection:
            note(connection, Deed(T0, "ada", "did", "x"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with writing(engine) as connection:
        note(connection, Deed(T0, "ada", "did", "y"))
    assert Audit(engine).verify().rows == 1


@pytest.mark.parametrize(
    ("harm", "broken"),
    [
        (update(audit).where(audit.c.id == 3).values(by_whom="paul"), 3),
        (update(audit).where(audit.c.id == 3).values(detail='{"n":99}'), 3),
        (update(audit).where(audit.c.id == 3).values(detail="not JSON"), 3),
        (update(audit).where(audit.c.id == 5).values(at_us=1), 5),
        (update(audit).where(audit.c.id == 2).values(digest=bytes(32)), 2),
        (delete(audit).where(audit.c.id == 1), 2),
        (delete(audit).where(audit.c.id == 3), 4),
        (delete(audit).where(audit.c.id == 5), 5),
        (delete(audit), 5),
        (delete(audit_head), 5),
        (update(audit).where(audit.c.id == 5).values(id=6), 6),
    ],
)
def test_the_first_row_that_does_not_hold_is_named(engine: Engine, harm: Any, broken: int) -> None:
    for n in range(5):
        with writing(engine) as connection:
            note(connection, Deed(T0 + n, "ada", "did", f"s{n}", {"n": n}))
    assert Audit(engine).verify().broken is None
    with writing(engine) as connection:
        connection.execute(harm)
    found = Audit(engine).verify()
    assert found.broken == broken, found
    assert found.reason


def test_a_chain_that_was_made_anew_does_not_hold_the_head_that_was_noted(engine: Engine) -> None:
    def made(who: str) -> bytes:
        for n in range(3):
            with writing(engine) as connection:
                note(connection, Deed(T0 + n, who, "did", "x"))
        return Audit(engine).verify().head

    noted = made("ada")
    made("ada")
    assert Audit(engine).verify(noted).broken is None, "more was written since"
    with writing(engine) as connection:
        connection.execute(delete(audit))
        connection.execute(delete(audit_head))
    made("paul")
    assert Audit(engine).verify().broken is None, "by itself it holds"
    assert Audit(engine).verify(noted).broken == 3


def test_an_empty_audit_holds(engine: Engine) -> None:
    assert (Audit(engine).verify().rows, Audit(engine).verify().broken) == (0, None)


def test_looking_is_noted_once_in_a_quarter_of_an_hour(engine: Engine) -> None:
    trail, begin = Audit(engine), T0 - T0 % QUARTER_US
    at_once(lambda i: trail.seen("ada", "signal-read", "p1", begin + i))
    trail.seen("ada", "signal-read", "p2", begin)
    trail.seen("paul", "signal-read", "p1", begin)
    trail.seen("ada", "signal-read", "p1", begin + QUARTER_US - 1)
    assert actions(engine) == ["signal-read"] * 3
    trail.seen("ada", "signal-read", "p1", begin + QUARTER_US)
    assert len(trail.latest(10, subject="p1", by="ada")) == 2


def test_rows_of_before_are_chained_by_the_migration(tmp_path: Path) -> None:
    engine = open_engine(StorageSettings(f"sqlite:///{tmp_path}/old.db"))
    migrations.upgrade(engine, "0003")
    with writing(engine) as connection:
        for n in (1, 2, 5):
            values = {"id": n, "t": T0, "d": json.dumps({"n": n})}
            insert = "INSERT INTO audit VALUES (:id, :t, 'ada', 'limits-set', 'p1', :d)"
            connection.execute(text(insert), values)
    migrations.upgrade(engine)
    with writing(engine) as connection:
        note(connection, Deed(T0, "ada", "did", "x"))
    assert (Audit(engine).verify().rows, Audit(engine).verify().broken) == (4, None)
    with writing(engine) as connection:
        connection.execute(update(audit).where(audit.c.id == 2).values(by_whom="paul"))
    assert Audit(engine).verify().broken == 2
    engine.dispose()


def test_an_acknowledgement_is_audited(engine: Engine, sql_settings: StorageSettings, make: Any) -> None:
    alarm = make.alarm()
    MonitorStore(engine, sql_settings).commit(Batch(alarms=[make.event(alarm, "raised", 4)]))
    Board(engine).acknowledge(alarm.alarm_id, "ada", None, T0)
    Board(engine).acknowledge(alarm.alarm_id, "paul", None, T0)
    (deed,) = Audit(engine).latest()
    detail = {"alarm": alarm.alarm_id, "reason": None}
    assert (deed.by, deed.action, deed.subject, deed.detail) == ("ada", "acknowledged", "p1", detail)


# identities


def test_an_identity_is_sealed_and_bound_to_its_patient(engine: Engine, stays: Admissions, vault: Vault) -> None:
    anna, other = stays.admit("1", ANNA, "ada", T0), stays.admit("2", ANNA, "ada", T0)
    names = Identities(engine, vault)
    assert names.read(anna, "ada", T0, glass=False) == ANNA
    with reading(engine) as connection:
        rows = {row.patient_id: row for row in connection.execute(select(identities))}
        wrapped = {row.patient: bytes(row.wrapped) for row in connection.execute(select(patient_keys))}
    assert b"Anna" not in bytes(rows[anna].sealed) + wrapped[anna]
    assert rows[anna].sealed != rows[other].sealed
    with writing(engine) as connection:  # rows that are swapped do not open
        mine = identities.c.patient_id == anna
        connection.execute(update(identities).where(mine).values(sealed=rows[other].sealed))
    with pytest.raises(Conflict):
        names.read(anna, "ada", T0, glass=False)
    with writing(engine) as connection:  # not with their keys either
        connection.execute(update(patient_keys).where(patient_keys.c.patient == anna).values(wrapped=wrapped[other]))
    with pytest.raises(Conflict):
        Identities(engine, vault).read(anna, "ada", T0, glass=False)
    assert names.read(other, "ada", T0, glass=False) == ANNA


def test_another_key_opens_nothing_and_none_keeps_nothing(engine: Engine, stays: Admissions) -> None:
    anna = stays.admit("1", ANNA, "ada", T0)
    with pytest.raises(Conflict, match="another key"):
        Identities(engine, Vault(lambda: bytes(KEY_BYTES))).read(anna, "ada", T0, glass=False)
    keyless = Vault(lambda: None)
    with pytest.raises(Conflict, match="no key"):
        Identities(engine, keyless).read(anna, "ada", T0, glass=False)
    with pytest.raises(Conflict, match="no key"):
        Admissions(engine, keyless).admit("2", ANNA, "ada", T0)
    assert [s.bed for s in stays.present()] == ["1"], "admitted whole or not at all"
    assert Admissions(engine, keyless).admit("2", None, "ada", T0), "a ward without names needs no key"


def test_a_corrected_identity_keeps_the_patients_key_and_a_destroyed_one_is_gone(
    engine: Engine, stays: Admissions, vault: Vault
) -> None:
    anna, names = stays.admit("1", ANNA, "ada", T0), Identities(engine, vault)

    def wrapped() -> Any:
        with reading(engine) as connection:
            return connection.scalar(select(patient_keys.c.wrapped))

    before = vault.unwrap(anna, bytes(wrapped()))
    assert names.set(anna, ANNA | {"name": "Anne"}, "ada", T0)
    assert vault.unwrap(anna, bytes(wrapped())) == before
    assert names.read(anna, "ada", T0, glass=False) == ANNA | {"name": "Anne"}
    assert not names.set(PatientId("nobody"), ANNA, "ada", T0)
    assert names.destroy(anna, "boss", T0)
    assert not names.destroy(anna, "boss", T0)
    assert names.read(anna, "ada", T0, glass=False) is None
    with reading(engine) as connection:
        assert connection.execute(select(identities)).all() == []
    assert not stays.present()[0].identified
    assert actions(engine, subject=anna)[-3:] == ["identity-set", "identity-read", "identity-destroyed"]


def test_no_name_outside_of_the_sealed_column(engine: Engine, stays: Admissions, vault: Vault) -> None:
    anna = stays.admit("1", ANNA, "ada", T0)
    Identities(engine, vault).read(anna, "ada", T0, glass=False)
    with reading(engine) as connection:
        for table in ("audit", "admissions", "patients", "identities"):
            told = repr(connection.execute(text(f"SELECT * FROM {table}")).all())
            assert "Anna" not in told, table
            assert "4711" not in told, table


def test_the_glass_is_broken_by_one_for_one_and_for_an_hour(engine: Engine, stays: Admissions, vault: Vault) -> None:
    anna, names = stays.admit("1", ANNA, "ada", T0), Identities(engine, vault)
    assert not names.is_open(anna, "tom", T0)
    assert names.break_glass(anna, "tom", "no wristband", T0, T0 + HOUR)
    assert names.is_open(anna, "tom", T0 + HOUR - 1)
    assert not names.is_open(anna, "tom", T0 + HOUR)
    assert not names.is_open(anna, "rosa", T0)
    assert not names.is_open(stays.admit("2", None, "ada", T0), "tom", T0)
    assert not names.break_glass(PatientId("nobody"), "tom", "no wristband", T0, T0 + HOUR)
    (deed,) = Audit(engine).latest(10, by="tom")
    assert deed.flagged
    assert deed.detail["reason"] == "no wristband"


# stays


def test_a_bed_holds_one_patient_whoever_is_faster(engine: Engine, stays: Admissions) -> None:
    results = at_once(lambda i: stays.admit("A-01", None, f"n{i}", T0))
    assert sum(isinstance(result, Conflict) for result in results) == 5
    (first,) = [result for result in results if isinstance(result, str)]
    others = [stays.admit(f"B-{i}", None, "ada", T0) for i in range(4)]
    moved = at_once(lambda i: stays.transfer(others[i], "C-01", "ada", T0), 4)
    assert sum(isinstance(result, Conflict) for result in moved) == 3
    assert stays.discharge(first, "ada", T0 + S)
    assert stays.transfer(others[0], "A-01", "ada", T0 + 2 * S), "the bed is free again"
    assert len({stay.bed for stay in stays.present()}) == 4
    assert not stays.transfer(first, "D-01", "ada", T0)
    assert not stays.discharge(first, "ada", T0)


def test_a_bed_of_the_command_line_is_taken_too(engine: Engine, stays: Admissions) -> None:
    Devices(engine).register(DeviceId("d1"), PatientId("old"), now_us=T0, bed="A-01")
    with pytest.raises(Conflict, match=r"^bed:"):
        stays.admit("A-01", None, "ada", T0)
    (stay,) = stays.present()
    assert (stay.patient, stay.bed, stay.devices) == ("old", "A-01", ("d1",))
    assert stays.transfer(PatientId("old"), "A-02", "ada", T0)
    assert stays.admit("A-01", None, "ada", T0)


def test_who_was_discharged_is_neither_shown_nor_missed_and_the_device_is_dumb(
    engine: Engine, stays: Admissions, sql_settings: StorageSettings, make: Any
) -> None:
    registry, monitor = Devices(engine), MonitorStore(engine, sql_settings)
    token = registry.register(DeviceId("d-p1"), PatientId("p1"), now_us=T0, bed="A-01")
    monitor.commit(Batch(states=[make.state(1), make.state(1, "p2")]))
    assert stays.discharge(PatientId("p1"), "ada", T0 + S)
    assert [s.patient for s in Board(engine).patients()] == ["p2"]
    assert [s.patient for s in monitor.states()] == ["p2"]
    assert stays.discharged() == {"p1"}
    assert registry.authenticate(token) is None
    assert actions(engine, subject="p1") == ["device-registered", "discharged"]


def test_nobody_is_discharged_from_an_alarm_that_nobody_has_seen(
    engine: Engine, stays: Admissions, sql_settings: StorageSettings, make: Any
) -> None:
    registry, monitor, board = Devices(engine), MonitorStore(engine, sql_settings), Board(engine)
    token = registry.register(DeviceId("d-p1"), PatientId("p1"), now_us=T0, bed="A-01")
    high, low = make.alarm(), make.alarm("TACHY", priority=Priority.MEDIUM, latching=False)
    monitor.commit(Batch(states=[make.state(1)], alarms=[make.event(a, "raised", 4) for a in (high, low)]))
    with pytest.raises(Conflict, match=f"VF alarm.*{high.alarm_id}") as refused:
        stays.discharge(PatientId("p1"), "ada", T0 + S)
    assert refused.value.field == "alarm"
    assert registry.authenticate(token) is not None
    board.acknowledge(high.alarm_id, "ada", None, T0)
    assert stays.discharge(PatientId("p1"), "ada", T0 + S)
    assert {alarm.condition for alarm in stays.left_on()} == {"VF", "TACHY"}
    late = make.alarm("ASYSTOLE", onset_s=9)  # was on its way when the patient left
    monitor.commit(Batch(alarms=[make.event(late, "raised", 9)]))
    assert "ASYSTOLE" not in {alarm.condition for alarm in stays.left_on()}, "somebody has to look at it first"


def test_who_comes_back_begins_anew(
    engine: Engine, stays: Admissions, sql_settings: StorageSettings, make: Any
) -> None:
    registry, monitor, name = Devices(engine), MonitorStore(engine, sql_settings), PatientId("p1")
    registry.register(DeviceId("d-p1"), name, now_us=T0, bed="A-01")
    monitor.commit(Batch(states=[make.state(1)], checkpoints={name: {"alarms": "on"}}, epochs={name: 0}))
    held = monitor.restore([name], claim=True)[name]
    assert stays.discharge(name, "ada", T0 + S)
    registry.register(DeviceId("d-p1"), name, now_us=T0 + HOUR)
    (stay,) = stays.present()
    assert (stay.bed, stay.since_us) == ("A-01", T0 + HOUR)
    with pytest.raises(Superseded):
        monitor.commit(Batch(checkpoints={name: {"alarms": "on"}}, epochs={name: held.epoch}))
    assert monitor.restore([name])[name].checkpoint is None
    registry.register(DeviceId("d-p1"), name, now_us=T0 + 2 * HOUR)
    assert stays.present()[0].since_us == T0 + HOUR, "a new device is no new stay"


def test_the_command_line_gives_no_bed_where_someone_lies(engine: Engine, stays: Admissions) -> None:
    registry, anna = Devices(engine), stays.admit("A-01", None, "ada", T0)
    with pytest.raises(Conflict, match=r"^bed: someone lies in A-01"):
        registry.register(DeviceId("d1"), PatientId("p1"), now_us=T0, bed="A-01")
    assert [stay.patient for stay in stays.present()] == [anna], "nothing of it is left"
    results = at_once(lambda i: registry.register(DeviceId(f"d{i}"), PatientId(f"p{i}"), now_us=T0, bed="B-01"))
    assert sum(isinstance(result, Conflict) for result in results) == 5
    (lies,) = [stay for stay in stays.present() if stay.bed == "B-01"]
    registry.register(DeviceId("spare"), lies.patient, now_us=T0 + S, bed="B-01")  # one's own
    registry.register(DeviceId("spare"), lies.patient, now_us=T0 + S, bed="B-02")
    assert stays.transfer(anna, "B-01", "ada", T0 + S), "which is free now"
    assert stays.discharge(lies.patient, "ada", T0 + S)
    assert stays.transfer(anna, "B-02", "ada", T0 + 2 * S)
    registry.register(DeviceId("spare"), lies.patient, now_us=T0 + HOUR)
    assert {stay.patient: stay.bed for stay in stays.present()} == {anna: "B-02", lies.patient: ""}, "one to a bed"


def test_desk_and_command_line_at_once_fill_a_bed_once(engine: Engine, stays: Admissions) -> None:
    registry = Devices(engine)

    def lay(i: int) -> str:
        if i % 2:
            return stays.admit("C-01", None, f"n{i}", T0)
        return registry.register(DeviceId(f"d{i}"), PatientId(f"p{i}"), now_us=T0, bed="C-01")

    assert sum(isinstance(result, Conflict) for result in at_once(lay)) == 5
    assert [stay.bed for stay in stays.present()] == ["C-01"]


# pairing


def test_a_code_is_used_once_by_whoever_is_first(engine: Engine, stays: Admissions) -> None:
    desk, patient = Pairing(engine), stays.admit("1", None, "ada", T0)
    code = desk.offer(patient, "ada", T0, T0 + 600 * S)
    assert code is not None
    assert len(code) == LENGTH
    assert set(code) <= set(ALPHABET)
    results = at_once(lambda i: desk.redeem(code, DeviceId(f"d{i}"), T0 + S))
    (token,) = [result for result in results if isinstance(result, str)]
    assert sum(isinstance(result, Poison) and result.field == "code" for result in results) == 5
    grant = Devices(engine).authenticate(token)
    assert grant is not None
    assert grant.patient == patient
    assert len(stays.present()[0].devices) == 1
    assert actions(engine, subject=patient) == ["admitted", "pairing-offered", "device-paired"]


def test_a_code_is_kept_as_a_hash_and_typed_as_one_likes(engine: Engine, stays: Admissions) -> None:
    desk, patient = Pairing(engine), stays.admit("1", None, "ada", T0)
    code = desk.offer(patient, "ada", T0, T0 + 600 * S) or ""
    with reading(engine) as connection:
        (row,) = connection.execute(select(pairings))
    assert code.encode() not in bytes(row.code_hash)
    assert code not in repr(Audit(engine).latest())
    assert desk.redeem(f" {code[:4].lower()}-{code[4:]} ", DeviceId("d1"), T0)


def test_codes_that_do_not_hold(engine: Engine, stays: Admissions) -> None:
    desk, patient = Pairing(engine), stays.admit("1", None, "ada", T0)
    first = desk.offer(patient, "ada", T0, T0 + 600 * S) or ""
    second = desk.offer(patient, "ada", T0, T0 + 600 * S) or ""
    for code, now_us in ((first, T0), (second, T0 + 600 * S), ("", T0), ("I" * 8, T0), ("x" * 999, T0)):
        with pytest.raises(Poison) as refused:
            desk.redeem(code, DeviceId("d1"), now_us)
        assert refused.value.field == "code"
    with pytest.raises(Poison, match="device"):
        desk.redeem(second, DeviceId("d 1"), T0)
    assert stays.discharge(patient, "ada", T0)
    with pytest.raises(Poison, match="code"):
        desk.redeem(second, DeviceId("d1"), T0)
    assert desk.offer(patient, "ada", T0, T0 + 1) is None
    assert desk.offer(PatientId("nobody"), "ada", T0, T0 + 1) is None


def test_pairing_does_not_take_a_device_from_another_patient(engine: Engine, stays: Admissions) -> None:
    desk, registry = Pairing(engine), Devices(engine)
    worn = registry.register(DeviceId("d1"), PatientId("p1"), now_us=T0)
    code = desk.offer(stays.admit("1", None, "ada", T0), "ada", T0, T0 + 600 * S) or ""
    with pytest.raises(Conflict) as refused:
        desk.redeem(code, DeviceId("d1"), T0)
    assert refused.value.field == "device"
    assert registry.authenticate(worn) is not None
    assert registry.revoke(DeviceId("d1"), T0, by="ada")
    assert desk.redeem(code, DeviceId("d1"), T0), "the code was not used up by the refusal"


def test_paired_and_discharged_at_once_leaves_no_device_behind(engine: Engine, stays: Admissions) -> None:
    desk = Pairing(engine)

    def race(round_: int) -> list[Any]:
        patient = stays.admit("1", None, "ada", T0)
        code = desk.offer(patient, "ada", T0, T0 + 600 * S) or ""
        device = DeviceId(f"d{round_}")
        return at_once(lambda i: stays.discharge(patient, "ada", T0) if i else desk.redeem(code, device, T0), 2)

    for round_ in range(5):
        results = race(round_)
        assert sum(result is True for result in results) == 1, results  # the discharge, whoever was first
        tokens = [result for result in results if isinstance(result, str)]
        assert [Devices(engine).authenticate(token) for token in tokens] == [None] * len(tokens)


def test_settings_of_sessions_are_bounded() -> None:
    from liteheart.errors import Misconfigured

    with pytest.raises(Misconfigured, match="session_kept_s"):
        replace(DashboardSettings(), session_kept_s=6.0)
