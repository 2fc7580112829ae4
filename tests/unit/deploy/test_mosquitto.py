"""The files that Mosquitto reads: whole or not at all, for its eyes alone, and it is told of changes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.mosquitto import BrokerFiles, Listeners
from liteheart.errors import Misconfigured
from liteheart.ids import DeviceId

ACCOUNTS = [(DeviceId("aa:bb"), "$7$101$s$h"), (DeviceId("d2"), "$7$101$t$i")]


def test_devices_and_the_bridge_are_accounts_and_each_has_its_rights(tmp_path: Path) -> None:
    files = BrokerFiles(tmp_path / "mqtt", "@bridge", "secret")
    assert files.refresh(ACCOUNTS)
    bridge, *devices = (tmp_path / "mqtt" / "passwords").read_text().splitlines()
    assert bridge.startswith("@bridge:$7$101$")
    assert devices == ["aa~bb:$7$101$s$h", "d2:$7$101$t$i"]
    assert (tmp_path / "mqtt" / "acl").read_text() == (
        "pattern write liteheart/v1/frames/%u\n\nuser @bridge\ntopic read liteheart/v1/frames/#\n"
    )
    for name in ("passwords", "acl"):
        assert (tmp_path / "mqtt" / name).stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in (tmp_path / "mqtt").iterdir()) == ["acl", "passwords"], "nothing is left over"


def test_what_has_not_changed_is_not_written(tmp_path: Path) -> None:
    BrokerFiles(tmp_path, "@bridge", "secret").refresh(ACCOUNTS)
    before = (tmp_path / "passwords").stat()
    again = BrokerFiles(tmp_path, "@bridge", "secret")
    assert not again.refresh(ACCOUNTS)
    assert (tmp_path / "passwords").stat().st_ino == before.st_ino
    assert again.refresh(ACCOUNTS[:1])


def test_the_settings_leave_no_door_open_and_drop_nothing(tmp_path: Path) -> None:
    files = BrokerFiles(tmp_path, "@bridge", "secret")
    files.write_conf(Listeners(certificate=tmp_path / "c", key=tmp_path / "k"), 1 << 20, queue_mb=2)
    lines = (tmp_path / "liteheart.conf").read_text().splitlines()
    for line in (
        "allow_anonymous false",
        f"password_file {tmp_path}/passwords",
        f"acl_file {tmp_path}/acl",
        "max_queued_messages 0",
        "max_queued_bytes 2097152",
        "persistence true",
        "use_username_as_clientid true",
        f"keyfile {tmp_path}/k",
        "listener 1883 127.0.0.1",
    ):
        assert line in lines


def test_a_folder_that_cannot_be_and_no_password_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="accounts_dir"):
        BrokerFiles(tmp_path / "file", "@bridge", "secret").refresh([])
    with pytest.raises(Misconfigured, match=r"mqtt\.password"):
        BrokerFiles(tmp_path, "@bridge", "")


def test_only_mosquitto_is_told(tmp_path: Path) -> None:
    """A pid file that was left over names some other process by now: it must not be hung up on."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        (tmp_path / "pid").write_text(str(other.pid))
        BrokerFiles(tmp_path / "mqtt", "@bridge", "secret", tmp_path / "pid").refresh(ACCOUNTS)
        time.sleep(0.3)
        assert other.poll() is None
        other.kill()


def test_mosquitto_is_told_until_it_hears(tmp_path: Path) -> None:
    program = tmp_path / "mosquitto"
    program.symlink_to("/bin/sleep")
    files = BrokerFiles(tmp_path / "mqtt", "@bridge", "secret", tmp_path / "pid")
    files.refresh(ACCOUNTS)
    listens = lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)  # noqa: E731  # as under nohup it would not
    with subprocess.Popen([str(program), "60"], preexec_fn=listens) as broker:  # one thread here
        while Path(f"/proc/{broker.pid}/comm").read_text().strip() != "mosquitto":
            time.sleep(0.01)
        (tmp_path / "pid").write_text(str(broker.pid))
        assert not files.refresh(ACCOUNTS), "nothing has changed, but it was not told yet"
        assert broker.wait(5) == -signal.SIGHUP


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_as_root_the_files_belong_to_whom_the_folder_belongs_to(tmp_path: Path) -> None:
    (tmp_path / "mqtt").mkdir()
    os.chown(tmp_path / "mqtt", 65_534, 65_534)
    BrokerFiles(tmp_path / "mqtt", "@bridge", "secret").refresh(ACCOUNTS)
    assert (tmp_path / "mqtt" / "passwords").stat().st_uid == 65_534
