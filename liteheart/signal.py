"""Signal values: frames as devices send them, windows as the student reads them. Units stand in the names."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId, PatientId

Samples = npt.NDArray[np.int16]
Millivolts = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A contiguous stretch of one lead from one device, as it travels and as it is stored.

    `t0_us` is the device's time of the first sample, `arrival_us` the gateway's time of receipt (0 before it).
    `gain` is ADC units per millivolt, zero at 0 mV. (device, boot, sequence) is the frame's identity.
    """

    patient: PatientId
    device: DeviceId
    boot: int  # 0 .. 2**63-1, new at every start of the device
    sequence: int  # 0 .. 2**63-1, counts up by one a frame within a boot
    t0_us: int
    fs_hz: float
    gain: float
    lead: str
    samples: Samples
    arrival_us: int = 0
    lead_off: bool = False
    battery_pct: int | None = None

    @property
    def key(self) -> tuple[str, int, int]:
        """(device, boot, sequence): equal keys are the same frame sent twice."""
        return (self.device, self.boot, self.sequence)

    @property
    def t1_us(self) -> int:
        """Time just after the last sample."""
        return self.t0_us + round(len(self.samples) * US_PER_S / self.fs_hz)

    def millivolts(self) -> Millivolts:
        """float32 [samples]."""
        return (self.samples / np.float32(self.gain)).astype(np.float32)

    def stamped(self, arrival_us: int) -> "Frame":
        """The same frame with the gateway's time of receipt."""
        return replace(self, arrival_us=arrival_us)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        mine, theirs = (tuple(getattr(f, name) for name in Frame.__slots__ if name != "samples") for f in (self, other))
        return mine == theirs and np.array_equal(self.samples, other.samples)

    __hash__ = None  # type: ignore[assignment]  # holds an array


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Samples that follow the previous chunk of the same patient, in event time, each sample exactly once.

    `gap_s` is what is missing before it: 0 when contiguous, infinite at the first or when lead, rate or device changed.
    """

    patient: PatientId
    device: DeviceId
    lead: str
    t0_us: int
    fs_hz: float
    mv: Millivolts  # float32 [n], n >= 1
    gap_s: float = 0.0
    lead_off: bool = False
    arrival_us: int = 0

    @property
    def t1_us(self) -> int:
        """Time just after the last sample."""
        return self.t0_us + round(len(self.mv) * US_PER_S / self.fs_hz)


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Samples of one lead of one device without a gap, as the archive gives them back: each sample exactly once."""

    patient: PatientId
    device: DeviceId
    lead: str
    t0_us: int
    fs_hz: float
    gain: float  # ADC units per millivolt, zero at 0 mV
    samples: Samples  # int16 [n], n >= 1

    @property
    def t1_us(self) -> int:
        """Time just after the last sample."""
        return self.t0_us + round(len(self.samples) * US_PER_S / self.fs_hz)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A fixed stretch of one patient's signal. Missing samples are a value: `valid` is False and `mv` is 0 there.

    time      t0_us                         t1_us
    mv        ~~~~~/\\~~~~~0000000~~~~/\\~~~~
    valid     TTTTTTTTTTTTFFFFFFFTTTTTTTTTT
    """

    patient: PatientId
    device: DeviceId
    lead: str
    t0_us: int
    fs_hz: float
    mv: Millivolts  # float32 [n]
    valid: Mask  # bool [n]
    lead_off: bool = False
    arrival_us: int = 0  # gateway time of the newest frame in it

    @property
    def t1_us(self) -> int:
        """Time just after the last sample."""
        return self.t0_us + round(len(self.mv) * US_PER_S / self.fs_hz)

    @property
    def valid_share(self) -> float:
        """Share of samples that were received, in [0, 1]."""
        return float(np.mean(self.valid)) if len(self.valid) else 0.0
