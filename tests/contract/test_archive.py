"""Frames that were compacted are read as before: on SQLite and PostgreSQL, sealed or not, in the database or beside."""

import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from liteheart.errors import Conflict, Poison, Retryable
from storage.archive import compact as compacting
from storage.archive.archive import Archive
from storage.archive.objects import open_objects
from storage.archive.read import SignalReader
from storage.archive.settings import ArchiveSettings
from storage.audit import Audit
from storage.board import Board
from storage.engine import reading, writing
from storage.keys import Keyring
from storage.monitor_store import Batch, MonitorStore
from storage.notes import Notes
from storage.overviews import Overviews
from storage.retention import Retention, RetentionSettings
from storage.schema import alarms, blocks, damaged_frames, frames, overviews
from storage.vault import KEY_BYTES, Vault

S = 1_000_000
MINUTE = 60 * S
T0 = 1_700_000_100 * S  # a mark of the clock
DAY = 24 * 60 * MINUTE
LONG_AFTER = T0 + 7 * DAY
EAGER = ArchiveSettings(settle_s=60.0, blocks=1000)
_names = (f"p{i}" for i in itertools.count())


@pytest.fixture(params=["plain", "sealed", "folder"])
def signal(request, engine, tmp_path):
    if request.param == "plain":
        return SignalReader()
    keys = Keyring(engine, Vault(lambda: bytes(range(KEY_BYTES))))
    return SignalReader(keys, open_objects(str(tmp_path / "objects")) if request.param == "folder" else None)


@pytest.fixture
def ward(engine, sql_settings, signal):
    return Ward(engine, sql_settings, signal)


class Ward:
    def __init__(self, engine, sql_settings, signal):
        self.engine, self.signal = engine, signal
        self.monitor = MonitorStore(engine, replace(sql_settings, outbox=False), signal)
        self.board, self.overviews = Board(engine, signal=signal), Overviews(engine, signal)
        self.archive = Archive(engine, signal, EAGER)
        self.settings = sql_settings

    def store(self, frames, batch=40):
        for start in range(0, len(frames), batch):
            self.monitor.commit(Batch(frames=frames[start : start + batch]))

    def compact(self, now_us=LONG_AFTER):
        made, step = 0, Archive(self.engine, self.signal, EAGER)
        while some := step.compact(now_us):
            made += some
        return made

    def count(self, table):
        with reading(self.engine) as connection:
            return connection.scalar(select(func.count()).select_from(table))


@pytest.fixture(autouse=True)
def nothing_kept_hot(monkeypatch, request):
    """A handful of frames would all be of the ring; one test is about the ring."""
    if "ring" not in request.node.name:
        monkeypatch.setattr(
            compacting, "_FLOOR", select(func.max(frames.c.arrival_us) + 1).where(compacting._whose == frames.c.patient)
        )


@st.composite
def histories(draw):
    """Frames as devices may send them: gaps, overlaps, leads and rates that change, two devices, some twice."""
    at_us, found = T0 + draw(st.integers(0, 290 * S)), []
    lead, fs_hz, gain = "II", 250.0, 200.0
    for i in range(draw(st.integers(1, 40))):
        if draw(st.integers(0, 9)) == 0:
            lead, gain = draw(st.sampled_from(("I", "V2"))), draw(st.sampled_from((100.0, 200.0, 1000.0)))
            fs_hz = draw(st.sampled_from((77.3, 128.0, 250.0, 500.0)))
        n = draw(st.integers(1, 1200))
        device, boot = draw(st.sampled_from("ab")), draw(st.sampled_from((1, 2, 2**62)))
        found.append((i, device, boot, at_us, fs_hz, gain, lead, n, draw(st.booleans()), draw(st.integers(0, 90 * S))))
        at_us += round(n * S / fs_hz) + draw(st.sampled_from((0, 0, 0, 0, -300_000, 1, 3 * S, 61 * S, 700 * S)))
    return found


