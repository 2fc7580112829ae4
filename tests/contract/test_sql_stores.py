"""What only SQL has: accounts, devices, migrations, several processes at once, a server that is not there."""

import threading
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from argon2 import PasswordHasher
from sqlalchemy import Engine, select

from liteheart.errors import Misconfigured, Poison, Retryable
from storage import migrations
from storage.board import Board
from storage.devices import Devices
from storage.engine import open_engine, reading, writing
from storage.monitor_store import Batch, MonitorStore, Superseded
from storage.outbox import Outbox
from storage.people import People, Person, Role
from storage.schema import devices, metadata, people
from storage.settings import StorageSettings

FAST = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


def test_migrations_and_tables_do_not_differ(engine: Engine) -> None:
    with writing(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_comparison_would_see_a_difference(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.exec_driver_sql("ALTER TABLE people ADD COLUMN surname TEXT")
        context = MigrationContext.configure(connection)
        assert len(compare_metadata(context, metadata)) == 1
        connection.exec_driver_sql("ALTER TABLE people DROP COLUMN surname")


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    assert migrations.upgrade(engine) == migrations.current(engine) == migrations.head()


def test_several_processes_may_migrate_at_once(tmp_path, request):
    settings = StorageSettings(f"sqlite:///{tmp_path}/new.db")
    reached: list[str] = []
    threads = [threading.Thread(target=lambda: reached.append(migrations.migrate(settings))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reached == [migrations.head()] * 4


def test_a_migration_can_be_taken_back(engine: Engine) -> None:
    with writing(engine) as connection:
        from alembic import command

        command.downgrade(migrations._config(connection), "base")
        assert compare_metadata(MigrationContext.configure(connection), metadata) != []
    migrations.upgrade(engine)


def test_no_table_has_a_column_for_a_name() -> None:
    words = {"name", "surname", "firstname", "birth", "mrn", "ssn", "email", "phone", "address"}
    columns = {column.name for table in metadata.tables.values() for column in table.columns}
    assert not columns & words


def test_people_sign_in_with_their_own_password_only(engine: Engine) -> None:
    accounts = People(engine, FAST)
    assert accounts.add("ines", "nurse", "correct horse") == Person("ines", Role.NURSE)
    assert accounts.verify("ines", "correct horse") == Person("ines", Role.NURSE)
    assert accounts.verify("ines", "correct hors") is None
    assert accounts.verify("ines", "") is None
    assert accounts.verify("nobody", "correct horse") is None
    assert accounts.verify("nobody", "nobody's password") is None
    assert accounts.set_password("ines", "battery staple")
    assert accounts.verify("ines", "correct horse") is None
    assert accounts.verify("ines", "battery staple") == accounts.find("ines")
    assert accounts.remove("ines")
    assert accounts.verify("ines", "battery staple") is None
    assert not accounts.remove("ines")


def test_the_same_password_typed_another_way_is_the_same(engine: Engine) -> None:
    accounts = People(engine, FAST)
    accounts.add("ines", "nurse", "pass\u00e9 compos\u00e9")
    assert accounts.verify("ines", "passe\u0301 compose\u0301") is not None


@pytest.mark.parametrize(
    ("username", "role", "password", "field"),
    [
        ("", "nurse", "long enough", "username"),
        ("a b", "nurse", "long enough", "username"),
        ("ines", "boss", "long enough", "role"),
        ("ines", "nurse", "short", "password"),
        ("ines", "nurse", "x" * 1025, "password"),
    ],
)
def test_accounts_that_cannot_be(engine: Engine, username, role, password, field) -> None:
    accounts = People(engine, FAST)
    with pytest.raises(Poison) as refused:
        accounts.add(username, role, password)
    assert refused.value.field == field
    assert accounts.all() == []


def test_a_name_is_given_once(engine: Engine) -> None:
    accounts = People(engine, FAST)
    accounts.add("ines", "nurse", "correct horse")
    with pytest.raises(Poison, match="username: ines is taken"):
        accounts.add("ines", "administrator", "another one")
    assert accounts.all() == [Person("ines", Role.NURSE)]


def test_passwords_are_argon2id_and_rehashed_when_the_cost_rises(engine: Engine) -> None:
    People(engine, FAST).add("ines", "physician", "correct horse")
    dearer = People(engine, PasswordHasher(time_cost=2, memory_cost=128, parallelism=1))

    def stored() -> str:
        with reading(engine) as connection:
            return str(connection.scalar(select(people.c.password_hash)))

    assert stored().startswith("$argon2id$")
    assert "m=64,t=1" in stored()
    assert dearer.verify("ines", "wrong horse") is None
    assert "m=64,t=1" in stored()
    assert dearer.verify("ines", "correct horse") is not None
    assert "m=128,t=2" in stored()
    assert dearer.verify("ines", "correct horse") is not None


def test_a_device_proves_itself_by_its_token(engine: Engine) -> None:
    registry = Devices(engine)
    token = registry.register("d1", "p1", now_us=5, bed="12")
    grant = registry.authenticate(token)
    assert grant is not None
    assert (grant.device, grant.patient) == ("d1", "p1")
    assert registry.authenticate(token + "x") is None
    assert registry.authenticate("") is None
    with reading(engine) as connection:
        (row,) = connection.execute(select(devices))
    assert token.encode() not in bytes(row.token_hash)
    assert len(token) >= 40


def test_a_new_token_ends_the_old_one_and_a_revoked_one_is_dead(engine: Engine) -> None:
    registry = Devices(engine)
    old = registry.register("d1", "p1", now_us=5)
    new = registry.register("d1", "p2", now_us=6)
    assert registry.authenticate(old) is None
    assert registry.authenticate(new).patient == "p2"
    assert registry.revoke("d1", 7)
    assert not registry.revoke("d1", 8)
    assert not registry.revoke("unknown", 8)
    assert registry.authenticate(new) is None
    assert registry.authenticate(registry.register("d1", "p1", now_us=9)) is not None


def test_a_device_needs_proper_names(engine: Engine) -> None:
    with pytest.raises(Poison, match="device"):
        Devices(engine).register("d 1", "p1", now_us=5)
    with pytest.raises(Poison, match="patient"):
        Devices(engine).register("d1", "Anna Müller", now_us=5)


def test_the_bed_of_the_registry_stays(engine: Engine, sql_settings: StorageSettings, make) -> None:
    Devices(engine).register("d1", "p1", now_us=5, bed="12")
    MonitorStore(engine, sql_settings).commit(Batch(states=[make.state(1, bed="99")]))
    assert Board(engine).patients()[0].bed == "12"
    Devices(engine).register("d2", "p1", now_us=5)
    assert Board(engine).patients()[0].bed == "12"
    Devices(engine).register("d2", "p1", now_us=5, bed="14")
    assert Board(engine).patients()[0].bed == "14"


def test_monitors_that_claim_each_others_patients_lose_no_step(engine: Engine, sql_settings: StorageSettings) -> None:
    """Each goes on from what it restored and is refused when the other claimed meanwhile: no step is taken twice."""
    names = [f"p{i}" for i in range(5)]
    taken: list[int] = []
    errors: list[BaseException] = []

    def monitor() -> None:
        store = MonitorStore(engine, sql_settings)
        try:
            for _ in range(12):
                past = _patiently(lambda: store.restore(names, claim=True))
                n = {p: (past[p].checkpoint or {"n": 0})["n"] for p in names}
                for step in range(1, 4):
                    batch = Batch(
                        checkpoints={p: {"n": n[p] + step} for p in names}, epochs={p: past[p].epoch for p in names}
                    )
                    try:
                        _patiently(lambda b=batch: store.commit(b))
                    except Superseded:
                        break
                    taken.append(step)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=monitor) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = MonitorStore(engine, sql_settings).restore(names)
    assert {past.checkpoint["n"] for past in found.values()} == {len(taken)}
    assert {past.epoch for past in found.values()} == {36}


def test_two_monitors_and_a_nurse_at_once(engine: Engine, sql_settings: StorageSettings, make) -> None:
    """A rebalance: both write the same batches. Every value is there once, and no acknowledgement is lost."""
    rounds = 15
    alarms = [make.alarm(patient=f"p{i}", latching=True) for i in range(rounds)]
    batches = [
        Batch(
            frames=[make.frame(n, f"p{i}") for i in range(20)],
            findings=[make.finding(n, f"p{i}") for i in range(20)],
            states=[make.state(n, f"p{i}") for i in range(20)],
            alarms=[make.event(alarms[n], "raised", 4)],
            checkpoints={f"p{i}": {"n": n} for i in range(20)},
        )
        for n in range(rounds)
    ]
    fresh: list[tuple[int, int, int]] = []
    errors: list[BaseException] = []

    def monitor(order: int) -> None:
        store = MonitorStore(engine, sql_settings)
        try:
            for batch in batches:
                shuffled = replace(batch, frames=batch.frames[::order], findings=batch.findings[::order])
                done = _patiently(lambda b=shuffled: store.commit(b))
                fresh.append((done.new_frames, done.new_findings, len(done.new_alarms)))
        except BaseException as error:
            errors.append(error)

    def nurse() -> None:
        board = Board(engine)
        try:
            for alarm in alarms:
                while _patiently(lambda a=alarm: board.acknowledge(a.alarm_id, "ines", None, 1)) is None:
                    pass
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=monitor, args=(1,)),
        threading.Thread(target=monitor, args=(-1,)),
        threading.Thread(target=nurse),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [sum(column) for column in zip(*fresh, strict=True)] == [20 * rounds, 20 * rounds, rounds]
    assert all(a.acknowledged_by == "ines" for a in Board(engine).alarms(open_only=False))
    assert Outbox(engine).depth() == 20 * rounds + 2 * rounds


def _patiently(work):
    for _ in range(100):
        try:
            return work()
        except Retryable:
            continue
    raise AssertionError("retried a hundred times")


def test_relays_share_the_letters(engine: Engine, sql_settings: StorageSettings, make) -> None:
    MonitorStore(engine, sql_settings).commit(Batch(findings=[make.finding(i) for i in range(200)]))
    box, got = Outbox(engine), []

    def relay() -> None:
        while letters := _patiently(lambda: box.claim(7, 1)):
            got.extend(letters)
            _patiently(lambda: box.mark_sent([x.letter_id for x in letters], 2))

    threads = [threading.Thread(target=relay) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len({x.letter_id for x in got}) == 200
    assert box.depth() == 0
    assert box.purge(2) == 0
    assert box.purge(3) == 200


def test_without_a_relay_no_letters_are_written(engine: Engine, sql_settings: StorageSettings, make) -> None:
    store = MonitorStore(engine, replace(sql_settings, outbox=False))
    alarm = make.alarm()
    store.commit(Batch(findings=[make.finding(0)], alarms=[make.event(alarm, "raised", 4)]))
    Board(engine, outbox=False).acknowledge(alarm.alarm_id, "ines", None, 1)
    assert Outbox(engine).depth() == 0


def test_a_database_without_tables_says_what_to_do(tmp_path) -> None:
    engine = open_engine(StorageSettings(f"sqlite:///{tmp_path}/empty.db"))
    with pytest.raises(Misconfigured, match="liteheart migrate"):
        Board(engine).patients()
    engine.dispose()


def test_a_server_that_is_not_there_is_to_be_tried_again() -> None:
    engine = open_engine(StorageSettings("postgresql://x@127.0.0.1:1/x"))
    with pytest.raises(Retryable, match="database:"):
        Board(engine).patients()
    engine.dispose()


def test_a_damaged_strip_is_one_clear_error(engine: Engine, sql_settings: StorageSettings, make) -> None:
    MonitorStore(engine, sql_settings).commit(Batch(frames=[make.frame(1)]))
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE frames SET n = n - 1")
    with pytest.raises(Poison, match="payload"):
        Board(engine).strip("p1", 0, make.t0_us * 2)
