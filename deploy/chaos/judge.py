"""What should have come of the accepted frames, and what came: compared when all is quiet."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby

from alerts.watch import WATCHED
from deploy import wiring
from deploy.chaos.ward import Diary
from deploy.metrics import PrometheusMetrics
from deploy.monitor import Monitor
from deploy.settings import Settings
from inference.serve.engine import load_engine
from liteheart.alarm import Alarm, Priority
from liteheart.clock import US_PER_S, ManualClock
from liteheart.ids import PatientId
from liteheart.signal import Frame
from liteheart.wire import encode_frame
from storage.board import Board
from storage.memory import MemoryBoard, MemoryStore, Tables

_SAME_ONSET_US = 5 * US_PER_S  # two alarms of one condition and patient that begin this near are one
_BATCH_US = US_PER_S // 5  # of arrivals that the reference takes at once
_EVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Ledger:
    """What one store holds of the ward."""

    frames: list[Frame]
    windows: set[tuple[str, int]]
    alarms: list[Alarm]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Differences between what should be and what is. All but the totals should be zero."""

    frames: int  # accepted
    lost: int  # accepted and not stored bit for bit
    duplicated: int  # stored more than once, or never sent
    windows: int  # findings that there should be
    windows_lost: int
    windows_extra: int
    alarms: int  # lethal and other HIGH ones that there should be
    alarms_lost: int
    alarms_doubled: int
    alarms_changed: int  # the same onset with another end, count of episodes or presence

    @property
    def clean(self) -> bool:
        """Whether nothing differs."""
        totals = ("frames", "windows", "alarms")
        return not any(value for name, value in asdict(self).items() if name not in totals)


def read(board: Board | MemoryBoard, patients: Iterable[PatientId]) -> Ledger:
    """Everything a store holds of the patients."""
    ledger = Ledger([], set(), [])
    for patient in patients:
        ledger.frames.extend(board.strip(patient, 0, _EVER))
        ledger.windows.update((f.patient, f.t0_us) for f in board.findings(patient, 0, 1_000_000))
        ledger.alarms.extend(board.alarms(open_only=False, limit=1_000_000, patient=patient))
    return ledger


def reference(frames: Iterable[Frame], settings: Settings) -> Ledger:
    """The same frames, at the times of their arrival, through a monitor that nobody disturbs."""
    tables, engine = Tables(), load_engine(settings.inference)
    ordered = sorted(frames, key=lambda f: (f.arrival_us, f.patient, f.boot, f.sequence))
    clock = ManualClock(ordered[0].arrival_us)
    monitor = Monitor(
        ingest=settings.ingest,
        alarms=wiring.alarm_settings(settings, engine.thresholds),
        scorer=engine,
        store=MemoryStore(tables, outbox=False),
        feed=wiring.Nowhere(),
        clock=clock,
        metrics=PrometheusMetrics(),
    )
    for _, group in groupby(ordered, lambda f: f.arrival_us // _BATCH_US):
        batch = list(group)
        clock.advance((batch[-1].arrival_us - clock.now_us()) / US_PER_S)
        monitor.process([encode_frame(f) for f in batch])
        monitor.commit()
    clock.advance(10.0)  # whatever still waits for order does so no longer
    monitor.process([])
    monitor.commit()
    return read(MemoryBoard(tables), sorted({f.patient for f in ordered}))


def judge(diary: Diary, found: Ledger, expected: Ledger) -> Verdict:
    """Compare."""
    lost, duplicated = compare_frames(diary, found.frames)
    missing, extra, changed = compare_alarms(expected.alarms, found.alarms)
    return Verdict(
        frames=len(diary.accepted),
        lost=lost,
        duplicated=duplicated,
        windows=len(expected.windows),
        windows_lost=len(expected.windows - found.windows),
        windows_extra=len(found.windows - expected.windows),
        alarms=len(urgent(expected.alarms)),
        alarms_lost=missing,
        alarms_doubled=extra,
        alarms_changed=changed,
    )


def compare_frames(diary: Diary, stored: Sequence[Frame]) -> tuple[int, int]:
    """(lost, duplicated)."""
    by_key = {f.key: replace(f, arrival_us=0) for f in stored}
    lost = sum(by_key.get(key) != frame for key, frame in diary.accepted.items())
    places = {(f.patient, f.device, f.t0_us) for f in stored}
    return lost, len(stored) - len(places) + len(by_key.keys() - diary.offered)


def urgent(alarms: Iterable[Alarm]) -> list[Alarm]:
    """HIGH ones that follow from the signal; silence of the stream follows from the clock."""
    return [a for a in alarms if a.priority is Priority.HIGH and a.condition not in WATCHED]


def compare_alarms(expected: Iterable[Alarm], found: Iterable[Alarm]) -> tuple[int, int, int]:
    """(lost, doubled, changed) of the urgent ones."""
    left: defaultdict[tuple[str, str], list[Alarm]] = defaultdict(list)
    for alarm in urgent(found):
        left[alarm.patient, alarm.condition].append(alarm)
    lost = changed = 0
    for alarm in sorted(urgent(expected), key=lambda a: a.onset_us):
        there = left[alarm.patient, alarm.condition]
        near = min(there, key=_distance(alarm), default=None)
        if near is None or _distance(alarm)(near) > _SAME_ONSET_US:
            lost += 1
            continue
        there.remove(near)
        changed += _outcome(near) != _outcome(alarm)
    return lost, sum(map(len, left.values())), changed


def _distance(alarm: Alarm) -> Callable[[Alarm], int]:
    return lambda other: abs(other.onset_us - alarm.onset_us)


def _outcome(alarm: Alarm) -> tuple[object, ...]:
    return (alarm.onset_us, alarm.active, alarm.ended_us, alarm.episodes, alarm.presence, alarm.retrospective)


def differences(expected: Ledger, found: Ledger) -> list[str]:
    """Alarms that are not the same on both sides, for a person."""
    sides = ({_line(a) for a in urgent(expected.alarms)}, {_line(a) for a in urgent(found.alarms)})
    return [f"expected {line}" for line in sorted(sides[0] - sides[1])] + [
        f"   found {line}" for line in sorted(sides[1] - sides[0])
    ]


def _line(alarm: Alarm) -> str:
    return f"{alarm.patient} {alarm.condition} {' '.join(map(str, _outcome(alarm)))}"
