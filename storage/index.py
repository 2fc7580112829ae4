"""What the embedded log knows of its files: which record of which partition lies where."""

import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from liteheart.errors import Misconfigured
from storage import segment as files
from storage.segment import Partition, Piece, Segment

Place = tuple[Partition, int, int, int]  # partition, offset, position in the active segment, timestamp_us
Plan = list[tuple[Segment, int, Sequence[int]]]  # segment, first offset, positions


class LogIndex:
    """Only records that are on disk are in it. Thread-safe; `wait` wakes at every `note`."""

    def __init__(self, folder: Path) -> None:
        self._changed = threading.Condition()
        self._segments: list[Segment] = []
        self._pieces: dict[Partition, list[Piece]] = {}
        self._ends: dict[Partition, int] = {}
        paths = sorted(folder.glob("*.log"))
        for path in paths:
            try:
                segment, ends = files.load(path, last=path == paths[-1])
            except ValueError as error:
                raise Misconfigured("data_dir", str(error)) from None
            for partition, end in [*ends.items(), *files.ends_of(segment).items()]:
                self._ends[partition] = max(end, self._ends.get(partition, 0))
            self._segments.append(segment)
            for partition, piece in segment.pieces.items():
                self._pieces.setdefault(partition, []).append(piece)
        if not paths:
            self._segments.append(files.begin(folder, 0, {}))

    @property
    def active(self) -> Segment:
        """The segment that is written to."""
        return self._segments[-1]

    @property
    def closed(self) -> list[Segment]:
        """The segments that are written to no more."""
        with self._changed:
            return self._segments[:-1]

    def ends(self) -> dict[Partition, int]:
        """The next offset of every partition that ever had a record."""
        with self._changed:
            return dict(self._ends)

    def end(self, partition: Partition) -> int:
        """The next offset of a partition."""
        with self._changed:
            return self._ends.get(partition, 0)

    def start(self, partition: Partition) -> int:
        """The oldest offset that is kept, or the end."""
        with self._changed:
            pieces = self._pieces.get(partition)
            return pieces[0].first if pieces else self._ends.get(partition, 0)

    def note(self, places: Sequence[Place], size: int) -> None:
        """Records that are on disk now, in the active segment, which has grown to `size`."""
        with self._changed:
            for partition, offset, position, timestamp_us in places:
                fresh = self.active.add(partition, offset, position, timestamp_us)
                if fresh is not None:
                    self._pieces.setdefault(partition, []).append(fresh)
                self._ends[partition] = offset + 1
            self.active.size = size
            self._changed.notify_all()

    def begin(self, segment: Segment) -> None:
        """Go on in another segment."""
        with self._changed:
            self._segments.append(segment)

    def plan(self, partition: Partition, offset: int, count: int) -> Plan:
        """Where up to `count` records from `offset` on lie, or from the oldest there is."""
        plan: Plan = []
        with self._changed:
            pieces = self._pieces.get(partition, [])
            for piece in pieces[max(0, bisect_right(pieces, offset, key=lambda p: p.first) - 1) :]:
                skip = max(0, offset - piece.first)
                positions = piece.positions[skip : skip + count]
                if positions:
                    plan.append((piece.segment, piece.first + skip, positions))
                    count -= len(positions)
                if count <= 0:
                    break
        return plan

    def holds(self, plan: Plan) -> bool:
        """Whether no segment of a plan was dropped since."""
        with self._changed:
            return all(segment in self._segments for segment, _, _ in plan)

    def wait(self, partition: Partition, offset: int, timeout_s: float) -> bool:
        """Sleep until there is a record at `offset`; False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ends.get(partition, 0) > offset, timeout_s)

    def drop(self, surplus: Callable[[Segment, int], bool]) -> int:
        """Drop segments from the oldest on while `surplus(segment, bytes of all)`; never the active one."""
        dropped = 0
        with self._changed:
            while len(self._segments) > 1:
                oldest = self._segments[0]
                if not surplus(oldest, sum(segment.size for segment in self._segments)):
                    break
                oldest.path.unlink(missing_ok=True)
                del self._segments[0]
                for partition in oldest.pieces:
                    del self._pieces[partition][0]
                dropped += 1
        return dropped


def needed(segment: Segment, floors: Mapping[Partition, int]) -> bool:
    """Whether some group has not done with the segment; a partition without a floor needs nothing."""
    return any(piece.end > floors.get(partition, piece.end) for partition, piece in segment.pieces.items())
