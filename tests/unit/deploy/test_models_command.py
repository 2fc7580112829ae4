"""`liteheart models`: what it prints and what it refuses, over a real registry."""

import json
from pathlib import Path

import pytest

from deploy.cli import main
from storage.engine import open_engine
from storage.migrations import upgrade
from storage.models import Made, Models, ModelVersion
from storage.settings import StorageSettings

NOW = 1_790_000_000_000_000


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    monkeypatch.setenv("LITEHEART_DATA", str(tmp_path))
    engine = open_engine(StorageSettings(f"sqlite:///{tmp_path}/liteheart.db"))
    upgrade(engine)
    found = Models(engine)
    found.ship(made("shipped"), NOW)
    return found


def made(name: str) -> Made:
    return Made(ModelVersion(name), None, {"student.npz": name.encode()}, b"d", "0.1", {"name": name}, {"auroc": 0.8})


def shadowed(models: Models, name: str) -> str:
    """Its weights' digest."""
    models.register(made(name), "refresh", NOW + 1)
    for step in ("passed", "shadowed"):
        models.take_step(ModelVersion(name), step, "refresh", "", NOW + 1)
    found = models.get(ModelVersion(name))
    assert found is not None
    return found.weights_digest.hex()


def test_the_whole_way_by_hand(models: Models, capsys: pytest.CaptureFixture[str]) -> None:
    weights = shadowed(models, "fresh")
    assert main(["models", "approve", "fresh", "--weights", weights[:12], "--by", "dr", "--reason", "fine"]) == 0
    assert main(["models", "promote", "fresh", "--by", "dr"]) == 0
    assert models.champion() == "fresh"
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["status"], told["steps"][-2]["reason"], told["card"]) == ("promoted", "fine", {"name": "fresh"})
    assert main(["models", "list"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["version"], line["serves"]) for line in lines] == [("fresh", True), ("shipped", False)]
    assert main(["models", "rollback", "--reason", "too many calls", "--by", "dr"]) == 0
    assert json.loads(capsys.readouterr().out) == {"serves": "shipped"}
    assert main(["models", "show", "fresh"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "rolled-back"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show"], "version"),
        (["list", "fresh"], "version"),
        (["show", "nobody"], "there is no nobody"),
        (["approve", "fresh", "--weights", "0" * 12], "is not the digest"),
        (["approve", "fresh"], "is not the digest"),
        (["promote", "fresh"], "cannot be promoted"),
        (["refuse", "fresh"], "must say why"),
        (["rollback"], "must say why"),
        (["rollback", "--reason", "x"], "no other version"),
    ],
)
def test_what_cannot_be_is_one_line_and_changes_nothing(
    models: Models, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    shadowed(models, "fresh")
    assert main(["models", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert says in told.err
    assert told.err.count("\n") == 1
    assert models.champion() == "shipped"
    assert models.get(ModelVersion("fresh")).status == "shadowed"  # type: ignore[union-attr]  # it is there


def test_a_refusal_is_kept_with_its_reason(models: Models) -> None:
    shadowed(models, "fresh")
    assert main(["models", "refuse", "fresh", "--reason", "not on our monitors", "--by", "dr"]) == 0
    found = models.get(ModelVersion("fresh"))
    assert found is not None
    assert (found.status, found.steps[-1].by, found.steps[-1].reason) == ("refused", "dr", "not on our monitors")
