"""Topic names and their partitions, written once. The key of every record is the patient."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: its name, its partitions (fixed for life, for a key must stay in its partition) and retention."""

    name: str
    partitions: int
    retention_h: int


FRAMES: Final = Topic("ecg.frames", partitions=32, retention_h=7 * 24)
FINDINGS: Final = Topic("ecg.findings", partitions=32, retention_h=7 * 24)
ALARMS: Final = Topic("ecg.alarms", partitions=8, retention_h=30 * 24)
DEAD_LETTERS: Final = Topic("ecg.dead-letters", partitions=1, retention_h=30 * 24)
ALL: Final = (FRAMES, FINDINGS, ALARMS, DEAD_LETTERS)
