"""The embedded log forgets erased patients: what it keeps for a late reader is overwritten, once an erasure."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from storage.log import DiskLog
from storage.segment import write_durably

log = logging.getLogger(__name__)


class Scrubber:
    """Remembers in the log's folder which erasures it has followed. One call at a time."""

    def __init__(self, disk: DiskLog, folder: Path) -> None:
        """`folder` is the log's."""
        self._disk, self._path = disk, folder / "scrubbed.json"
        self._done: dict[str, int] = {}
        if self._path.exists():
            try:
                self._done = {str(name): int(at) for name, at in json.loads(self._path.read_text()).items()}
            except (ValueError, AttributeError, TypeError):
                log.warning("%s is damaged: all erasures are followed once more", self._path)

    def follow(self, erased: Mapping[str, int]) -> int:
        """Scrub those whose erasure was not followed yet; how many records. Raises OSError when the disk refuses."""
        due = {name: at for name, at in erased.items() if self._done.get(name) != at}
        if not due:
            return 0
        count = self._disk.scrub({name.encode(): at for name, at in due.items()})
        self._done = {name: at for name, at in erased.items() if name in due or name in self._done}
        write_durably(self._path, json.dumps(self._done).encode())
        log.info("erased patients scrubbed from the log", extra={"patients": len(due), "records": count})
        return count
