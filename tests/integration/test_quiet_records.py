"""Quiet seconds on real recordings: the same alarms whether every second is judged or only those that are not quiet."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alerts.engine import AlarmEngine
from alerts.quiet import hear, quiet
from alerts.settings import AlarmSettings
from inference.rhythm import RhythmBank
from inference.train.data import Recording, read_pack
from liteheart.alarm import AlarmEvent
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Chunk

pytestmark = pytest.mark.ecg
WARD = AlarmSettings()
OWN = replace(WARD, brady_bpm=45.0, tachy_bpm=120.0, pause_s=2.0, ectopy_per_min=4.0)
T0_US, STEP = 1_700_000_000 * US_PER_S, 2  # seconds a chunk


@pytest.fixture(scope="module")
def records(ecg_folder: Path) -> dict[str, Recording]:
    """Ventricular flutter and runs (207), fibrillation of the atria (203), a healthy one (101), a pacemaker (104)."""
    held = {r.name.split("-")[-1]: r for r in read_pack(ecg_folder / "mitdb_ds1_and_paced.ecg.xz")}
    return {name: held[name] for name in ("207", "203", "101", "104")}


def test_alarms_are_the_same_with_and_without_it(records: dict[str, Recording]) -> None:
    names, bank = list(records), RhythmBank()
    mv = {n: np.asarray(r.mv[0], np.float32) for n, r in records.items()}
    fs_hz = {n: float(r.fs_hz) for n, r in records.items()}
    limits = {n: OWN if n in ("203", "104") else WARD for n in names}
    slow = {n: AlarmEngine(PatientId(n), limits[n]) for n in names}
    fast = {n: AlarmEngine(PatientId(n), limits[n]) for n in names}
    events: dict[str, list[AlarmEvent]] = {n: [] for n in names}
    rested, heard = dict.fromkeys(names, 0), 0
    for second in range(0, 1800, STEP):
        if second in (400, 1000):  # another worker goes on
            for n in names:
                kept = json.loads(json.dumps(fast[n].checkpoint()))
                fast[n] = AlarmEngine.restore(PatientId(n), limits[n], kept)
        chunks = [chunk(n, mv[n], second, fs_hz[n]) for n in names]
        seconds = bank.follow(chunks)
        what = quiet(seconds, [limits[names[k]] for k in seconds.chunk])
        for n, which in zip(names, seconds.of_chunks(), strict=True):
            for i in which:
                now_us = what.t_us[i] + 300_000
                rested[n] += what.quiet[i]
                heard += 1
                said = hear(fast[n], seconds, i, what, now_us)
                assert said == slow[n].on_vitals(seconds.vitals(i), now_us)
                assert fast[n].checkpoint() == slow[n].checkpoint()
                events[n] += said
    assert heard >= 4 * 1790
    assert rested["101"] > 1600  # most of a healthy life
    assert {e.alarm.condition for e in events["207"]} >= {"VF", "PVC_FREQUENT"}
    assert events["203"]


def chunk(name: str, mv: Any, second: int, fs_hz: float) -> Chunk:
    n = round(fs_hz)
    t0_us, gap_s = T0_US + second * US_PER_S, float("inf") if second == 0 else 0.0
    part = mv[second * n : (second + STEP) * n]
    return Chunk(PatientId(name), DeviceId("d"), "I", t0_us, fs_hz, part, gap_s, arrival_us=t0_us + STEP * US_PER_S)
