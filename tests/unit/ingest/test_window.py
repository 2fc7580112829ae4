"""Windows tile time on a grid fixed to the epoch, and say what is missing."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.settings import IngestSettings
from ingest.window import Windows, stagger_us
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Chunk, Window

S = 1_000_000
SETTINGS = IngestSettings()
PATIENT = PatientId("p-1")
BASE = 1_700_000_000 * S + stagger_us(PATIENT, 5.0)  # a window begins here


def chunk(t0_us: int, n: int, *, fs_hz: float = 250.0, gap_s: float = 0.0, value: float = 1.0, **more: object) -> Chunk:
    mv = np.full(n, value, np.float32)
    return Chunk(PATIENT, DeviceId("d-1"), "I", t0_us, fs_hz, mv, gap_s, **more)  # type: ignore[arg-type]  # values by name


def seconds(start: int, stop: int, *, gap_s: float = float("inf")) -> list[Chunk]:
    """One chunk a second from BASE + start on; the first says what is missing before it."""
    return [chunk(BASE + i * S, 250, gap_s=gap_s if i == start else 0.0) for i in range(start, stop)]


def push(windows: Windows, chunks: list[Chunk]) -> list[Window]:
    return [w for c in chunks for w in windows.push(c)]


def test_stagger_spreads_patients_over_the_hop_in_whole_tenths() -> None:
    offsets = [stagger_us(PatientId(f"p-{i}"), 5.0) for i in range(5_000)]
    assert set(offsets) == {k * 100_000 for k in range(50)}
    assert max(np.bincount(np.array(offsets) // 100_000)) < 150  # 100 each on average
    assert stagger_us(PATIENT, 5.0) == 4_700_000  # another worker, or another release, must agree


def test_windows_tile_time_and_come_as_soon_as_their_end_is_reached() -> None:
    windows = Windows(PATIENT, SETTINGS)
    seen: list[tuple[int, int]] = []
    for i, c in enumerate(seconds(0, 60)):
        seen += [(i, w.t0_us) for w in windows.push(c)]
    assert [t0 for _, t0 in seen] == [BASE + k * 5 * S for k in range(-1, 11)]
    assert [i for i, _ in seen] == [4 + 5 * k for k in range(12)]


def test_window_at_the_start_is_partial_and_says_so() -> None:
    first, second, *_ = push(Windows(PATIENT, SETTINGS), seconds(2, 15))
    assert first.valid_share == pytest.approx(0.3)
    assert not first.valid[:1750].any()
    assert (first.mv[:1750] == 0).all()
    assert first.valid[1750:].all()
    assert second.t0_us - first.t0_us == 5 * S


def test_gap_is_a_value_and_an_empty_window_never_leaves() -> None:
    cut = push(Windows(PATIENT, SETTINGS), seconds(0, 13) + seconds(37, 60, gap_s=24.0))
    shares = {(w.t0_us - BASE) // S: round(w.valid_share, 3) for w in cut}
    assert shares == {-5: 0.5, 0: 1, 5: 0.8, 10: 0.3, 30: 0.3, 35: 0.8, 40: 1, 45: 1, 50: 1}
    [ten] = [w for w in cut if w.t0_us == BASE + 10 * S]
    assert ten.valid[:750].all()
    assert not ten.valid[750:].any()


def test_window_waits_for_signal_that_may_still_come_after_a_gap() -> None:
    windows = Windows(PATIENT, SETTINGS)
    assert [w.t0_us for w in push(windows, seconds(0, 12))] == [BASE - 5 * S, BASE]
    assert push(windows, seconds(13, 14, gap_s=1.0)) == []
    [window] = push(windows, [chunk(BASE + 14 * S, 250)])
    assert window.t0_us == BASE + 5 * S
    assert window.valid_share == pytest.approx(0.9)
    assert not window.valid[7 * 250 : 8 * 250].any()


def test_window_whose_only_signal_is_nearer_to_the_one_before_never_leaves() -> None:
    windows = Windows(PATIENT, SETTINGS)
    end_us = BASE + 10 * S + 1_000  # the last sample stands 3 ms before the window that begins at 10 s
    push(windows, [chunk(end_us - 12 * S, 3_000, gap_s=float("inf"))])
    out = push(windows, [chunk(BASE + 60 * S, 250, gap_s=50.0)])
    assert [(w.t0_us - BASE) // S for w in out] == [5]


def test_chunks_of_one_run_are_counted_not_rounded_one_by_one() -> None:
    half_us = 2_000  # half a sample: 1 us decides where a sample goes
    chunks = [chunk(BASE + half_us - i % 2 + i * S, 250, gap_s=0 if i else float("inf")) for i in range(25)]
    assert all(w.valid.all() for w in push(Windows(PATIENT, SETTINGS), chunks) if w.t0_us > BASE)


def test_ring_forgets_what_is_older_than_it_is_long() -> None:
    windows = Windows(PATIENT, SETTINGS)
    push(windows, seconds(0, 300))
    assert 30 <= len(windows._ring._pieces) <= 31


def test_a_week_of_silence_costs_nothing() -> None:
    windows = Windows(PATIENT, SETTINGS)
    push(windows, seconds(0, 12))
    week = 7 * 86_400
    started = time.perf_counter()
    out = push(windows, [chunk(BASE + week * S, 250, gap_s=float(week - 12))])
    assert time.perf_counter() - started < 0.05
    assert [(w.t0_us - BASE) // S for w in out] == [5, 10]


def test_a_frame_longer_than_the_ring_yields_all_its_windows() -> None:
    out = Windows(PATIENT, SETTINGS).push(chunk(BASE, 60 * 250, gap_s=float("inf")))
    assert [(w.t0_us - BASE) // S for w in out] == list(range(-5, 51, 5))
    assert all(w.valid.all() for w in out[1:])


def test_marked_windows_do_not_come_again() -> None:
    windows = Windows(PATIENT, SETTINGS)
    windows.mark(BASE + 20 * S)
    assert [w.t0_us for w in push(windows, seconds(0, 31))] == [BASE + 15 * S, BASE + 20 * S]
    assert windows.done_until_us == BASE + 30 * S


@pytest.mark.parametrize("fs_hz", [257.3, 128.33, 99.95])
def test_marking_with_the_end_of_a_window_holds_at_odd_rates_too(fs_hz: float) -> None:
    chunks = [
        chunk(BASE + i * 10 * S, round(10 * fs_hz), fs_hz=fs_hz, gap_s=0 if i else float("inf")) for i in range(6)
    ]
    out = push(Windows(PATIENT, SETTINGS), chunks)
    for window in out:
        again = Windows(PATIENT, SETTINGS)
        again.mark(window.t1_us)
        assert [w.t0_us for w in push(again, chunks)] == [w.t0_us for w in out if w.t0_us > window.t0_us]


def test_window_carries_the_newest_arrival_and_any_lead_off() -> None:
    chunks = [
        chunk(BASE + i * S, 250, gap_s=0 if i else float("inf"), arrival_us=100 - i, lead_off=i == 3) for i in range(15)
    ]
    _, first, second = push(Windows(PATIENT, SETTINGS), chunks)
    assert (first.lead_off, first.arrival_us) == (True, 100)
    assert (second.lead_off, second.arrival_us) == (False, 95)


@settings(max_examples=60, deadline=None)
@given(
    fs_hz=st.sampled_from([250.0, 257.0, 128.5, 333.33, 1000.0, 50.0]),
    runs=st.lists(st.tuples(st.integers(1, 30_000), st.integers(1, 40_000_000)), min_size=1, max_size=6),
    phase=st.integers(0, 10 * S),
)
def test_every_sample_stands_at_its_instant(fs_hz: float, runs: list[tuple[int, int]], phase: int) -> None:
    """Against the definition: a sample stands in each window that covers it, at most half a period off, once."""
    windows, t_us, out, at = Windows(PATIENT, SETTINGS), BASE + phase, [], 0
    instants: list[np.ndarray] = []
    for i, (n, gap_us) in enumerate(runs):
        mv = np.arange(at + 1, at + n + 1, dtype=np.float32)
        gap_s = gap_us / S if i else float("inf")
        out += windows.push(Chunk(PATIENT, DeviceId("d-1"), "I", t_us, fs_hz, mv, gap_s))
        instants.append(t_us + np.arange(n) * S / fs_hz)
        at, t_us = at + n, t_us + round(n * S / fs_hz) + gap_us
    when = np.concatenate(instants)
    period = S / fs_hz
    for window in out:
        n = round(10 * fs_hz)
        assert window.mv.shape == window.valid.shape == (n,)
        assert window.valid.any()
        assert (window.mv[~window.valid] == 0).all()
        held = window.mv[window.valid].astype(int) - 1
        assert len(set(held)) == len(held)
        grid = window.t0_us + np.flatnonzero(window.valid) * period
        assert np.abs(when[held] - grid).max() <= period / 2 + 1
        inside = np.flatnonzero((when > window.t0_us + 1) & (when < window.t0_us + (n - 1) * period - 1))
        missing = set(inside) - set(held)
        assert len(missing) <= len(runs)  # a gap shorter than half a period may cost one
    starts = [w.t0_us for w in out]
    assert starts == sorted(set(starts))
    assert all((t - BASE) % (5 * S) == 0 for t in starts)
