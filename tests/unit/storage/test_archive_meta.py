"""Who the frames of a block were comes back exactly, in few bytes, and damage is told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liteheart.errors import Poison
from liteheart.signal import Frame
from storage.archive import meta

T0 = 1_700_000_000_000_000
big = st.integers(0, 2**63 - 1)
times = st.integers(T0 - 10**12, T0 + 10**12)


def frame(boot, sequence, t0_us, arrival_us, n, fs_hz, lead_off=False, battery=None):
    samples = np.zeros(n, np.int16)
    return Frame("p", "d", boot, sequence, t0_us, fs_hz, 200.0, "II", samples, arrival_us, lead_off, battery)


def told(found, frames):
    columns = (found.boot, found.sequence, found.t0_us, found.t1_us, found.arrival_us, found.n, found.lead_off)
    rows = list(zip(*(c.tolist() for c in columns), strict=True))
    assert rows == [
        (f.boot, f.sequence, f.t0_us, f.t1_us, f.arrival_us, len(f.samples), int(f.lead_off)) for f in frames
    ]
    batteries = [None if b == meta.UNKNOWN else b for b in found.battery.tolist()]
    assert batteries == [f.battery_pct for f in frames]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(big, big, times, times, st.integers(0, 3000), st.booleans(), st.none() | st.integers(0, 100)),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from((50.0, 77.3, 128.0, 250.0, 360.0, 1000.0)),
)
def test_whatever_frames_say_comes_back(rows, fs_hz):
    frames = [frame(b, s, t, a, n, fs_hz, off, battery) for b, s, t, a, n, off, battery in rows]
    told(meta.from_bytes(meta.to_bytes(frames, fs_hz), fs_hz), frames)


def test_a_usual_device_costs_a_few_bytes_a_frame():
    rng = np.random.default_rng(3)
    frames = [
        frame(T0, i, T0 + i * 1_000_000, T0 + (i + 1) * 1_000_000 + int(rng.integers(20_000, 120_000)), 250, 250.0)
        for i in range(300)
    ]
    packed = meta.to_bytes(frames, 250.0)
    assert len(packed) < 4 * len(frames)
    told(meta.from_bytes(packed, 250.0), frames)


def test_damage_is_told():
    packed = meta.to_bytes([frame(1, i, T0 + i * 1_000_000, T0, 250, 250.0) for i in range(50)], 250.0)
    rng = np.random.default_rng(4)
    for _ in range(2000):
        bad = bytearray(packed)
        for _ in range(int(rng.integers(1, 4))):
            bad[int(rng.integers(len(bad)))] = int(rng.integers(256))
        try:
            meta.from_bytes(bytes(bad[: int(rng.integers(1, len(bad) + 1))]), 250.0)
        except Poison:
            continue
    for bad in (b"", packed[:-3], b"(\xb5/\xfd", b"nothing of ours"):
        with pytest.raises(Poison):
            meta.from_bytes(bad, 250.0)
