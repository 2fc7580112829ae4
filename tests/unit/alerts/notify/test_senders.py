"""Each way of telling someone, against a real server on loopback."""

import asyncio
import email
import hashlib
import hmac
from dataclasses import replace
from typing import Any

import pytest

from alerts.notify.anywhere import AppriseSender
from alerts.notify.mail import EmailSender
from alerts.notify.notice import as_sent
from alerts.notify.ports import Sender, Undelivered
from alerts.notify.settings import AppriseTarget, EmailTarget, WebhookTarget
from alerts.notify.webhook import WebhookSender
from liteheart.alarm import Priority
from liteheart.care import Delivery
from liteheart.errors import Misconfigured
from liteheart.ids import AlarmId

S = 1_000_000
T0 = 1_700_000_000 * S
SECRET = "correct horse battery staple"
NOTICE = {
    "event": "escalated",
    "label": "Asystole",
    "priority": "high",
    "kind": "physiological",
    "bed": "Bed 7",
    "owner": "Charge nurse",
    "link": "https://ward.example/#alarm=a1",
}
DELIVERY = Delivery("k" * 32, "pager", AlarmId("a1"), 1, Priority.HIGH, NOTICE, T0)


def send(sender: Sender, now_us: int = T0 + 2 * S) -> Any:
    return sender.send(DELIVERY, as_sent(DELIVERY, now_us, 10.0), now_us)


def webhook(url: str, timeout_s: float = 5.0) -> WebhookSender:
    return WebhookSender(WebhookTarget(name="pager", url=url, secret=SECRET), timeout_s)


def test_a_webhook_is_signed_and_carries_its_key(sinks: Any) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            await send(webhook(f"{sink.url}/hook"))
            (got,) = sink.got
        stamp = got.headers["X-LiteHeart-Timestamp"]
        wanted = hmac.new(SECRET.encode(), stamp.encode() + b"." + got.body, hashlib.sha256).hexdigest()
        assert got.headers["X-LiteHeart-Signature"] == f"sha256={wanted}"
        assert stamp == str((T0 + 2 * S) // S)
        assert got.headers["Idempotency-Key"] == DELIVERY.key == got.told["key"]
        assert got.told | {"key": 0, "late": 0, "late_s": 0} == NOTICE | {"key": 0, "late": 0, "late_s": 0}
        assert (got.told["late"], got.told["late_s"]) == (False, 2.0)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "hopeless"),
    [(500, False), (503, False), (429, False), (404, False), (401, False), (302, False), (400, True), (422, True)],
)
def test_a_webhook_that_does_not_say_yes_has_not_got_it(sinks: Any, status: int, hopeless: bool) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            sink.answers, sink.headers = [status], {"Retry-After": "17", "Location": f"{sink.url}/elsewhere"}
            with pytest.raises(Undelivered, match=f"answered {status}") as failed:
                await send(webhook(sink.url))
            assert len(sink.got) == 1, "a redirect is not followed"
        assert (failed.value.hopeless, failed.value.wait_s) == (hopeless, 17.0)

    asyncio.run(run())


def test_a_webhook_that_hangs_or_is_not_there_is_not_waited_for(sinks: Any) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            sink.delay_s = 5.0
            url = sink.url
            with pytest.raises(Undelivered, match=r"no answer within 0\.2 s"):
                await send(webhook(url, 0.2))
        with pytest.raises(Undelivered, match="cannot be reached") as failed:
            await send(webhook(url))
        assert SECRET not in str(failed.value)

    asyncio.run(run())


def mail(port: int, **changes: Any) -> EmailSender:
    values: dict[str, Any] = {"recipients": ("ines@ward.example", "paul@ward.example"), "tls": "none"} | changes
    target = EmailTarget(name="mail", host="127.0.0.1", port=port, sender="liteheart@ward.example", **values)
    return EmailSender(target, 5.0)


def test_an_email_says_what_matters_in_its_subject(sinks: Any) -> None:
    async def run() -> None:
        async with sinks.mail() as box:
            await send(mail(box.port, username="liteheart", secret="pass word"))
            await send(mail(box.port))
            (sender, recipients, content), again = box.letters
            assert len(box.logins) == 1
        assert (sender, recipients) == ("liteheart@ward.example", ["ines@ward.example", "paul@ward.example"])
        letter = email.message_from_string(content)
        assert letter["Subject"] == "*** HIGH: Asystole, Bed 7, escalated to Charge nurse"
        assert letter["Idempotency-Key"] == DELIVERY.key
        assert letter["Message-ID"] == f"<{DELIVERY.key}@ward.example>"
        assert email.message_from_string(again[2])["Message-ID"] == letter["Message-ID"]
        assert "https://ward.example/#alarm=a1" in letter.get_payload()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("verb", "answer", "hopeless"),
    [
        ("MAIL", "451 later", False),
        ("DATA", "554 no", False),
        ("RCPT", "550 nobody here", True),
        ("RCPT", "450 busy", False),
        ("EHLO", "421 going down", False),
    ],
)
def test_an_email_that_is_refused_has_not_been_delivered(sinks: Any, verb: str, answer: str, hopeless: bool) -> None:
    async def run() -> None:
        async with sinks.mail() as box:
            box.refuse = {verb: answer} | ({"HELO": answer} if verb == "EHLO" else {})
            with pytest.raises(Undelivered) as failed:
                await send(mail(box.port))
            assert box.letters == []
        assert failed.value.hopeless is hopeless

    asyncio.run(run())


def test_a_mail_server_without_tls_gets_neither_password_nor_letter(sinks: Any) -> None:
    async def run() -> None:
        async with sinks.mail() as box:
            with pytest.raises(Undelivered):
                await send(mail(box.port, tls="starttls", username="liteheart", secret="pass word"))
            assert (box.letters, box.logins) == ([], [])
        with pytest.raises(Undelivered, match="cannot be reached"):
            await send(mail(box.port))

    asyncio.run(run())


def test_apprise_hands_it_to_its_service(sinks: Any) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            url = sink.url.replace("http://", "json://")
            sender = AppriseSender(AppriseTarget(name="chat", secret=f"{url}/hook"), 5.0)
            await send(sender)
            (got,) = sink.got
            assert got.told["title"] == "*** HIGH: Asystole, Bed 7, escalated to Charge nurse"
            assert got.told["type"] == "failure"
            assert DELIVERY.key in got.told["message"]
            sink.answers = [503]
            with pytest.raises(Undelivered, match="not taken"):
                await send(sender)

    asyncio.run(run())


def test_apprise_that_does_not_know_the_url_says_so_at_birth() -> None:
    with pytest.raises(Misconfigured, match=r"^notify\.chat\.secret:"):
        AppriseSender(AppriseTarget(name="chat", secret="nonsense://x"), 5.0)


def test_what_is_late_says_so() -> None:
    assert as_sent(DELIVERY, T0 + 10 * S, 10.0)["late"] is False
    late = as_sent(DELIVERY, T0 + 61 * S, 10.0)
    assert (late["late"], late["late_s"]) == (True, 61.0)
    slow = replace(DELIVERY, notice=NOTICE | {"alarm_late": True})
    assert as_sent(slow, T0, 10.0)["late"] is True
