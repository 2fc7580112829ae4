"""What the ward sees of one patient, folded from what the monitor comes to know."""

from dataclasses import replace

from liteheart.board import PatientState
from liteheart.finding import Finding, Quality
from liteheart.signal import Frame


def with_frame(state: PatientState | None, frame: Frame) -> PatientState:
    """After a frame came; the first one makes the state."""
    base = state or PatientState(frame.patient, frame.device, frame.lead, frame.fs_hz, 0, 0)
    return replace(
        base,
        device=frame.device,
        lead=frame.lead,
        fs_hz=frame.fs_hz,
        last_arrival_us=max(base.last_arrival_us, frame.arrival_us),
        last_sample_us=max(base.last_sample_us, frame.t1_us),
        battery_pct=frame.battery_pct,
        lead_off=frame.lead_off,
    )


def with_second(
    state: PatientState | None, heart_rate_bpm: float | None, quality: Quality, lead_off: bool
) -> PatientState | None:
    """After a second was judged."""
    return state and replace(
        state, heart_rate_bpm=heart_rate_bpm, sqi=quality.sqi, usable=quality.usable, lead_off=lead_off
    )


def with_finding(state: PatientState | None, finding: Finding) -> PatientState | None:
    """After a window was read."""
    return state and replace(state, codes=finding.codes, model=finding.model)
