"""`liteheart refresh`: what it prints, when it begins, and that it says who is at it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.cli import main
from storage.engine import open_engine
from storage.migrations import upgrade
from storage.refreshes import Refreshes
from storage.settings import StorageSettings

AHEAD_US = 60_000_000


@pytest.fixture
def refreshes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refreshes:
    monkeypatch.setenv("LITEHEART_DATA", str(tmp_path))
    monkeypatch.setattr(os, "nice", lambda by: by)  # the tests after this one go on as they were
    engine = open_engine(StorageSettings(f"sqlite:///{tmp_path}/liteheart.db"))
    upgrade(engine)
    return Refreshes(engine)


def test_a_dry_run_says_why_nothing_would_begin_and_keeps_nothing(
    refreshes: Refreshes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["refresh", "--dry-run"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "names no test set" in told["refused"]
    assert (told["candidates"], told["windows"]) == (0, 0)
    assert refreshes.latest() == []


def test_once_refuses_with_the_reason_and_is_not_due_again(
    refreshes: Refreshes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["refresh", "--once"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["candidate"]) == ("refused", None)
    assert "refresh.exam" in told["reason"]
    assert main(["refresh", "--once"]) == 0
    assert json.loads(capsys.readouterr().out) == {"due": False}
    assert main(["refresh", "--once", "--now"]) == 0
    assert json.loads(capsys.readouterr().out)["refresh"] == 2


def test_while_another_host_is_at_it_nothing_is_done(refreshes: Refreshes, capsys: pytest.CaptureFixture[str]) -> None:
    refreshes.begin("other-host-1", time.time_ns() // 1000, AHEAD_US)
    assert main(["refresh", "--once"]) == 3
    assert capsys.readouterr().out == ""
    assert refreshes.latest(5)[0].holder == "other-host-1"
    assert len(refreshes.latest(5)) == 1


@pytest.mark.parametrize("name", ["EVERY_H", "STEPS", "MOST_IGNORED"])
def test_a_setting_of_no_sense_is_named(
    refreshes: Refreshes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv(f"LITEHEART_REFRESH_{name}", "-1")
    assert main(["refresh", "--once"]) == 2
    assert f"refresh.{name.lower()}" in capsys.readouterr().err


def test_the_role_looks_again_and_leaves_when_it_is_told_to(tmp_path: Path) -> None:
    environment = {**os.environ, "LITEHEART_DATA": str(tmp_path), "LITEHEART_REFRESH_LOOK_S": "0.1"}
    run = [sys.executable, "-m", "deploy", "refresh"]
    role = subprocess.Popen(run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert role.stdout is not None
        assert json.loads(role.stdout.readline())["outcome"] == "refused"
        role.send_signal(signal.SIGTERM)
        rest, _ = role.communicate(timeout=30)
    finally:
        role.kill()
        role.wait()
    assert (role.returncode, rest) == (0, "")
