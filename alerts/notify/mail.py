"""An e-mail through one SMTP server. Its Message-ID follows from the delivery's key, so that a repetition is known."""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from typing import Any

from alerts.notify import notice as words
from alerts.notify.ports import Undelivered
from alerts.notify.settings import EmailTarget
from liteheart.care import Delivery


class EmailSender:
    """To the recipients of one target."""

    def __init__(self, target: EmailTarget, timeout_s: float) -> None:
        self._target, self._timeout_s = target, timeout_s

    async def send(self, delivery: Delivery, notice: dict[str, Any], now_us: int) -> None:
        """Hand it to the server for every recipient, or to none of them counts as delivered."""
        try:
            await asyncio.to_thread(self._send, self._message(delivery, notice))
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            raise Undelivered(f"recipients refused: {codes}", hopeless=min(codes) >= 550) from error
        except smtplib.SMTPResponseException as error:
            raise Undelivered(f"{type(error).__name__}: {error.smtp_code}") from error
        except (smtplib.SMTPException, OSError) as error:  # TLS and timeouts are OSErrors
            raise Undelivered(f"cannot be reached: {type(error).__name__}") from error

    def _message(self, delivery: Delivery, notice: dict[str, Any]) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"] = self._target.sender, ", ".join(self._target.recipients)
        message["Subject"] = words.subject(notice)
        message["Message-ID"] = f"<{delivery.key}@{self._target.sender.rpartition('@')[2]}>"
        message["Idempotency-Key"] = delivery.key
        message["Auto-Submitted"] = "auto-generated"
        if notice["priority"] == "high":
            message["X-Priority"], message["Importance"] = "1", "high"
        message.set_content(words.text(delivery, notice))
        return message

    def _send(self, message: EmailMessage) -> None:
        target = self._target
        context = None
        if target.tls != "none":
            context = ssl.create_default_context(cafile=None if target.ca_file is None else str(target.ca_file))
        with self._connected(context) as server:
            if target.tls == "starttls":
                server.starttls(context=context)
            if target.username:
                server.login(target.username, target.secret)
            refused = server.send_message(message)
        if refused:  # some have it: the rest is told again, and those who have it know it by its id
            raise Undelivered(f"{len(refused)} of {len(target.recipients)} recipients refused")

    def _connected(self, context: ssl.SSLContext | None) -> smtplib.SMTP:
        target = self._target
        if target.tls == "tls":
            return smtplib.SMTP_SSL(target.host, target.port, timeout=self._timeout_s, context=context)
        return smtplib.SMTP(target.host, target.port, timeout=self._timeout_s)
