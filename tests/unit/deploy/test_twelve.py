"""A simulated patient in twelve leads: one heart, and leads that agree with one another."""

import numpy as np

from deploy.twelve import FS_HZ, simulate_twelve
from inference.beats import detect_r_peaks
from ingest.sources.simulate import Episode


def test_leads_obey_einthoven_and_goldberger() -> None:
    x = simulate_twelve([Episode("sinus", 12, 70)], 0)
    one, two, three, right, left, foot = x[:6]
    assert x.shape == (12, 2500)
    assert np.allclose(one + three, two, atol=1e-5)
    assert np.allclose(right + left + foot, 0, atol=1e-5)


def test_every_lead_shows_the_same_beats() -> None:
    x = simulate_twelve([Episode("sinus", 12, 70)], 0)
    peaks = {lead: detect_r_peaks(x[lead], FS_HZ) for lead in (0, 1, 9)}
    for found in peaks.values():
        assert len(found) == len(peaks[0])
        assert np.abs(found - peaks[0]).max() < 0.06 * FS_HZ


def test_the_ventricular_beat_points_elsewhere() -> None:
    x = simulate_twelve([Episode("sinus", 16, 70, pvc_per_min=8)], 5)
    assert x[0].max() > 1.2 * np.percentile(x[0], 99)  # upright and larger in lead I
    assert x[6].min() < 1.2 * np.percentile(x[6], 1)  # and down in V1
    assert np.array_equal(x, simulate_twelve([Episode("sinus", 16, 70, pvc_per_min=8)], 5))
