"""What the beat path remembers: one row a patient. And what it is told: filters and limits for one sampling rate."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inference.stream.peaks import Limits
from inference.stream.shapes import POINTS, ShapeLimits
from inference.stream.waves import WaveLimits

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

BEATS = 256  # twice what 30 s can hold at the refractory time
WORDS = BEATS // 64
RR_MOST = 24
SECONDS = 5  # over which powers are kept

# columns of State.count
END, SEEN_FROM, GAP_FROM, WAVES, HEARD, FIRST_BEAT, BEAT_COUNT, USUAL_KNOWN, USED, LOW_USED = range(10)
SETTLED, PEAKS, SECOND_PEAKS, COMPARED, COUNTS = range(10, 15)  # SETTLED: where the envelopes begin to be new
# columns of State.level
FLAT_S, STRENGTH, USUAL_WIDTH, DEAD_FOR_S, DEAD_AGO_S, BASE_MV, CLEAR, LEVELS = range(8)
# columns of State.part: one second each
SAMPLES, MISSING, SLOW, FAST, MUSCLE, PARTS = range(6)
# columns of the results
(
    SIGNAL_S,
    SINCE_BEAT_S,
    RATE_BPM,
    FIBRILLATION_S,
    RUN,
    RUN_BPM,
    FLAT,
    SQI,
    REASONS,
    RR_COUNT,
    DEAD_S,
    IRREGULAR,
    ECTOPIC,
    RESULTS,
) = range(14)
# columns of State.kind
ALIKE, NEIGHBOUR, VENTRICULAR, ODD, DOUBTED, KINDS = range(6)
UNKNOWN = -9.0  # in ALIKE: the beat is not whole yet, or there is no usual one
# bits of REASONS
GAP, FLAT_LINE, SATURATED, NO_BEATS, NOISE = 1, 2, 4, 8, 16


class State(NamedTuple):
    """All arrays [patients, ...]."""

    tally: I64  # [p, COUNTS]
    level: F64  # [p, LEVELS]
    part: F32  # [p, SECONDS, PARTS] newest last
    x: F32  # [p, 2 keep] mV, gaps bridged; the newest sample stands before USED
    low: F32  # [p, 2 window] means of q samples; empty where q is 1
    envelope: F32  # [p, 2 window] of the first detector
    second: F32  # [p, 2 window] of the second
    peak: I64  # [p, 2, most] places of the peaks of both, counted from the start of the stream, PEAKS of them
    top: I64  # [p, BEATS] peaks of the envelope, low-rate samples, counted from the start of the stream
    place: I64  # [p, BEATS, 2] the highest and the lowest sample near each, counted likewise
    at: I64  # [p, BEATS] R peaks, counted from the start of the stream
    middle: I64  # [p, BEATS] middles of their bursts
    strength: F32  # [p, BEATS] mV/s
    size: F32  # [p, BEATS, 2] upwards and downwards, mV
    wide_s: F32  # [p, BEATS]
    wave: F32  # [p, BEATS, POINTS]
    form: F32  # [p, BEATS, 2] its mean, and one over its size without that
    like: I64  # [p, BEATS, WORDS] bits: which other beats are like each, of those before COMPARED
    usual: F32  # [p, POINTS]
    kind: F32  # [p, BEATS, KINDS] how like the usual beat and the one before, see `kinds.py`, `trust.py`


class Detector(NamedTuple):
    """One way to see beats."""

    limits: Limits
    taps: F32
    half: int  # of the envelope, low-rate samples
    centre_reach: int  # low-rate samples
    centre_width: int
    refine_reach: int  # native samples


class Plan(NamedTuple):
    """Constants of one sampling rate."""

    fs: float
    q: int
    keep: int  # native samples that are kept
    window: int  # low-rate samples that are kept, and searched
    first: Detector
    second: Detector
    muscle_taps: F32
    upper: F32
    lower: F32
    step: int
    per_grid: float  # low-rate samples a grid step
    shape: ShapeLimits
    run: "RunLimits"
    irregular: F64  # weights, the bias last
    trust: "TrustLimits"
    wave: WaveLimits
    fibrillation_n: int  # native samples
    burst_peaks: float  # and the kurtosis of the slope likewise
    bursts: float  # the envelope's peak over its mean, above which there are beats and no waves
    settle: int
    ring: int
    memory: int
    forget_s: float
    rate_n: int
    silent_n: int
    learn_below_bpm: float
    after_n: int
    flat_mv: float
    dead_mv: float
    rail_mv: float
    dead_told_s: float
    least_rr: int
    quality: "Weights"


class RunLimits(NamedTuple):
    """`RunSettings`."""

    bias: float
    unlike: float
    least_unlike: float
    mutual: float
    faster: float
    wide_s: float
    slower: float
    odd: float
    rather_odd: float
    odd_wider_s: float


class TrustLimits(NamedTuple):
    """`TrustSettings`."""

    clear: float
    follow: float
    same: float
    weak: float
    weak_alike: float
    poor: float
    poor_alike: float
    poor_strength: float


class Weights(NamedTuple):
    """`QualitySettings` for one rate."""

    samples: int  # of the stretch
    block: int  # half a second
    flat_mv: float
    flat_share: float
    saturated_share: float
    gap_share: float
    usable: float
    agree: float  # native samples
    context: int  # low-rate samples in which the second detector works
    half: int  # of a beat, native samples
    near: int  # of a beat, low-rate samples
    before: int  # of a whole beat, native samples
    after: int
    bias: float
    weight: F64  # [MEASURES]


def rows(plan: Plan, patients: int) -> State:
    """Room for so many patients."""
    p, low = patients, 2 * plan.window
    f32, i64 = np.float32, np.int64
    return State(
        tally=np.zeros((p, COUNTS), i64),
        level=np.zeros((p, LEVELS)),
        part=np.zeros((p, SECONDS, PARTS), f32),
        x=np.zeros((p, 2 * plan.keep), f32),
        low=np.zeros((p, low if plan.q > 1 else 0), f32),
        envelope=np.zeros((p, low), f32),
        second=np.zeros((p, low), f32),
        peak=np.zeros((p, 2, plan.window // plan.first.limits.near + 2), i64),
        top=np.zeros((p, BEATS), i64),
        place=np.zeros((p, BEATS, 2), i64),
        at=np.zeros((p, BEATS), i64),
        middle=np.zeros((p, BEATS), i64),
        strength=np.zeros((p, BEATS), f32),
        size=np.zeros((p, BEATS, 2), f32),
        wide_s=np.zeros((p, BEATS), f32),
        wave=np.zeros((p, BEATS, POINTS), f32),
        form=np.zeros((p, BEATS, 2), f32),
        like=np.zeros((p, BEATS, WORDS), i64),
        usual=np.zeros((p, POINTS), f32),
        kind=np.zeros((p, BEATS, KINDS), f32),
    )