def built(make, patient, history):
    rng = np.random.default_rng(len(history))
    return [
        make.frame(
            i, patient, device=f"{device}-{patient}", boot=boot, t0_us=t0_us, fs_hz=fs_hz, gain=gain, lead=lead,
            samples=rng.integers(-32768, 32768, n).astype(np.int16) if i % 3 else np.cumsum(
                rng.integers(-9, 10, n)).astype(np.int16),
            arrival_us=t0_us + late_us, lead_off=off, battery_pct=None if i % 4 == 0 else 90 - i,
        )
        for i, device, boot, t0_us, fs_hz, gain, lead, n, off, late_us in history
    ]  # fmt: skip


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), data=st.data())
def test_before_and_after_are_the_same(ward, make, history, data):
    patient = next(_names)
    sent = built(make, patient, history)
    ward.store(sent)
    end_us = max(f.t1_us for f in sent)
    spans = [(0, 2 * T0)]
    for _ in range(5):
        begin = data.draw(st.integers(T0 - S, end_us))
        spans.append((begin, begin + data.draw(st.sampled_from((1, S, 10 * S, 400 * S)))))

    def told():
        strips = [ward.board.strip(patient, *span) for span in spans]
        runs = [list(ward.archive.stretches(patient, *span)) for span in spans]
        lines = [ward.overviews.envelope(patient, a, b, 7) for a, b in spans[1:] if b - a >= 7]
        plain = [(x.device, x.lead, x.t0_us, x.fs_hz, x.gain, x.samples.tolist()) for run in runs for x in run]
        return strips, plain, [(x.low_uv.tolist(), x.high_uv.tolist()) for x in lines]

    before = told()
    assert len(before[0][0]) == len(sent)
    cut = data.draw(st.integers(T0, end_us))
    ward.compact(cut + 60 * S)  # some
    assert told() == before
    ward.compact()
    assert told() == before
    assert ward.archive.verify(patient).broken is None
    again = data.draw(st.lists(st.sampled_from(sent), max_size=5))
    ward.store([replace(f, arrival_us=f.arrival_us + data.draw(st.sampled_from((0, DAY)))) for f in again])
    assert told() == before, "what is delivered again is not shown twice"
    ward.compact()
    assert told() == before
    with reading(ward.engine) as connection:
        mine = connection.execute(select(blocks).where(blocks.c.patient == patient)).all()
        assert connection.execute(select(frames.c.n).where(frames.c.patient == patient)).all() == []
    assert sum(row.frames for row in mine) == len(sent)
    assert all(row.t1_us - row.t0_us <= 5 * MINUTE + max(f.t1_us - f.t0_us for f in sent) for row in mine)


def test_the_ring_of_a_restart_stays_hot(ward, make):
    ward.store([make.frame(i) for i in range(2000)])
    before = ward.monitor.restore(["p1"])["p1"].frames
    assert len(before) == 30
    ward.compact()
    assert 256 <= ward.count(frames) < 256 + 300
    assert ward.monitor.restore(["p1"])["p1"].frames == before
    assert ward.board.strip("p1", 0, 2 * T0) == [make.frame(i) for i in range(2000)]


def test_what_arrived_lately_is_left_alone(ward, make):
    ward.store([make.frame(i, t0_us=T0 + i * S, arrival_us=T0 + i * S) for i in range(900)])
    assert ward.compact(T0 + 900 * S) == 2, "the third period has frames younger than a minute"
    assert ward.count(frames) == 300
    late = make.frame(5000, t0_us=T0 + 10 * S, arrival_us=T0 + 890 * S)
    ward.store([late])
    assert ward.compact(T0 + 900 * S) == 0
    assert ward.compact(T0 + 1000 * S) == 2, "the third, and another of the first period"
    shown = ward.board.strip("p1", T0 + 9 * S, T0 + 12 * S)
    assert [f.sequence for f in shown] == [9, 10, 5000, 11]


