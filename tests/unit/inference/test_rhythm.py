"""The rhythm of one patient: the fields that the lethal-rhythm rules read, and the same result for any chunking."""

import itertools
import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.rhythm import RhythmTracker
from liteheart.finding import Vitals
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Chunk

FS = 250
T0_US = 1_700_000_000_250_000
Floats = npt.NDArray[np.float64]


def beats(seconds: float, r_s: Floats, width_s: float = 0.012, r_mv: float = 1.0) -> Floats:
    t = np.arange(round(seconds * FS)) / FS
    x = np.zeros_like(t)
    for at in r_s:
        x += r_mv * np.exp(-((t - at) ** 2) / (2 * width_s**2)) + 0.2 * np.exp(-((t - at - 0.28) ** 2) / (2 * 0.05**2))
    return x + 0.005 * np.random.default_rng(0).standard_normal(len(t))


def sinus(seconds: float, rate_bpm: float = 72) -> Floats:
    return beats(seconds, np.arange(0.4, seconds, 60 / rate_bpm))


def chunks(
    mv: Floats, cuts: tuple[int, ...] = (), *, t0_us: int = T0_US, gap_s: float = math.inf, lead_off: bool = False
) -> list[Chunk]:
    edges = sorted({0, len(mv), *(c % len(mv) for c in cuts)})
    return [
        Chunk(
            patient=PatientId("p1"),
            device=DeviceId("d1"),
            lead="I",
            t0_us=t0_us + round(a * 1e6 / FS),
            fs_hz=FS,
            mv=mv[a:b].astype(np.float32),
            gap_s=0.0 if a else gap_s,
            lead_off=lead_off,
            arrival_us=7,
        )
        for a, b in itertools.pairwise(edges)
    ]


def follow(*parts: list[Chunk]) -> list[Vitals]:
    tracker = RhythmTracker(PatientId("p1"))
    return [v for part in parts for chunk in part for v in tracker.push(chunk)]


def after(part: list[Chunk], mv: Floats, gap_s: float = 0.0, *, lead_off: bool = False) -> list[Chunk]:
    """Chunks that follow `part`, `gap_s` later."""
    return chunks(mv, t0_us=part[-1].t1_us + round(gap_s * 1e6), gap_s=gap_s, lead_off=lead_off)


def test_one_vitals_for_every_whole_second_of_event_time() -> None:
    vitals = follow(chunks(sinus(12)))
    assert [v.t_us for v in vitals] == [1_700_000_001_000_000 + k * 1_000_000 for k in range(12)]
    assert vitals[0].signal_s == pytest.approx(0.75, abs=0.005)
    assert vitals[-1].arrival_us == 7


def test_sinus_rhythm_raises_nothing() -> None:
    for v in follow(chunks(sinus(40)))[5:]:
        assert v.heart_rate_bpm == pytest.approx(72, abs=1.5)
        assert v.since_beat_s is not None
        assert v.since_beat_s < 1.5
        assert (v.fibrillation_s, v.ventricular_run, v.flat_s, v.lead_off) == (0.0, 0, 0.0, False)
        assert v.quality.usable
        assert len(v.rr_s) <= 24
        assert np.allclose(v.rr_s, 60 / 72, atol=0.03)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 20 * FS - 1), max_size=60).map(tuple))
def test_chunking_changes_nothing(cuts: tuple[int, ...]) -> None:
    mv = np.concatenate([sinus(9), 0.02 * np.sin(np.arange(6 * FS) / 90), sinus(5, 150)])
    assert follow(chunks(mv, cuts)) == follow(chunks(mv))


def test_single_samples_are_chunks_too() -> None:
    mv = sinus(6)
    assert follow(chunks(mv, tuple(range(len(mv))))) == follow(chunks(mv))


def test_asystole_counts_from_the_last_beat_and_ends_with_the_next() -> None:
    quiet = 0.05 * np.sin(2 * np.pi * 0.3 * np.arange(12 * FS) / FS) + 0.004 * np.random.default_rng(1).standard_normal(
        12 * FS
    )
    vitals = follow(chunks(np.concatenate([sinus(20), quiet, sinus(6)])))
    pause = [v.since_beat_s for v in vitals if v.since_beat_s is not None]
    assert max(pause) == pytest.approx(12, abs=1.2)
    silent = [v for v in vitals if v.since_beat_s is not None and v.since_beat_s > 4]
    assert all(v.heart_rate_bpm is None for v in silent)
    assert vitals[-1].since_beat_s is not None
    assert vitals[-1].since_beat_s < 1.5


def test_asystole_counts_from_the_start_of_the_signal_when_no_beat_came() -> None:
    last = follow(chunks(0.003 * np.random.default_rng(2).standard_normal(8 * FS)))[-1]
    assert last.since_beat_s == last.signal_s == pytest.approx(7.75, abs=0.01)
    assert last.flat_s == pytest.approx(7.75, abs=0.01)
    assert last.heart_rate_bpm is None
    assert last.quality.reasons == ("flat",)


