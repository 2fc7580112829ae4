"""What the embedded log keeps of its word when power, disk or process fail."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from storage.log import DiskLog, LogSettings


def entry(i, size=40):
    return (b"k", bytes([i % 256]) * size, (("n", b"1"),), i)


def _values(folder):
    log = DiskLog(folder)
    try:
        return [r.value for r in log.read("t", 0, 0, 10_000)]
    finally:
        log.close()


def test_a_torn_end_is_cut_after_the_last_whole_record_wherever_it_tears(tmp_path):
    made = tmp_path / "made"
    log = DiskLog(made)
    log.append("t", 0, [entry(i) for i in range(5)])
    (path,) = made.glob("*.log")
    whole = path.stat().st_size
    log.append("t", 0, [entry(5)])
    log.close()
    full = path.read_bytes()
    for size in range(whole, len(full)):
        torn = tmp_path / f"torn{size}"
        shutil.copytree(made, torn)
        (torn / path.name).write_bytes(full[:size])
        log = DiskLog(torn)
        assert (torn / path.name).stat().st_size == whole
        assert log.end_offset("t", 0) == 5
        assert log.append("t", 0, [entry(77)]) == [5]
        assert [r.value[0] for r in log.read("t", 0, 0, 10)] == [0, 1, 2, 3, 4, 77]
        log.close()
        assert len(_values(torn)) == 6
        shutil.rmtree(torn)


@pytest.mark.parametrize("rest", [b"\0" * 4096, b"\xff" * 100, b"garbage" * 50])
def test_what_the_file_system_left_at_the_end_is_cut(tmp_path, rest):
    log = DiskLog(tmp_path)
    log.append("t", 0, [entry(0)])
    log.close()
    (path,) = tmp_path.glob("*.log")
    with path.open("ab") as file:
        file.write(rest)
    assert _values(tmp_path) == [entry(0)[1]]
    assert len(_values(tmp_path)) == 1


def test_a_record_whose_last_pages_never_reached_the_disk_is_cut(tmp_path):
    """A power cut may leave the length on disk and zeros where the value should be."""
    log = DiskLog(tmp_path)
    log.append("t", 0, [entry(1), entry(2)])
    log.close()
    (path,) = tmp_path.glob("*.log")
    content = path.read_bytes()
    path.write_bytes(content[:-10] + b"\0" * 10)
    log = DiskLog(tmp_path)
    assert log.end_offset("t", 0) == 1
    assert log.append("t", 0, [entry(3)]) == [1]
    assert [r.value for r in log.read("t", 0, 0, 9)] == [entry(1)[1], entry(3)[1]]
    log.close()


def test_a_damaged_record_in_the_middle_is_left_out_and_the_others_read(tmp_path, caplog):
    log = DiskLog(tmp_path, LogSettings(segment_bytes=500, retain_bytes=10**9))
    for i in range(30):
        log.append("t", 0, [entry(i)])
    log.close()
    first = min(tmp_path.glob("*.log"))
    content = bytearray(first.read_bytes())
    at = content.index(entry(1)[1])
    content[at + 7] ^= 0x10
    first.write_bytes(content)
    log = DiskLog(tmp_path)
    assert [r.offset for r in log.read("t", 0, 0, 100)] == [0, *range(2, 30)]
    assert [r.offset for r in log.read("t", 0, 1, 1)] == [2]  # a reader is not stuck before it
    assert "damaged record" in caplog.text
    log.close()


def test_a_full_disk_refuses_and_the_log_goes_on_when_there_is_room(tmp_path, monkeypatch):
    log = DiskLog(tmp_path)
    log.append("t", 0, [entry(0)])
    real = os.pwrite

    def full(fd, content, at):
        real(fd, bytes(content)[: len(content) // 2], at)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="No space left") as refused:
            log.append("t", 0, [entry(1)])
        assert refused.value.errno == 28
    assert log.end_offset("t", 0) == 1
    assert log.append("t", 0, [entry(2)]) == [1]
    log.close()
    assert _values(tmp_path) == [entry(0)[1], entry(2)[1]]


def test_what_could_not_be_synced_is_not_acknowledged_and_does_not_come_back(tmp_path, monkeypatch):
    log = DiskLog(tmp_path)
    log.append("t", 0, [entry(0)])

    def broken(fd):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(OSError, match="Input/output"):
            log.append("t", 0, [entry(1)])
    assert log.read("t", 0, 0, 10)[-1].offset == 0
    log.append("t", 0, [entry(2)])
    log.close()
    assert _values(tmp_path) == [entry(0)[1], entry(2)[1]]


def test_a_disk_that_is_gone_is_not_written_to_any_more(tmp_path, monkeypatch):
    log = DiskLog(tmp_path)
    log.append("t", 0, [entry(0)])

    def broken(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        patch.setattr(os, "ftruncate", broken)
        with pytest.raises(OSError, match="Input/output"):
            log.append("t", 0, [entry(1)])
    with pytest.raises(OSError, match="cannot be written any more"):
        log.append("t", 0, [entry(2)])
    assert len(log.read("t", 0, 0, 10)) == 1
    log.close()


def test_when_no_new_segment_can_be_begun_the_old_one_grows_on(tmp_path, monkeypatch, caplog):
    log = DiskLog(tmp_path, LogSettings(segment_bytes=200, guarded=()))
    with monkeypatch.context() as patch:
        patch.setattr("storage.segment.sync_folder", _refuse)
        for i in range(10):
            log.append("t", 0, [entry(i)])
    assert len(list(tmp_path.glob("*.log"))) == 1
    assert caplog.text.count("no new segment") == 1
    log.append("t", 0, [entry(10)])
    assert len(list(tmp_path.glob("*.log"))) == 2
    log.append("t", 0, [entry(11)])
    log.close()
    assert len(_values(tmp_path)) == 12


def _refuse(*_):
    raise OSError(24, "Too many open files")


WRITER = """
import sys, threading
from pathlib import Path
from storage.log import DiskLog, LogSettings
log = DiskLog(Path(sys.argv[1]), LogSettings(segment_bytes=20_000))
lock = threading.Lock()
def work(partition):
    n = 0
    while True:
        offsets = log.append("t", partition, [(b"k", b"%d" % (n + i), (), 1) for i in range(3)])
        log.commit("g", {("t", partition): offsets[0]})
        with lock:
            sys.stdout.write(f"{partition} {offsets[-1]}\\n")
            sys.stdout.flush()
        n += 3
for p in range(3):
    threading.Thread(target=work, args=(p,)).start()
"""


@pytest.mark.parametrize("lines", [1, 40, 150])
def test_after_kill_9_every_acknowledged_record_is_there(tmp_path, lines):
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = [child.stdout.readline() for _ in range(lines)]
    os.kill(child.pid, signal.SIGKILL)
    told += child.stdout.read().splitlines()
    child.stdout.close()
    child.wait()
    last: dict[int, int] = {}
    for line in told:
        partition, offset = map(int, line.split())
        last[partition] = max(offset, last.get(partition, 0))
    log = DiskLog(tmp_path / "log")
    for partition, offset in last.items():
        records = log.read("t", partition, 0, 10**6)
        assert len(records) > offset
        assert [r.value for r in records] == [b"%d" % i for i in range(len(records))]
        assert log.committed("g")["t", partition] >= offset - 2
    log.close()