def test_many_compactors_neither_lose_nor_double(ward, make):
    sent = [make.frame(i, f"p{i % 3}", t0_us=T0 + i * S) for i in range(1800)]
    ward.store(sent)
    made, errors = [], []

    def run():
        mine = Archive(ward.engine, ward.signal, ArchiveSettings(settle_s=60.0, blocks=2))
        for k in range(30):
            try:
                made.append(mine.compact(LONG_AFTER + k * MINUTE))
            except Retryable:
                continue
            except Exception as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for k in range(20):  # frames come meanwhile, of compacted minutes too
        ward.store([make.frame(10_000 + k, "p0", t0_us=T0 + 7 * k * S)])
    for thread in threads:
        thread.join()
    assert errors == []
    ward.compact(LONG_AFTER + DAY)
    assert ward.count(frames) == 0
    for p in range(3):
        mine = [f for f in sent if f.patient == f"p{p}"]
        shown = ward.board.strip(f"p{p}", 0, 2 * T0)
        assert len(shown) == len(mine) + (20 if p == 0 else 0)
        assert len({f.key for f in shown}) == len(shown)
        assert ward.archive.verify(f"p{p}").reason == ""


def test_a_damaged_frame_is_kept_aside(ward, make, caplog):
    ward.store([make.frame(i, t0_us=T0 + i * S) for i in range(20)])
    with writing(ward.engine) as connection:
        connection.execute(update(frames).where(frames.c.sequence == 7).values(payload=b"not what was stored"))
    with pytest.raises(Poison):
        ward.board.strip("p1", T0, T0 + 20 * S)
    ward.compact()
    assert "damaged" in caplog.text
    assert [f.sequence for f in ward.board.strip("p1", T0, T0 + 20 * S)] == [i for i in range(20) if i != 7]
    with reading(ward.engine) as connection:
        row = connection.execute(select(damaged_frames)).one()
    assert (row.patient, row.sequence, bytes(row.payload)) == ("p1", 7, b"not what was stored")
    assert row.why


def test_a_day_at_a_glance_believes_its_rows_after_compaction(ward, make):
    sent = [make.frame(i, t0_us=T0 + i * S) for i in range(900)]
    ward.store(sent)
    before = ward.overviews.envelope("p1", T0, T0 + 900 * S, 900)
    ward.compact()
    with writing(ward.engine) as connection:  # were a block looked at, this would show
        connection.execute(update(blocks).values(payload=b"x", object=None))
    after = ward.overviews.envelope("p1", T0, T0 + 600 * S, 600)
    assert after.low_uv.tolist() == before.low_uv[:600].tolist()
    assert after.high_uv.tolist() == before.high_uv[:600].tolist()


def test_rows_of_minutes_are_made_anew_from_blocks(ward, make):
    ward.store([make.frame(i, t0_us=T0 + i * S) for i in range(900)])
    before = ward.overviews.envelope("p1", T0, T0 + 900 * S, 90)
    ward.compact()
    with writing(ward.engine) as connection:
        connection.execute(delete(overviews))
    after = ward.overviews.envelope("p1", T0, T0 + 900 * S, 90)
    assert after.low_uv.tolist() == before.low_uv.tolist()
    ward.store([make.frame(5000 + i, t0_us=T0 + 30 * S, samples=np.full(250, 9000 + i, np.int16)) for i in range(90)])
    ward.store([make.frame(8000 + i, t0_us=T0 + (2000 + i) * S, arrival_us=T0 + (4000 + i) * S) for i in range(90)])
    changed = ward.overviews.envelope("p1", T0, T0 + 900 * S, 90)
    assert changed.high_uv[3] == 45_445
    assert changed.low_uv.tolist() == after.low_uv.tolist()


def test_nothing_of_the_signal_is_in_the_clear(ward, make):
    samples = np.cumsum(np.random.default_rng(5).integers(-9, 10, 250)).astype(np.int16)
    ward.store([make.frame(i, t0_us=T0 + i * S, samples=samples) for i in range(200)])
    with reading(ward.engine) as connection:
        hot = bytes(connection.execute(select(frames.c.payload)).scalars().first())
        lines = [bytes(x) for x in connection.scalars(select(overviews.c.extremes))]
    ward.compact()
    if ward.signal.keys is None:
        return
    other = SignalReader(Keyring(ward.engine, Vault(lambda: bytes(KEY_BYTES))), ward.signal.objects)
    with pytest.raises(Conflict):
        Board(ward.engine, signal=other).strip("p1", T0, T0 + S)
    with pytest.raises(Conflict):
        Board(ward.engine).strip("p1", T0, T0 + S)
    with reading(ward.engine) as connection:
        row = connection.execute(select(blocks)).first()
    stored = ward.signal.block_reader().stored(row)
    for content in (hot, stored, bytes(row.meta), *lines):
        assert len(np.unique(np.frombuffer(content[-256:], np.uint8))) > min(len(content), 256) // 3, "looks like noise"
    with writing(ward.engine) as connection:  # rows that are swapped do not open
        connection.execute(update(blocks).where(blocks.c.id == row.id).values(t0_us=row.t0_us + 1))
    with pytest.raises(Poison):
        ward.board.strip("p1", T0, T0 + S)