@pytest.mark.parametrize("wave_hz", [3.5, 5.0, 6.5])
def test_fibrillation_waves_are_counted(wave_hz: float) -> None:
    t = np.arange(12 * FS) / FS
    waves = (0.6 + 0.2 * np.sin(2 * np.pi * 0.4 * t)) * np.sin(2 * np.pi * wave_hz * t + np.sin(2 * np.pi * 0.3 * t))
    vitals = follow(chunks(np.concatenate([sinus(15), waves, sinus(15)])))
    assert max(v.fibrillation_s for v in vitals) >= 9
    start_us = T0_US + 15_000_000
    first = next(v.t_us for v in vitals if v.fibrillation_s >= 4)
    assert 3_000_000 < first - start_us <= 6_000_000
    assert vitals[-1].fibrillation_s == 0


def test_wide_fast_beats_make_a_ventricular_run() -> None:
    fast = beats(8, np.arange(0.3, 7.8, 0.4), 0.045, -1.6)
    vitals = follow(chunks(np.concatenate([sinus(20), fast])))
    run = max(vitals, key=lambda v: v.ventricular_run)
    assert run.ventricular_run >= 12
    assert run.ventricular_rate_bpm == pytest.approx(150, abs=5)


def test_narrow_fast_beats_make_none() -> None:
    vitals = follow(chunks(np.concatenate([sinus(20), sinus(12, 160)])))
    assert max(v.ventricular_run for v in vitals) < 3
    assert vitals[-1].heart_rate_bpm == pytest.approx(160, abs=4)


def test_usual_wide_beats_are_not_ventricular() -> None:
    vitals = follow(chunks(beats(25, np.arange(0.4, 25, 0.8), 0.03, -1.3)))
    assert max(v.ventricular_run for v in vitals[8:]) == 0


def test_a_short_gap_is_bridged_and_breaks_contiguity() -> None:
    first = chunks(sinus(12))
    vitals = follow(first, after(first, sinus(6), 0.5))
    assert [v.t_us for v in vitals] == [vitals[0].t_us + k * 1_000_000 for k in range(18)]
    assert vitals[-1].signal_s == pytest.approx(5.25, abs=0.01)
    assert sum(vitals[-1].rr_s) <= 5.3


def test_seconds_follow_a_clock_that_drifts() -> None:
    parts = [chunks(sinus(1))]
    for _ in range(60):  # a device that sends 250 samples in 1.01 s
        late = after(parts[-1], sinus(1))
        parts.append([replace(late[0], t0_us=late[0].t0_us + 10_000)])
    vitals = follow(*parts)
    assert [v.t_us for v in vitals] == [vitals[0].t_us + k * 1_000_000 for k in range(len(vitals))]
    assert abs(parts[-1][0].t1_us - vitals[-1].t_us) < 1_000_000


def test_a_long_gap_starts_anew() -> None:
    first = chunks(sinus(12))
    last = follow(first, after(first, sinus(3), 5.0))[-1]
    assert last.signal_s == pytest.approx(2.75, abs=0.01)
    assert len(last.rr_s) <= 3
    assert last.since_beat_s is not None
    assert last.since_beat_s <= last.signal_s


def test_another_lead_starts_anew() -> None:
    first = chunks(sinus(12))
    second = [replace(c, lead="II") for c in after(first, sinus(3))]
    assert follow(first, second)[-1].signal_s == pytest.approx(2.75, abs=0.01)


def test_an_open_lead_shows_neither_beats_nor_pauses() -> None:
    first = chunks(sinus(12))
    opened = after(first, np.zeros(8 * FS), lead_off=True)
    closed = after(opened, sinus(6))
    vitals = follow(first, opened, closed)
    off = [v for v in vitals if v.lead_off]
    assert len(off) == 8
    assert all(v.since_beat_s is None and v.flat_s == 0 and v.fibrillation_s == 0 for v in off)
    assert all("lead_off" in v.quality.reasons for v in off)
    assert vitals[-1].since_beat_s is not None
    assert vitals[-1].since_beat_s < 2


def test_thirty_seconds_rebuild_the_state() -> None:
    mv = sinus(70)
    whole = follow(chunks(mv))
    again = follow(chunks(mv[35 * FS :], t0_us=T0_US + 35_000_000))
    assert again[-1] == replace(whole[-1], signal_s=again[-1].signal_s)


def test_another_patient_is_refused() -> None:
    tracker = RhythmTracker(PatientId("p2"))
    with pytest.raises(ValueError, match="p1"):
        tracker.push(chunks(sinus(2))[0])
