"""Beats and lethal rhythms on real recordings: floors that a change must not fall below."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from inference.beats import detect_r_peaks
from inference.quality import assess
from inference.rhythm import RhythmTracker
from inference.train.data import Recording, read_pack
from liteheart.finding import Vitals
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Chunk

pytestmark = pytest.mark.ecg
BEATS = list("NLRBAaJSVrFejnE/fQ?")
LEARNING_S = 300
TOLERANCE_S = 0.15
Indices = npt.NDArray[np.int64]


@pytest.fixture(scope="module")
def mitdb(ecg_folder: Path) -> dict[str, Recording]:
    """26 half-hour records by number."""
    return {r.name.split("-")[-1]: r for r in read_pack(ecg_folder / "mitdb_ds1_and_paced.ecg.xz")}


def pairs(reference: Indices, found: Indices, tolerance: float) -> int:
    """Beats that both hold, each used once."""
    i = j = both = 0
    while i < len(reference) and j < len(found):
        if abs(int(found[j]) - int(reference[i])) <= tolerance:
            both, i, j = both + 1, i + 1, j + 1
        elif found[j] < reference[i]:
            j += 1
        else:
            i += 1
    return both


def follow(mv: npt.NDArray[np.float32], fs_hz: float) -> list[Vitals]:
    tracker, step = RhythmTracker(PatientId("p")), round(fs_hz)
    return [
        vitals
        for at in range(0, len(mv), step)
        for vitals in tracker.push(
            Chunk(
                patient=PatientId("p"),
                device=DeviceId("d"),
                lead="II",
                t0_us=round(at * 1e6 / fs_hz),
                fs_hz=fs_hz,
                mv=mv[at : at + step],
                gap_s=0.0 if at else float("inf"),
            )
        )
    ]


def test_r_peaks_of_mitdb(mitdb: dict[str, Recording]) -> None:
    both = true = found = 0
    for name, record in mitdb.items():
        sample, symbol = np.array(record.labels["sample"]), np.array(record.labels["symbol"])
        reference = sample[np.isin(symbol, BEATS) & (sample >= LEARNING_S * record.fs_hz)]
        peaks = detect_r_peaks(record.mv[0], record.fs_hz)
        peaks = peaks[peaks >= LEARNING_S * record.fs_hz]
        for on, off in zip(sample[symbol == "["], sample[symbol == "]"], strict=True):
            reference = reference[(reference < on) | (reference > off)]
            peaks = peaks[(peaks < on) | (peaks > off)]
        hits = pairs(reference, peaks, TOLERANCE_S * record.fs_hz)
        assert hits / len(reference) > 0.98, name
        assert hits / len(peaks) > 0.93, name
        both, true, found = both + hits, true + len(reference), found + len(peaks)
    assert both / true >= 0.9975
    assert both / found >= 0.9955


def test_r_peaks_of_ludb_and_of_atrial_fibrillation(ecg_folder: Path) -> None:
    both = true = found = 0
    for record in read_pack(ecg_folder / "ludb.ecg.xz"):
        waves = record.labels["waves"]["ii"]
        reference = np.array(waves["sample"])[np.array(waves["symbol"]) == "N"]
        if len(reference) < 2:
            continue
        peaks = detect_r_peaks(record.mv[record.leads.index("ii")], record.fs_hz)
        peaks = peaks[(peaks >= reference[0] - 50) & (peaks <= reference[-1] + 50)]
        both += pairs(reference, peaks, TOLERANCE_S * record.fs_hz)
        true, found = true + len(reference), found + len(peaks)
    for record in read_pack(ecg_folder / "cpsc2021_sample.ecg.xz"):
        sample, symbol = np.array(record.labels["sample"]), np.array(record.labels["symbol"])
        reference = sample[np.isin(symbol, BEATS)]
        peaks = detect_r_peaks(record.mv[1], record.fs_hz)
        peaks = peaks[(peaks >= reference[0] - 20) & (peaks <= reference[-1] + 20)]
        both += pairs(reference, peaks, TOLERANCE_S * record.fs_hz)
        true, found = true + len(reference), found + len(peaks)
    assert both / true >= 0.996
    assert both / found >= 0.995


def test_flutter_of_207_is_found_in_time_and_ends(mitdb: dict[str, Recording]) -> None:
    record = mitdb["207"]
    symbol, second = np.array(record.labels["symbol"]), np.array(record.labels["sample"]) / record.fs_hz
    vitals = follow(record.mv[0], record.fs_hz)
    alarmed = np.array([v.t_us / 1e6 for v in vitals if v.fibrillation_s >= 4])
    episodes = list(zip(second[symbol == "["], second[symbol == "]"], strict=True))
    assert len(episodes) == 6
    for on, off in episodes:
        assert np.any((alarmed > on + 3) & (alarmed <= min(on + 10, off + 3))), f"flutter at {on:.0f} s"
    inside = np.zeros(len(alarmed), bool)
    for on, off in episodes:
        inside |= (alarmed > on) & (alarmed <= off + 5)
    assert inside.all(), f"false at {alarmed[~inside]}"


@pytest.mark.parametrize("name", ["101", "112", "109", "107", "220"])
def test_nothing_lethal_in_records_without_it(mitdb: dict[str, Recording], name: str) -> None:
    """Sinus rhythm, left bundle branch block, a pacemaker: 10 min each."""
    record = mitdb[name]
    for v in follow(record.mv[0, : 600 * 360], record.fs_hz):
        asystole = v.since_beat_s is not None and v.since_beat_s >= 4 and v.signal_s >= 4
        assert not asystole, v.t_us
        assert v.fibrillation_s < 4, v.t_us
        assert not (v.ventricular_run >= 5 and (v.ventricular_rate_bpm or 0) > 100), v.t_us


def test_a_usable_window_holds_the_right_beats(mitdb: dict[str, Recording], ecg_folder: Path) -> None:
    """Clean windows with muscle noise at a third to six times its recorded size."""
    fs_hz, n = 360, 3600
    noise = {r.name.split("-")[-1]: r.mv[0] for r in read_pack(ecg_folder / "nstdb.ecg.xz")}["ma"]
    usable, right = [], []
    for name in ("101", "112", "220"):
        for k in range(20, 100):
            clean = mitdb[name].mv[0, k * n : (k + 1) * n]
            noisy = clean + (1 / 3, 1, 3, 6)[k % 4] * noise[k * n : (k + 1) * n]
            reference, found = detect_r_peaks(clean, fs_hz), detect_r_peaks(noisy, fs_hz)
            both = pairs(reference, found, TOLERANCE_S * fs_hz)
            usable.append(assess(noisy, fs_hz).usable)
            right.append(2 * both / (len(reference) + len(found)) >= 0.9)
    assert 0.3 < np.mean(right) < 0.9
    assert np.mean(np.array(right)[usable]) > 0.95
    assert np.mean(np.array(usable)[right]) > 0.8
