"""The simulated signal is what its truth says, the same every time, however it is drawn."""

from itertools import islice

import numpy as np
import pytest
from scipy.signal import find_peaks, welch

from ingest.sources.scripts import PERIOD_S, ward
from ingest.sources.simulate import Episode, Simulated, SimulatedPatient, simulate
from liteheart.ids import DeviceId, PatientId, is_identifier

SEEDS = range(6)


def rr_s(s: Simulated) -> np.ndarray:
    return np.diff(s.r_peaks) / s.fs_hz


def between(s: Simulated, t0_s: float, t1_s: float) -> np.ndarray:
    return s.mv[int(t0_s * s.fs_hz) : int(t1_s * s.fs_hz)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fs_hz", [125.0, 250.0, 500.0])
def test_truth_peaks_are_the_signals_peaks(seed: int, fs_hz: float) -> None:
    s = simulate([Episode("sinus", 60, 75), Episode("af", 30)], fs_hz, seed)
    reach, near = round(0.08 * fs_hz), round(0.02 * fs_hz)
    for peak in s.r_peaks[1:-1]:
        top = peak - reach + int(np.argmax(s.mv[peak - reach : peak + reach]))
        assert abs(top - peak) <= max(1, near // 2)
    found, _ = find_peaks(s.mv, height=0.55 * np.median(s.mv[s.r_peaks]), distance=round(0.25 * fs_hz))
    assert abs(len(found) - len(s.r_peaks)) <= 1


@pytest.mark.parametrize("rate", [30, 45, 60, 72, 90, 125, 160])
def test_sinus_beats_at_its_rate_and_breathes(rate: float) -> None:
    s = simulate([Episode("sinus", 120, rate)], seed=3)
    assert 60 / rr_s(s).mean() == pytest.approx(rate, rel=0.03)
    assert 0.003 < rr_s(s).std() / rr_s(s).mean() < 0.06
    assert s.truth[0].condition == ("bradycardia" if rate < 60 else "tachycardia" if rate > 100 else "sinus")


@pytest.mark.parametrize("seed", SEEDS)
def test_fibrillation_is_irregular_and_without_p(seed: int) -> None:
    af, sinus = simulate([Episode("af", 120, 90)], seed=seed), simulate([Episode("sinus", 120, 75)], seed=seed)
    assert 60 / rr_s(af).mean() == pytest.approx(90, rel=0.08)
    assert 0.17 < rr_s(af).std() / rr_s(af).mean() < 0.32
    assert rr_s(af).min() > 0.3
    assert abs(np.corrcoef(rr_s(af)[1:], rr_s(af)[:-1])[0, 1]) < 0.25  # no memory from beat to beat

    def p_height(s: Simulated) -> float:
        beats = [s.mv[i - 60 : i - 15] for i, rr in zip(s.r_peaks[1:], rr_s(s), strict=True) if rr > 0.6]
        mean = np.mean(beats, axis=0)
        return float(mean.max() - np.median(mean[-8:]))

    assert p_height(af) < 0.5 * p_height(sinus)
    assert 0.05 < p_height(sinus) < 0.2


@pytest.mark.parametrize("seed", SEEDS)
def test_ventricular_fibrillation_is_chaos_between_3_and_7_hz(seed: int) -> None:
    s = simulate([Episode("sinus", 10), Episode("vf", 30), Episode("sinus", 10)], seed=seed)
    vf = between(s, 11, 39)
    f, p = welch(vf - vf.mean(), s.fs_hz, nperseg=1000)
    assert 3 <= f[np.argmax(p)] <= 7
    assert p[(f > 2.5) & (f < 8)].sum() > 0.85 * p[f > 0.5].sum()
    assert 0.8 < np.ptp(vf) < 5
    assert not ((s.r_peaks > 10 * s.fs_hz) & (s.r_peaks < 40 * s.fs_hz)).any()
    crests = np.abs(vf).reshape(-1, 250).max(axis=1)
    assert crests.std() / crests.mean() > 0.15  # waxes and wanes


def test_flutter_is_a_regular_sine() -> None:
    s = simulate([Episode("flutter", 20)], seed=1)
    f, p = welch(between(s, 1, 19), s.fs_hz, nperseg=2000)
    assert 3.8 < f[np.argmax(p)] < 5
    assert p[np.abs(f - f[np.argmax(p)]) < 0.5].sum() > 0.8 * p.sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_asystole_is_flat_and_beats_return(seed: int) -> None:
    s = simulate([Episode("sinus", 10), Episode("asystole", 8), Episode("sinus", 10)], seed=seed)
    for t in np.arange(11.0, 17.0, 0.5):
        assert np.ptp(between(s, t, t + 1)) < 0.05
    times = s.r_peaks / s.fs_hz
    assert not ((times >= 10) & (times < 18)).any()
    assert times[times >= 18][0] < 19
    assert s.truth[1] == ("asystole", 10.0, 18.0)


def test_a_pause_keeps_the_patients_noise() -> None:
    s = simulate([Episode("sinus", 10), Episode("pause", 4), Episode("sinus", 10)], seed=2)
    assert 3.9 < rr_s(s).max() < 6
    assert np.std(np.diff(between(s, 11, 13))) > 0.004


@pytest.mark.parametrize("seed", SEEDS)
def test_ventricular_tachycardia_is_fast_wide_and_regular(seed: int) -> None:
    s = simulate([Episode("sinus", 10, 70), Episode("vt", 20, 180), Episode("sinus", 10, 70)], seed=seed)
    run = s.r_peaks[(s.r_peaks >= 2500) & (s.r_peaks < 7500)]
    assert 60 * 250 / np.diff(run).mean() == pytest.approx(180, rel=0.03)
    assert np.diff(run).std() / np.diff(run).mean() < 0.04
    assert set(s.kinds[(s.r_peaks >= 2500) & (s.r_peaks < 7500)]) == {"V"}
    assert width_s(s, run[5]) > 2 * width_s(s, s.r_peaks[3])


def width_s(s: Simulated, peak: int) -> float:
    """Time around the peak that the signal stays above half its height."""
    half = np.abs(s.mv[peak - 40 : peak + 40]) > abs(s.mv[peak]) / 2
    left, right = np.argmin(half[40::-1]), np.argmin(half[40:])
    return float(left + right) / s.fs_hz


def test_premature_beats_come_early_as_often_as_asked() -> None:
    s = simulate([Episode("sinus", 600, 70, pac_per_min=3, pvc_per_min=4)], seed=4)
    counts = {k: int((s.kinds == k).sum()) for k in "NSV"}
    assert 25 <= counts["V"] <= 55
    assert 15 <= counts["S"] <= 45
    early = rr_s(s)[s.kinds[1:] != "N"]
    assert early.max() < 0.8 * np.median(rr_s(s))
    after = rr_s(s)[1:][s.kinds[1:-1] == "V"]
    assert np.median(after) > 1.2 * np.median(rr_s(s))  # the compensatory pause


def test_the_lead_that_is_off_shows_no_beat() -> None:
    s = simulate([Episode("sinus", 10), Episode("lead_off", 10), Episode("sinus", 10)], seed=1)
    assert s.lead_off.nonzero()[0].tolist() == list(range(2500, 5000))
    assert np.ptp(between(s, 10, 20)) < 0.1
    assert not ((s.r_peaks >= 2500) & (s.r_peaks < 5000)).any()


def test_artefact_is_larger_than_the_heart() -> None:
    s = simulate([Episode("sinus", 20), Episode("artefact", 20)], seed=1)
    assert between(s, 21, 39).std() > 3 * between(s, 1, 19).std()


MIXED = [Episode("sinus", 7.3), Episode("vf", 5), Episode("af", 11), Episode("asystole", 4), Episode("artefact", 6)]


def test_the_same_seed_gives_the_same_samples_and_another_seed_others() -> None:
    one, two, other = (simulate(MIXED, seed=s) for s in (5, 5, 6))
    np.testing.assert_array_equal(one.adc, two.adc)
    np.testing.assert_array_equal(one.r_peaks, two.r_peaks)
    assert (one.adc != other.adc).mean() > 0.5


def patient(script: list[Episode], fs_hz: float = 250.0, seed: int = 5) -> SimulatedPatient:
    return SimulatedPatient(PatientId("p"), script, fs_hz, seed, device=DeviceId("d"), boot=9, t0_us=77)


@pytest.mark.parametrize("fs_hz", [125.0, 250.0, 333.25])
def test_the_stream_is_the_batch(fs_hz: float) -> None:
    n = int(sum(e.duration_s for e in MIXED))
    frames = list(islice(patient(MIXED, fs_hz).frames(), n))
    batch = simulate(MIXED, fs_hz, seed=5)
    streamed = np.concatenate([f.samples for f in frames])
    np.testing.assert_array_equal(streamed, batch.adc[: len(streamed)])
    assert [f.t0_us for f in frames] == [77 + round(round(k * fs_hz) * 1e6 / fs_hz) for k in range(n)]


def test_the_stream_repeats_its_script_with_new_beats_and_no_seam() -> None:
    frames = list(islice(patient([Episode("sinus", 15), Episode("vf", 5)]).frames(), 60))
    mv = np.concatenate([f.millivolts() for f in frames])
    loops = mv.reshape(3, -1)
    assert not np.array_equal(loops[0], loops[1])
    for loop in loops:  # fibrillation at the same place in each
        f, p = welch(loop[4000:4900], 250.0, nperseg=900)
        assert 2.5 < f[np.argmax(p)] < 7.5
    assert np.abs(np.diff(mv))[4995:5005].max() < 0.2
    assert [f.sequence for f in frames] == list(range(60))


def test_a_drop_out_is_missing_frames_and_missing_numbers() -> None:
    script = [Episode("sinus", 5), Episode("dropout", 7), Episode("lead_off", 3), Episode("sinus", 5)]
    frames = list(islice(patient(script).frames(), 13))
    assert [f.sequence for f in frames] == [*range(5), *range(12, 20)]
    assert [f.t0_us - 77 for f in frames] == [f.sequence * 1_000_000 for f in frames]
    assert [f.lead_off for f in frames] == [False] * 5 + [True] * 3 + [False] * 5
    assert all(f.battery_pct is not None and 0 <= f.battery_pct <= 100 for f in frames)


def test_a_script_without_a_beat_does_not_hang() -> None:
    s = simulate([Episode("vf", 9), Episode("asystole", 9)], seed=0)
    assert len(s.mv) == 18 * 250
    assert len(s.r_peaks) == 0


def test_nonsense_is_refused() -> None:
    for bad in ({"duration_s": 0}, {"duration_s": 5, "rate_bpm": 900}, {"duration_s": 5, "noise": -1}):
        with pytest.raises(ValueError, match=r"duration_s|rate_bpm|noise"):
            Episode("sinus", **bad)
    with pytest.raises(ValueError, match="script"):
        patient([])
    with pytest.raises(ValueError, match="script"):
        simulate([])
    with pytest.raises(ValueError, match="fs_hz"):
        simulate(MIXED, 10.0)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 24, 60, 700])
