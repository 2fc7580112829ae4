"""`liteheart clients`: what it prints, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy import wiring
from deploy.cli import main
from deploy.settings import load


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LITEHEART_DATA", str(tmp_path))
    return tmp_path


def lines(capsys: Any) -> list[str]:
    return str(capsys.readouterr().out).splitlines()


def test_a_token_is_printed_once(folder: Path, capsys: Any) -> None:
    assert main(["clients", "add", "emr", "--scope", "system/Observation.rs", "--scope", "system/Patient.r"]) == 0
    (token,) = lines(capsys)
    storage = wiring.open_storage(load(environ={}, data_dir=folder))
    try:
        found = storage.clients.authenticate(token)
    finally:
        storage.close()
    assert found is not None
    assert main(["clients", "list"]) == 0
    (told,) = map(json.loads, lines(capsys))
    assert (told["name"], told["revoked_us"]) == ("emr", None)
    assert told["scopes"] == ["system/Observation.rs", "system/Patient.r"]
    assert token not in json.dumps(told)
    assert main(["clients", "revoke", "emr"]) == 0
    assert main(["clients", "revoke", "emr"]) == 2


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scope", "system/Observation.write"], "scope"),
        (["--scope", "patient/Observation.rs"], "patient"),
        (["--scope", "patient/Observation.rs", "--patient", "a b"], "patient"),
    ],
)
def test_what_cannot_be_granted_is_refused(arguments: list[str], said: str, capsys: Any) -> None:
    assert main(["clients", "add", "emr", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert f"liteheart clients: {said}:" in told.err


@pytest.mark.usefixtures("folder")
def test_a_grant_for_one_patient(capsys: Any) -> None:
    assert main(["clients", "add", "ward-app", "--scope", "patient/*.rs", "--patient", "p-1"]) == 0
    lines(capsys)
    assert main(["clients", "list"]) == 0
    assert json.loads(lines(capsys)[0])["scopes"] == ["patient/*.rs", "launch/patient=p-1"]
