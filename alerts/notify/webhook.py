"""A signed POST. The receiver checks HMAC-SHA256 over "TIMESTAMP.BODY" and remembers the Idempotency-Key."""

import hashlib
import hmac
import json
from typing import Any, Final

import aiohttp

from alerts.notify.ports import Undelivered
from alerts.notify.settings import WebhookTarget
from liteheart.care import Delivery
from liteheart.clock import US_PER_S

_HOPELESS: Final = frozenset({400, 410, 413, 415, 422})  # it does not want this body, now or later
_WAIT_MAX_S: Final = 3600.0


class WebhookSender:
    """To one URL. Redirects are not followed: the signed body goes where it was meant to go or nowhere."""

    def __init__(self, target: WebhookTarget, timeout_s: float) -> None:
        self._target = target
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def send(self, delivery: Delivery, notice: dict[str, Any], now_us: int) -> None:
        """POST it; any 2xx is a delivery."""
        body = json.dumps(notice, separators=(",", ":")).encode()
        seconds = str(now_us // US_PER_S)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": delivery.key,
            "X-LiteHeart-Timestamp": seconds,
            "X-LiteHeart-Signature": f"sha256={signature(self._target.secret, seconds, body)}",
        }
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.post(self._target.url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                status, after = answer.status, answer.headers.get("Retry-After", "")
        except TimeoutError:
            raise Undelivered(f"no answer within {self._timeout.total:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Undelivered(f"cannot be reached: {type(error).__name__}") from error
        if not 200 <= status < 300:
            wait_s = min(float(after), _WAIT_MAX_S) if after.isdecimal() else 0.0
            raise Undelivered(f"answered {status}", hopeless=status in _HOPELESS, wait_s=wait_s)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Hex HMAC-SHA256 of "TIMESTAMP.BODY": neither can be changed, and an old one can be told."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