def test_a_ward_of_any_size_has_every_event_early(n: int) -> None:
    beds = ward(n)
    assert len(beds) == len({b.bed for b in beds}) == len({b.patient for b in beds}) == len({b.seed for b in beds}) == n
    assert beds[0].bed == "A-01"
    assert all(is_identifier(b.patient) and is_identifier(b.device) for b in beds)
    assert all(sum(e.duration_s for e in b.script) == pytest.approx(PERIOD_S) for b in beds)
    starts: dict[str, list[float]] = {}
    for bed in beds:
        t = 0.0
        for e in bed.script:
            starts.setdefault("brady" if e.condition == "sinus" and e.rate < 40 else e.condition, []).append(t)
            t += e.duration_s
    assert starts["asystole"] == [8.0]
    assert starts["vf"] == [35.0]
    assert {"vt", "brady", "svt", "af", "lead_off", "dropout", "artefact", "pause", "flutter"} <= starts.keys()


def test_a_ward_of_24_is_mostly_quiet() -> None:
    beds = ward(24)
    calm = sum(len(b.script) == 1 for b in beds)
    assert calm >= 12
    assert sum(b.script[0].condition == "af" for b in beds) in (2, 3, 4)
    assert max(len(b.script) for b in beds) <= 3  # one event to a patient
    with pytest.raises(ValueError, match="n_patients"):
        ward(0)
