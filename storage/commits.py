"""Where each consumer group of the embedded log goes on: one small file, replaced as a whole."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path

from liteheart.errors import Misconfigured
from storage.segment import Partition, write_durably


class Commits:
    """The offsets of all groups. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._groups: dict[str, dict[Partition, int]] = {}
        if not path.exists():
            return
        try:
            told = json.loads(path.read_bytes())
            self._groups = {group: {(t, n): offset for t, n, offset in rows} for group, rows in told.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise Misconfigured("data_dir", f"{path} is damaged: {error}") from None

    def commit(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """Remember where the group goes on; on disk on return. Raises OSError, and then nothing is changed."""
        with self._lock:
            self._store(self._groups | {group: self._groups.get(group, {}) | dict(offsets)})

    def committed(self, group: str) -> dict[Partition, int]:
        """Where the group goes on, for the partitions it ever committed."""
        with self._lock:
            return dict(self._groups.get(group, {}))

    def forget(self, group: str) -> None:
        """A group that will not come back, so that nothing is kept for it any more."""
        with self._lock:
            self._store({name: offsets for name, offsets in self._groups.items() if name != group})

    def floor(self, partition: Partition, *, guarded: bool) -> int | None:
        """Below this every group is done. When none ever committed anything of the topic: 0 if guarded, else None."""
        topic = partition[0]
        with self._lock:
            concerned = [g for g in self._groups.values() if any(t == topic for t, _ in g)]
        return min((g.get(partition, 0) for g in concerned), default=0 if guarded else None)

    def _store(self, groups: dict[str, dict[Partition, int]]) -> None:
        told = {g: [[t, n, at] for (t, n), at in sorted(rows.items())] for g, rows in groups.items()}
        write_durably(self._path, json.dumps(told).encode())
        self._groups = groups
