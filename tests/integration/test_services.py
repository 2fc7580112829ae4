"""The servers come up, survive a kill, keep what they must, and go when their parent goes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from deploy.services.kafka import Kafka
from deploy.services.mosquitto import Mosquitto
from deploy.services.postgres import Postgres
from deploy.services.process import Service, ServiceFailed, find_program, free_port, listens
from deploy.services.redis import Redis, start_redis
from ingest.publish import create_topics
from ingest.settings import KafkaSettings
from liteheart.topics import Topic

pytestmark = pytest.mark.service
ROOT = Path(__file__).parents[2]


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_kafka_keeps_acknowledged_records_through_a_kill(kafka: Kafka) -> None:
    topic = Topic("services.kill", 1, 1)
    assert create_topics(KafkaSettings(kafka.bootstrap), [topic]) == [topic.name]
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    for future in [producer.send(topic.name, b"%d" % i) for i in range(100)]:
        future.get(timeout=30)
    producer.close()
    port = kafka.port

    kafka.kill()
    assert not listens(port)
    kafka.start()

    assert kafka.port == port
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap, consumer_timeout_ms=10_000)
    place = TopicPartition(topic.name, 0)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    values = [next(consumer).value for _ in range(100)]
    consumer.close()
    assert values == [b"%d" % i for i in range(100)]


def test_postgres_keeps_committed_rows_through_a_kill(postgres: Postgres) -> None:
    url = postgres.url.replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        assert connection.execute("show fsync").fetchone() == ("on",)
        connection.execute("create table services_kill as select 7 as seven")
    postgres.kill()
    postgres.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("select seven from services_kill").fetchone() == (7,)
        connection.execute("drop table services_kill")


def test_postgres_wants_its_password(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url.replace("+psycopg", "").replace(postgres.password, "guess"))


def test_redis_starts_again_on_its_port(redis: Redis) -> None:
    port = redis.port
    redis.stop()
    assert not redis.alive
    redis.start()
    assert redis.port == port
    assert listens(port)


def test_a_port_in_use_is_refused(tmp_path: Path, redis: Redis) -> None:
    with pytest.raises(ServiceFailed, match=f"redis: port {redis.port} is in use"):
        start_redis(tmp_path / "second", port=redis.port)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    service = Service(
        "echo", ["sh", "-c", "echo no disk left; exit 3"], folder=tmp_path, port=free_port(), ready=lambda: False
    )
    with pytest.raises(ServiceFailed, match="echo ended while starting: no disk left"):
        service.start()


def test_a_server_ends_with_its_parent(tmp_path: Path, redis: Redis) -> None:
    assert redis.alive  # else Redis is missing, and the fixture has skipped
    find_program("setpriv")
    script = (
        "import pathlib, sys, time\nfrom deploy.services.redis import start_redis\n"
        "print(start_redis(pathlib.Path(sys.argv[1])).port, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert listens(port)
        parent.kill()
    assert wait_until(lambda: not listens(port))


def test_all_services_print_their_settings_and_stop_on_interrupt(
    kafka: Kafka, postgres: Postgres, redis: Redis, mosquitto: Mosquitto
) -> None:
    assert kafka.alive  # the fixtures have skipped when one is missing
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.services"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as services:
        assert services.stdout is not None
        lines = dict(services.stdout.readline().strip().split("=", 1) for _ in range(8))
        services.send_signal(signal.SIGINT)
        assert services.wait(60) == 0
    servers = ["LITEHEART_BROKER", "LITEHEART_DATABASE", "LITEHEART_REDIS", "LITEHEART_MQTT_URL"]
    assert list(lines) == [*servers, *list(mosquitto.environment)[1:]]
    assert lines["LITEHEART_BROKER"].startswith("kafka://127.0.0.1:")
    assert lines["LITEHEART_DATABASE"].startswith("postgresql+psycopg://liteheart:")
    for url in (lines[name] for name in servers):
        assert not listens(int(url.rsplit(":", 1)[1].split("/")[0]))


def test_the_installer_has_nothing_to_do_when_all_is_there(kafka: Kafka, postgres: Postgres, redis: Redis) -> None:
    assert kafka.alive
    assert postgres.alive
    assert redis.alive
    before = time.monotonic()
    done = subprocess.run([ROOT / "deploy/services/install.sh"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - before < 2.0


def test_the_installer_fails_with_one_line_when_it_may_not_install(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "id"):
        (tmp_path / name).symlink_to(find_program(name))
    (tmp_path / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "apt-get").chmod(0o755)
    command = [str(tmp_path / "bash"), str(ROOT / "deploy/services/install.sh")]
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    reason = "apt-get update failed" if os.geteuid() == 0 else "run as root, or install first: "
    assert done.returncode == 1
    assert done.stderr.startswith(f"install.sh: {reason}")
    assert done.stderr.count("\n") == 1
