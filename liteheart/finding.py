"""What inference says about the signal: once a second about rhythm, once a window about diseases."""

from dataclasses import dataclass, field

from liteheart.ids import DeviceId, ModelVersion, PatientId


@dataclass(frozen=True, slots=True)
class Quality:
    """Signal quality of a stretch: `sqi` in [0, 1]; `usable` when a reader may trust what it says of the rhythm."""

    sqi: float
    usable: bool
    reasons: tuple[str, ...] = ()  # of: flat, saturated, lead_off, gap, noise, no_beats


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the beat path knows of one patient at second `t_us`; the input of the lethal-rhythm rules.

    Nothing here is older than the ring (30 s). `None` and empty mean "not known", never "normal".
    """

    patient: PatientId
    device: DeviceId
    t_us: int
    quality: Quality  # of the last 5 s
    heart_rate_bpm: float | None  # from the last 10 s
    rr_s: tuple[float, ...]  # latest RR intervals, oldest first, at most 24
    since_beat_s: float | None  # seconds since the last R peak; None when no signal could show one
    signal_s: float  # contiguous seconds of received signal that end at t_us
    fibrillation_s: float  # seconds of fibrillation or flutter waves that end at t_us, 0 when none
    ventricular_run: int  # consecutive wide ventricular beats that end at the last beat
    ventricular_rate_bpm: float | None  # rate of that run
    flat_s: float  # seconds of flat line (below 50 uV peak to peak) that end at t_us
    lead_off: bool
    arrival_us: int  # gateway time of the newest frame behind this
    dead_s: float = 0.0  # seconds of a line without any signal that end at t_us: constant, or at a rail
    irregularity: float | None = None  # log odds that the last RR intervals are those of atrial fibrillation
    ectopic_per_min: float | None = None  # ventricular beats a minute, over the beats that are remembered


@dataclass(frozen=True, slots=True)
class Finding:
    """The student's reading of one window. `scores` are calibrated probabilities by condition code."""

    patient: PatientId
    device: DeviceId
    lead: str
    t0_us: int
    t1_us: int
    model: ModelVersion
    quality: Quality
    abstained: bool
    heart_rate_bpm: float | None
    scores: dict[str, float] = field(default_factory=dict)  # empty when abstained
    codes: tuple[str, ...] = ()  # conditions at or above their threshold, most likely first
    arrival_us: int = 0
