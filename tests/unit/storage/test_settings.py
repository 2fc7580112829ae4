"""Settings are wrong at birth or never, and the error names the key."""

import pytest

from liteheart.errors import Misconfigured
from storage.log import LogSettings
from storage.settings import StorageSettings


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("sqlite:///ward.db", "sqlite"),
        ("postgresql://u@h/d", "postgresql+psycopg"),
        ("postgres://u@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg"),
    ],
)
def test_urls_get_their_driver(given, driver):
    assert StorageSettings(given).url.drivername == driver


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"database_url": "ward.db"}, "database_url"),
        ({"database_url": "mysql://h/d"}, "database_url"),
        ({"database_url": "sqlite://"}, "database_url"),
        ({"database_url": "sqlite:///:memory:"}, "database_url"),
        ({"redis_url": "http://h"}, "redis_url"),
        ({"ring_s": 0}, "ring_s"),
        ({"pool_size": -1}, "pool_size"),
        ({"busy_timeout_s": float("nan")}, "busy_timeout_s"),
    ],
)
def test_what_is_wrong_is_named(changes, key):
    with pytest.raises(Misconfigured) as refused:
        StorageSettings(**{"database_url": "sqlite:///ward.db"} | changes)
    assert refused.value.key == key


def test_a_password_is_not_told_in_an_error():
    with pytest.raises(Misconfigured) as refused:
        StorageSettings("mysql://user:secret@h/d")
    assert "secret" not in str(refused.value)


def test_the_log_wants_positive_sizes():
    with pytest.raises(Misconfigured, match="segment_bytes"):
        LogSettings(segment_bytes=0)
