"""The whole path as in production: one process a role, real Kafka, PostgreSQL and Redis, recordings as wearables."""

import itertools
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy
from kafka import KafkaConsumer, KafkaProducer
from websockets.sync.client import connect

from deploy.services.kafka import Kafka
from deploy.services.process import free_port
from deploy.settings import load
from deploy.wiring import Storage, open_storage
from ingest.sources.recording import read_recording
from ingest.sources.simulate import Episode, simulate
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame
from liteheart.wire import decode_frame, encode_frame

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]


@dataclass
class Production:
    """The running roles, and a nurse who is signed in."""

    environ: dict[str, str]
    folder: Path
    gateway: str = ""
    dashboard: str = ""
    password: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    roles: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def command(self, *arguments: str, **extra: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "deploy", *arguments],
            env=self.environ | extra,
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def start(self, role: str) -> str:
        port = free_port()
        with (self.folder / f"{role}.log").open("ab") as log:
            self.roles[role] = subprocess.Popen(
                [sys.executable, "-m", "deploy", role, "--port", str(port)],
                env=self.environ,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{url}/readyz"), 60, f"{role} is not ready: {self.log(role)}")
        return url

    def log(self, role: str) -> str:
        return (self.folder / f"{role}.log").read_text()[-3000:]

    def stop(self) -> dict[str, int]:
        for process in self.roles.values():
            process.send_signal(signal.SIGTERM)
        return {role: process.wait(30) for role, process in self.roles.items()}


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False


def wait_for(condition: Any, seconds: float, why: str) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.25)
    pytest.fail(why)


@pytest.fixture(scope="module")
def production(
    kafka: Kafka, postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Production]:
    name = f"whole_{secrets.token_hex(4)}"
    admin = sqlalchemy.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    database = sqlalchemy.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    folder = tmp_path_factory.mktemp("production")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("LITEHEART_")}
    environ |= {
        "LITEHEART_BROKER": f"kafka://{kafka.bootstrap}",
        "LITEHEART_DATABASE": database,
        "LITEHEART_REDIS": redis_url,
        "LITEHEART_DATA": str(folder / "data"),
    }
    running = Production(environ, folder)
    try:
        yield from _prepared(running)
    finally:
        running.stop()


def _prepared(running: Production) -> Iterator[Production]:
    running.command("migrate")
    running.command("topics")
    running.command("people", "add", "ada", "--role", "nurse", LITEHEART_PASSWORD=running.password)
    running.gateway, running.dashboard = running.start("gateway"), running.start("dashboard")
    running.start("monitor")
    yield running
    assert running.stop() == {"gateway": 0, "dashboard": 0, "monitor": 0}, running.log("monitor")


@pytest.fixture(scope="module")
def storage(production: Production) -> Iterator[Storage]:
    opened = open_storage(load(environ=production.environ))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def nurse(production: Production) -> "Nurse":
    return Nurse(production)