def test_a_chain_that_was_touched_is_told(ward, make):
    ward.store([make.frame(i, t0_us=T0 + i * S) for i in range(1500)])
    ward.compact()
    assert ward.archive.verify("p1").blocks == 5
    with reading(ward.engine) as connection:
        rows = connection.execute(select(blocks).order_by(blocks.c.id)).all()
    middle, last = rows[2], rows[-1]

    def broken(values, row):
        with writing(ward.engine) as connection:
            before = connection.execute(select(*[blocks.c[k] for k in values]).where(blocks.c.id == row.id)).one()
            connection.execute(update(blocks).where(blocks.c.id == row.id).values(values))
        found = ward.archive.verify("p1")
        with writing(ward.engine) as connection:
            connection.execute(update(blocks).where(blocks.c.id == row.id).values(dict(before._mapping)))
        return found.broken

    assert broken({"n": middle.n + 1}, middle) == middle.id
    assert broken({"meta": b"x" + bytes(middle.meta)[1:]}, middle) == middle.id
    assert broken({"content": bytes(32), "previous": rows[1].digest}, middle) == middle.id
    assert broken({"patient": "p2"}, middle) == rows[3].id
    assert broken({"patient": "p2"}, last) is not None, "a chain that was cut off at its end"
    assert ward.archive.verify("p1").broken is None


def test_frames_that_are_imported_become_blocks_at_once(ward, make):
    sent = [make.frame(i, t0_us=T0 + i * S) for i in range(700)]
    assert ward.archive.keep(sent, T0) == 700
    assert ward.archive.keep(sent[:100], T0) == 0
    ward.store([make.frame(9000, t0_us=T0 + 800 * S)])
    assert ward.archive.keep([make.frame(9000, t0_us=T0 + 800 * S), make.frame(9001, t0_us=T0 + 801 * S)], T0) == 1
    assert ward.board.strip("p1", T0, T0 + 700 * S) == sent
    (stretch,) = ward.archive.stretches("p1", T0, T0 + 700 * S)
    assert stretch.samples.tolist() == np.concatenate([f.samples for f in sent]).tolist()
    assert ward.archive.extent("p1") == (T0, T0 + 802 * S)
    assert ward.archive.verify("p1").blocks == 4


def test_the_extent_is_the_same_hot_compacted_and_both(ward, make):
    assert ward.board.extent("p1") is None
    some = np.arange(2500, dtype=np.int16)  # ten seconds
    sent = [make.frame(i, t0_us=T0 + 10 * i * S, samples=some) for i in range(70)]
    long = make.frame(700, t0_us=T0 + 200 * S, samples=np.zeros(60_000, np.int16), fs_hz=50.0)  # 20 minutes
    ward.store([*sent, long, make.frame(0, "p2", t0_us=T0 - 999 * S)])
    whole = (T0, T0 + 1400 * S)
    assert ward.board.extent("p1") == whole
    ward.compact(LONG_AFTER)
    assert ward.count(blocks) > 1
    assert ward.board.extent("p1") == whole
    ward.store([make.frame(800, t0_us=T0 + 5000 * S), make.frame(801, t0_us=T0 - 60 * S)])
    assert ward.board.extent("p1") == (T0 - 60 * S, T0 + 5001 * S)
    retained = Retention(ward.engine, RetentionSettings(signal_d=1, alarm_signal_d=1), ward.signal.objects)
    while retained.step(LONG_AFTER):
        pass
    assert ward.board.extent("p1") is None, "signal that was dropped is not told of"


