"""R peaks of whole recordings in the noise of the stress test, and that recordings without it keep theirs."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from inference.beats import detect_r_peaks
from inference.report.matching import match
from inference.sequence import beats_of_recording
from inference.train.data import Recording, read_pack

pytestmark = pytest.mark.ecg
BEATS = list("NLRBAaJSVrFejnE/fQ?")
LEARNING_S = 300
Indices = npt.NDArray[np.int64]


@pytest.fixture(scope="module")
def stressed(ecg_folder: Path) -> dict[str, Recording]:
    """118 with the electrode's noise at three ratios."""
    return {r.name.split("-")[-1]: r for r in read_pack(ecg_folder / "nstdb.ecg.xz")}


@pytest.fixture(scope="module")
def mitdb(ecg_folder: Path) -> dict[str, Recording]:
    """26 half-hour records by number."""
    return {r.name.split("-")[-1]: r for r in read_pack(ecg_folder / "mitdb_ds1_and_paced.ecg.xz")}


def counts(record: Recording, found: Indices) -> tuple[int, int, int]:
    """Pairs within 150 ms, beats, found; after the first five minutes."""
    true = np.array(record.labels["sample"])[np.isin(record.labels["symbol"], BEATS)]
    true, found = (x[x >= LEARNING_S * record.fs_hz] / record.fs_hz for x in (true, found))
    return len(match(true, found)), len(true), len(found)


@pytest.mark.parametrize(("name", "se", "ppv"), [("118e06", 0.985, 0.97), ("118e18", 0.999, 0.99)])
def test_the_stress_test(stressed: dict[str, Recording], name: str, se: float, ppv: float) -> None:
    """At 6 dB: the issue asks for 95 and 90 % without gating; the detector alone has 98.75 and 80.5."""
    record = stressed[name]
    both, true, found = counts(record, beats_of_recording(record.mv[0], record.fs_hz))
    assert both / true >= se
    assert both / found >= ppv


def test_records_without_added_noise_keep_their_beats(mitdb: dict[str, Recording]) -> None:
    """Both hold noise of their own, 203 atrial fibrillation and ectopic beats of many kinds as well."""
    alone, together = np.zeros(3, int), np.zeros(3, int)
    for name in ("108", "203"):
        record = mitdb[name]
        mv = record.mv[0]
        alone += counts(record, detect_r_peaks(mv, record.fs_hz))
        own = counts(record, beats_of_recording(mv, record.fs_hz))
        together += own
        assert min(own[0] / own[1], own[0] / own[2]) >= 0.988, name
    assert together[0] / together[1] >= alone[0] / alone[1] - 1e-4
    assert together[0] / together[2] >= alone[0] / alone[2] - 1e-4
