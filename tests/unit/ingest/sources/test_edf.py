"""EDF files, written by edfio, come back in their own integers; gaps of EDF+D are gaps."""

import random
from pathlib import Path

import edfio
import numpy as np
import pytest

from ingest.sources.recording import read_recording
from liteheart.errors import Unreadable

FS = 256
MV = np.sin(np.arange(10 * FS) / 20) * 1.5


def signal(mv: np.ndarray = MV, *, unit: str = "mV", label: str = "ECG I", fs: int = FS) -> edfio.EdfSignal:
    scale = {"mV": 1.0, "uV": 1e3, "V": 1e-3, "degC": 1.0}[unit]
    return edfio.EdfSignal(mv * scale, fs, label=label, physical_dimension=unit, physical_range=(-5 * scale, 5 * scale))


def write(path: Path, *signals: edfio.EdfSignal, notes: bool = False) -> Path:
    annotations = [edfio.EdfAnnotation(2.5, None, "button")] if notes else None
    edfio.Edf(list(signals), annotations=annotations, data_record_duration=1).write(path)
    return path


@pytest.mark.parametrize("unit", ["mV", "uV", "V"])
def test_round_trip_in_any_unit(tmp_path: Path, unit: str) -> None:
    recording = read_recording(write(tmp_path / "a.edf", signal(unit=unit)))
    assert (recording.name, recording.fs_hz, recording.leads) == ("a", 256.0, ("ECG I",))
    assert recording.gain[0] == pytest.approx(6553.5)
    np.testing.assert_allclose(recording.millivolts(0), MV, atol=0.6 / 6553.5)
    np.testing.assert_array_equal(recording.adc[0], edfio.read_edf(tmp_path / "a.edf").signals[0].digital)


def test_annotations_and_other_clocks_are_left_out(tmp_path: Path) -> None:
    path = write(
        tmp_path / "sleep.edf",
        signal(label="EEG Fpz", fs=FS // 2, mv=MV[::2]),
        signal(label="Temp", unit="degC"),
        signal(label="ECG II"),
        signal(label="V5"),
        notes=True,
    )
    recording = read_recording(path)
    assert recording.leads == ("ECG II", "V5")
    assert recording.lead_index() == recording.lead_index("II") == 0
    assert not recording.invalid.any()


def gapped(path: Path, onsets: str) -> Path:
    """One-second records, made discontinuous by rewriting the time of each: one digit a record."""
    data = bytearray(write(path, signal(MV[: len(onsets) * FS]), notes=True).read_bytes())
    data[192:197] = b"EDF+D"
    at = 0
    for k, onset in enumerate(onsets):
        at = data.index(f"+{k}\x14\x14\x00".encode(), at)
        data[at + 1] = ord(onset)
        at += 5
    path.write_bytes(data)
    return path


def test_gaps_are_invalid_samples(tmp_path: Path) -> None:
    whole = read_recording(gapped(tmp_path / "c.edf", "01234567"))
    assert not whole.invalid.any()
    gaps = read_recording(gapped(tmp_path / "d.edf", "01256789"))  # seconds 3 and 4 are lost
    assert gaps.duration_s == 10
    assert gaps.invalid[0].nonzero()[0].tolist() == list(range(3 * FS, 5 * FS))
    np.testing.assert_array_equal(gaps.adc[0][~gaps.invalid[0]], whole.adc[0])


def test_overlapping_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="data record 3 begins before"):
        read_recording(gapped(tmp_path / "d.edf", "0121"))


@pytest.mark.parametrize(
    ("cut", "reason"),
    [
        (slice(0, -600), "ends after 8 of 10 data records"),
        (slice(0, 300), "header does not hold"),
        (slice(0, 0), "empty"),
    ],
)
def test_truncated_files(tmp_path: Path, cut: slice, reason: str) -> None:
    path = write(tmp_path / "a.edf", signal())
    path.write_bytes(path.read_bytes()[cut])
    with pytest.raises(Unreadable, match=reason):
        read_recording(path)


def test_what_is_no_ecg(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no voltage, only degC"):
        read_recording(write(tmp_path / "t.edf", signal(unit="degC")))
    (tmp_path / "x.edf").write_bytes(b"GIF89a" + bytes(600))
    with pytest.raises(Unreadable, match="is not an EDF file"):
        read_recording(tmp_path / "x.edf")


def test_mutations_give_a_recording_or_a_reason(tmp_path: Path) -> None:
    original = write(tmp_path / "a.edf", signal(), notes=True).read_bytes()
    random_, target, refused = random.Random(5), tmp_path / "m.edf", 0
    for _ in range(200):
        data = bytearray(original)
        for _ in range(random_.choice((1, 3, 9))):
            data[random_.randrange(900)] = random_.choice(b"0123456789-. eEx\xff\x00")
        target.write_bytes(data)
        try:
            recording = read_recording(target)
        except Unreadable:
            refused += 1
        else:
            assert np.isfinite(recording.millivolts(0)[~recording.invalid[0]]).all()
            assert recording.zero_based(0)[1] > 0
    assert 20 < refused < 190
