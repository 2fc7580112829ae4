"""Seconds as columns say what their `Vitals` say."""

from typing import Any

import numpy as np
import pytest

from inference import seconds as columns
from inference.rhythm import RhythmBank
from inference.stream import irregular, state
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Chunk

T0_US = 1_700_000_000 * US_PER_S


def chunk(patient: str, second: int, fs_hz: float = 250.0, **changes: Any) -> Chunk:
    t = second + np.arange(round(fs_hz)) / fs_hz
    mv = np.exp(-0.5 * (((t % 0.8) - 0.4) / 0.012) ** 2).astype(np.float32)
    gap_s, t0_us = float("inf") if second == 0 else 0.0, T0_US + second * US_PER_S
    values: dict[str, Any] = {"mv": mv, "gap_s": gap_s, "arrival_us": t0_us + US_PER_S}
    return Chunk(PatientId(patient), DeviceId("d"), "I", t0_us, fs_hz, **values | changes)


def test_the_columns_are_those_of_the_kernel() -> None:
    for name in ("SINCE_BEAT_S", "RATE_BPM", "FIBRILLATION_S", "RUN", "SQI", "REASONS", "ECTOPIC"):
        assert getattr(columns, f"_{name}") == getattr(state, name), name
    assert (columns._FLAT_S, columns._INTERVALS, columns._IRREGULAR) == (state.FLAT, state.RR_COUNT, state.IRREGULAR)
    assert columns._UNKNOWN == irregular.UNKNOWN
    assert (columns.NOTHING[2].shape[1], columns.NOTHING[3].shape[1]) == (state.RESULTS, state.RR_MOST)


def test_columns_and_vitals_agree_for_patients_of_all_rates() -> None:
    bank, known = RhythmBank(), 0
    for k in range(40):
        chunks = [chunk("a", k), chunk("b", k, 360.0), chunk("c", k), chunk("off", k, lead_off=k > 20)]
        seconds = bank.follow(chunks)
        assert [[c] for c in seconds.chunk] == [list(r) for r in seconds.of_chunks()] == [[0], [1], [2], [3]]
        for i in range(4):
            v = seconds.vitals(i)
            assert v.patient == chunks[i].patient
            assert (v.t_us, v.arrival_us) == (seconds.t_us[i], seconds.arrival_us[i])
            assert seconds.sound[i] == (v.quality.usable and not v.lead_off)
            assert seconds.shown(i) == (v.heart_rate_bpm, v.quality, v.lead_off)
            assert tuple(seconds.rr_s[i, : seconds.intervals[i]]) == v.rr_s
            assert not seconds.rr_s[i, seconds.intervals[i] :].any()
            pairs = [(seconds.since_beat_s[i], v.since_beat_s), (seconds.irregularity[i], v.irregularity)]
            pairs += [(seconds.ectopic_per_min[i], v.ectopic_per_min)]
            for raw, rounded in pairs if not v.lead_off else []:
                assert (rounded is None) == (raw != raw)
                assert rounded is None or raw == pytest.approx(rounded, abs=0.051)
                known += rounded is not None
            assert (v.flat_s, v.ventricular_run) == (
                pytest.approx(seconds.flat_s[i], abs=6e-4),
                seconds.ventricular_run[i],
            )
            assert v.fibrillation_s == seconds.fibrillation_s[i]
    assert known > 200


def test_a_chunk_that_cannot_be_worked_on_is_named_and_the_others_go_on() -> None:
    bank = RhythmBank()
    seconds = bank.follow([chunk("a", 0), chunk("b", 0, mv=np.zeros((2, 250), np.float32)), chunk("c", 0)])
    assert seconds.chunk == [0, 2]
    assert [list(r) for r in seconds.of_chunks()] == [[0], [], [1]]
    assert isinstance(seconds.failed[1], ValueError)


def test_nothing_comes_of_nothing() -> None:
    seconds = RhythmBank().follow([])
    assert len(seconds) == 0
    assert list(seconds.of_chunks()) == []
    half = RhythmBank().follow([chunk("a", 0, mv=np.zeros(100, np.float32))])
    assert len(half) == len(half.sound) == 0
    assert [list(r) for r in half.of_chunks()] == [[]]
