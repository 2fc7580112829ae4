"""An attempt in the hands of this process: what is told of it, the lease that goes on, and the two ways out."""

import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from liteheart.clock import US_PER_S, Clock
from liteheart.errors import LiteHeartError
from storage.refreshes import Refresh, Refreshes

log = logging.getLogger(__name__)


class Refused(Exception):
    """The attempt ends here; the message is for people."""


class Waiting(Exception):
    """The attempt goes on later; the message is for people."""


@dataclass(slots=True)
class Held:
    """The attempt as this process holds it. Progress is told at most once a second, and renews the lease."""

    refresh: Refresh
    refreshes: Refreshes
    clock: Clock
    lease_us: int
    told_us: int = 0

    def progress(self, share: float) -> None:
        """Raises Conflict when another process has gone on with it."""
        now_us = self.clock.now_us()
        if abs(now_us - self.told_us) >= US_PER_S:
            self.now(self.refresh.phase, share)

    def now(self, phase: str, share: float = 0.0, **detail: Any) -> None:
        """In this phase, so far."""
        self.told_us = self.clock.now_us()
        before = self._tenth
        self.refresh = self.refreshes.tell(self.refresh, phase, share, self.told_us, self.lease_us, **detail)
        if self._tenth != before:
            log.info("%s, %d %%", phase, 100 * self.refresh.share, extra={"refresh": self.refresh.refresh_id})

    @property
    def _tenth(self) -> tuple[str, int]:
        return self.refresh.phase, int(10 * self.refresh.share)

    @contextlib.contextmanager
    def renewing(self) -> Iterator[None]:
        """The lease goes on while a phase is silent. Whether it was lost shows with the next progress."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(self.lease_us / US_PER_S / 4):
                with contextlib.suppress(LiteHeartError):
                    self.refreshes.renew(self.refresh, self.clock.now_us(), self.lease_us)

        thread = threading.Thread(target=renew, name="lease of the refresh", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
