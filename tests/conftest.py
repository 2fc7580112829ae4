"""Real servers for the tests: started by the first test that asks, stopped at the end, each on its own port.

A server that is not installed skips the test on a laptop and fails it where CI=true.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from deploy.environment import calm_threads
from deploy.services.kafka import Kafka, start_kafka
from deploy.services.mosquitto import Mosquitto, start_mosquitto
from deploy.services.postgres import Postgres, start_postgres
from deploy.services.process import Service, ServiceMissing, find_program
from deploy.services.redis import Redis, start_redis
from deploy.services.s3 import S3, start_s3

ROOT = Path(__file__).parents[1]
S = TypeVar("S", bound=Service)
calm_threads()  # nothing above loads numpy or torch, which look once


def unavailable(reason: str) -> None:
    """Skip, or fail where nothing that can run may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (CI=true)")
    pytest.skip(reason)


def _serve(start: Callable[[Path], S], folder: Path) -> Iterator[S]:
    try:
        service = start(folder)
    except ServiceMissing as missing:
        unavailable(str(missing))
        raise
    try:
        yield service
    finally:
        service.stop()


@pytest.fixture(scope="session")
def services_folder() -> Iterator[Path]:
    """A folder that other accounts can pass through: as root, PostgreSQL runs under one."""
    folder = Path(tempfile.mkdtemp(prefix="liteheart-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka(services_folder: Path) -> Iterator[Kafka]:
    """A Kafka broker that tests share: name your topics and groups apart."""
    yield from _serve(start_kafka, services_folder / "kafka")


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka: Kafka) -> str:
    """`host:port` of the shared broker."""
    return kafka.bootstrap


@pytest.fixture(scope="session")
def postgres(services_folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL server that tests share: make your own schema or database, or clean up."""
    yield from _serve(start_postgres, services_folder / "postgres")


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    """SQLAlchemy URL of its superuser."""
    return postgres.url


@pytest.fixture(scope="session")
def redis(services_folder: Path) -> Iterator[Redis]:
    """A Redis server that tests share: name your keys apart, or flush."""
    yield from _serve(start_redis, services_folder / "redis")


@pytest.fixture(scope="session")
def redis_url(redis: Redis) -> str:
    """URL of the shared Redis."""
    return redis.url


@pytest.fixture(scope="session")
def mosquitto(services_folder: Path) -> Iterator[Mosquitto]:
    """An MQTT broker that tests share: say with `accounts.refresh` who may sign in, and name your bridge apart."""
    yield from _serve(start_mosquitto, services_folder / "mosquitto")


@pytest.fixture(scope="session")
def s3(services_folder: Path) -> Iterator[S3]:
    """An S3-compatible server that tests share: set its `environment`, and name your prefix apart."""
    yield from _serve(start_s3, services_folder / "s3")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The system's Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        try:
            return find_program(name)
        except ServiceMissing:
            continue
    unavailable("Chromium is not installed: run deploy/services/install.sh")
    raise AssertionError


@pytest.fixture(scope="session")
def ecg_folder() -> Path:
    """The real ECG packs. They are no part of the repository, so that their absence skips everywhere."""
    folder = Path(os.environ.get("LITEHEART_ECG", ROOT.parent / "shared" / "ecg"))
    if not folder.is_dir():
        pytest.skip(f"no real ECG at {folder}: set LITEHEART_ECG")
    return folder
