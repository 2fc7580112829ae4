"""The system under test as its own processes: the embedded one, or a process a role on real servers."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.environment import environment
from deploy.services.kafka import start_kafka
from deploy.services.postgres import start_postgres
from deploy.services.process import HOST, ServiceFailed, ServiceMissing, free_port
from deploy.services.redis import start_redis
from deploy.settings import Settings, load
from liteheart.errors import Misconfigured

ROOT = Path(__file__).resolve().parents[1]
USER = "bench"
_TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Serving:
    """Where the system is reached, and which processes it is."""

    settings: Settings
    gateway: str
    dashboard: str
    monitor: str
    roles: list[int]  # process ids of ours
    servers: list[int] = field(default_factory=list)  # of Kafka, PostgreSQL and Redis
    log_folder: Path | None = None  # the broker's log
    password: str | None = None  # of USER; None where nobody signs in

    @property
    def urls(self) -> set[str]:
        """Of the roles: one, or three."""
        return {self.gateway, self.dashboard, self.monitor}


@contextlib.contextmanager
def embedded() -> Iterator[Serving]:
    """`liteheart up` without patients of its own. Raises Misconfigured when it does not come up."""
    with tempfile.TemporaryDirectory(prefix="liteheart-bench-") as name:
        data = Path(name) / "data"
        port = free_port()
        arguments = ["up", "--port", str(port), "--data", str(data), "--patients", "0", "--no-browser"]
        with _role(arguments, _plain_environment(), Path(name) / "up.log", port) as (url, pid):
            settings = load(environ={}, data_dir=data)
            yield Serving(settings, url, url, url, [pid], log_folder=data / "log")


@contextlib.contextmanager
def production() -> Iterator[Serving]:
    """Gateway, monitor and dashboard on Kafka, PostgreSQL and Redis. Raises Misconfigured when one is missing."""
    folder = Path(tempfile.mkdtemp(prefix="liteheart-bench-"))
    folder.chmod(0o711)  # as root, PostgreSQL runs under another account
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            redis = stack.enter_context(start_redis(folder / "redis"))
            postgres = stack.enter_context(start_postgres(folder / "postgres"))
            kafka = stack.enter_context(start_kafka(folder / "kafka"))
        except (ServiceMissing, ServiceFailed) as error:
            raise Misconfigured("--kafka", str(error)) from error
        variables = {
            "LITEHEART_BROKER": kafka.url,
            "LITEHEART_DATABASE": postgres.url,
            "LITEHEART_REDIS": redis.url,
            "LITEHEART_DATA": str(folder / "data"),
        }
        environ, password = _plain_environment() | variables, secrets.token_urlsafe(16)
        for arguments in (["migrate"], ["topics"], ["people", "add", USER, "--role", "nurse"]):
            _command(arguments, environ | {"LITEHEART_PASSWORD": password})
        ports = {role: free_port() for role in ("gateway", "dashboard", "monitor")}
        found = {
            role: stack.enter_context(_role([role, "--port", str(port)], environ, folder / f"{role}.log", port))
            for role, port in ports.items()
        }
        yield Serving(
            settings=load(environ=variables),
            gateway=found["gateway"][0],
            dashboard=found["dashboard"][0],
            monitor=found["monitor"][0],
            roles=[pid for _, pid in found.values()],
            servers=[s.pid for s in (redis, postgres, kafka) if s.pid is not None],
            log_folder=folder / "kafka",
            password=password,
        )


def _plain_environment() -> dict[str, str]:
    return {k: v for k, v in environment().items() if not k.startswith("LITEHEART_")}


def _command(arguments: list[str], environ: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "deploy", *arguments]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise Misconfigured(" ".join(arguments[:2]), done.stderr.strip()[-500:])


@contextlib.contextmanager
def _role(arguments: list[str], environ: Mapping[str, str], log: Path, port: int) -> Iterator[tuple[str, int]]:
    url = f"http://{HOST}:{port}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy", *arguments], env=environ, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 120  # on a machine that has other work
        while not _answers(f"{url}/readyz"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Misconfigured(arguments[0], f"did not come up: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.1)
        yield url, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def scrape(url: str) -> dict[str, float]:
    """Totals of the role's metrics by name; labels are added up."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    totals: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.partition("{")[0].partition(" ")[0], None, line.rpartition(" ")[2]
            totals[name] = totals.get(name, 0.0) + float(value)
    return totals


def cpu_s(roots: list[int]) -> float:
    """CPU seconds spent so far by the processes and all that they started."""
    return sum(_stat(pid)[1] for pid in _family(roots))


def rss_bytes(roots: list[int]) -> int:
    """Resident memory of the processes and all that they started; shared pages count in each."""
    total = 0
    for pid in _family(roots):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
    return total


def _family(roots: list[int]) -> set[int]:
    parents = {int(p.name): _stat(int(p.name))[0] for p in Path("/proc").iterdir() if p.name.isdigit()}
    family = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _stat(pid: int) -> tuple[int, float]:
    """Parent and CPU seconds; zeros for a process that has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0.0
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS_S


def disk_bytes(path: Path) -> int:
    """What a file or folder really occupies: Kafka's index files are mostly holes."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(f.stat().st_blocks * 512 for f in files)
