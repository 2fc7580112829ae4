"""The embedded log: order, offsets, groups, retention, one owner, many threads."""

import os
import random
import threading
import time

import pytest

from liteheart.errors import Misconfigured
from storage.log import DiskLog, LogSettings

SMALL = LogSettings(segment_bytes=2_000, retain_bytes=6_000, guarded=("guarded",))


def entry(i, size=10):
    return (f"key{i}".encode(), bytes([i % 256]) * size, (("n", str(i).encode()),), 1_000 + i)


@pytest.fixture
def log(tmp_path):
    log = DiskLog(tmp_path / "log", LogSettings(segment_bytes=2_000))
    yield log
    log.close()


def test_records_come_back_in_order_with_everything(log):
    assert log.append("t", 0, [entry(0), entry(1)]) == [0, 1]
    assert log.append("t", 0, [(b"", b"", (), -5), (b"\0", b"\xff" * 5_000, (("é", b""), ("b", b"2")), 2**62)]) == [
        2,
        3,
    ]
    records = log.read("t", 0, 0, 10)
    assert [(r.offset, r.key, r.value, r.headers, r.timestamp_us) for r in records] == [
        (0, *entry(0)),
        (1, *entry(1)),
        (2, b"", b"", (), -5),
        (3, b"\0", b"\xff" * 5_000, (("é", b""), ("b", b"2")), 2**62),
    ]


