"""A recording that plays the device sends its own integers at its own instants, and nothing where it has nothing."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sources.recording import Recording, find_recordings, read_recording
from ingest.sources.replay import frames_of, lead_on_wire, timeline
from liteheart.ids import DeviceId, PatientId, is_identifier
from liteheart.signal import Frame
from liteheart.wire import decode_frame, encode_frame


def recording(n: int = 1000, fs_hz: float = 250.0, invalid: list[int] | None = None, baseline: float = 0) -> Recording:
    mask = np.zeros((1, n), np.bool_)
    mask[0, invalid or []] = True
    adc = np.random.default_rng(n).integers(-2000, 2000, (1, n)).astype(np.int16)
    return Recording("r", fs_hz, ("I",), adc, np.array([200.0]), np.array([float(baseline)]), mask, Path("r"))


def play(r: Recording, lead: int = 0, *, t0_us: int = 1_000_000, frame_s: float = 1.0) -> list[Frame]:
    who = {"patient": PatientId("p"), "device": DeviceId("d")}
    return list(frames_of(r, lead, **who, boot=3, t0_us=t0_us, frame_s=frame_s))


@given(
    fs_hz=st.sampled_from([100.0, 128.0, 250.0, 257.0, 299.76, 360.0, 999.1]),
    n=st.integers(1, 3000),
    frame_s=st.sampled_from([0.25, 1.0, 1.7]),
)
def test_instants_never_drift_and_samples_tile(fs_hz: float, n: int, frame_s: float) -> None:
    r = recording(n, fs_hz)
    frames = play(r, frame_s=frame_s)
    step = round(frame_s * fs_hz)
    assert [f.t0_us - 1_000_000 for f in frames] == [round(k * step * 1e6 / fs_hz) for k in range(len(frames))]
    assert [f.sequence for f in frames] == list(range(len(frames)))
    assert all(len(f.samples) == step for f in frames[:-1])
    np.testing.assert_array_equal(np.concatenate([f.samples for f in frames]), r.adc[0])


@given(st.sets(st.integers(0, 999), max_size=60))
def test_invalid_samples_are_gaps_and_nothing_is_invented(invalid: set[int]) -> None:
    r = recording(invalid=sorted(invalid), baseline=17)
    sent = {}
    for frame in play(r):
        first = round((frame.t0_us - 1_000_000) * 250 / 1e6)
        sent |= {first + i: int(v) for i, v in enumerate(frame.samples)}
    assert sent == {i: int(r.adc[0, i]) - 17 for i in range(1000) if i not in invalid}


def test_a_recording_without_a_valid_sample_sends_nothing() -> None:
    assert play(recording(300, invalid=list(range(300)))) == []


def test_frames_that_hold_nothing_or_too_much_are_refused() -> None:
    for frame_s in (0.0001, 1000.0):
        with pytest.raises(ValueError, match="frame_s"):
            play(recording(), frame_s=frame_s)


@pytest.mark.ecg
def test_real_recordings_survive_the_wire_bit_for_bit(ecg_folder: Path) -> None:
    paths = find_recordings(ecg_folder / "wfdb_samples")
    assert len(paths) == 22
    for path in paths:
        r = read_recording(path)
        lead = r.lead_index()
        frames = [decode_frame(encode_frame(f)) for f in play(r, lead)]
        adc = np.concatenate([f.samples for f in frames])
        np.testing.assert_array_equal(adc + round(r.baseline[lead]), r.adc[lead][~r.invalid[lead]])
        mv = np.concatenate([f.millivolts() for f in frames])
        np.testing.assert_array_equal(mv, r.millivolts(lead)[~r.invalid[lead]])
        assert abs(frames[-1].t1_us - 1_000_000 - r.duration_s * 1e6) <= 1


@pytest.mark.ecg
def test_real_integers_are_those_in_the_file(ecg_folder: Path) -> None:
    raw = np.fromfile(ecg_folder / "wfdb_samples" / "A0018.mat", "<i2", offset=24).reshape(-1, 12).T
    np.testing.assert_array_equal(read_recording(ecg_folder / "wfdb_samples" / "A0018").adc, raw)


@pytest.mark.parametrize(
    ("name", "wire"),
    [("I", "I"), ("ECG I", "I"), ("MLII", "MLII"), ("chest #2", "chest-2"), ("µ", "ECG"), ("x" * 99, "x" * 64)],
)
def test_lead_names_fit_the_wire(name: str, wire: str) -> None:
    assert lead_on_wire(name) == wire


@given(st.text(max_size=80))
def test_any_lead_name_fits_the_wire(name: str) -> None:
    assert is_identifier(lead_on_wire(name))


def test_timeline_ends_when_the_playing_ends() -> None:
    now = 1_700_000_000_000_000
    assert timeline(60, 1, now) == now
    assert timeline(60, 0.5, now) == now
    assert timeline(60, math.inf, now) == now - 60_000_000
    for speed in (2, 10, 60):
        assert timeline(60, speed, now) + 60_000_000 == pytest.approx(now + 60_000_000 / speed, abs=1)
    with pytest.raises(ValueError, match="speed"):
        timeline(60, 0, now)
