"""Another student is approved and promoted, and rolled back, by hand, while patients send: nothing is lost by it."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from deploy.succession import made_of
from inference.model.checkpoint import load_student, save_checkpoint
from inference.settings import SHIPPED
from liteheart.clock import SystemClock
from liteheart.ids import ModelVersion
from storage.engine import open_engine
from storage.models import Models
from storage.settings import StorageSettings

PATIENTS = 6
HOP_US = 5_000_000
PAUSE_S = 1.0
USUAL_S = 40.0


class Watch(threading.Thread):
    """Sees each finding soon after it is stored: when that was, and how long after its last sample."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(daemon=True)
        self.lags: list[tuple[float, float]] = []  # clock, seconds
        self.done = threading.Event()
        self._engine, self._last = engine, 0

    def run(self) -> None:
        new = text("SELECT rowid, t1_us FROM findings WHERE rowid > :last ORDER BY rowid")
        while not self.done.wait(0.1):
            with self._engine.connect() as connection:
                for row in connection.execute(new, {"last": self._last}):
                    self._last, now = row[0], time.time()
                    self.lags.append((now, now - row[1] / 1e6))

    def worst(self, since: float, until: float) -> float:
        return max((lag for at, lag in self.lags if since <= at < until), default=float("nan"))


class Up:
    """`liteheart up` on a folder, and its database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "LITEHEART_INFERENCE_BACKEND": "torch"}  # the copy below has no graphs
        self.environment["LITEHEART_ECG"] = str(folder / "none")  # simulated patients only
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        run = [sys.executable, "-m", "deploy", "up", "--port", str(port), "--data", str(folder), "--no-browser"]
        with (folder / "out").open("wb") as out:
            self.process = subprocess.Popen(
                [*run, "--patients", str(PATIENTS)],
                stdout=out,
                stderr=out,
                env=self.environment,
            )
        self.engine: Engine = open_engine(StorageSettings(f"sqlite:///{folder}/liteheart.db"))

    def models(self, *arguments: str) -> Any:
        """The command line, as an operator has it."""
        environment = {**self.environment, "LITEHEART_DATA": str(self.folder)}
        run = [sys.executable, "-m", "deploy", "models", *arguments]
        done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def rows(self) -> list[tuple[str, int, str, int]]:
        """Patient, begin, model, arrival of every finding."""
        with self.engine.connect() as connection:
            found = connection.execute(text("SELECT patient, t0_us, model, arrival_us FROM findings ORDER BY 1, 2, 3"))
            return [(r[0], r[1], r[2], r[3]) for r in found]

    def until(self, there: Callable[[], bool], what: str, seconds: float = 240) -> None:
        end = time.monotonic() + seconds
        while not there():
            assert self.process.poll() is None, (self.folder / "out").read_text()
            assert time.monotonic() < end, f"{what}: {(self.folder / 'out').read_text()[-2000:]}"
            time.sleep(0.5)

    def everybody_read_by(self, model: str) -> bool:
        return len({p for p, _, m, _ in self.rows() if m == model}) == PATIENTS

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.engine.dispose()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    system = Up(tmp_path)
    yield system
    if system.process.poll() is None:
        system.process.kill()
        system.process.wait()
    system.engine.dispose()


def other(folder: Path) -> Path:
    """The shipped student, its last bias moved by little."""
    student, card = load_student(SHIPPED, folded=False)
    for parameter in list(student.parameters())[-1:]:
        parameter.data += 0.01
    save_checkpoint(folder, student, card)
    return folder


@pytest.mark.timeout(900)
def test_promoted_and_rolled_back_while_patients_send(up: Up, tmp_path: Path) -> None:
    def tables_there() -> bool:
        try:
            return up.models("list")["serves"] is True
        except AssertionError:
            return False

    up.until(lambda: (up.folder / "liteheart.db").exists(), "a database")
    up.until(tables_there, "a champion")
    shipped = up.models("list")["version"]
    up.until(lambda: up.everybody_read_by(shipped), "everybody read by the shipped student")

    watch = Watch(up.engine)
    watch.start()
    time.sleep(USUAL_S)
    registry, made = Models(up.engine), made_of(other(tmp_path / "other"))
    registry.register(made, "test", SystemClock().now_us())
    for step in ("passed", "shadowed"):
        registry.take_step(made.version, step, "test", "", SystemClock().now_us())
    weights = up.models("show", made.version)["weights"]
    up.models("approve", made.version, "--weights", weights[:12], "--by", "dr")
    promoted = time.time()
    up.models("promote", made.version, "--by", "dr")
    up.until(lambda: up.everybody_read_by(made.version), "everybody read by the other student")
    rolled = time.time()
    assert up.models("rollback", "--reason", "trial is over", "--by", "dr") == {"serves": shipped}
    turned = {p: max(t for q, t, m, _ in up.rows() if q == p and m == made.version) for p in {r[0] for r in up.rows()}}
    up.until(
        lambda: all(any(q == p and m == shipped and t > turned[p] for q, t, m, _ in up.rows()) for p in turned),
        "everybody read by the shipped student again",
    )
    watch.done.set()
    watch.join()
    ended = time.time()
    up.stop()
    usual = watch.worst(promoted - USUAL_S, promoted)
    for began, end in ((promoted, rolled), (rolled, ended)):
        assert (worst := watch.worst(began, end)) <= usual + PAUSE_S, f"{worst:.2f} s late, usual {usual:.2f} s"

    engine = open_engine(StorageSettings(f"sqlite:///{up.folder}/liteheart.db"))
    up.engine = engine
    found = up.rows()
    for patient in sorted({row[0] for row in found}):
        own = [(t, m, a) for p, t, m, a in found if p == patient]
        begins = [t for t, _, _ in own]
        assert len(begins) == len(set(begins)), f"{patient}: a window was scored twice"
        steps = [b - a for a, b in itertools.pairwise(begins)]
        assert all(abs(step - HOP_US) < HOP_US / 2 for step in steps), f"{patient}: a window was not scored: {steps}"
        students = [m for _, m, _ in own]
        turns = [a for a, b in itertools.pairwise(students) if a != b]
        assert turns == [shipped, made.version], f"{patient}: {students}"
    assert Models(engine).champion() == ModelVersion(shipped)
