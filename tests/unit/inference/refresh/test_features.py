"""What of a signal is watched for drift: each measure follows what it is named after, and nothing else."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from inference.refresh.features import signal_features, window_features
from ingest.sources.simulate import Episode, simulate
from liteheart.finding import Finding, Quality
from liteheart.ids import DeviceId, ModelVersion, PatientId

Signal = npt.NDArray[np.float64]


def signal(fs_hz: float, change: Any = None) -> Signal:
    """Ten seconds of a pulse like a QRS each second, 1 mV high, on a line that does not move."""
    t = np.arange(round(10 * fs_hz)) / fs_hz
    beats = sum(np.exp(-0.5 * ((t - at) / 0.015) ** 2) for at in np.arange(0.5, 10, 0.8))
    x: Signal = np.asarray(beats, np.float64)
    return x if change is None else x + change(t)


def measured(x: Signal, fs_hz: float = 250.0) -> dict[str, float]:
    found = signal_features(x, fs_hz)
    assert all(value is not None for value in found.values()), found
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize("fs_hz", [100.0, 250.0, 500.0])
def test_each_measure_is_in_millivolts_at_any_rate(fs_hz: float) -> None:
    x = signal(fs_hz, lambda t: 0.3 * np.sin(2 * np.pi * 0.2 * t) + 0.05 * np.sin(2 * np.pi * 30 * t))
    found = measured(x, fs_hz)
    assert found["amplitude_mv"] == pytest.approx(1.1, abs=0.15)
    assert found["baseline_mv"] == pytest.approx(0.3 / np.sqrt(2), rel=0.15)
    assert found["noise_mv"] == pytest.approx(0.05 / np.sqrt(2), rel=0.15)


def test_amplitude_and_noise_follow_the_gain_and_the_baseline_does_not_follow_an_offset() -> None:
    x = signal(250.0, lambda t: 0.02 * np.sin(2 * np.pi * 30 * t))
    once, twice, raised = measured(x), measured(2 * x), measured(x + 3.0)
    assert twice["amplitude_mv"] == pytest.approx(2 * once["amplitude_mv"], rel=0.01)
    assert twice["noise_mv"] == pytest.approx(2 * once["noise_mv"], rel=0.05)
    assert raised["baseline_mv"] == pytest.approx(once["baseline_mv"], abs=0.01)
    assert raised["amplitude_mv"] == pytest.approx(once["amplitude_mv"], rel=0.01)


def test_a_wandering_line_is_no_noise_and_noise_no_wandering_line() -> None:
    still = measured(signal(250.0))
    wandering = measured(signal(250.0, lambda t: 0.4 * np.sin(2 * np.pi * 0.25 * t)))
    noisy = measured(signal(250.0, lambda t: 0.1 * np.sin(2 * np.pi * 25 * t)))
    assert wandering["noise_mv"] == pytest.approx(still["noise_mv"], abs=0.003)
    assert wandering["baseline_mv"] > still["baseline_mv"] + 0.2
    assert noisy["baseline_mv"] == pytest.approx(still["baseline_mv"], abs=0.003)
    assert noisy["noise_mv"] > still["noise_mv"] + 0.05


def test_mains_and_what_only_fast_devices_send_are_not_taken_for_noise() -> None:
    """Or a ward at 500 Hz would seem noisier than what was recorded at 100."""
    hum = measured(signal(500.0, lambda t: 0.1 * np.sin(2 * np.pi * 100 * t)), 500.0)
    assert hum["noise_mv"] < 0.02


def test_the_beats_themselves_are_not_noise() -> None:
    assert measured(signal(250.0))["noise_mv"] < 0.01


def test_what_cannot_be_measured_is_none() -> None:
    x = signal(250.0)
    nothing = {"amplitude_mv": None, "baseline_mv": None, "noise_mv": None}
    assert signal_features(x[:1200], 250.0) == nothing
    assert signal_features(np.where(np.arange(len(x)) == 7, np.nan, x), 250.0) == nothing
    assert signal_features(signal(40.0), 40.0) == nothing
    flat = signal_features(np.zeros(2500), 250.0)
    assert (flat["amplitude_mv"], flat["noise_mv"], flat["baseline_mv"]) == (None, None, 0.0)


def test_of_a_window_that_was_abstained_from_only_quality_and_rate_count() -> None:
    quality = Quality(0.3, usable=False, reasons=("noise",))
    finding = Finding(
        PatientId("p"), DeviceId("d"), "I", 0, 10, ModelVersion("m-1"), quality, True, None, {"AFIB": 0.9}, ("AFIB",)
    )
    assert window_features(finding, None, 250.0) == {
        "sqi": 0.3,
        "heart_rate_bpm": None,
        "abstained": 1.0,
        "unusable": 1.0,
    }, "what a student says is not among them"
    asked = window_features(finding, signal(250.0), 250.0)
    assert asked.keys() == {
        "sqi",
        "heart_rate_bpm",
        "abstained",
        "unusable",
        "amplitude_mv",
        "baseline_mv",
        "noise_mv",
    }


def test_a_simulated_heart_has_the_amplitude_that_it_is_drawn_with() -> None:
    mv = np.asarray(simulate([Episode("sinus", 20, rate_bpm=70)], 250, 3).mv, np.float64)[:2500]
    found = measured(mv)
    assert 0.3 < found["amplitude_mv"] < 3
    assert measured(0.5 * mv)["amplitude_mv"] == pytest.approx(0.5 * found["amplitude_mv"], rel=0.05)
