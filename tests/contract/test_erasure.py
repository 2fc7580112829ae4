"""A patient is erased: proven on the bytes of the files, not on what the database says of itself."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, text

from deploy import wiring
from deploy.cli import main
from deploy.settings import load
from liteheart.errors import Conflict, Misconfigured, Poison
from liteheart.finding import Quality
from storage.admissions import Admissions
from storage.archive.read import SignalReader
from storage.board import Board
from storage.codec import Packer
from storage.devices import Devices
from storage.engine import open_engine, reading, writing
from storage.erasure import TABLES, Erasure
from storage.keys import Keyring, open_keys
from storage.log import DiskLog, LogSettings
from storage.monitor_store import Batch, MonitorStore
from storage.notes import Notes
from storage.schema import frames, metadata, patient_keys
from storage.scrub import Scrubber
from storage.vault import KEY_BYTES, Vault

S = 1_000_000
T0 = 1_700_000_100 * S
LATER = T0 + 86_400 * S
ANNA = {"name": "Anna Grünwald", "born": "1951-03-04", "record_number": "471147114711"}


def walk(second):
    """A signal that is like no other."""
    return np.cumsum(np.random.default_rng([7, second]).integers(-9, 10, 250)).astype(np.int16)


def needles(sent):
    """What must not be found: samples, packed frames, the identity, the note."""
    found = {"name": "Grünwald".encode(), "record": b"471147114711", "note": b"feels dizzy"}
    for f in sent[::50]:
        found[f"samples {f.sequence}"] = f.samples.tobytes()[:64]
        found[f"packed {f.sequence}"] = Packer().pack(f.samples)[1][-64:]
    return found


def seen(folder: Path, wanted):
    """Which needles lie in which file."""
    return {
        (path.name, what)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for what, needle in wanted.items()
        if needle in path.read_bytes()
    }


@pytest.fixture(params=["sealed", "unsealed"])
def home(request, tmp_path, monkeypatch, make):
    """The embedded system's data folder after a stay: blocks, hot frames, overviews, a note, an identity, the log."""
    settings = load(environ={}, data_dir=tmp_path / "data")
    if request.param == "unsealed":
        monkeypatch.setattr(wiring, "_master_key", lambda _: None)
    return Home(settings, make, sealed=request.param == "sealed")


class Home:
    def __init__(self, settings, make, *, sealed):
        self.settings, self.folder, self.sealed = settings, settings.data_dir, sealed
        self.storage = storage = wiring.open_storage(settings)
        self.patient = storage.admissions.admit("A-01", ANNA if sealed else None, "ada", T0)
        self.other = storage.admissions.admit("A-02", None, "ada", T0)
        self.sent = [self.frame(make, i, self.patient) for i in range(1500)]
        self.kept = [self.frame(make, i, self.other) for i in range(700)]
        for some in (self.sent, self.kept):
            for start in range(0, len(some), 50):
                storage.monitor.commit(Batch(frames=some[start : start + 50]))
        storage.notes.write(self.patient, "feels dizzy, 471147114711", "ada", T0)
        finding = make.finding(3, self.patient, quality=Quality(0.5, True, ("471147114711",)))
        alarm = make.alarm(patient=self.patient, message="471147114711", evidence={"bpm": 471147114711})
        state = make.state(3, self.patient)
        storage.monitor.commit(Batch(
            findings=[finding], alarms=[make.event(alarm, "raised", 3)], states=[state],
            checkpoints={self.patient: {"of": "471147114711"}},
        ))  # fmt: skip
        while storage.archive.compact(LATER):
            pass
        with closing(DiskLog(self.folder / "log", LogSettings(segment_bytes=100_000))) as disk:
            for f in self.sent[::50] + self.kept[::50]:
                entry = (f.patient.encode(), f.samples.tobytes(), (("kind", b"raw"),), f.arrival_us)
                disk.append("frames", f.sequence % 3, [entry])

    def frame(self, make, i, patient):
        second = i if patient == self.patient else 10_000 + i
        return make.frame(i, patient, t0_us=T0 + i * S, arrival_us=T0 + i * S, samples=walk(second))


