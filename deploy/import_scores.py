"""What the monitor says of an imported recording, as it would of signal that a device kept for a long time.

What is imported is nobody at a bedside: its alarms are retrospective, do not latch and end with the recording.
"""

import functools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from deploy import wiring
from deploy.importing import Place, Plan, settings_of
from deploy.metrics import PrometheusMetrics
from deploy.monitor import Monitor
from inference.serve.engine import Engine, load_engine
from ingest.settings import IngestSettings
from ingest.sources.survey import Survey, frames_of_file
from liteheart.alarm import AlarmEvent
from liteheart.clock import US_PER_S, ManualClock
from liteheart.errors import LiteHeartError
from liteheart.finding import Finding
from liteheart.ids import PatientId
from liteheart.signal import Frame, Window
from liteheart.wire import encode_frame
from storage.monitor_store import Batch, MonitorStore, Restored

_SCORED: Final = 12  # frames given to the monitor together: two minutes
_FINDINGS: Final = 1_000  # committed together
_LATE_US: Final = 86_400 * US_PER_S  # signal comes at least a day after it was recorded, so no alarm of it is live
_ANY_AGE_S: Final = 1e10  # three centuries


@functools.cache
def _engine(config: Path | None) -> Engine:
    return load_engine(settings_of(config).inference)


class _Heard:
    """Keeps the findings and the retrospective alarm events that the monitor commits, and nothing else."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.alarms: list[AlarmEvent] = []

    def commit(self, batch: Batch) -> None:
        """Take note."""
        self.findings += batch.findings
        self.alarms += [e for e in batch.alarms if e.alarm.retrospective]

    def restore(self, patients: Iterable[PatientId], *, claim: bool) -> dict[PatientId, Restored]:
        """Nobody has a past here."""
        return {patient: Restored([], None) for patient in patients}


class _Whole:
    """A recording that is too short for a window on the patient's grid to lie in it, as most of 12 leads are."""

    def __init__(self, known: Survey, at: Place, ingest: IngestSettings, arrival_us: int) -> None:
        self.window: Window | None = None
        if ingest.window_s <= known.seconds < ingest.window_s + ingest.hop_s:
            n = round(ingest.window_s * known.fs_hz)
            mv, valid = np.zeros(n, np.float32), np.zeros(n, np.bool_)
            what = (at.patient, at.device, known.lead, at.t0_us, known.fs_hz)
            self.window = Window(*what, mv, valid, arrival_us=arrival_us)

    def take(self, frame: Frame) -> None:
        """Write down its samples, as far as the window goes."""
        if (window := self.window) is not None:
            first = round((frame.t0_us - window.t0_us) * frame.fs_hz / US_PER_S)
            samples = frame.samples[: max(0, len(window.mv) - first)]
            window.mv[first : first + len(samples)] = samples / np.float32(frame.gain)
            window.valid[first : first + len(samples)] = True


def score(known: Survey, at: Place, plan: Plan, now_us: int) -> tuple[list[Finding], list[AlarmEvent]] | str:
    """What the monitor itself says of a recording that comes long after it was made, or why it cannot. Any process."""
    settings, engine, heard = settings_of(plan.config), _engine(plan.config), _Heard()
    arrival_us = max(now_us, at.t0_us + round(known.seconds * US_PER_S) + _LATE_US)
    clock = ManualClock(arrival_us)
    monitor = Monitor(
        ingest=replace(settings.ingest, max_behind_s=_ANY_AGE_S),
        alarms=wiring.alarm_settings(settings, engine.thresholds),
        scorer=engine,
        store=heard,
        feed=wiring.Nowhere(),
        clock=clock,
        metrics=PrometheusMetrics(),
    )
    waiting, whole = list[bytes](), _Whole(known, at, settings.ingest, arrival_us)

    def work() -> None:
        monitor.process(waiting)
        monitor.commit()
        waiting.clear()

    try:
        for frame in frames_of_file(known, at.patient, at.device, at.t0_us, arrival_us):
            whole.take(frame)
            waiting.append(encode_frame(frame))
            if len(waiting) == _SCORED:
                work()
        work()
        clock.advance(settings.ingest.reorder_s + 1)
        work()
    except LiteHeartError as error:
        return f"{known.path}: {error}"
    end_us = at.t0_us + round(known.seconds * US_PER_S)
    if whole.window is not None and all(f.abstained for f in heard.findings):
        heard.findings = engine.score([whole.window])
    return heard.findings, settled(heard.alarms, end_us, now_us)


def settled(events: Iterable[AlarmEvent], end_us: int, now_us: int) -> list[AlarmEvent]:
    """Events of alarms that do not latch and are over by the end of the recording: nobody is asked to look at them."""
    told = [replace(e, at_us=now_us, alarm=replace(e.alarm, latching=False, raised_us=now_us)) for e in events]
    last = {e.alarm.alarm_id: e for e in told}
    left = [
        replace(e, action="ended", t_us=end_us, alarm=replace(e.alarm, active=False, ended_us=end_us))
        for e in last.values()
        if e.alarm.active
    ]
    return [*told, *left]


def store_scores(monitor: MonitorStore, findings: list[Finding], alarms: list[AlarmEvent]) -> None:
    """As the live path would, in transactions of a bounded size. Raises Retryable."""
    for a in range(0, len(findings), _FINDINGS):
        monitor.commit(Batch(findings=findings[a : a + _FINDINGS]))
    for a in range(0, len(alarms), _FINDINGS):
        monitor.commit(Batch(alarms=alarms[a : a + _FINDINGS]))
