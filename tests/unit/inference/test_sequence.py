"""Beats of whole recordings: chosen together where noise is high, as the detector has them everywhere else."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from inference.beats import detect_r_peaks
from inference.evidence import learn_shapes
from inference.sequence import DEFAULT, beats_of_recording, candidates_in_noise, cleanness_of_seconds, likeliest

Floats = npt.NDArray[np.float64]
FS_HZ = 250.0
SECONDS = 200
NOISE_S = (100.0, 160.0)
R_S = np.arange(0.6, SECONDS - 0.5, 0.83)
WIDE = slice(5, None, 9)  # every ninth beat is ectopic
Waves = tuple[tuple[float, float, float], ...]  # seconds from R, mV, width in s
USUAL: Waves = ((-0.17, 0.12, 0.025), (0.0, 1.0, 0.012), (0.28, 0.25, 0.05))
ECTOPIC: Waves = ((0.0, -1.6, 0.03), (0.3, 0.5, 0.06))


def heart(r_s: Floats = R_S, *, ectopic: bool = False, fs_hz: float = FS_HZ) -> Floats:
    """P, QRS and T as Gaussians; an ectopic beat is wide, larger and upside down."""
    t = np.arange(round(SECONDS * fs_hz)) / fs_hz
    x = np.zeros_like(t)
    wide = set(range(len(r_s))[WIDE]) if ectopic else set[int]()
    for k, at in enumerate(r_s):
        waves = ECTOPIC if k in wide else USUAL
        near = slice(max(0, round((at - 0.6) * fs_hz)), round((at + 0.8) * fs_hz))
        for shift, mv, sigma in waves:
            x[near] += mv * np.exp(-((t[near] - at - shift) ** 2) / (2 * sigma**2))
    return x + np.random.default_rng(1).normal(0, 0.01, len(t))


def artefacts(fs_hz: float = FS_HZ) -> Floats:
    """An electrode that moves, in `NOISE_S`: bumps as short as a beat, some as large, and wander."""
    rng, n = np.random.default_rng(7), round(SECONDS * fs_hz)
    t, x = np.arange(n) / fs_hz, np.zeros(n)
    for at in rng.uniform(*NOISE_S, 250):
        x += rng.normal(0, 0.6) * np.exp(-((t - at) ** 2) / (2 * rng.uniform(0.015, 0.04) ** 2))
    return x + 0.4 * np.sin(2 * np.pi * 0.4 * t) * ((t > NOISE_S[0]) & (t < NOISE_S[1]))


def right(found: npt.NDArray[np.int64], r_s: Floats = R_S, fs_hz: float = FS_HZ) -> tuple[float, float]:
    """Sensitivity and precision within 0.1 s, inside the noise."""
    t = found / fs_hz
    t, r_s = (x[(x > NOISE_S[0]) & (x < NOISE_S[1])] for x in (t, r_s))
    hit = np.abs(r_s[:, None] - t) < 0.1
    return float(np.mean(hit.any(axis=1))), float(np.mean(hit.any(axis=0)))


def test_a_clean_recording_is_the_detectors() -> None:
    x = heart(ectopic=True)
    assert candidates_in_noise(x, FS_HZ) == []
    np.testing.assert_array_equal(beats_of_recording(x, FS_HZ), detect_r_peaks(x, FS_HZ))


@pytest.mark.parametrize("fs_hz", [100.0, 250.0, 1000.0])
def test_artefacts_are_told_from_beats(fs_hz: float) -> None:
    x = heart(fs_hz=fs_hz) + artefacts(fs_hz)
    alone, together = right(detect_r_peaks(x, fs_hz), fs_hz=fs_hz), right(beats_of_recording(x, fs_hz), fs_hz=fs_hz)
    assert alone[1] < 0.85
    assert together[0] >= max(0.95, alone[0])
    assert together[1] >= 0.95


def test_outside_of_the_noise_nothing_changes() -> None:
    x = heart(ectopic=True) + artefacts()
    found, alone = beats_of_recording(x, FS_HZ), detect_r_peaks(x, FS_HZ)
    noisy = cleanness_of_seconds(x, FS_HZ, alone) < DEFAULT.noisy
    assert noisy[110:150].all()
    assert not noisy[:80].any()
    outside = [p[~noisy[(p / FS_HZ).astype(int)]] for p in (found, alone)]
    np.testing.assert_array_equal(*outside)


def test_ectopic_beats_known_from_clean_stretches_are_found_in_noise() -> None:
    found = beats_of_recording(heart(ectopic=True) + artefacts(), FS_HZ)
    assert min(right(found)) >= 0.9
    assert right(found, R_S[WIDE])[0] >= 0.85


def test_upside_down_is_the_same() -> None:
    x = heart() + artefacts()
    up, down = beats_of_recording(x, FS_HZ), beats_of_recording(-x, FS_HZ)
    assert len(up) == len(down)
    assert np.abs(up - down).max() <= 0.06 * FS_HZ


def test_a_pause_in_noise_is_not_filled() -> None:
    silent = (R_S > 125) & (R_S < 135)
    rng = np.random.default_rng(3)
    t = np.arange(round(SECONDS * FS_HZ)) / FS_HZ
    x = (
        heart(R_S[~silent])
        + 0.08 * rng.normal(size=len(t)) * ((t > 105) & (t < 155))
        + artefacts() * ((t < 124) | (t > 136))
    )
    found = beats_of_recording(x, FS_HZ) / FS_HZ
    assert np.count_nonzero((found > 125.5) & (found < 134.5)) <= 2


def test_nothing_is_chosen_where_nothing_clean_is_known() -> None:
    for x in (heart()[: 20 * 250], (heart() + artefacts())[100 * 250 : 160 * 250], np.zeros(50_000), np.zeros(3)):
        np.testing.assert_array_equal(beats_of_recording(x, FS_HZ), detect_r_peaks(x, FS_HZ))


def test_holes_are_bridged_and_r_peaks_increase() -> None:
    x = heart() + artefacts()
    x[110 * 250 : 120 * 250] = np.nan
    found = beats_of_recording(x, FS_HZ)
    assert (np.diff(found) > 0).all()
    assert not np.any((found > 110.5 * 250) & (found < 119.5 * 250))


def test_bad_input_is_refused_as_by_the_detector() -> None:
    for mv, fs_hz in ((np.zeros((2, 100)), 250.0), (np.zeros(100), 20.0), (np.zeros(100), float("nan"))):
        with pytest.raises(ValueError, match=r"mv|fs_hz"):
            beats_of_recording(mv, fs_hz)


def test_shapes_are_the_kinds_of_beats_and_know_where_r_is() -> None:
    at = np.rint(R_S * FS_HZ).astype(np.int64)
    moved = at + 5  # the middle of the burst lies elsewhere
    usual, wide = learn_shapes(heart(ectopic=True), FS_HZ, 1, moved, at)
    assert usual.count > 6 * wide.count > 0
    assert abs(usual.offset + 5) <= 1
    assert learn_shapes(heart(), FS_HZ, 1, at[:3], at[:3]) == []


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("held", list(itertools.product((False, True), repeat=2)))
def test_the_likeliest_path_is_the_best_of_all(seed: int, held: tuple[bool, bool]) -> None:
    """All subsets of eight instants are tried."""
    rng = np.random.default_rng(seed)
    t, worth = np.sort(rng.uniform(0, 5, 8)), rng.normal(0, 2, 8)
    log_density = np.log(rng.uniform(0.01, 3, 361) + DEFAULT.pause)
    pause, usual = float(np.log(DEFAULT.pause)), 0.8

    def total(path: tuple[int, ...]) -> float:
        late = not held[0] and path[0] > 0 and t[path[0]] - t[0] >= DEFAULT.overdue * usual
        value = float(worth[list(path)].sum()) + (pause if late else 0.0)
        for a, b in itertools.pairwise(path):
            apart = t[b] - t[a]
            if apart < DEFAULT.same_s:
                return -np.inf
            at = int(np.clip(np.rint(np.log(apart / usual) / 0.01) + 200, 0, 360))
            value += log_density[at] if apart <= DEFAULT.overdue * usual else pause
        return value

    every = [p for n in range(1, 9) for p in itertools.combinations(range(8), n)]
    every = [p for p in every if (p[0] == 0 or not held[0]) and (p[-1] == 7 or not held[1])]
    found = likeliest(t, worth, usual, log_density, held, DEFAULT)
    assert total(tuple(found)) == pytest.approx(max(map(total, every)))
