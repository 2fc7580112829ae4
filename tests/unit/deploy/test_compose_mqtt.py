"""The second compose file keeps in step with the first, and with the program."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cli import COMMANDS
from deploy.settings import load

FOLDER = Path(__file__).parents[3] / "deploy" / "compose"
TEXT = (FOLDER / "mqtt.yaml").read_text()
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
BASE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<rest>[^}]*)\}")


def test_it_adds_to_the_first_and_replaces_nothing() -> None:
    assert set(SERVICES).isdisjoint(BASE["services"])
    assert set(FILE["volumes"]).isdisjoint(BASE["volumes"])
    assert set(FILE["secrets"]).isdisjoint(BASE["secrets"])
    for service in SERVICES.values():
        for other in service.get("depends_on", {}):
            assert other in SERVICES | BASE["services"]


@pytest.mark.parametrize("name", ["bridge", "mqtt-files"])
def test_our_containers_run_a_command_and_understand_their_settings(name: str) -> None:
    service = SERVICES[name]
    assert service["command"][0] in COMMANDS
    environment = {k: VARIABLE.sub("drawn", v) for k, v in service["environment"].items()}
    settings = load(environ=environment | {"LITEHEART_LOG_LEVEL": "INFO"})
    assert settings.mqtt.address == ("mosquitto", 1883, False)
    assert settings.mqtt.secret() == "drawn"
    assert str(settings.mqtt.accounts_dir) == "/data/mosquitto"
    first = BASE["services"]["monitor"]["environment"]
    shared = environment.keys() & first.keys()
    assert {k: service["environment"][k] for k in shared} == {k: first[k] for k in shared}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_pinned_and_can_change_nothing_but_its_data(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"liteheart:\$\{LITEHEART_VERSION:-latest\}|eclipse-mosquitto:\d+\.\d+\.\d+", service["image"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == ("no" if name == "mqtt-files" else "unless-stopped")
    assert "mqtt:/data" in service["volumes"]


def test_no_secret_has_a_default_and_the_door_opens_on_loopback_unless_told() -> None:
    for match in VARIABLE.finditer(TEXT):
        assert match["rest"].startswith(":?" if "PASSWORD" in match["name"] else ":-")
    assert SERVICES["mosquitto"]["ports"] == ["${LITEHEART_MQTT_BIND:-127.0.0.1}:${LITEHEART_MQTT_PORT:-8883}:8883"]
    assert "ports" not in SERVICES["bridge"]


def test_the_page_tells_what_is_asked_for() -> None:
    page = (FOLDER.parents[1] / "docs" / "mqtt.md").read_text()
    for word in ("LITEHEART_MQTT_PASSWORD", "server.crt", "server.key", "-f compose.yaml -f mqtt.yaml"):
        assert word in page
