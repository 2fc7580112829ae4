"""`liteheart alarms`: the alarm events that the live path would raise on a recording."""

import argparse
import functools
from pathlib import Path

from deploy import wiring
from deploy.metrics import PrometheusMetrics
from deploy.monitor import Monitor
from deploy.offline import Line, add_record_arguments, print_lines
from deploy.settings import Settings, load
from inference.serve.engine import Engine, load_engine
from ingest.sources.recording import Recording
from ingest.sources.replay import frames_of
from liteheart.alarm import AlarmEvent
from liteheart.clock import ManualClock
from liteheart.ids import DeviceId, PatientId
from liteheart.wire import encode_frame
from storage.memory import MemoryStore
from storage.monitor_store import Batch, Committed

_EPOCH_US = 1_700_000_000_000_000  # any whole second; results are relative to it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """REC..., --lead, --model."""
    add_record_arguments(parser)
    parser.add_argument("--model", type=Path, metavar="DIR", help="another student than the shipped one")


def run(args: argparse.Namespace) -> int:
    """Print one JSON line an alarm event."""
    return print_lines(args, alarms)


class _Listening(MemoryStore):
    """Keeps what is committed, and the alarm events in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[AlarmEvent] = []

    def commit(self, batch: Batch) -> Committed:
        """Store the batch, note its events."""
        self.events += batch.alarms
        return super().commit(batch)


@functools.cache
def _parts(model: Path | None) -> tuple[Settings, Engine]:
    return load(), load_engine(model_dir=model)


def alarms(recording: Recording, lead: int, args: argparse.Namespace) -> list[Line]:
    """Lines of one recording, played second by second through the monitor itself."""
    settings, engine = _parts(args.model)
    clock, store = ManualClock(_EPOCH_US), _Listening()
    monitor = Monitor(
        ingest=settings.ingest,
        alarms=settings.alarms,
        scorer=engine,
        store=store,
        feed=wiring.Nowhere(),
        clock=clock,
        metrics=PrometheusMetrics(),
    )
    patient, device = PatientId("recording"), DeviceId("file")
    for frame in frames_of(recording, lead, patient=patient, device=device, boot=1, t0_us=_EPOCH_US):
        clock.advance(max(0, frame.t1_us - clock.now_us()) / 1e6)  # it arrives when its last sample is taken
        monitor.process([encode_frame(frame.stamped(clock.now_us()))])
        monitor.commit()
    return [
        {
            "record": recording.name,
            "t_s": round((event.t_us - _EPOCH_US) / 1e6, 3),
            "condition": event.alarm.condition,
            "priority": event.alarm.priority.name.lower(),
            "kind": event.alarm.kind.value,
            "state": event.alarm.presence.value,
            "action": event.action,
            "onset_s": round((event.alarm.onset_us - _EPOCH_US) / 1e6, 3),
            "message": event.alarm.message,
        }
        for event in store.events
    ]
