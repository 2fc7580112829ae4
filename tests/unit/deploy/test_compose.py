"""The image and the compose file keep in step with the program: commands, settings, no password to fall back on."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.cli import COMMANDS
from deploy.settings import load
from deploy.system import ROLES

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "deploy" / "compose" / "compose.yaml"
DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
FOREIGN = {"kafka", "postgres", "redis"}  # images of others
KEY = base64.b64encode(bytes(32)).decode()
OF_REFRESH = {"LITEHEART_REFRESH_EXAM": "/exam", "LITEHEART_REFRESH_REHEARSAL": "/rehearsal"}
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<rest>[^}]*)\}")


def parse(text: str) -> Any:
    """The YAML that the compose file uses: nested mappings, lists, JSON lists, anchors and one merge key."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    anchors: dict[str, Any] = {}

    def block(start: int, indent: int) -> tuple[Any, int]:
        if lines[start].lstrip().startswith("- "):
            return sequence(start, indent)
        found: dict[str, Any] = {}
        at = start
        while at < len(lines) and depth(lines[at]) == indent:
            key, _, value = lines[at].strip().partition(":")
            at, value = at + 1, value.strip()
            if value.startswith("*"):
                assert key == "<<"
                found |= anchors[value[1:]]
                continue
            if not value or value.startswith("&"):
                nested = at < len(lines) and depth(lines[at]) > indent
                content, at = block(at, depth(lines[at])) if nested else (None, at)
                if value:
                    anchors[value[1:]] = content
            else:
                content = scalar(value)
            found[key.strip('"')] = content
        return found, at

    def sequence(start: int, indent: int) -> tuple[list[Any], int]:
        found, at = [], start
        while at < len(lines) and depth(lines[at]) == indent and lines[at].lstrip().startswith("- "):
            found.append(scalar(lines[at].strip()[2:]))
            at += 1
        return found, at

    return block(0, 0)[0]


def depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def scalar(text: str) -> Any:
    return json.loads(text) if text[0] in '["' else text


FILE = parse(COMPOSE.read_text())
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OURS = {name: service for name, service in SERVICES.items() if name not in FOREIGN}


def test_the_parser_reads_what_it_must() -> None:
    text = 'a: &x\n  b: 1\n  c:\n    - d\n    - "e:f"\ng:\n  <<: *x\n  b: ["h", ""]\n  i:\n'
    assert parse(text) == {
        "a": {"b": "1", "c": ["d", "e:f"]},
        "g": {"b": ["h", ""], "c": ["d", "e:f"], "i": None},
    }


def test_every_role_is_there_and_every_service_is_a_command() -> None:
    assert set(ROLES) <= set(OURS)
    for name, service in OURS.items():
        assert service["command"] == [name]
        assert name in COMMANDS
        assert service["image"].startswith("liteheart:")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_watched_and_started_again(name: str) -> None:
    service = SERVICES[name]
    if name in FOREIGN:
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+(\.\d+)?(-\w+)?", service["image"])
        assert service["healthcheck"]["test"][0] == "CMD"
    if name in ("migrate", "topics"):
        assert service["healthcheck"] == {"disable": "true"}
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "unless-stopped"
    for other, condition in service.get("depends_on", {}).items():
        finishes = SERVICES[other]["restart"] == "no"
        wanted = "service_completed_successfully" if finishes else "service_healthy"
        assert condition == {"condition": wanted}, other


def test_only_our_variables_are_asked_for_and_no_secret_has_a_default() -> None:
    found = [match.groups() for match in VARIABLE.finditer(COMPOSE.read_text())]
    assert found
    for name, rest in found:
        assert name.startswith("LITEHEART_")
        if re.search("PASSWORD|SECRET|TOKEN|KEY", name):
            assert rest.startswith(":?"), f"{name} must be required"
        else:
            assert rest.startswith((":-", ":?")), f"{name} needs a default or must be required"
    assert {name for name, _ in found if "PASSWORD" in name} == {
        "LITEHEART_POSTGRES_PASSWORD",
        "LITEHEART_REDIS_PASSWORD",
    }


@pytest.mark.parametrize("name", OURS)
def test_the_program_understands_the_settings_it_is_given(name: str, tmp_path: Path) -> None:
    environment = {key: VARIABLE.sub(value_of, value) for key, value in OURS[name]["environment"].items()}
    assert all(key.startswith("LITEHEART_") for key in environment)
    mounted = with_mounted_secrets(name, environment, tmp_path)
    settings = load(environ=mounted | image_environment())
    assert settings.identity_key == (KEY if "identity_key" in OURS[name].get("secrets", []) else None)
    assert not settings.embedded
    assert settings.data_dir == Path("/data")
    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 8080)
    assert settings.storage.redis_url == "redis://:drawn@redis:6379/0"


