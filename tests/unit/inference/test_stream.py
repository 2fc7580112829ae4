"""The compiled beat path: many patients as one, and kernels that do what their definitions in Python say."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import butter, sosfiltfilt

from inference import fibrillation, ventricular
from inference.rhythm import DEFAULT, RhythmBank, RhythmTracker
from inference.stream import design, extent, filters, marks, shapes, waves
from inference.stream.plan import plan_of
from liteheart.finding import Vitals
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Chunk

FS = 250
Floats = npt.NDArray[np.float64]


def heart(seconds: float, bpm: float, seed: int, noise_mv: float = 0.02) -> Floats:
    t = np.arange(round(seconds * FS)) / FS
    x = noise_mv * np.random.default_rng(seed).standard_normal(len(t))
    for at in np.arange(0.3, seconds, 60 / bpm):
        x += np.exp(-((t - at) ** 2) / (2 * 0.012**2)) + 0.25 * np.exp(-((t - at - 0.28) ** 2) / (2 * 0.05**2))
    return x


def chunk(patient: str, mv: Floats, at: int, *, fs_hz: float = FS, gap_s: float | None = None) -> Chunk:
    gap_s = (0.0 if at else float("inf")) if gap_s is None else gap_s
    t0_us = 1_700_000_000_250_000 + round(at * 1e6 / fs_hz)
    return Chunk(PatientId(patient), DeviceId("d"), "I", t0_us, fs_hz, mv.astype(np.float32), gap_s)


def test_a_bank_says_of_each_patient_what_a_tracker_says() -> None:
    """Nine patients at two rates, in batches of any make-up, one with a gap and one that begins late."""
    rng = np.random.default_rng(3)
    rates = {f"p{i}": FS if i % 3 else 360 for i in range(9)}
    signal = {p: heart(20, 50 + 15 * i, i) for i, p in enumerate(rates)}
    waiting: dict[str, list[Chunk]] = {}
    for p, mv in signal.items():
        at, waiting[p] = 0, []
        while at < len(mv):
            n = int(rng.integers(1, 900))
            gap_s = 0.4 if p == "p4" and 2000 < at < 2900 else 3.0 if p == "p5" and 2000 < at < 2900 else None
            waiting[p].append(chunk(p, mv[at : at + n], at, fs_hz=rates[p], gap_s=gap_s))
            at += n
    alone = {
        p: [v for c in chunks for v in RhythmTracker.push(t, c)]
        for p, chunks in waiting.items()
        for t in [RhythmTracker(PatientId(p))]
    }
    bank, together = RhythmBank(), {p: list[Vitals]() for p in signal}
    while any(waiting.values()):
        batch = [
            waiting[p].pop(0)
            for p in rng.permutation(list(signal))
            for _ in range(int(rng.integers(0, 4)))
            if waiting[p]
        ]
        for c, result in zip(batch, bank.push(batch), strict=True):
            assert isinstance(result, list)
            together[c.patient] += result
    assert together == alone
    assert all(len(v) >= 13 for v in together.values())


def test_what_one_patient_sends_harms_no_other() -> None:
    bank, mv = RhythmBank(), heart(8, 70, 1)
    whole = RhythmTracker(PatientId("well")).push(chunk("well", mv, 0))
    bank.push([chunk("sick", mv[:1000], 0), chunk("well", mv[:1000], 0)])
    sick, well = bank.push([chunk("sick", np.ones((2, 2)), 1000), chunk("well", mv[1000:], 1000)])
    assert isinstance(sick, ValueError)
    assert isinstance(well, list)
    assert well == whole[-len(well) :]
    (again,) = bank.push([chunk("sick", mv, 2000, gap_s=0.0)])
    assert isinstance(again, list)
    assert again[-1].signal_s < 8.1  # begun anew


@pytest.mark.parametrize("fs_hz", [0.0, 20.0, float("nan")])
def test_a_rate_at_which_no_beat_can_be_seen_is_refused(fs_hz: float) -> None:
    (result,) = RhythmBank().push([Chunk(PatientId("p"), DeviceId("d"), "I", 0, fs_hz, np.zeros(9, np.float32))])
    assert isinstance(result, ValueError)


def test_wild_samples_do_no_harm() -> None:
    wild = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 900.0, -900.0, 0.0])
    mv = np.random.default_rng(4).choice(wild, 12 * FS)
    for part in (mv, np.full(12 * FS, 1e38), np.full(12 * FS, np.nan), np.tile([900.0, -900.0], 6 * FS)):
        last = RhythmTracker(PatientId("p")).push(chunk("p", part, 0))[-1]
        assert not last.quality.usable
    after = RhythmTracker(PatientId("p"))
    after.push(chunk("p", mv, 0))
    last = after.push(chunk("p", heart(30, 72, 5), len(mv), gap_s=0.0))[-1]
    assert last.heart_rate_bpm == pytest.approx(72, abs=2)
    assert last.quality.usable


@pytest.mark.parametrize("fs_hz", [180.0, 250.0, 257.0, 333.0])
def test_short_filters_do_what_long_ones_did(fs_hz: float) -> None:
    x = np.cumsum(np.random.default_rng(5).standard_normal(4000)) * 0.05
    wanted = sosfiltfilt(butter(2, [5, 20], "bandpass", fs=fs_hz, output="sos"), x)
    taps = design.band(5.0, 20.0, fs_hz, 0.25)
    out = np.empty(len(x) - len(taps) + 1, np.float32)
    filters.convolve(x.astype(np.float32), taps, out)
    middle = wanted[len(taps) // 2 :][: len(out)]
    inner = slice(500, -500)
    assert np.sqrt(np.mean((out[inner] - middle[inner]) ** 2)) < 0.1 * np.std(middle[inner])
    assert abs(float(taps.sum())) < 1e-4


def test_extent_is_that_of_the_floats() -> None:
    x = np.random.default_rng(6).standard_normal(1000).astype(np.float32)
    assert extent.bounds(x) == (x.min(), x.max())
    positive = np.abs(x)
    assert np.array([extent.highest(positive.view(np.int32))], np.int32).view(np.float32)[0] == positive.max()


@pytest.mark.parametrize("seed", range(6))
def test_waves_are_measured_as_defined(seed: int) -> None:
    rng = np.random.default_rng(seed)
    t = np.arange(3 * FS) / FS
    mv = 0.5 * np.sin(2 * np.pi * rng.uniform(2, 7) * t) + 0.1 * rng.standard_normal(len(t))
    wanted = fibrillation.measure(mv, FS)
    out = np.zeros(waves.MEASURES)
    plan = plan_of(DEFAULT, float(FS)).wave
    assert waves.measure(mv.astype(np.float32), plan, 1e9, 1e9, out)
    names = ("amplitude_mv", "dominant_hz", "away", "slope_peaks", "leakage", "in_band")
    assert out == pytest.approx([getattr(wanted, name) for name in names], rel=2e-3, abs=3e-3)
    for begun in (False, True):
        assert waves.looks_like(out, plan, begun) == fibrillation.looks_like(wanted, begun=begun)


def test_shapes_are_those_that_are_defined() -> None:
    mv = heart(12, 66, 7)
    centre = np.round((0.3 + np.arange(1, 11) * 60 / 66) * FS).astype(np.int64)
    wanted = ventricular.cut(mv, FS, centre)
    plan, low = plan_of(DEFAULT, float(FS)), mv.astype(np.float32)
    spare, slow, wave = np.empty(9000, np.float32), np.empty(600, np.float32), np.empty(shapes.POINTS, np.float32)
    begin = shapes.baseline(low, 0, 0, plan.lower, plan.step, slow, spare)
    for k, at in enumerate(centre[1:-1], 1):
        shapes.cut(low, float(at), 0, plan.upper, slow, begin, plan.step, plan.per_grid, wave, spare)
        assert np.max(np.abs(wave - wanted.wave[k])) < 0.05
        assert shapes.width_s(wave, spare) == pytest.approx(wanted.width_s[k], abs=0.017)
        alike = shapes.likeness(wanted.wave[k].astype(np.float32), wanted.wave[0].astype(np.float32))
        assert alike == pytest.approx(ventricular.likeness(wanted.wave[k : k + 1], wanted.wave[0])[0], abs=1e-3)


def test_clarity_is_a_ratio_of_signal_to_noise() -> None:
    beats = np.round((0.3 + np.arange(9) * 1.0) * FS).astype(np.int64)
    spare = np.empty(4000, np.float32)
    found = []
    for noise_mv in (0.01, 0.03, 0.1, 0.3):
        x = heart(10, 60, 8, noise_mv).astype(np.float32)
        found.append(marks.clarity(x, beats, 62, 100, 1.0, spare)[0])
        assert found[-1] == pytest.approx(np.log10(1 / 8 / noise_mv**2), abs=0.25)
    assert found == sorted(found, reverse=True)
