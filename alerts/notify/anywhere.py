"""Whatever Apprise speaks to: it knows more than a hundred services, each by a URL."""

import asyncio
import logging
import warnings
from typing import Any

from alerts.notify import notice as words
from alerts.notify.ports import Undelivered
from alerts.notify.settings import AppriseTarget
from liteheart.care import Delivery
from liteheart.errors import Misconfigured


class AppriseSender:
    """To one Apprise URL. It answers yes or no and carries no header of ours: the key stands in the text."""

    def __init__(self, target: AppriseTarget, timeout_s: float) -> None:
        """Raises Misconfigured for a URL that Apprise does not know."""
        with warnings.catch_warnings():  # its plugins warn of modules that a later Python will miss
            warnings.simplefilter("ignore", DeprecationWarning)
            import apprise  # slow to import, and nobody else needs it

            self._service = apprise.Apprise()
            if not self._service.add(target.secret):
                raise Misconfigured(f"notify.{target.name}.secret", "is no URL that Apprise knows")
        self._target, self._timeout_s = target, timeout_s
        self._kinds = {"high": apprise.NotifyType.FAILURE, "medium": apprise.NotifyType.WARNING}
        self._other = apprise.NotifyType.INFO
        self._capture = apprise.LogCapture

    async def send(self, delivery: Delivery, notice: dict[str, Any], now_us: int) -> None:
        """Hand it to the service."""
        try:
            async with asyncio.timeout(2 * self._timeout_s):
                taken, why = await asyncio.to_thread(self._send, delivery, notice)
        except TimeoutError:
            raise Undelivered(f"no answer within {2 * self._timeout_s:g} s") from None
        if not taken:
            raise Undelivered(f"not taken: {why or 'no reason given'}")

    def _send(self, delivery: Delivery, notice: dict[str, Any]) -> tuple[bool, str]:
        kind = self._kinds.get(notice["priority"], self._other)
        with self._capture(level=logging.WARNING) as said:  # type: ignore[no-untyped-call]  # Apprise has no types here
            taken = self._service.notify(
                body=words.text(delivery, notice), title=words.subject(notice), notify_type=kind
            )
            why = said.getvalue().strip().rpartition("\n")[2][:200]
        return bool(taken), why