def with_mounted_secrets(name: str, environment: dict[str, str], folder: Path) -> dict[str, str]:
    """The same with every `..._FILE` in a folder of ours: each names a secret that this service is given."""
    found = dict(environment)
    for key in (k for k in environment if k.endswith("_FILE")):
        place, _, secret = environment[key].rpartition("/")
        assert place == "/run/secrets"
        assert secret in OURS[name]["secrets"]
        (folder / secret).write_text(KEY)
        found[key] = str(folder / secret)
    return found


def test_the_master_key_is_a_secret_of_who_seals_and_who_reads_alone() -> None:
    assert {name for name, service in SERVICES.items() if "secrets" in service} == {"dashboard", "monitor", "refresh"}
    assert FILE["secrets"] == {"identity_key": {"file": "./identity.key"}}
    for name in ("dashboard", "monitor", "refresh"):
        assert SERVICES[name]["environment"]["LITEHEART_IDENTITY_KEY_FILE"] == "/run/secrets/identity_key"
        ordinary = SERVICES[name]["environment"].keys() - {"LITEHEART_IDENTITY_KEY_FILE"} - OF_REFRESH.keys()
        assert ordinary == SERVICES["gateway"]["environment"].keys(), "all else as the other roles"
    shown = (COMPOSE.parent / "README.md").read_text()
    assert "openssl rand -base64 32 > identity.key" in shown
    asked = {name for name, rest in (m.groups() for m in VARIABLE.finditer(COMPOSE.read_text())) if rest[:2] == ":?"}
    assert asked == set(re.findall(r"^(LITEHEART_\w+)=", shown.partition("END\n")[2].partition("END")[0], re.M))


def value_of(match: re.Match[str]) -> str:
    return match["rest"][2:] if match["rest"].startswith(":-") else "drawn"


def image_environment() -> dict[str, str]:
    return dict(re.findall(r"(LITEHEART_\w+)=(\S+)", DOCKERFILE))


def test_doors_open_on_loopback_only() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
            assert port.endswith(":8080"), name


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_change_nothing_but_their_data(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] == "true"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["tmpfs"]) == {"/tmp"}


def test_volumes_are_declared() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    folders = {name for name in used if name.startswith("$")}
    assert used - folders == set(FILE["volumes"])
    assert folders == {"${LITEHEART_EXAM", "${LITEHEART_REHEARSAL"}


def test_who_refreshes_sees_its_packs_alone_and_is_held_back() -> None:
    service = SERVICES["refresh"]
    assert service["profiles"] == ["refresh"]
    assert "ports" not in service
    told = {k: v for k, v in service["environment"].items() if k in OF_REFRESH}
    assert told == OF_REFRESH
    binds = {volume.rpartition("}:")[2] for volume in service["volumes"] if volume.startswith("$")}
    assert binds == {f"{folder}:ro" for folder in OF_REFRESH.values()}, "nobody learns into them"
    settings = load(environ=told)
    assert settings.refresh.exam == Path("/exam")
    assert settings.refresh.rehearsal == Path("/rehearsal")
    assert settings.refresh.threads <= float(service["cpus"])
    assert int(service["cpu_shares"]) < 1024, "live scoring goes first; within the container it is nice besides"
    assert re.fullmatch(r"\d+g", service["mem_limit"])
    assert int(service["oom_score_adj"]) > 0
    assert service["healthcheck"] == {"disable": "true"}, "it opens no door that could be asked"
    shown = (COMPOSE.parent / "README.md").read_text()
    assert "docker compose --profile refresh up --detach refresh" in shown
    assert {"LITEHEART_EXAM", "LITEHEART_REHEARSAL"} <= set(re.findall(r"LITEHEART_\w+", shown))


def test_the_image_is_pinned_unprivileged_watched_and_holds_every_package() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last_stage, re.MULTILINE)
    assert "/healthz" in last_stage
    assert 'ENTRYPOINT ["liteheart"]' in last_stage
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    ignored = (ROOT / "deploy" / "docker" / "Dockerfile.dockerignore").read_text().split()
    for package in ("liteheart", "ingest", "inference", "alerts", "storage", "deploy"):
        assert f"!{package}" in ignored
    assert ignored.index("deploy/compose") > ignored.index("!deploy"), "passwords and the key lie there"