def test_partitions_count_for_themselves(log):
    for i in range(50):
        assert log.append("a", i % 3, [entry(i)]) == [i // 3]
        assert log.append("b", 0, [entry(i)]) == [i]
    assert [r.key for r in log.read("a", 1, 0, 100)] == [f"key{i}".encode() for i in range(1, 50, 3)]
    assert log.end_offset("a", 1) == 17
    assert (log.end_offset("c", 0), log.start_offset("c", 0), log.read("c", 0, 0, 5)) == (0, 0, [])
    assert log.partitions() == [("a", 0), ("a", 1), ("a", 2), ("b", 0)]


def test_reading_is_bounded_and_goes_on_where_it_was_left(log):
    log.append("t", 0, [entry(i, 100) for i in range(60)])
    at, seen = 0, []
    while records := log.read("t", 0, at, 7):
        assert len(records) <= 7
        seen += [r.offset for r in records]
        at = records[-1].offset + 1
    assert seen == list(range(60))
    assert len(log.read("t", 0, 0, 60, max_bytes=1_000)) == 10
    assert len(log.read("t", 0, 0, 60, max_bytes=1)) == 1
    assert log.read("t", 0, 60, 5) == log.read("t", 0, 999, 5) == []


def test_several_partitions_share_one_wait_for_the_disk(log, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    offsets = log.append_many([("a", i, [entry(i), entry(i)]) for i in range(9)])
    assert offsets == [[0, 1]] * 9
    assert len(synced) == 1


def test_appends_that_wait_together_share_one_fsync(tmp_path, monkeypatch):
    log = DiskLog(tmp_path)
    real, synced = os.fdatasync, []

    def slow(fd):
        synced.append(fd)
        time.sleep(0.05)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", slow)
    offsets = []

    def work(n):
        offsets.extend(log.append("t", n % 4, [entry(n)]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(offsets) == sorted(list(range(10)) * 4)
    assert len(synced) < 15
    log.close()


def test_everything_is_there_after_reopening(tmp_path):
    rng = random.Random(3)
    written: dict[tuple[str, int], list[bytes]] = {}
    for _ in range(5):
        log = DiskLog(tmp_path, LogSettings(segment_bytes=3_000, retain_bytes=10**9))
        for _ in range(40):
            at = (rng.choice("ab"), rng.randrange(3))
            values = [rng.randbytes(rng.randrange(200)) for _ in range(rng.randrange(4))]
            known = written.setdefault(at, [])
            offsets = log.append(*at, [(b"k", v, (), 1) for v in values])
            assert offsets == list(range(len(known), len(known) + len(values)))
            known += values
        log.close()
    log = DiskLog(tmp_path)
    assert len(list(tmp_path.glob("*.log"))) > 5
    for at, values in written.items():
        assert [r.value for r in log.read(*at, 0, 10_000)] == values
        assert log.end_offset(*at) == len(values)
    log.close()


def test_groups_go_on_where_they_were(tmp_path):
    log = DiskLog(tmp_path)
    assert log.committed("g") == {}
    log.commit("g", {("t", 0): 5, ("t", 1): 7})
    log.commit("g", {("t", 1): 9})
    log.commit("other", {("t", 0): 1})
    log.close()
    log = DiskLog(tmp_path)
    assert log.committed("g") == {("t", 0): 5, ("t", 1): 9}
    assert log.committed("other") == {("t", 0): 1}
    log.forget("other")
    assert log.committed("other") == {}
    log.close()


def test_a_commit_that_fails_changes_nothing(log, monkeypatch):
    log.commit("g", {("t", 0): 5})

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        log.commit("g", {("t", 0): 6})
    assert log.committed("g") == {("t", 0): 5}


def test_old_segments_go_once_every_group_is_done(tmp_path):
    log = DiskLog(tmp_path, SMALL)
    log.commit("slow", {("t", 0): 0})
    log.commit("fast", {("t", 0): 0})
    for i in range(200):
        log.append("t", 0, [entry(i, 100)])
    log.commit("fast", {("t", 0): 200})
    assert log.retain(10**9) == 0
    assert log.start_offset("t", 0) == 0
    log.commit("slow", {("t", 0): 90})
    assert log.retain(10**9) > 0
    start = log.start_offset("t", 0)
    assert 75 < start <= 90
    first = log.read("t", 0, 0, 5)[0]  # asking for what is gone gives the oldest there is
    assert (first.offset, first.key) == (start, f"key{start}".encode())
    log.close()
    log = DiskLog(tmp_path, SMALL)
    assert (log.start_offset("t", 0), log.end_offset("t", 0)) == (start, 200)
    log.close()


def test_what_nobody_reads_is_bounded_by_bytes_but_guarded_topics_are_not(tmp_path):
    log = DiskLog(tmp_path, SMALL)
    for i in range(120):
        log.append("t", 0, [entry(i, 100)])
    kept = sum(path.stat().st_size for path in tmp_path.glob("*.log"))
    assert kept <= SMALL.retain_bytes + 2 * SMALL.segment_bytes
    for i in range(120):
        log.append("guarded", 0, [entry(i, 100)])
    assert log.start_offset("guarded", 0) == 0
    assert len(log.read("guarded", 0, 0, 1_000)) == 120
    log.close()


def test_offsets_go_on_although_every_record_of_a_partition_is_gone(tmp_path):
    log = DiskLog(tmp_path, SMALL)
    log.append("rare", 0, [entry(0), entry(1)])
    for i in range(200):
        log.append("t", 0, [entry(i, 100)])
    assert log.read("rare", 0, 0, 5) == []
    log.close()
    log = DiskLog(tmp_path, SMALL)
    assert (log.start_offset("rare", 0), log.end_offset("rare", 0)) == (2, 2)
    assert log.append("rare", 0, [entry(2)]) == [2]
    log.close()


def test_time_bounds_the_log_too(tmp_path):
    log = DiskLog(tmp_path, LogSettings(segment_bytes=1_000, retain_h=1, guarded=()))
    hour_us = 3_600_000_000
    for i in range(40):
        log.append("t", 0, [(b"k", b"v" * 100, (), i * hour_us // 20)])
    assert 10 < log.start_offset("t", 0) <= 19  # two hours were written: the first is gone, to whole segments
    assert log.retain(2 * hour_us) == 0
    assert log.retain(100 * hour_us) > 0
    assert log.end_offset("t", 0) == 40
    log.close()


def test_one_process_owns_the_folder(tmp_path):
    log = DiskLog(tmp_path)
    with pytest.raises(Misconfigured) as refused:
        DiskLog(tmp_path)
    assert str(tmp_path) in str(refused.value)
    assert str(os.getpid()) in str(refused.value)
    log.close()
    log.close()
    DiskLog(tmp_path).close()


def test_a_file_that_is_not_ours_is_named(tmp_path):
    (tmp_path / "000000000003.log").write_text("something else entirely")
    with pytest.raises(Misconfigured, match=r"000000000003\.log is not a segment"):
        DiskLog(tmp_path)
    (tmp_path / "000000000003.log").unlink()
    (tmp_path / "commits.json").write_text("{")
    with pytest.raises(Misconfigured, match=r"commits\.json is damaged"):
        DiskLog(tmp_path)
    (tmp_path / "commits.json").unlink()
    DiskLog(tmp_path).close()  # a refused opening leaves no lock behind


def test_readers_are_woken(log):
    heard = []
    stop = log.listen(heard.append)
    assert not log.wait("t", 0, 0, 0.01)
    thread = threading.Timer(0.05, lambda: log.append("t", 0, [entry(0)]))
    thread.start()
    assert log.wait("t", 0, 0, 5)
    thread.join()
    assert heard == [frozenset({("t", 0)})]
    stop()
    log.append("t", 0, [entry(1)])
    assert len(heard) == 1


def test_readers_and_writers_at_once_see_whole_records_in_order(tmp_path):
    log = DiskLog(tmp_path, LogSettings(segment_bytes=8_000, retain_bytes=24_000, guarded=()))
    stop, errors = threading.Event(), []

    def write(partition):
        for i in range(60):
            log.append("t", partition, [entry(2 * i, 50), entry(2 * i + 1, 50)])

    def read(partition):
        at = 0
        try:
            while not stop.is_set() or at < log.end_offset("t", partition):
                log.wait("t", partition, at, 0.02)
                for record in log.read("t", partition, at, 20):
                    assert record.offset >= at
                    assert record.key == f"key{record.offset}".encode()
                    at = record.offset + 1
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read, args=(p,)) for p in range(3)]
    writers = [threading.Thread(target=write, args=(p,)) for p in range(3)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert errors == []
    assert [log.end_offset("t", p) for p in range(3)] == [120] * 3
    log.close()


@pytest.mark.parametrize(
    "bad", [(None, b"", (), 1), (b"k", "text", (), 1), (b"k", b"v", (("h", None),), 1), (b"k", b"v", (), "now")]
)
def test_a_record_that_cannot_be_written_harms_nobody_else(log, bad):
    with pytest.raises(Exception):  # noqa: B017, PT011 - whichever: it is the caller's own mistake
        log.append("t", 0, [entry(0), bad])
    assert log.append("t", 0, [entry(0)]) == [0]


def test_a_topic_needs_a_name(log):
    with pytest.raises(ValueError, match="no name"):
        log.append("", 0, [entry(0)])


def test_after_close_nothing_is_accepted(tmp_path):
    log = DiskLog(tmp_path)
    log.close()
    with pytest.raises(OSError, match="closed"):
        log.append("t", 0, [entry(0)])
