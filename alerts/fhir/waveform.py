"""Stored frames as FHIR SampledData: one trace for each device and lead, gaps as "E", every sample as it was stored.

frames   |~~~~~~|~~~~~~|      |~~~~~~|
data     12 13 11 9 8 7 E E E E 3 4 5      value in mV = origin + factor x number
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts.fhir import codes, ids
from alerts.fhir.elements import TERMINOLOGY, UCUM, Json, coding, concept, number, period, present, reference
from alerts.fhir.version import Version
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame, Mask, Samples


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One lead of one device on a grid that begins at `t0_us`; where nothing was received `valid` is False."""

    device: DeviceId
    lead: str
    fs_hz: float
    gain: float  # ADC units per millivolt
    t0_us: int
    samples: Samples  # int16 [n]
    valid: Mask  # bool [n]
    lead_off: bool = False

    @property
    def t1_us(self) -> int:
        """Time just after the last sample."""
        return self.t0_us + round(len(self.samples) * US_PER_S / self.fs_hz)


def traces(frames: Iterable[Frame], t0_us: int, t1_us: int) -> list[Trace]:
    """The traces of [t0_us, t1_us), all on grids that begin at their first sample; where frames overlap, the earlier
    one wins."""
    groups: dict[tuple[DeviceId, str, float, float], list[tuple[int, Frame, npt.NDArray[np.int16]]]] = {}
    for frame in sorted(frames, key=lambda f: f.t0_us):
        begin, samples = _cut(frame, t0_us, t1_us)
        if len(samples):
            groups.setdefault((frame.device, frame.lead, frame.fs_hz, frame.gain), []).append((begin, frame, samples))
    if not groups:
        return []
    first_us = min(some[0][0] for some in groups.values())
    return [_laid(key, some, first_us) for key, some in groups.items()]


def sampled_data(trace: Trace, version: Version) -> Json:
    """SampledData of one trace. R4 says `period` where R5 says `interval` and its unit."""
    texts = list(map(str, trace.samples.tolist()))
    for gap in np.flatnonzero(~trace.valid).tolist():
        texts[gap] = "E"
    step_ms = number(1000.0 / trace.fs_hz)
    return {
        "origin": {"value": 0, "unit": "mV", "system": UCUM, "code": "mV"},
        **({"period": step_ms} if version is Version.R4 else {"interval": step_ms, "intervalUnit": "ms"}),
        "factor": number(1.0 / trace.gain),
        "dimensions": 1,
        "data": " ".join(texts),
    }


def observation(patient: PatientId, name: str, found: list[Trace], version: Version) -> Json:
    """The Observation `name` of at least one trace; a component for each of them."""
    devices = {trace.device for trace in found}
    return present(
        {
            "resourceType": "Observation",
            "id": name,
            "status": "final",
            "category": [concept(coding(f"{TERMINOLOGY}/observation-category", "procedure", "Procedure"))],
            "code": concept(codes.WAVEFORM, codes.WAVEFORM_LOINC, text="ECG waveform"),
            "subject": reference("Patient", ids.tag(patient)),
            "effectivePeriod": period(found[0].t0_us, max(trace.t1_us for trace in found)),
            "device": reference("Device", ids.tag(devices.pop())) if len(devices) == 1 else None,
            "note": [{"text": "lead off was reported within it"}] if any(t.lead_off for t in found) else None,
            "component": [{"code": codes.lead(t.lead), "valueSampledData": sampled_data(t, version)} for t in found],
        }
    )


def _cut(frame: Frame, t0_us: int, t1_us: int) -> tuple[int, Samples]:
    """The time of the first sample within [t0_us, t1_us), and the samples."""
    step_us = US_PER_S / frame.fs_hz
    first = max(0, int(np.ceil((t0_us - frame.t0_us) / step_us - 1e-6)))
    last = min(len(frame.samples), int(np.ceil((t1_us - frame.t0_us) / step_us - 1e-6)))
    return frame.t0_us + round(first * step_us), frame.samples[first:last]


def _laid(key: tuple[DeviceId, str, float, float], parts: list[tuple[int, Frame, Samples]], first_us: int) -> Trace:
    device, lead, fs_hz, gain = key
    starts = [round((begin - first_us) * fs_hz / US_PER_S) for begin, _, _ in parts]
    n = max(start + len(samples) for start, (_, _, samples) in zip(starts, parts, strict=True))
    data, valid = np.zeros(n, np.int16), np.zeros(n, np.bool_)
    for start, (_, _, samples) in reversed(list(zip(starts, parts, strict=True))):
        data[start : start + len(samples)], valid[start : start + len(samples)] = samples, True
    off = any(frame.lead_off for _, frame, _ in parts)
    return Trace(device, lead, fs_hz, gain, first_us, data, valid, off)