def test_no_byte_of_a_patient_is_left(home, make):
    storage, wanted = home.storage, needles(home.sent)
    kept = needles(home.kept)
    before = seen(home.folder, wanted)
    assert any("samples" in what for _, what in before), "of the log"
    if not home.sealed:
        assert {what for name, what in before if name.startswith("liteheart")} >= {"note", "record"}
        assert any("packed" in what for name, what in before if name.startswith("liteheart"))
    with pytest.raises(Conflict, match="is here"):
        storage.erasure.erase(home.patient, "boss", "asked for", LATER)
    plan = storage.erasure.plan(home.patient)
    assert plan.rows["blocks"] >= 4
    assert plan.rows["frames"] >= 256
    storage.board.acknowledge(storage.board.alarms()[0].alarm_id, "ada", None, LATER)
    assert storage.admissions.discharge(home.patient, "ada", LATER)
    done = storage.erasure.erase(home.patient, "boss", "asked for", LATER)
    assert (done.key, done.files) == (home.sealed, True)
    assert (done.rows["blocks"], done.rows["frames"]) == (plan.rows["blocks"], plan.rows["frames"])
    with closing(DiskLog(home.folder / "log")) as disk:
        assert Scrubber(disk, home.folder / "log").follow(storage.keys.erased()) == 30
        assert Scrubber(disk, home.folder / "log").follow(storage.keys.erased()) == 0
        records = [r for p in range(3) for r in disk.read("frames", p, 0, 100)]
        assert {r.key.decode() for r in records} == {home.other}
        assert len(records) == 14
        assert sum(disk.end_offset("frames", p) for p in range(3)) == 44, "offsets stay"
    assert seen(home.folder, wanted) == set()
    assert storage.board.strip(home.patient, 0, 2 * T0) == []
    assert storage.board.strip(home.other, T0, T0 + 700 * S) == home.kept
    assert len(seen(home.folder, {k: v for k, v in kept.items() if k.startswith("samples")})) == 14
    actions = [d.action for d in reversed(storage.audit.latest(subject=home.patient))]
    assert actions[-2:] == ["erasure-begun", "erased"]
    assert storage.audit.verify().broken is None
    assert storage.archive.verify(home.other).broken is None
    (alarm,) = storage.board.alarms(open_only=False)
    assert (alarm.message, alarm.evidence, alarm.active) == ("", {}, False)
    storage.close()


@pytest.mark.parametrize("home", ["sealed"], indirect=True)
def test_a_backup_of_before_is_noise(home, tmp_path):
    storage, patient = home.storage, home.patient
    backup = tmp_path / "backup.db"
    with sqlite3.connect(home.folder / "liteheart.db") as live, sqlite3.connect(backup) as copy:
        live.backup(copy)
    copy.close()
    live.close()
    restored = replace(home.settings.storage, database_url=f"sqlite:///{backup}")
    engine = open_engine(restored)
    vault = Vault(lambda: wiring._master_key(home.settings))
    keys, close = open_keys(restored, engine, vault)
    assert len(Board(engine, signal=SignalReader(keys)).strip(patient, T0, T0 + 10 * S)) == 10
    with reading(engine) as connection:
        assert connection.execute(select(patient_keys)).all() == [], "no wrapped key lies in the backup"
    storage.erasure.erase(patient, "boss", "asked for", LATER, force=True)
    close()
    keys, close = open_keys(restored, engine, vault)
    with pytest.raises(Conflict, match="no key"):
        Board(engine, signal=SignalReader(keys)).strip(patient, T0, T0 + 10 * S)
    assert [n.text for n in Notes(engine, keys).of_patient(patient, 9)] == ["(cannot be read)"]
    wanted = {k: v for k, v in needles(home.sent).items() if k not in ("record",)}  # a finding's, which is in the clear
    assert seen(backup.parent, wanted) & {(backup.name, k) for k in wanted} == set()
    assert len(Board(engine, signal=SignalReader(keys)).strip(home.other, T0, T0 + 10 * S)) == 10
    again = Erasure(engine, keys)
    assert again.sweep(LATER + S) > 300, "a backup that is put back is erased again"
    assert again.plan(patient).rows == {}
    assert [stay.patient for stay in Admissions(engine, vault, keys).present()] == [home.other]
    engine.dispose()
    close()
    storage.close()


def test_what_comes_late_of_an_erased_patient_goes(engine, sql_settings, make):
    keys = Keyring(engine, Vault(lambda: bytes(KEY_BYTES)))
    monitor = MonitorStore(engine, sql_settings, SignalReader(keys))
    Devices(engine).register("d1", "p1", now_us=T0)
    sent = [make.frame(i, t0_us=T0 + i * S, arrival_us=T0 + i * S) for i in range(50)]
    monitor.commit(Batch(frames=sent[:40], states=[make.state(1)], checkpoints={"p1": {"a": 1}}))
    elsewhere = Keyring(engine, Vault(lambda: bytes(KEY_BYTES)))  # of another process
    erasure = Erasure(engine, elsewhere)
    assert erasure.erase("p1", "boss", "asked for", T0 + 45 * S, force=True).rows["frames"] == 40
    late = Batch(frames=sent[40:], states=[make.state(2, last_arrival_us=T0 + S)], checkpoints={"p1": {"a": 2}},
                 findings=[make.finding(0, arrival_us=T0 + S)])  # fmt: skip
    monitor.commit(late)
    with reading(engine) as connection:
        stored = [row.sequence for row in connection.execute(select(frames).order_by(frames.c.sequence))]
    assert stored == [46, 47, 48, 49], "what arrived before it was erased is refused"
    assert erasure.plan("p1").rows == {"frames": 4, "checkpoints": 1}
    assert erasure.sweep(T0 + 60 * S) == 5
    assert not elsewhere.has(["p1"])
    Devices(engine).register("d1", "p1", now_us=T0 + 100 * S)  # the pseudonym comes again, by someone's hand
    fresh = [make.frame(i, t0_us=T0 + i * S, arrival_us=T0 + i * S) for i in range(200, 210)]
    monitor.commit(Batch(frames=fresh, states=[make.state(200)]))
    assert erasure.sweep(T0 + 300 * S) == 0
    assert Board(engine, signal=SignalReader(elsewhere)).strip("p1", 0, 2 * T0) == fresh


