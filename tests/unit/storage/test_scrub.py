"""What the embedded log holds of an erased patient is overwritten in place, whatever a crash does to it."""

import random

import pytest

from storage import segment as files
from storage.log import DiskLog, LogSettings
from storage.scrub import Scrubber

SMALL = LogSettings(segment_bytes=4000)


def filled(folder, names, count=120):
    log = DiskLog(folder, SMALL)
    rng = random.Random(5)
    for i in range(count):
        name = names[i % len(names)]
        value = f"{name}:{i}:".encode() + rng.randbytes(rng.randrange(1, 200))
        log.append("frames", i % 4, [(name.encode(), value, (("trace", name.encode()),), 1000 + i)])
    return log


def records(log):
    return {(p, r.offset): r for p in range(4) for r in log.read("frames", p, 0, 1000)}


def test_only_what_shall_go_goes_and_offsets_stay(tmp_path):
    log = filled(tmp_path, ["anna", "bert", "carl"])
    before, ends = records(log), [log.end_offset("frames", p) for p in range(4)]
    log.commit("monitor", {("frames", 0): 7})
    assert log.scrub({b"anna": 1060, b"nobody": 10_000}) == 21, "anna's up to that time"
    kept = {at: r for at, r in before.items() if r.key != b"anna" or r.timestamp_us > 1060}
    assert records(log) == kept
    assert log.scrub({b"anna": 1060}) == 0
    assert log.append("frames", 0, [(b"anna", b"new", (), 5000)]) == [ends[0]]
    log.close()
    again = DiskLog(tmp_path, SMALL)
    assert {at: r for at, r in records(again).items() if r.value != b"new"} == kept
    assert [again.end_offset("frames", p) for p in range(1, 4)] == ends[1:]
    assert again.committed("monitor") == {("frames", 0): 7}
    assert again.scrub({b"anna": 10_000}) == 20
    again.close()
    everything = b"".join(p.read_bytes() for p in tmp_path.glob("*.log"))
    assert b"anna" not in everything
    assert b"bert:1:" in everything


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_crash_in_the_middle_loses_nothing_of_others(tmp_path, monkeypatch, cut):
    log = filled(tmp_path, ["anna", "bert"])
    before = records(log)
    written = []
    true_write = files.os.pwrite

    def torn(fd, content, position):
        written.append(position)
        if len(written) == 5:
            true_write(fd, content[:cut], position)
            raise KeyboardInterrupt
        return true_write(fd, content, position)

    monkeypatch.setattr(files.os, "pwrite", torn)
    with pytest.raises(KeyboardInterrupt):
        log.scrub({b"anna": 10_000})
    monkeypatch.undo()
    log.close()
    again = DiskLog(tmp_path, SMALL)
    others = {at: r for at, r in before.items() if r.key == b"bert"}
    assert {at: r for at, r in records(again).items() if r.key == b"bert"} == others
    again.scrub({b"anna": 10_000})
    assert records(again) == others
    again.close()


def test_each_erasure_is_followed_once(tmp_path):
    log = filled(tmp_path, ["anna", "bert"])
    work = Scrubber(log, tmp_path)
    assert work.follow({}) == 0
    assert work.follow({"anna": 10_000}) == 60
    log.append("frames", 0, [(b"anna", b"of a new stay", (), 20_000)])
    assert Scrubber(log, tmp_path).follow({"anna": 10_000}) == 0
    assert Scrubber(log, tmp_path).follow({"anna": 10_000, "bert": 1001}) == 1
    assert work.follow({"anna": 30_000}) == 1, "erased again"
    (tmp_path / "scrubbed.json").write_text("not JSON")
    assert Scrubber(log, tmp_path).follow({"bert": 9000}) == 59
    log.close()
