"""Who was discharged, for a gateway that asks no device for a token: the embedded system without sign-in."""

import logging
from collections.abc import Callable, Collection
from typing import Final

from liteheart.clock import US_PER_S
from liteheart.errors import Retryable
from liteheart.ids import PatientId

log = logging.getLogger(__name__)

_KEPT_US: Final = US_PER_S  # storage is asked this often at most


class DepartedSoon:
    """`ingest.ports.Departed`, known a second late at most."""

    def __init__(self, discharged: Callable[[], Collection[PatientId]]) -> None:
        self._discharged = discharged
        self._known: Collection[PatientId] = ()
        self._asked_us: int | None = None

    def has_left(self, patient: PatientId, now_us: int) -> bool:
        """Whether nothing of the patient is to be taken any more; while storage does not answer, as it was known."""
        if self._asked_us is None or not 0 <= now_us - self._asked_us < _KEPT_US:
            self._asked_us = now_us
            try:
                self._known = self._discharged()
            except Retryable as unavailable:
                log.warning("who was discharged is taken as it was known: %s", unavailable)
        return patient in self._known
