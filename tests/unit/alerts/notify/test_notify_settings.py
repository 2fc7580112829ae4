"""Targets are named when they are wrong, and their secrets do not show."""

from typing import Any

import pytest

from alerts.notify.settings import AppriseTarget, EmailTarget, NotifySettings, WebhookTarget
from liteheart.alarm import Kind, Priority
from liteheart.errors import Misconfigured

SECRET = "correct horse battery staple"
HOOK: dict[str, Any] = {"name": "pager", "url": "https://pager.example/hook", "secret": SECRET}
MAIL: dict[str, Any] = {
    "name": "mail",
    "host": "smtp.example",
    "sender": "a@b.example",
    "recipients": ("c@d.example",),
}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"name": "No Good"}, "notify.name"),
        ({"minimum": "urgent"}, "notify.pager.minimum"),
        ({"minimum": "info"}, "notify.pager.minimum"),
        ({"kinds": ()}, "notify.pager.kinds"),
        ({"kinds": ("other",)}, "notify.pager.kinds"),
        ({"steps": ()}, "notify.pager.steps"),
        ({"steps": (-1,)}, "notify.pager.steps"),
        ({"url": "ftp://x/"}, "notify.pager.url"),
        ({"url": "https://"}, "notify.pager.url"),
        ({"url": "http://pager.example/"}, "notify.pager.url"),
        ({"url": "https://me:pw@pager.example/"}, "notify.pager.url"),
        ({"secret": "short"}, "notify.pager.secret"),
    ],
)
def test_a_webhook_that_cannot_be(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(Misconfigured) as wrong:
        WebhookTarget(**HOOK | changes)
    assert wrong.value.key == key
    assert SECRET not in str(wrong.value)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"host": ""}, "notify.mail.host"),
        ({"port": 0}, "notify.mail.port"),
        ({"sender": "nobody"}, "notify.mail.sender"),
        ({"sender": "a@b\r\nBcc: x@y"}, "notify.mail.sender"),
        ({"recipients": ()}, "notify.mail.recipients"),
        ({"recipients": ("a@b", "c")}, "notify.mail.recipients"),
        ({"tls": "maybe"}, "notify.mail.tls"),
        ({"tls": "none"}, "notify.mail.tls"),
        ({"username": "me"}, "notify.mail.secret"),
        ({"secret": "pw"}, "notify.mail.secret"),
    ],
)
def test_a_mailbox_that_cannot_be(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(Misconfigured) as wrong:
        EmailTarget(**MAIL | changes)
    assert wrong.value.key == key


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"attempts": 0}, "notify.attempts"),
        ({"longest_s": 1.0}, "notify.longest_s"),
        ({"lease_s": 15.0}, "notify.lease_s"),
        ({"link": "ward.example"}, "notify.link"),
        ({"webhook": (WebhookTarget(**HOOK), WebhookTarget(**HOOK))}, "notify.name"),
    ],
)
def test_settings_that_cannot_be(values: dict[str, Any], key: str) -> None:
    with pytest.raises(Misconfigured) as wrong:
        NotifySettings(**values)
    assert wrong.value.key == key


def test_secrets_do_not_show() -> None:
    targets = (
        WebhookTarget(**HOOK),
        EmailTarget(**MAIL | {"username": "me", "secret": SECRET}),
        AppriseTarget(name="chat", secret=f"json://{SECRET}"),
    )
    assert SECRET not in repr(targets)


def test_an_apprise_target_is_a_url() -> None:
    with pytest.raises(Misconfigured, match=r"^notify\.chat\.secret:"):
        AppriseTarget(name="chat", secret="nonsense")


def test_what_a_target_wants() -> None:
    target = WebhookTarget(**HOOK | {"minimum": "medium", "kinds": ("technical",), "steps": (1, 2)})
    assert target.wants(Priority.HIGH, Kind.TECHNICAL, 1)
    assert not target.wants(Priority.LOW, Kind.TECHNICAL, 1)
    assert not target.wants(Priority.HIGH, Kind.PHYSIOLOGICAL, 1)
    assert not target.wants(Priority.HIGH, Kind.TECHNICAL, 0)
