"""Who was discharged, for a gateway that asks no device for a token: the embedded system without sign-in."""

import logging
from collections.abc import Collection
from typing import Final, Protocol

from liteheart.clock import US_PER_S
from liteheart.errors import Retryable
from liteheart.ids import PatientId

log = logging.getLogger(__name__)

_KEPT_US: Final = US_PER_S  # storage is asked this often at most, unless someone left in this process


class Leavers(Protocol):
    """Keeps who has left."""

    departed: int  # counts on with every discharge in this process

    def discharged(self) -> Collection[PatientId]:
        """Everybody who has left."""
        ...


class DepartedSoon:
    """`ingest.ports.Departed`: a discharge in this process at once, one by another process a second late at most.

    A frame that was let in before is stored after: storage tells of nobody who has left, so it raises no tile.
    """

    def __init__(self, leavers: Leavers) -> None:
        self._leavers = leavers
        self._known: Collection[PatientId] = ()
        self._asked: tuple[int, int] | None = None  # (when, how many had left)

    def has_left(self, patient: PatientId, now_us: int) -> bool:
        """Whether nothing of the patient is to be taken any more; while storage does not answer, as it was known."""
        departed = self._leavers.departed  # read first: who leaves while storage answers is asked for again
        if self._asked is None or departed != self._asked[1] or not 0 <= now_us - self._asked[0] < _KEPT_US:
            self._asked = (now_us, departed)
            try:
                self._known = self._leavers.discharged()
            except Retryable as unavailable:
                log.warning("who was discharged is taken as it was known: %s", unavailable)
        return patient in self._known
