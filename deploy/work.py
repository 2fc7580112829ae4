"""What one batch of frames has produced, as it grows, and what becomes of it: a transaction and its live messages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy.ports import DeadLetter
from liteheart.alarm import AlarmEvent
from liteheart.board import LiveMessage, PatientState, alarm_message
from liteheart.finding import Finding
from liteheart.ids import PatientId
from liteheart.signal import Chunk, Frame, Window
from liteheart.wire import encode_frame
from storage.monitor_store import Batch

if TYPE_CHECKING:
    from deploy.patients import Patient


@dataclass(slots=True)
class Work:
    """What one batch has produced so far."""

    frames: list[Frame] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    events: list[AlarmEvent] = field(default_factory=list)
    touched: dict[PatientId, None] = field(default_factory=dict)  # ordered
    failed: dict[PatientId, "Patient"] = field(default_factory=dict)  # analysis broke off
    dead: list[DeadLetter] = field(default_factory=list)

    def batch(self, members: Mapping[PatientId, "Patient"]) -> Batch:
        """All of it, and the state of `members`, for one transaction."""
        return Batch(
            frames=self.frames,
            findings=self.findings,
            states=states_of(members),
            alarms=self.events,
            checkpoints={p: m.checkpoint() for p, m in members.items()},
            epochs={p: m.epoch for p, m in members.items()},
        )


def states_of(members: Mapping[PatientId, "Patient"]) -> list[PatientState]:
    """What the ward sees of each of whom anything is known."""
    return [m.state for m in members.values() if m.state is not None]


def live_messages(
    frames: Sequence[Frame], states: Sequence[PatientState], events: Sequence[AlarmEvent]
) -> list[LiveMessage]:
    """Alarms first: on a slow link they must not queue behind strips."""
    return [
        *map(alarm_message, events),
        *(LiveMessage("state", s.patient, json.dumps(s.to_json()).encode()) for s in states),
        *(LiveMessage("frame", f.patient, encode_frame(f)) for f in frames),
    ]
