"""The overview of a day, a row a minute: written by the monitor with the frames themselves, checked by its reader.

    frames --extremes--> minutes in memory --a minute after the last frame of it--> rows of `overviews`

A row sums up the frames that begin in its minute and says how many they are. A reader who counts more or fewer does not
believe it and looks at the frames: so a crash, a late frame or a lost row costs time, never a wrong picture.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, bindparam, func, select

from liteheart.clock import US_PER_S
from liteheart.errors import Conflict, Poison
from liteheart.history import NOTHING_HIGH, NOTHING_LOW, Microvolts
from liteheart.signal import Frame
from storage import bulk
from storage.archive.read import SignalReader, block_counts
from storage.envelope import extremes, merge, nothing, to_bytes
from storage.rows import Row
from storage.schema import frames, overviews

log = logging.getLogger(__name__)

MINUTE_S: Final = 60
MINUTE_US: Final = MINUTE_S * US_PER_S
_SETTLE_US: Final = MINUTE_US  # by the clock of arrival: what comes later than this makes the minute anew
_LOOK_US: Final = 10 * US_PER_S  # likewise
_MANY: Final = 1024  # frames that wait at most, about a kilobyte each
_ROWS: Final = 32  # to a transaction, so that a ward whose minutes end together holds no batch up
_ANEW: Final = 4  # of them from the stored frames, which takes some milliseconds each
Key = tuple[str, int]  # patient, minute since the epoch

COUNT = (
    select(frames.c.patient, func.count().label("n"))
    .where(
        frames.c.patient.in_(bindparam("whose", expanding=True)),
        frames.c.t0_us >= bindparam("since"),
        frames.c.t0_us < bindparam("until"),
    )
    .group_by(frames.c.patient)
)


class _Minute:
    """What is known of the frames that begin in one minute: plain lists, for they grow by a number or two at a time."""

    __slots__ = ("first", "frames", "high", "low", "touched_us")

    def __init__(self, minute: int) -> None:
        self.first = minute * MINUTE_S  # second since the epoch
        self.touched_us = 0  # arrival of the newest
        self.frames: set[int] = set()  # hashes of their keys: were two the same, the row is not believed
        self.low = [NOTHING_LOW] * (MINUTE_S + 1)  # of each second; the last frame ends in the minute after
        self.high = [NOTHING_HIGH] * (MINUTE_S + 1)

    def reach(self, second: int) -> None:
        """Make room for a second that a long frame reaches."""
        missing = second + 1 - len(self.low)
        self.low += [NOTHING_LOW] * missing
        self.high += [NOTHING_HIGH] * missing


class Minutes:
    """The minutes of all patients that are not rows yet. Holds only what was committed. Thread-safe."""

    def __init__(self, signal: SignalReader | None = None) -> None:
        self._signal = signal or SignalReader()
        self._lock = threading.Lock()
        self._waiting: list[Frame] = []  # many at once cost a fifth of what they cost one second at a time
        self._newest_us = 0  # arrival of the newest
        self._looked_us = 0  # that, when they were last looked at
        self._open: OrderedDict[Key, _Minute] = OrderedDict()  # the one touched longest ago first

    def add(self, committed: Sequence[Frame]) -> None:
        """Frames that are stored; what is here twice counts once."""
        with self._lock:
            self._waiting += committed
            self._newest_us = max(self._newest_us, max((f.arrival_us for f in committed), default=0))

    def write(self, connection: Connection, batch: Sequence[Frame]) -> list[Key]:
        """Now and then, rows of minutes that have settled; within the caller's transaction, before it adds `batch`.

        `forget` the minutes that it gives once the transaction is committed.
        """
        with self._lock:
            if len(self._waiting) < _MANY and self._newest_us - self._looked_us < _LOOK_US:
                return []
            taken = self._take()
            touched = {(f.patient, f.t0_us // MINUTE_US) for f in batch}
            # as many as come in, or a replay at full speed would fill the memory
            due = self._due(touched, limit=max(_ROWS, taken))
            rows = self._rows(connection, due) if due else []
        bulk.replace(connection, overviews, sorted(rows, key=_key))
        return [_key(row) for row in rows]

    def forget(self, written: Iterable[Key]) -> None:
        """They are rows now."""
        with self._lock:
            for key in written:
                self._open.pop(key, None)

    def _rows(self, connection: Connection, due: Sequence[Key]) -> list[Row]:
        stored, rows, anew = counts(connection, due), [], 0
        for key in due:
            minute = self._open[key]
            try:
                if stored.get(key, 0) == len(minute.frames):
                    low, high = np.array(minute.low, np.int32), np.array(minute.high, np.int32)
                    rows.append(_row(self._signal, key, len(minute.frames), low, high))
                elif anew < _ANEW:  # a monitor before this one had a part of it, or it came back to a minute long past
                    anew += 1
                    rows.append(summed_up(connection, self._signal, key))
            except (Poison, Conflict) as error:  # damaged, or erased meanwhile: nothing of it is written
                log.warning("no overview of a minute: %s", error, extra={"patient": key[0], "minute": key[1]})
                del self._open[key]
        return rows

    def _take(self) -> int:
        """Sort those that wait into their minutes; how many minutes these were."""
        frames, self._waiting, self._looked_us = self._waiting, [], self._newest_us
        which, second, lows, highs = extremes(frames, 0, US_PER_S)
        keys = [(f.patient, f.t0_us // MINUTE_US) for f in frames]
        minutes = [self._open.get(key) or self._open.setdefault(key, _Minute(key[1])) for key in keys]
        for frame, minute in zip(frames, minutes, strict=True):
            minute.frames.add(hash((frame.device, frame.boot, frame.sequence)))
            minute.touched_us = max(minute.touched_us, frame.arrival_us)
        for i, at, lowest, highest in zip(which.tolist(), second.tolist(), lows.tolist(), highs.tolist(), strict=True):
            minute = minutes[i]
            k, low, high = at - minute.first, minute.low, minute.high
            if k >= len(low):
                minute.reach(k)
            if lowest < low[k]:
                low[k] = lowest
            if highest > high[k]:
                high[k] = highest
        touched = dict.fromkeys(keys)
        for key in touched:
            self._open.move_to_end(key)
        return len(touched)

    def _due(self, touched: Collection[Key], limit: int) -> list[Key]:
        """Minutes that nothing was added to for a while, nor is now."""
        due: list[Key] = []
        for key, minute in self._open.items():
            if len(due) == limit or minute.touched_us > self._looked_us - _SETTLE_US:
                break
            if key not in touched:
                due.append(key)
        return due


def counts(connection: Connection, keys: Iterable[Key]) -> dict[Key, int]:
    """How many frames that begin in each of these minutes are stored; none is left out."""
    whose: dict[int, list[str]] = {}
    for patient, minute in keys:
        whose.setdefault(minute, []).append(patient)
    found: dict[Key, int] = {}
    for minute, patients in whose.items():
        span = {"since": minute * MINUTE_US, "until": (minute + 1) * MINUTE_US}
        for row in connection.execute(COUNT, {"whose": sorted(patients)} | span):
            found[row.patient, minute] = row.n
        for patient, n in block_counts(connection, sorted(patients), minute).items():
            found[patient, minute] = found.get((patient, minute), 0) + n
    return found


def summed_up(connection: Connection, signal: SignalReader, key: Key) -> Row:
    """The row of one minute, from its stored frames."""
    patient, minute = key
    found = signal.beginning(connection, patient, minute * MINUTE_US, (minute + 1) * MINUTE_US)
    stored = [frame for some in found for frame in some]
    _, second, lower, higher = extremes(stored, minute * MINUTE_US, US_PER_S)
    low, high = nothing(int(second.max(initial=-1)) + 1)
    merge(low, high, second, lower, higher)
    return _row(signal, key, len(stored), low, high)


def unsealed(signal: SignalReader, patient: str, row: Any) -> bytes:
    """The extremes of a row of `overviews`. Raises Poison when they were changed, Conflict without their key."""
    kept = bytes(row.extremes)
    if len(kept) % 8 == 0:  # two int32 a second; what seals them adds 28
        return kept
    return signal.opener().cipher(patient).open(_bound(patient, row.minute), kept)


def _row(signal: SignalReader, key: Key, count: int, low: Microvolts, high: Microvolts) -> Row:
    """Sealed where keys are: the patient has one since its first frame."""
    patient, minute = key
    told = to_bytes(low, high)
    if signal.keys is not None and signal.keys.sealing:
        told = signal.keys.reading(patient).seal(_bound(patient, minute), told)
    return {"patient": patient, "minute": minute, "frames": count, "extremes": told}


def _bound(patient: str, minute: int) -> bytes:
    return f"minute {patient} {minute}".encode()


def _key(row: dict[str, Any]) -> Key:
    return row["patient"], row["minute"]
