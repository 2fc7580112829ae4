"""The house rules that no linter knows."""

import importlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("liteheart", "ingest", "inference", "alerts", "storage", "deploy")


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_root_package_is_ours(package: str) -> None:
    """Other distributions carry these plain names; ours must win."""
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).resolve().is_relative_to(ROOT)


def test_environment_is_read_in_one_place() -> None:
    readers = {str(p.relative_to(ROOT)) for p in sources() if re.search(r"os\.(environ|getenv)", p.read_text())}
    assert readers == {"deploy/environment.py"}


def test_only_the_command_line_prints() -> None:
    outside = [p for p in sources() if p.parts[len(ROOT.parts)] != "deploy"]
    printers = [p for p in outside if re.search(r"^\s*print\(", p.read_text(), re.M)]
    assert printers == []


FAUST_ROOMS = ("deploy/", "ingest/agent.py", "inference/serve/agent.py", "alerts/agent.py")


def test_faust_and_kafka_stay_in_their_rooms() -> None:
    strangers = [
        name
        for path in sources()
        if re.search(r"^\s*(from|import) (faust|kafka|mode)\b", path.read_text(), re.M)
        and not (name := str(path.relative_to(ROOT))).startswith((*FAUST_ROOMS, "ingest/publish.py"))
    ]
    assert strangers == []


def test_commands_load_only_when_called() -> None:
    """The dashboard's container has no torch, and no command pays for another."""
    code = "import sys, deploy.cli; print([m for m in ('torch', 'faust', 'wfdb', 'numpy') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help(command: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "deploy", command, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert f"usage: liteheart {command}" in shown.stdout


def test_the_wheel_holds_every_package(tmp_path: Path) -> None:
    """Without the explicit list a wheel would ship `liteheart/` alone and say nothing."""
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {n.split("/")[0] for n in names if ".dist-info" not in n} == set(PACKAGES)
    for needed in ("storage/migrations/env.py", "alerts/dashboard/static/index.html", "inference/weights/"):
        assert any(n.startswith(needed) for n in names), needed
    built_page = {p.name for p in (ROOT / "alerts" / "dashboard" / "static").iterdir()}
    assert {n.rpartition("/")[2] for n in names if n.startswith("alerts/dashboard/static/")} == built_page
    assert not [n for n in names if n.startswith("alerts/dashboard/web/")], "sources of the page and node_modules"


def test_no_package_host_is_named_in_a_lock_file() -> None:
    """Whoever installs says where from."""
    assert "://" not in (ROOT / "requirements.lock").read_text()
    packages = json.loads((ROOT / "alerts" / "dashboard" / "web" / "package-lock.json").read_text())["packages"]
    del packages[""]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []


def test_the_arrows_of_the_page() -> None:
    """The kernel and the words know no page, the rooms do not know the shell; the only third party is uPlot."""
    source = ROOT / "alerts" / "dashboard" / "web" / "src"
    for path in source.rglob("*.ts"):
        room = path.relative_to(source).parts[0]
        for target in re.findall(r"""(?<!["'\w])(?:from|import)\s*\(?["']([^"']+)["']""", path.read_text()):
            if not target.startswith("."):
                assert target.startswith("uplot"), (path, target)
                continue
            to = (path.parent / target).resolve().relative_to(source).parts[0]
            if room in ("kernel", "i18n"):
                assert to in ("kernel", "i18n"), (path, target)
            elif room in ("wall", "patient", "office"):
                assert to not in ("main.ts", "shell.ts", "topbar.ts"), (path, target)
