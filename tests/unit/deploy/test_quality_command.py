"""`liteheart quality`: three answers a window, each with its own reasons, and no name that was there before is lost."""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deploy.commands.quality import quality
from deploy.offline import Line
from ingest.sources.recording import Recording
from ingest.sources.simulate import Episode, simulate

FS = 250.0
Floats = npt.NDArray[np.float64]


def lines(*leads: Floats, lead: int = 0) -> list[Line]:
    """What the command says of a recording with these leads, mV."""
    mv = np.stack(leads)
    names = tuple(f"L{k}" for k in range(len(leads)))
    recording = Recording(
        name="r",
        fs_hz=FS,
        leads=names,
        adc=np.rint(1000 * mv).astype(np.int16),
        gain=np.full(len(leads), 1000.0),
        baseline=np.zeros(len(leads)),
        invalid=np.zeros(mv.shape, bool),
        path=Path("r"),
    )
    return quality(recording, lead, argparse.Namespace())


def ecg() -> Floats:
    return simulate([Episode("sinus", 20)], FS, 3).mv.astype(np.float64)


def wander(size: float) -> Floats:
    return np.asarray(size * np.sin(2 * np.pi * 0.35 * np.arange(20 * round(FS)) / FS))


def test_a_clean_recording_is_good_for_everything() -> None:
    for line in lines(ecg()):
        assert (line["usable"], line["rhythm_usable"], line["acceptable"]) == (True, True, True)
        assert line["reasons"] == []
        assert line["sqi"] >= 0.5


def test_each_window_is_a_line_with_the_names_of_old() -> None:
    said = lines(ecg())
    assert [line["t0_s"] for line in said] == [0.0, 10.0]
    assert all({"record", "t0_s", "sqi", "usable", "reasons"} <= set(line) for line in said)


def test_a_wandering_baseline_hides_the_waves_and_not_the_beats() -> None:
    mv = ecg()
    line = lines(mv + wander(0.4 * float(np.ptp(mv))))[0]
    assert not line["usable"]
    assert line["sqi"] < 0.5
    assert line["reasons"] == ["noise"]
    assert line["rhythm_usable"]


def test_another_lead_that_is_flat_spoils_the_recording_and_not_the_lead() -> None:
    line = lines(ecg(), np.zeros(20 * round(FS)))[0]
    assert line["usable"]
    assert not line["acceptable"]
    assert line["not_acceptable_for"] == ["flat"]
    assert not lines(ecg(), np.zeros(20 * round(FS)), lead=1)[0]["usable"]
