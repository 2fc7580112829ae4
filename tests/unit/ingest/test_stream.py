"""Any chunking, any order within `reorder_s`, any duplicates: the same signal and the same windows."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.reorder import Status
from ingest.settings import IngestSettings
from ingest.stream import PatientStream
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Chunk, Frame, Window

S = 1_000_000
SETTINGS = IngestSettings()
PATIENT = PatientId("p-1")
T0 = 1_700_000_000 * S
RATES = [250.0, 257.0, 128.5, 360.0, 100.0, 333.33]


def make(
    values: Sequence[int],
    sequence: int,
    t0_us: int,
    fs_hz: float = 250.0,
    *,
    boot: int = 1,
    device: str = "d-1",
    lead: str = "I",
    arrival_us: int | None = None,
) -> Frame:
    frame = Frame(
        patient=PATIENT,
        device=DeviceId(device),
        boot=boot,
        sequence=sequence,
        t0_us=t0_us,
        fs_hz=fs_hz,
        gain=1000.0,
        lead=lead,
        samples=np.array(values, np.int16),
    )
    return frame.stamped(frame.t1_us if arrival_us is None else arrival_us)


def cut(n: int, sizes: Sequence[int], fs_hz: float, *, first: int = 0, t0_us: int = T0) -> list[Frame]:
    """Samples 0 .. n-1 in frames of the sizes, over and over; each frame's time counted from the first sample."""
    frames, at = [], 0
    while at < n:
        size = min(sizes[len(frames) % len(sizes)], n - at)
        values = [(at + i) % 30_000 + 1 for i in range(size)]  # never 0, so that a hole cannot pass for a sample
        frames.append(make(values, first + len(frames), t0_us + round(at * S / fs_hz), fs_hz))
        at += size
    return frames


class Run:
    """A stream fed as a worker feeds it, with all that came out."""

    def __init__(self, stream: PatientStream | None = None) -> None:
        self.stream = stream or PatientStream(PATIENT, SETTINGS)
        self.chunks: list[Chunk] = []
        self.windows: list[Window] = []
        self.statuses: list[Status] = []

    def feed(self, frames: Sequence[Frame]) -> "Run":
        for frame in frames:
            self.statuses.append(self.stream.push(frame))
            self.advance(frame.arrival_us)
        return self

    def advance(self, now_us: int) -> "Run":
        out = self.stream.advance(now_us)
        self.chunks += out.chunks
        self.windows += out.windows
        return self

    @property
    def mv(self) -> np.ndarray:
        return np.concatenate([c.mv for c in self.chunks]) if self.chunks else np.zeros(0, np.float32)


def finished(frames: Sequence[Frame]) -> Run:
    run = Run().feed(frames)
    return run.advance(max(f.arrival_us for f in frames) + 3 * S)


def same_windows(a: Sequence[Window], b: Sequence[Window]) -> bool:
    return len(a) == len(b) and all(
        x.t0_us == y.t0_us and np.array_equal(x.mv, y.mv) and np.array_equal(x.valid, y.valid)
        for x, y in zip(a, b, strict=True)
    )


def assert_each_sample_once(chunks: Sequence[Chunk]) -> None:
    for before, after in pairwise(chunks):
        assert after.t0_us >= before.t1_us - 1, "time ran back"


def test_frames_in_order_are_released_at_once() -> None:
    run = Run()
    for frame in cut(2500, [250], 250.0):
        assert run.stream.push(frame) == "new"
        [chunk] = run.stream.advance(frame.arrival_us).chunks
        assert chunk.t0_us == frame.t0_us
        assert np.array_equal(chunk.mv, frame.millivolts())
        assert run.stream.newest_us == frame.t1_us


def test_first_chunk_follows_nothing_and_the_rest_are_contiguous() -> None:
    run = finished(cut(2500, [250], 250.0))
    assert [c.gap_s for c in run.chunks] == [float("inf")] + [0.0] * 9