class Nurse:
    """Uses the dashboard's API as the page does."""

    def __init__(self, production: Production) -> None:
        self._base, self._jar = production.dashboard, CookieJar()
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar)).open
        self.ask("/api/v1/session", {"username": "ada", "password": production.password})

    @property
    def cookie(self) -> str:
        return "; ".join(f"{c.name}={c.value}" for c in self._jar)

    def ask(self, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json", "Origin": self._base}
        data = None if body is None else json.dumps(body).encode()
        with self._open(urllib.request.Request(self._base + path, data, headers), timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def alarm(self, patient: str, condition: str) -> Any:
        items = self.ask(f"/api/v1/alarms?state=all&patient={patient}")["items"]
        return next((a for a in items if a["condition"] == condition), None)


def device(production: Production, patient: str) -> str:
    return production.command("devices", "add", f"replay-{patient}", patient, "--bed", f"bed-{patient}").strip()


def play(production: Production, record: Path, patient: str, token: str, *options: str) -> dict[str, Any]:
    """`liteheart replay` of one record; its device is named after the record."""
    out = production.command(
        "replay", str(record), "--url", production.gateway, "--patient", patient, *options, LITEHEART_TOKEN=token
    )
    return dict(json.loads(out))


def stored(storage: Storage, patient: str) -> np.ndarray:
    frames = storage.board.strip(PatientId(patient), 0, 1 << 62)
    assert all(a.t1_us <= b.t0_us + 1 for a, b in itertools.pairwise(frames))
    return np.concatenate([f.samples for f in frames]) if frames else np.zeros(0, np.int16)


def token_for(production: Production, record: str, patient: str) -> str:
    return production.command("devices", "add", f"replay-{record}", patient, "--bed", f"bed-{patient}").strip()


@pytest.mark.ecg
def test_a_whole_record_is_stored_bit_for_bit_with_every_window(
    production: Production, storage: Storage, nurse: Nurse, ecg_folder: Path
) -> None:
    """MIT-BIH 207, half an hour as a back-fill: what is stored is what was sent, alarms of the past do not sound."""
    record = ecg_folder / "wfdb_samples" / "207"
    token = token_for(production, "207", "backfill-207")
    report = play(production, record, "backfill-207", token, "--speed", "inf")
    recording = read_recording(record)
    sent, _ = recording.zero_based(recording.lead_index())
    assert report["sent"] == round(recording.duration_s)
    assert report["refused"] == 0
    wait_for(lambda: len(stored(storage, "backfill-207")) == len(sent), 120, production.log("monitor"))
    assert np.array_equal(stored(storage, "backfill-207"), sent)

    def findings() -> list[int]:
        return sorted(f.t0_us for f in storage.board.findings(PatientId("backfill-207"), 0, 10_000))

    frames = storage.board.strip(PatientId("backfill-207"), 0, 1 << 62)
    t0_us, t1_us, sample_us = frames[0].t0_us, frames[-1].t1_us, round(1e6 / recording.fs_hz)
    wait_for(lambda: findings()[-1:] > [t1_us - 15_000_000], 120, production.log("monitor"))
    starts = findings()  # each window of the grid that holds a first sample and is over before the record is
    assert -10_000_000 - sample_us <= starts[0] - t0_us <= -5_000_000 + sample_us
    assert -15_000_000 - sample_us <= starts[-1] - t1_us <= -10_000_000 + sample_us
    assert np.all(np.diff(starts) == 5_000_000)
    flutter = wait_for(lambda: nurse.alarm("backfill-207", "VF"), 30, "no VF alarm")
    assert flutter["retrospective"]


@pytest.mark.ecg
def test_live_rhythms_reach_the_nurse(production: Production, storage: Storage, nurse: Nurse, ecg_folder: Path) -> None:
    """Ventricular flutter (MIT-BIH 207), atrial fibrillation (203) and a simulated asystole, at life's own speed."""
    samples = ecg_folder / "wfdb_samples"
    tokens = {p: token_for(production, p, f"live-{p}") for p in ("207", "203")}
    with ThreadPoolExecutor(3) as pool:
        jobs = [
            pool.submit(
                play, production, samples / "207", "live-207", tokens["207"], "--from", "15", "--seconds", "50"
            ),
            pool.submit(play, production, samples / "203", "live-203", tokens["203"], "--seconds", "50"),
            pool.submit(send_asystole, production),
        ]
        reports = [job.result() for job in jobs]
    assert reports[0]["sent"] == reports[1]["sent"] == 50
    flutter = wait_for(lambda: nurse.alarm("live-207", "VF"), 20, production.log("monitor"))
    assert (flutter["priority"], flutter["kind"], flutter["retrospective"]) == ("high", "physiological", False)
    fibrillation = wait_for(lambda: nurse.alarm("live-203", "AFIB"), 20, production.log("monitor"))
    assert fibrillation["priority"] == "medium"
    standstill = wait_for(lambda: nurse.alarm("live-asystole", "ASYSTOLE"), 20, production.log("monitor"))
    assert (standstill["priority"], standstill["retrospective"]) == ("high", False)
    assert (standstill["raised_us"] - standstill["onset_us"]) / 1e6 <= 10
    for record, patient, start in (("207", "live-207", 15), ("203", "live-203", 0)):
        recording = read_recording(samples / record)
        sent, _ = recording.zero_based(recording.lead_index())
        a = round(start * recording.fs_hz)
        assert np.array_equal(stored(storage, patient), sent[a : a + round(50 * recording.fs_hz)])


def send_asystole(production: Production) -> dict[str, Any]:
    """A simulated heart that stops after 25 s for 8 s, sent frame by frame at life's own speed."""
    token = production.command("devices", "add", "sim-1", "live-asystole").strip()
    episodes = [Episode("sinus", 25, 72), Episode("asystole", 8), Episode("sinus", 12, 72)]
    made = simulate(episodes, fs_hz=250.0, seed=3)
    start_us = time.time_ns() // 1000
    for i in range(len(made.adc) // 250):
        part = made.adc[i * 250 : (i + 1) * 250]
        frame = Frame(PatientId("live-asystole"), "sim-1", 1, i, start_us + i * 1_000_000, 250.0, made.gain, "I", part)
        time.sleep(max(0.0, (frame.t1_us - time.time_ns() // 1000) / 1e6))
        post(production, encode_frame(frame), token)
    return {"sent": len(made.adc) // 250}


def post(production: Production, body: bytes, token: str | None) -> tuple[int, Any]:
    headers = {"Content-Type": "application/octet-stream"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(f"{production.gateway}/api/v1/frames", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_acknowledging_is_kept(production: Production, nurse: Nurse) -> None:
    token = production.command("devices", "add", "sim-ack", "ack-patient").strip()
    made = simulate([Episode("sinus", 12, 70), Episode("asystole", 9)], fs_hz=250.0, seed=5)
    start_us = time.time_ns() // 1000 - 21_000_000
    parts = [made.adc[i * 250 : (i + 1) * 250] for i in range(21)]
    body = b"".join(
        encode_frame(
            Frame(PatientId("ack-patient"), "sim-ack", 1, i, start_us + i * 1_000_000, 250.0, made.gain, "I", p)
        )
        for i, p in enumerate(parts)
    )
    assert post(production, body, token)[0] == 200
    alarm = wait_for(lambda: nurse.alarm("ack-patient", "ASYSTOLE"), 20, production.log("monitor"))
    nurse.ask(f"/api/v1/alarms/{alarm['alarm_id']}/acknowledge", {"reason": "true-actioned"})
    after = nurse.ask(f"/api/v1/alarms/{alarm['alarm_id']}")
    assert (after["presence"], after["acknowledged_by"], after["reason"]) == ("ack", "ada", "true-actioned")


def test_closed_to_strangers(production: Production) -> None:
    for path in ("/api/v1/patients", "/api/v1/alarms", "/api/v1/conditions"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(production.dashboard + path, timeout=5)
        assert refused.value.code == 401
        refused.value.close()
    frame = Frame(
        PatientId("live-203"), "replay-203", 9, 0, time.time_ns() // 1000, 250.0, 200.0, "I", np.zeros(250, np.int16)
    )
    assert post(production, encode_frame(frame), None)[0] == 401
    assert post(production, encode_frame(frame), "lh_guess")[0] == 401
    foreign = production.command("devices", "add", "other", "somebody-else").strip()
    assert post(production, encode_frame(frame), foreign)[0] == 403


def test_what_cannot_be_right_is_set_aside_with_its_reason(
    production: Production, storage: Storage, kafka: Kafka
) -> None:
    """Refused at the door or, when someone writes past the gateway, by the worker, which lives on."""
    token = production.command("devices", "add", "bad-1", "bad-patient").strip()
    now_us = time.time_ns() // 1000
    good = Frame(PatientId("bad-patient"), DeviceId("bad-1"), 1, 0, now_us, 250.0, 200.0, "I", np.zeros(250, np.int16))
    refused = {
        "fs_hz": encode_frame(replace(good, fs_hz=7.0)),
        "gain": encode_frame(replace(good, gain=float("nan"))),
        "t0_us": encode_frame(replace(good, t0_us=now_us + 3_600_000_000)),
        "version": b"LH\x09" + encode_frame(good)[3:],
        "crc": encode_frame(good)[:-1] + b"\x00",
    }
    for name, body in refused.items():
        status, answer = post(production, body, token)
        assert (400 <= status < 500, answer["error"]["field"]) == (True, name)
    assert post(production, b"x" * (1 << 21), token)[0] == 413
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    producer.send("ecg.frames", key=b"bad-patient", value=b"past the gateway").get(10)
    producer.close()
    assert post(production, encode_frame(good), token)[0] == 200
    wait_for(lambda: len(stored(storage, "bad-patient")) == 250, 30, production.log("monitor"))
    seen = dead_letters(kafka.bootstrap)
    assert {field for field, source in seen if source.startswith("http")} >= set(refused)
    assert any(field in ("body", "magic") and source == "monitor" for field, source in seen)


def dead_letters(bootstrap: str) -> list[tuple[str, str]]:
    consumer = KafkaConsumer("ecg.dead-letters", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    found: list[tuple[str, str]] = []
    try:
        end = time.monotonic() + 15
        while time.monotonic() < end:
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    headers = {name: value.decode() for name, value in record.headers}
                    found.append((headers["field"], headers["source"]))
            if any(source == "monitor" for _, source in found):
                break
    finally:
        consumer.close()
    return found


def test_strips_reach_the_screen_through_redis(production: Production, nurse: Nurse) -> None:
    token = production.command("devices", "add", "strip-1", "strip-patient", "--bed", "S-01").strip()
    url = production.dashboard.replace("http", "ws") + "/api/v1/live"
    headers = {"Cookie": nurse.cookie}
    with connect(url, additional_headers=headers, origin=production.dashboard) as screen:
        now_us = time.time_ns() // 1000
        samples = np.arange(250, dtype=np.int16)
        frame = Frame(PatientId("strip-patient"), DeviceId("strip-1"), 1, 0, now_us, 250.0, 200.0, "I", samples)
        assert post(production, encode_frame(frame), token)[0] == 200
        end = time.monotonic() + 20
        while time.monotonic() < end:
            message = screen.recv(timeout=20)
            assert isinstance(message, bytes)
            name = message[2 : 2 + message[1]].decode()
            if message[0] == 0 and name == "strip-patient":
                shown = decode_frame(message[2 + message[1] :])
                assert np.array_equal(shown.samples, samples)
                return
    pytest.fail("the strip never came")
