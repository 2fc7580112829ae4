"""The key that identities are sealed with: where it comes from, who may read it, that it is told to nobody."""

import base64
import json
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from deploy import wiring
from deploy.secrets import own_key, parse_key
from deploy.settings import load
from liteheart.errors import Conflict, Misconfigured
from liteheart.ids import PatientId
from storage.audit import Deed, note
from storage.engine import writing

KEY = base64.b64encode(bytes(range(32))).decode()
ANNA = {"name": "Anna"}


def test_the_embedded_system_makes_its_own_when_it_needs_one(tmp_path: Path) -> None:
    settings = load(environ={}, data_dir=tmp_path)
    storage = wiring.open_storage(settings)
    file = tmp_path / "identity.key"
    assert not file.exists()
    patient = storage.admissions.admit("1", ANNA, "ada", 1)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir() if "identity" in p.name] == ["identity.key"]
    storage.close()
    again = wiring.open_storage(settings)
    assert again.identities.read(patient, "ada", 2, glass=False) == ANNA
    again.close()


def test_of_many_that_make_one_at_once_one_holds(tmp_path: Path) -> None:
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(own_key(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


def test_a_variable_wins_over_a_file_and_both_over_its_own(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(bytes(range(32)).hex() + "\n")
    from_file = load(environ={"LITEHEART_IDENTITY_KEY_FILE": str(file)}, data_dir=tmp_path)
    from_variable = load(environ={"LITEHEART_IDENTITY_KEY": KEY}, data_dir=tmp_path)
    assert parse_key(from_file.identity_key or "") == parse_key(from_variable.identity_key or "") == bytes(range(32))
    assert KEY not in repr(from_variable)
    storage = wiring.open_storage(from_variable)
    storage.admissions.admit("1", ANNA, "ada", 1)
    storage.close()
    assert not (tmp_path / "identity.key").exists()


def test_a_production_role_without_a_key_keeps_no_names(tmp_path: Path) -> None:
    environ = {"LITEHEART_BROKER": "kafka://127.0.0.1:1", "LITEHEART_DATABASE": f"sqlite:///{tmp_path}/w.db"}
    settings = load(environ=environ, data_dir=tmp_path)
    wiring.migrate(settings)
    storage = wiring.open_storage(settings)
    with pytest.raises(Conflict, match="no key is set"):
        storage.admissions.admit("1", ANNA, "ada", 1)
    storage.close()
    assert not (tmp_path / "identity.key").exists()


@pytest.mark.parametrize("key", ["", "short", "x" * 44, base64.b64encode(bytes(31)).decode()])
def test_a_key_that_is_none_is_refused_without_being_told(key: str) -> None:
    with pytest.raises(Misconfigured, match="identity_key: must be 32 bytes") as refused:
        load(environ={"LITEHEART_IDENTITY_KEY": key})
    assert not key or key not in str(refused.value)


def test_a_key_does_not_belong_into_the_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "liteheart.toml"
    file.write_text(f'identity_key = "{KEY}"\n')
    with pytest.raises(Misconfigured, match="does not belong"):
        load(file, environ={})
    file.write_text('identity_key_file = "/nowhere/key"\n')
    with pytest.raises(Misconfigured, match="identity_key_file"):
        load(file, environ={})


def test_the_command_line_verifies_the_audit(tmp_path: Path) -> None:
    storage = wiring.open_storage(load(environ={}, data_dir=tmp_path))
    engine = storage.people._engine
    for n in range(3):
        with writing(engine) as connection:
            note(connection, Deed(n, "ada", "did", PatientId("p1")))

    def verified() -> tuple[int, dict[str, object]]:
        done = subprocess.run(
            [sys.executable, "-m", "deploy", "audit", "verify"],
            env={"LITEHEART_DATA": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        (line,) = done.stdout.splitlines()
        return done.returncode, json.loads(line)

    head = storage.audit.verify().head.hex()
    assert verified() == (0, {"ok": True, "rows": 3, "head": head})
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE audit SET by_whom = 'paul' WHERE id = 2")
    status, told = verified()
    assert (status, told["ok"], told["broken"]) == (1, False, 2)
    storage.close()