def test_stretches_hold_each_sample_once(ward, make):
    def at(i, ms, n=250, **changes):
        samples = np.arange(ms // 4, ms // 4 + n).astype(np.int16)  # each says when it is
        return make.frame(i, t0_us=T0 + ms * 1000, samples=samples, **changes)

    ward.store([at(0, 0), at(1, 1000), at(1, 1600, boot=2), at(2, 2600, boot=2), at(9, 5000), at(10, 6000, lead="V1")])
    ward.store([at(20, 100, device="other")])
    found = list(ward.archive.stretches("p1", T0 + 500_000, T0 + 6_500_000))
    told = [(s.device, s.lead, (s.t0_us - T0) // 1000, len(s.samples)) for s in found]
    assert told == [
        ("d-p1", "II", 500, 775),
        ("other", "II", 500, 150),
        ("d-p1", "II", 5000, 250),
        ("d-p1", "V1", 6000, 125),
    ]
    assert found[0].samples.tolist() == list(range(125, 900))


def test_signal_expires_by_class_and_the_rest_can_be_verified(ward, make, engine):
    ward.store([make.frame(i, t0_us=T0 + i * S, arrival_us=T0 + i * S) for i in range(3000)])
    ward.monitor.commit(Batch(alarms=[make.event(replace(
        make.alarm(), onset_us=T0 + 1600 * S, raised_us=T0 + 1602 * S, ended_us=T0 + 1620 * S, active=False,
    ), "raised", 1602)], findings=[make.finding(0), make.finding(2000)]))  # fmt: skip
    ward.compact()
    with writing(engine) as connection:
        connection.execute(update(alarms).values(ended_us=T0 + 1620 * S, active=False))
    rules = RetentionSettings(signal_d=2, alarm_signal_d=4, findings_d=3, around_s=60)
    work = Retention(engine, rules, ward.signal.objects)
    assert work.step(T0 + DAY) == {}
    gone = work.step(T0 + 4 * DAY)
    assert (gone["blocks"], gone["findings"]) == (9, 2)
    left = ward.board.strip("p1", 0, 2 * T0)
    assert [f.sequence for f in left] == list(range(1500, 1800))
    found = ward.archive.verify("p1")
    assert (found.broken, found.blocks) == (None, 5), "links without signal after the block that is kept"
    ward.store([make.frame(9000, t0_us=T0 + 4000 * S)])
    ward.compact()
    assert ward.archive.verify("p1").broken is None
    assert work.step(T0 + 7 * DAY)["blocks"] == 2
    assert ward.board.strip("p1", 0, 2 * T0) == []
    assert ward.archive.verify("p1").reason == ""
    assert ward.count(blocks) == 0
    assert {d.action for d in Audit(engine).latest()} == {"signal-expired", "rows-expired"}
    if ward.signal.objects is not None:
        assert list(ward.signal.objects.names(1 << 60)) == []


def test_notes_are_sealed(ward, engine):
    keys = ward.signal.keys
    notes = Notes(engine, keys)
    notes.write("p1", "sweats, sent for Dr. Grün", "ada", T0)
    assert [n.text for n in notes.of_patient("p1", 5)] == ["sweats, sent for Dr. Grün"]
    with reading(engine) as connection:
        kept = connection.exec_driver_sql("SELECT text FROM notes").scalar()
    assert ("sweats" in kept) == (keys is None)
    if keys is not None:
        assert [n.text for n in Notes(engine).of_patient("p1", 5)] == ["(cannot be read)"]


@pytest.mark.parametrize("signal", ["folder"], indirect=True)
def test_an_object_that_no_row_names_is_swept(ward, engine):
    objects = ward.signal.objects
    name = objects.put(b"left by a crash")
    objects.put(b"left by a crash")
    work = Retention(engine, RetentionSettings(), objects)
    assert work.sweep_objects(T0, 3600 * S) == 0, "younger than an hour"
    assert objects.get(name) == b"left by a crash"
    assert work.sweep_objects(1 << 60, 3600 * S) == 1
    with pytest.raises(Poison):
        objects.get(name)
