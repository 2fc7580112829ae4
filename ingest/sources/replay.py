"""A recording plays the device: exact instants, no drift, and what the file marks as missing stays missing."""

import math
import re
from collections.abc import Iterator

import numpy as np

from ingest.sources.channel import PREFERRED, plain
from ingest.sources.recording import Recording
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame, Mask
from liteheart.wire import MAX_SAMPLES


def frames_of(
    recording: Recording,
    lead: int,
    *,
    patient: PatientId,
    device: DeviceId,
    boot: int,
    t0_us: int,
    frame_s: float = 1.0,
) -> Iterator[Frame]:
    """Frames of one lead, in order, `frame_s` long but for the last and those cut by invalid samples.

    Sample i stands at t0_us + round(i * 1e6 / fs), so that no rounding adds up. Sequence numbers count from 0.
    Raises ValueError when `frame_s` holds no sample or more than the wire allows.
    """
    step = round(frame_s * recording.fs_hz)
    if not 1 <= step <= MAX_SAMPLES:
        raise ValueError(f"frame_s: {frame_s:g} s at {recording.fs_hz:g} Hz is {step} samples, not 1 to {MAX_SAMPLES}")
    samples, gain = recording.zero_based(lead)
    name = lead_on_wire(recording.leads[lead])
    for sequence, (a, b) in enumerate(runs(~recording.invalid[lead], step)):
        yield Frame(
            patient=patient,
            device=device,
            boot=boot,
            sequence=sequence,
            t0_us=t0_us + round(a * US_PER_S / recording.fs_hz),
            fs_hz=recording.fs_hz,
            gain=gain,
            lead=name,
            samples=samples[a:b],
        )


def runs(valid: Mask, step: int) -> Iterator[tuple[int, int]]:
    """Half-open stretches of valid samples, cut at every multiple of `step`."""
    for a in range(0, len(valid), step):
        part = valid[a : a + step]
        if part.all():
            yield a, a + len(part)
            continue
        edges = np.flatnonzero(np.diff(part.astype(np.int8), prepend=0, append=0))
        for on, off in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            yield a + on, a + off


def lead_on_wire(name: str) -> str:
    """A lead's name in the letters a frame may carry: "ECG I" is "I", "chest lead #2" is "chest-lead-2"."""
    if plain(name) in PREFERRED:
        return plain(name).upper()
    text = re.sub(r"[^A-Za-z0-9._:-]+", "-", name).strip("._:-")[:64]
    return text or "ECG"


def timeline(duration_s: float, speed: float, now_us: int) -> int:
    """t0_us for a recording of `duration_s` that begins to play now at `speed` (infinite: as fast as it goes).

    At life's speed it starts now. Faster, it starts in the past, so that its last sample is sent when it is due and no
    frame comes from the future: a back-fill that catches up with the present. Slower, it starts now and falls behind.
    Raises ValueError for a speed that is not positive.
    """
    if not speed > 0 or math.isnan(duration_s) or duration_s < 0:
        raise ValueError(f"speed: {speed:g} is not positive" if not speed > 0 else f"duration_s: {duration_s:g}")
    head_start_s = duration_s * max(0.0, 1.0 - 1.0 / speed)
    return now_us - round(head_start_s * US_PER_S)
