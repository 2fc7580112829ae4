"""What the monitor needs of others, and what it hands out beside its batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from liteheart.board import LiveMessage
from liteheart.finding import Finding
from liteheart.ids import PatientId
from liteheart.signal import Window
from storage.monitor_store import Batch, Restored


class Scorer(Protocol):
    """The student."""

    def score(self, windows: Sequence[Window]) -> list[Finding]:
        """One finding a window, in order."""
        ...


class Store(Protocol):
    """Where a batch becomes durable, all or nothing, any number of times."""

    def commit(self, batch: Batch) -> object:
        """Store it. Raises Retryable when the database does not answer, Superseded when a patient was claimed since."""
        ...

    def restore(self, patients: Sequence[PatientId], *, claim: bool) -> Mapping[PatientId, Restored]:
        """The last frames and the checkpoint of each; with `claim`, nobody else can commit for them from now on."""
        ...


class Feed(Protocol):
    """Where live messages go; never blocks, never fails the caller."""

    def publish(self, messages: Sequence[LiveMessage]) -> None:
        """Send them."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that can never be processed, with the reason."""

    value: bytes
    field: str
    reason: str