@settings(max_examples=40, deadline=None)
@given(
    fs_hz=st.sampled_from(RATES),
    sizes=st.lists(st.integers(20, 3_000), min_size=1, max_size=5),
    start=st.integers(0, 20 * S),
)
def test_any_chunking_gives_the_same_signal_and_windows(fs_hz: float, sizes: list[int], start: int) -> None:
    n = round(40 * fs_hz)
    clean = finished(cut(n, [round(fs_hz)], fs_hz, t0_us=T0 + start))
    other = finished(cut(n, sizes, fs_hz, t0_us=T0 + start))
    assert len(clean.mv) == n
    assert np.array_equal(clean.mv, other.mv)
    assert same_windows(clean.windows, other.windows)
    assert_each_sample_once(other.chunks)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_order_and_any_duplicates_give_the_clean_stream(data: st.DataObject) -> None:
    fs_hz = data.draw(st.sampled_from(RATES))
    frames = cut(round(30 * fs_hz), [round(fs_hz), 60], fs_hz, first=data.draw(st.sampled_from([0, 7, 1 << 60])))
    lost = data.draw(st.sets(st.integers(1, len(frames) - 1), max_size=6))
    kept = [f for i, f in enumerate(frames) if i not in lost]
    latency = data.draw(st.lists(st.integers(0, 19 * S // 10), min_size=len(kept), max_size=len(kept)))
    sent = [f.stamped(f.t1_us + d) for f, d in zip(kept, latency, strict=True)]
    again = data.draw(st.lists(st.tuples(st.sampled_from(sent), st.integers(0, 40 * S)), max_size=8))
    copies = [f.stamped(f.arrival_us + d) for f, d in again]
    mixed = sorted(sent + copies, key=lambda f: f.arrival_us)
    run, clean = finished(mixed), finished(kept)
    assert [c.t0_us for c in run.chunks] == [c.t0_us for c in clean.chunks]
    assert np.array_equal(run.mv, clean.mv)
    assert same_windows(run.windows, clean.windows)
    assert run.statuses.count("duplicate") == len(copies)
    assert "late" not in run.statuses
    assert len(clean.mv) == sum(len(f.samples) for f in kept)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_restored_stream_equals_the_one_that_was_never_interrupted(data: st.DataObject) -> None:
    fs_hz = data.draw(st.sampled_from(RATES))
    frames = cut(round(90 * fs_hz), [round(fs_hz)], fs_hz)
    lost = data.draw(st.sets(st.integers(1, len(frames) - 1), max_size=20))
    frames = [f for i, f in enumerate(frames) if i not in lost]
    delay = data.draw(st.lists(st.integers(0, 4 * S), min_size=len(frames), max_size=len(frames)))
    frames = sorted((f.stamped(f.t1_us + d) for f, d in zip(frames, delay, strict=True)), key=lambda f: f.arrival_us)
    whole = finished(frames)
    at = data.draw(st.integers(1, len(frames) - 1))
    before = Run().feed(frames[:at])
    stored_until = max(f.t1_us for f in frames[:at])
    stored = [f for f in frames[:at] if f.t1_us > stored_until - round(SETTINGS.ring_s * S)]
    second = PatientStream(PATIENT, SETTINGS)
    if before.stream.processed_until_us is not None:
        second.mark_processed(before.stream.processed_until_us)
    after = Run(second).feed(stored)
    assert after.windows == [], "a window that was processed came again"
    after.feed(frames[at:]).advance(frames[-1].arrival_us + 3 * S)
    assert same_windows(before.windows + after.windows, whole.windows)
    assert abs(after.chunks[-1].t1_us - whole.chunks[-1].t1_us) <= 1  # device times are rounded to 1 us


def test_missing_frame_is_waited_for_no_longer_than_promised() -> None:
    f = cut(1250, [250], 250.0)
    run = Run().feed([f[0], f[2]])
    run.advance(f[2].arrival_us + 2 * S - 1)
    assert len(run.chunks) == 1
    run.advance(f[2].arrival_us + 2 * S)
    assert [c.gap_s for c in run.chunks] == [float("inf"), 1.0]
    late = f[1].stamped(f[2].arrival_us + 3 * S)
    assert [run.stream.push(late), run.stream.push(late)] == ["late", "duplicate"]
    assert run.stream.advance(late.arrival_us).chunks == []


def test_gap_after_a_backlog_waits_from_when_it_is_first_seen() -> None:
    f = cut(1000, [250], 250.0)
    hour = 3600 * S
    run = Run()
    for frame in (f[0], f[2]):
        run.stream.push(frame)
    run.advance(f[2].arrival_us + hour)  # the worker was away; the next batch may hold the missing frame
    run.stream.push(f[1].stamped(f[2].arrival_us + 1))
    run.advance(f[2].arrival_us + hour + S // 10)
    assert len(run.mv) == 750


def test_a_frame_that_arrives_after_the_wait_is_late_even_if_nobody_looked() -> None:
    f = cut(1000, [250], 250.0)
    stream = PatientStream(PATIENT, SETTINGS)
    pushed = [stream.push(x) for x in (f[0], f[2], f[1].stamped(f[2].arrival_us + 2 * S), f[3])]
    assert pushed == ["new", "new", "late", "new"]
    assert sum(len(c.mv) for c in stream.advance(f[3].arrival_us + 2 * S).chunks) == 750


def test_new_boot_that_continues_in_time_is_not_delayed() -> None:
    run = Run().feed(cut(500, [250], 250.0))
    run.feed([make(range(1, 251), 0, T0 + 2 * S, boot=9)])
    assert [c.gap_s for c in run.chunks] == [float("inf"), 0.0, 0.0]


def test_new_boot_after_a_break_leaves_room_for_the_last_frames_of_the_old() -> None:
    old = cut(750, [250], 250.0)
    new = make(range(1, 251), 0, T0 + 10 * S, boot=9)
    run = Run().feed([*old[:2], new, old[2].stamped(new.arrival_us + S)])
    assert len(run.mv) == 750
    run.advance(new.arrival_us + 2 * S)
    assert [c.gap_s for c in run.chunks] == [float("inf"), 0.0, 0.0, 7.0]


def test_several_boots_that_wait_leave_in_the_order_of_their_time() -> None:
    first, second = make(range(1, 251), 0, T0 + 10 * S, boot=9), make(range(1, 251), 0, T0 + 20 * S, boot=3)
    at = second.arrival_us
    run = Run().feed(cut(250, [250], 250.0))
    run.feed([second, first.stamped(at + 1)]).advance(at + 3 * S)
    assert [c.gap_s for c in run.chunks] == [float("inf"), 9.0, 9.0]


def test_overlap_is_cut_to_the_nearest_sample() -> None:
    run = Run().feed(cut(250, [250], 250.0))
    again = make(range(1, 251), 0, T0 + S - 5_600, boot=9)  # 1.4 samples too early
    run.feed([again]).advance(again.arrival_us + 2 * S)
    assert len(run.mv) == 499
    assert (run.chunks[1].t0_us, run.chunks[1].gap_s) == (T0 + S, 0.0)


@pytest.mark.parametrize("change", [{"device": "d-2"}, {"lead": "II"}, {"fs_hz": 500.0}])
def test_change_of_device_lead_or_rate_begins_anew_and_windows_do_not_mix(change: dict[str, object]) -> None:
    first = cut(30 * 250, [250], 250.0)
    second = []
    for i in range(30):
        frame = replace(first[0], sequence=30 + i, boot=1, t0_us=T0 + (30 + i) * S, **change)  # type: ignore[arg-type]  # values by name
        samples = np.full(round(frame.fs_hz), 2, np.int16)
        second.append(replace(frame, samples=samples, arrival_us=frame.t0_us + S))
    run = finished(first + second)
    infinite = [c.t0_us for c in run.chunks if np.isinf(c.gap_s)]
    assert infinite == [T0, T0 + 30 * S]
    marked = np.float32(0.002)
    for window in run.windows:
        is_second = (window.mv[window.valid] == marked).all()
        is_first = (window.mv[window.valid] != marked).sum() >= window.valid.sum() - 1
        assert is_second or is_first
        assert len(window.mv) == round(10 * window.fs_hz)
    starts = [w.t0_us for w in run.windows]
    assert len(set(starts)) == len(starts)


def test_two_devices_at_once_do_not_tear_the_signal() -> None:
    a = cut(60 * 250, [250], 250.0)
    b = [
        replace(f, device=DeviceId("d-2"), boot=5, t0_us=f.t0_us + S // 3, arrival_us=f.arrival_us + S // 3) for f in a
    ]
    both = sorted(a + b, key=lambda f: f.arrival_us)
    run = finished(both)
    assert_each_sample_once(run.chunks)
    assert sum(np.isinf(c.gap_s) for c in run.chunks) <= 2  # the second takes over when the first has ended
    assert len(run.mv) >= 60 * 250


@pytest.mark.parametrize("overlap_s", [0.2, 1.0, 2.5])
def test_overlapping_times_never_yield_a_sample_twice(overlap_s: float) -> None:
    first = cut(10 * 250, [250], 250.0)
    back = round(overlap_s * S)
    second = [
        replace(f, sequence=f.sequence + 10, t0_us=f.t0_us + 10 * S - back, arrival_us=f.arrival_us + 10 * S)
        for f in first
    ]
    run = finished(first + second)
    assert_each_sample_once(run.chunks)
    assert len(run.mv) == 20 * 250 - round(overlap_s * 250)
    assert run.stream.shift_us == 0


def test_clock_that_steps_back_for_good_does_not_blind_the_monitor() -> None:
    first = cut(20 * 250, [250], 250.0)
    hour = 3600 * S
    second = [
        replace(f, sequence=f.sequence + 20, t0_us=f.t0_us + 20 * S - hour, arrival_us=f.arrival_us + 20 * S)
        for f in first
    ]
    run = finished(first + second)
    assert_each_sample_once(run.chunks)
    assert run.statuses[20:25] == ["late"] * 5  # stored, but perhaps old signal sent again
    assert set(run.statuses[25:]) == {"new"}
    [gap] = [c.gap_s for c in run.chunks[1:] if c.gap_s]
    assert gap == 5.0
    assert run.stream.shift_us == hour
    assert run.stream.newest_us == T0 + 40 * S
    right = make(range(1, 251), 40, T0 + 41 * S, arrival_us=T0 + 42 * S)  # the clock is set right again
    run.feed([right])
    assert run.stream.shift_us == 0
    assert run.chunks[-1].t0_us == T0 + 41 * S


def test_old_signal_sent_again_under_new_numbers_is_left_out() -> None:
    first = cut(30 * 250, [250], 250.0)
    at = first[-1].arrival_us
    again = [replace(f, boot=2, arrival_us=at + i * 1000) for i, f in enumerate(first)]
    live = make(range(1, 251), 30, T0 + 30 * S, boot=2)
    run = finished([*first, *again, live])
    assert len(run.mv) == 31 * 250
    assert all(c.gap_s == 0 for c in run.chunks[1:])


def test_jitter_of_device_time_is_no_gap_and_does_not_add_up() -> None:
    rng = np.random.default_rng(1)
    frames = [replace(f, t0_us=f.t0_us + int(rng.integers(-20_000, 20_000))) for f in cut(120 * 250, [250], 250.0)]
    run = finished(frames)
    assert all(c.gap_s == 0 for c in run.chunks[1:])
    assert all(w.valid.all() for w in run.windows[2:])
    assert run.stream.newest_us == frames[0].t0_us + 120 * S


@pytest.mark.parametrize("fs_hz", [257.0, 128.5, 333.33, 499.7])
def test_rates_that_are_no_whole_number_do_not_drift_in_hours(fs_hz: float) -> None:
    n = round(14_400 * fs_hz)
    per_frame = round(60 * fs_hz)
    run = Run()
    at, sequence = 0, 0
    values = np.ones(per_frame, np.int16)
    while at < n:
        frame = make(values, sequence, T0 + round(at * S / fs_hz), fs_hz)
        run.stream.push(frame)
        released = run.stream.advance(frame.arrival_us)
        at, sequence = at + per_frame, sequence + 1
        assert all(c.t0_us == frame.t0_us for c in released.chunks)
        assert all(w.valid.all() for w in released.windows if w.t0_us > T0)
    assert run.stream.newest_us == T0 + round(at * S / fs_hz)


def test_memory_is_bounded_when_every_other_frame_is_lost() -> None:
    stream = PatientStream(PATIENT, SETTINGS)
    for i in range(0, 6_000, 2):
        stream.push(make([1] * 25, i, T0 + i * S // 10))
        stream.advance(T0 + (i + 1) * S // 10)
    cursor = stream._reorder._cursors[(DeviceId("d-1"), 1)]
    assert len(cursor.missing) <= 256
    assert len(stream._reorder._held) <= 32
    assert stream.push(make([1] * 25, 5_801, T0, arrival_us=T0 + 700 * S)) == "late"
    assert stream.push(make([1] * 25, 5_800, T0, arrival_us=T0 + 700 * S)) == "duplicate"
    assert stream.push(make([1] * 25, 2, T0, arrival_us=T0 + 700 * S)) == "late"  # forgotten: stored again at worst


def test_frame_of_another_patient_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="patient"):
        PatientStream(PatientId("p-2"), SETTINGS).push(make([1], 0, T0))
