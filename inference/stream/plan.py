"""The constants of one sampling rate, from the settings of the beat path."""

from dataclasses import astuple
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.signal import butter, sosfilt_zi

from inference.beats import BeatSettings, TrustSettings
from inference.fibrillation import FibrillationSettings
from inference.quality import QualitySettings
from inference.stream import design
from inference.stream.peaks import Limits
from inference.stream.shapes import ShapeLimits
from inference.stream.state import Detector, Plan, RunLimits, TrustLimits, Weights
from inference.stream.waves import WaveLimits
from inference.ventricular import AFTER_S, GRID_HZ

if TYPE_CHECKING:
    from inference.rhythm import RhythmSettings

LOW_RATE_HZ: Final = 180.0  # beats are sought at this rate or up to twice it
WAVE_RATE_HZ: Final = 100.0  # fibrillation likewise
SLOW_RATE_HZ: Final = 31.25  # the baseline is followed at about this rate
REACH_S: Final = 0.25  # band-passes look so far to either side
MUSCLE_HZ: Final = 40.0


@lru_cache(maxsize=64)
def plan_of(s: "RhythmSettings", fs_hz: float) -> Plan:
    """All constants of the stream."""
    beats, (q, rate) = s.beats, low_rate(fs_hz)
    window, step = round(beats.search_s * rate), max(1, round(rate / SLOW_RATE_HZ))
    return Plan(
        fs=fs_hz,
        q=q,
        keep=window * q + q,
        window=window,
        first=detector_of(beats.first, fs_hz),
        second=detector_of(s.quality.second, fs_hz),
        muscle_taps=design.high(MUSCLE_HZ, rate, 0.06),
        upper=design.low(40.0, rate, 0.06),
        lower=design.low(0.7, rate / step, 1.5),
        step=step,
        per_grid=rate / GRID_HZ,
        shape=ShapeLimits(*astuple(beats.shape)),
        run=RunLimits(*astuple(beats.run)),
        irregular=np.array([*beats.irregular.weights, beats.irregular.bias]),
        trust=TrustLimits(*astuple(TrustSettings())),
        wave=_waves(s.waves, s.fibrillation_s, fs_hz),
        fibrillation_n=round(s.fibrillation_s * fs_hz),
        bursts=s.bursts,
        burst_peaks=s.burst_peaks,
        settle=round(beats.settle_s * fs_hz),
        ring=round(s.ring_s * fs_hz),
        memory=beats.memory,
        forget_s=beats.forget_s,
        rate_n=round(beats.rate_s * fs_hz),
        silent_n=round(beats.silent_s * fs_hz),
        learn_below_bpm=beats.learn_below_bpm,
        after_n=round(AFTER_S * fs_hz),
        flat_mv=s.flat_mv,
        dead_mv=s.dead_mv,
        rail_mv=s.rail_mv,
        dead_told_s=s.dead_told_s,
        least_rr=beats.irregular.least,
        quality=weights_of(s.quality, s.quality_s, fs_hz),
    )


def low_rate(fs_hz: float) -> tuple[int, float]:
    """How many samples make one of the low rate, and that rate."""
    q = max(1, int(fs_hz / LOW_RATE_HZ))
    return q, fs_hz / q


@lru_cache(maxsize=64)
def detector_of(s: BeatSettings, fs_hz: float) -> Detector:
    """A detector for one rate."""
    _, rate = low_rate(fs_hz)
    limits = Limits(
        rate=rate,
        block=round(rate),
        near=round(s.refractory_s * rate / 2),
        refractory=s.refractory_s * rate,
        t_wave=s.t_wave_s * rate,
        t_wave_share=s.t_wave_share,
        p_wave=s.p_wave_s * rate,
        p_wave_share=s.p_wave_share,
        level_blocks=s.level_s,
        wide_blocks=s.wide_s,
        wide_low=s.wide_low,
        wide_high=s.wide_high,
        threshold=s.threshold,
        search_back=s.search_back,
        overdue=s.overdue,
        floor=s.floor_mv_s,
        weak=s.weak_mv_s,
        weak_ratio=s.weak_ratio,
    )
    return Detector(
        limits=limits,
        taps=design.band(*s.band_hz, rate, REACH_S),
        half=max(1, round(s.envelope_s * rate) // 2),
        centre_reach=round(s.centre_s * rate),
        centre_width=round(2 * s.envelope_s * rate),
        refine_reach=round(0.1 * fs_hz),
    )


@lru_cache(maxsize=64)
def weights_of(s: QualitySettings, stretch_s: float, fs_hz: float) -> Weights:
    """Limits and weights of the quality of a stretch."""
    _, rate = low_rate(fs_hz)
    return Weights(
        samples=round(stretch_s * fs_hz),
        block=max(1, round(fs_hz / 2)),
        flat_mv=s.flat_mv,
        flat_share=s.flat_share,
        saturated_share=s.saturated_share,
        gap_share=s.gap_share,
        usable=s.usable,
        agree=s.agree_s * fs_hz,
        context=round((stretch_s + 2) * rate),
        half=round(0.1 * fs_hz),
        near=round(0.12 * rate),
        before=round(0.25 * fs_hz),
        after=round(0.4 * fs_hz),
        bias=s.bias,
        weight=np.array(
            [s.w_qrs, s.w_muscle, s.w_likeness, s.w_agreement, s.w_rest, s.w_wander, s.w_clear, s.w_steady]
        ),
    )


def _waves(s: FibrillationSettings, stretch_s: float, fs_hz: float) -> WaveLimits:
    q = max(1, int(fs_hz / WAVE_RATE_HZ))
    rate = fs_hz / q
    n = round(stretch_s * fs_hz) // q
    bins = 512 if n <= 512 else 1024
    sos = butter(2, [s.band_hz[0], min(s.band_hz[1], 0.45 * rate)], "bandpass", fs=rate, output="sos")
    hz = np.fft.rfftfreq(bins, 1 / rate)
    hz = hz[(hz >= 1.0) & (hz <= 12.0)]
    angle = 2 * np.pi * hz[:, None] * np.arange(n) / rate
    return WaveLimits(
        q=q,
        sos=np.ascontiguousarray(sos),
        zi=np.ascontiguousarray(sosfilt_zi(sos)),
        window=np.hanning(n),
        cosine=np.cos(angle),
        sine=np.sin(angle),
        first_hz=float(hz[0]),
        step_hz=rate / bins,
        bins=bins,
        nyquist=np.where(np.arange(n) % 2, -1.0, 1.0),
        low_mv=s.low_mv,
        high_mv=s.high_mv,
        dominant_low=s.dominant_hz[0],
        dominant_high=s.dominant_hz[1],
        away=s.away,
        slope_peaks=s.slope_peaks,
        leakage=s.leakage,
        in_band=s.in_band,
        relaxed=s.relaxed,
    )
