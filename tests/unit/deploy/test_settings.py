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