def test_erasing_is_refused_or_repeated(engine, sql_settings, make):
    keys = Keyring(engine, Vault(lambda: bytes(KEY_BYTES)))
    erasure, stays = Erasure(engine, keys), Admissions(engine, Vault(lambda: bytes(KEY_BYTES)), keys)
    with pytest.raises(Poison, match="nothing is known"):
        erasure.erase("nobody", "boss", "asked for", T0)
    anna = stays.admit("1", ANNA, "ada", T0)
    with pytest.raises(Conflict):
        erasure.erase(anna, "boss", "asked for", T0)
    assert keys.has([anna]) == {anna}
    assert erasure.erase(anna, "boss", "asked for", T0, force=True).key
    assert not erasure.erase(anna, "boss", "again", T0 + S).key
    assert stays.present() == []
    assert stays.admit("1", None, "ada", T0), "the bed is free"


def test_every_table_with_a_patient_is_thought_of():
    """A new table must be erased too, or be named here with why not."""
    kept = {
        "patients",  # the pseudonym, without a bed
        "devices",  # ended
        "alarms",  # stripped: what the staff did stays
        "patient_keys",  # destroyed
        "imports",  # keyed digests, so that a file does not come back
    }
    with_patient = {t.name for t in metadata.tables.values() if {"patient", "patient_id"} & {c.name for c in t.columns}}
    assert with_patient - kept == {table.name for table, _ in TABLES} - {"outbox"}


def test_another_master_key_stops_the_monitor(engine, sql_settings, make):
    MonitorStore(engine, sql_settings, SignalReader(Keyring(engine, Vault(lambda: bytes(KEY_BYTES))))).commit(
        Batch(frames=[make.frame(1)])
    )
    other = SignalReader(Keyring(engine, Vault(lambda: bytes(range(KEY_BYTES)))))
    with pytest.raises(Misconfigured, match="identity_key"):
        MonitorStore(engine, sql_settings, other).commit(Batch(frames=[make.frame(2)]))


@pytest.mark.service
def test_the_wrapped_key_leaves_the_files_of_postgres(postgres_database, services_folder):
    folder = services_folder / "postgres" / "cluster" / "base"
    engine = open_engine(replace(load(environ={}).storage, database_url=postgres_database, keys_url=None))
    with writing(engine) as connection:
        connection.execute(patient_keys.delete())
    keys = Keyring(engine, Vault(lambda: bytes(KEY_BYTES)))
    keys.making(["k1", "k2"], T0)
    with reading(engine) as connection:
        wrapped = {r.patient: bytes(r.wrapped) for r in connection.execute(select(patient_keys))}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CHECKPOINT")
        assert seen(folder, {"k": wrapped["k1"]})
        Erasure(engine, keys).erase("k1", "boss", "asked for", T0)
        connection.exec_driver_sql("CHECKPOINT")
    assert seen(folder, {"k": wrapped["k1"]}) == set()
    assert seen(folder, {"k": wrapped["k2"]})
    engine.dispose()


@pytest.mark.parametrize("home", ["sealed"], indirect=True)
def test_the_command_tells_then_does(home, capsys, tmp_path):
    home.storage.close()
    config = tmp_path / "c.toml"
    config.write_text(f'data_dir = "{home.folder}"\n')
    call = ["erase", "--config", str(config), home.patient]
    assert main(call) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["erased"], told["rows"]["blocks"] >= 4) == (False, True)
    assert main([*call, "--yes"]) == 2
    assert main([*call, "--yes", "--by", "boss", "--reason", "asked for"]) == 2
    assert "is here" in capsys.readouterr().err
    assert main(["audit", "--config", str(config), "archive"]) == 0
    assert json.loads(capsys.readouterr().out)["patients"] == 2
    with closing(DiskLog(home.folder / "log")):
        assert main([*call, "--yes", "--force", "--by", "boss", "--reason", "asked for"]) == 0
        assert "monitor" in json.loads(capsys.readouterr().out)["log"]
    assert main([*call, "--yes", "--by", "boss", "--reason", "again"]) == 0
    assert json.loads(capsys.readouterr().out)["log"] == 30
    assert seen(home.folder, needles(home.sent)) == set()
    engine = open_engine(home.settings.storage)
    with writing(engine) as connection:
        connection.execute(text("UPDATE blocks SET n = n + 1 WHERE id = (SELECT max(id) FROM blocks)"))
    engine.dispose()
    assert main(["audit", "--config", str(config), "archive"]) == 1
    assert json.loads(capsys.readouterr().out)["patient"] == home.other
