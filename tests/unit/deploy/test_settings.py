"""Settings come from defaults, a file, the environment, in that order, and a wrong key is named."""

from pathlib import Path

import pytest

from deploy.settings import load
from liteheart.errors import Misconfigured


def test_defaults_need_nothing() -> None:
    settings = load(environ={})
    assert settings.embedded
    assert settings.http.host == "127.0.0.1"
    assert settings.storage.database_url.startswith("sqlite:///")


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "liteheart.toml"
    file.write_text('data_dir = "/somewhere"\n[ingest]\nreorder_s = 4\nhop_s = 2.5\n[http]\nport = 9000\n')
    settings = load(file, environ={"LITEHEART_INGEST_REORDER_S": "3", "PATH": "/bin"})
    assert settings.ingest.reorder_s == 3.0
    assert settings.ingest.hop_s == 2.5
    assert settings.http.port == 9000
    assert settings.data_dir == Path("/somewhere")
    assert settings.storage.database_url == "sqlite:////somewhere/liteheart.db"


def test_short_names_and_overrides() -> None:
    environ = {
        "LITEHEART_BROKER": "kafka://a:1,b:2",
        "LITEHEART_DATABASE": "postgresql://u@h/d",
        "LITEHEART_REDIS": "redis://h",
    }
    settings = load(environ=environ, http__port=1234, http__host=None)
    assert settings.kafka_client.bootstrap == "a:1,b:2"
    assert settings.storage.redis_url == "redis://h"
    assert (settings.http.port, settings.http.host) == (1234, "127.0.0.1")
    assert settings.storage.outbox


@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        ("LITEHEART_INGEST_REORDER_SECONDS", "3", "ingest.reorder_seconds"),
        ("LITEHEART_INGEST_REORDER_S", "soon", "ingest.reorder_s"),
        ("LITEHEART_HTTP_PORT", "99999", "http.port"),
        ("LITEHEART_BROKER", "rabbit://x", "broker"),
        ("LITEHEART_BROKER", "kafka://x:1", "storage.database_url"),
        ("LITEHEART_WORKER_BATCH_ITEMS", "0", "worker.batch_items"),
        ("LITEHEART_NONSENSE", "1", "nonsense"),
    ],
)
def test_a_wrong_setting_is_named(variable: str, value: str, key: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(environ={variable: value})
    assert caught.value.key == key


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(tmp_path / "absent.toml", environ={})
    (tmp_path / "bad.toml").write_text("= nothing")
    with pytest.raises(Misconfigured, match="not TOML"):
        load(tmp_path / "bad.toml", environ={})


HOOK = '[{"name": "pager", "url": "https://pager.example/x", "minimum": "medium", "steps": [0, 2]}]'
SECRET = "correct horse battery staple"


def test_targets_come_from_a_file_and_their_secrets_do_not(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("pass word\n")
    file = tmp_path / "liteheart.toml"
    file.write_text(
        '[escalation]\nowners = ["Nurse", "Doctor"]\nafter_s = [45]\n'
        '[notify]\nlink = "https://ward.example"\nattempts = 7\n'
        '[[notify.webhook]]\nname = "night-pager"\nurl = "https://pager.example/x"\nsteps = [0, 1]\n'
        '[[notify.email]]\nname = "mail"\nhost = "smtp.example"\nusername = "me"\n'
        f'secret_file = "{tmp_path}/password"\n'
        'sender = "a@b.example"\nrecipients = ["c@d.example", "e@f.example"]\n'
    )
    settings = load(file, environ={"LITEHEART_SECRET_NIGHT_PAGER": SECRET})
    (hook,), (mail,) = settings.notify.webhook, settings.notify.email
    assert (hook.name, hook.secret, hook.steps, hook.minimum) == ("night-pager", SECRET, (0, 1), "high")
    assert (mail.secret, mail.recipients, mail.port) == ("pass word", ("c@d.example", "e@f.example"), 587)
    assert (settings.notify.attempts, settings.notify.link) == (7, "https://ward.example")
    assert (settings.escalation.owners, settings.escalation.after_s) == (("Nurse", "Doctor"), (45.0,))


def test_targets_come_from_variables_too() -> None:
    environ = {
        "LITEHEART_NOTIFY_WEBHOOK": HOOK,
        "LITEHEART_NOTIFY_EMAIL": "",
        "LITEHEART_SECRET_PAGER": SECRET,
        "LITEHEART_ESCALATION_AFTER_S": "30,90",
    }
    settings = load(environ=environ)
    (hook,) = settings.notify.webhook
    assert (hook.minimum, hook.steps, hook.secret) == ("medium", (0, 2), SECRET)
    assert settings.notify.email == ()
    assert settings.escalation.after_s == (30.0, 90.0)


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({"LITEHEART_NOTIFY_WEBHOOK": HOOK}, "notify.pager.secret"),
        ({"LITEHEART_NOTIFY_WEBHOOK": "nonsense"}, "notify.webhook"),
        ({"LITEHEART_NOTIFY_WEBHOOK": '{"name": "x"}'}, "notify.webhook"),
        ({"LITEHEART_NOTIFY_WEBHOOK": '[{"name": "x", "secret": "inline"}]'}, "notify.x.secret"),
        ({"LITEHEART_NOTIFY_WEBHOOK": '[{"name": "x"}]', "LITEHEART_SECRET_X": SECRET}, "notify.webhook.url"),
        ({"LITEHEART_NOTIFY_WEBHOOK": '[{"name": "x", "secret_file": "/nowhere/at/all"}]'}, "notify.x.secret_file"),
        ({"LITEHEART_NOTIFY_EMAIL": '[{"name": "x", "colour": 1}]'}, "notify.email.colour"),
        ({"LITEHEART_NOTIFY_ATTEMPTS": "none"}, "notify.attempts"),
        ({"LITEHEART_ESCALATION_AFTER_S": "soon,later"}, "escalation.after_s"),
        ({"LITEHEART_DASHBOARD_PAUSE_S": "600"}, "pause_s"),
        ({"LITEHEART_WORKER_HEARTBEAT_S": "9"}, "worker.heartbeat_s"),
    ],
)
def test_a_wrong_target_is_named(variables: dict[str, str], key: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(environ=variables)
    assert caught.value.key == key
    assert "inline" not in str(caught.value)
