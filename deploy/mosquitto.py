"""What Mosquitto is told: who may sign in, what each may do, and the settings without which frames would be lost."""

import hashlib
import logging
import os
import secrets
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ingest.mqtt_topics import PREFIX, user_of
from liteheart.errors import Misconfigured
from liteheart.ids import DeviceId
from storage.mosquitto import mosquitto_hash

log = logging.getLogger(__name__)

PASSWORDS: Final = "passwords"
ACL: Final = "acl"
CONF: Final = "liteheart.conf"
AUTOSAVE_S: Final = 5
QUEUE_MB: Final = 1_024  # 25 min of 1,000 devices; what comes then Mosquitto drops without a word

_CONF = """\
# Mosquitto 2.0 for LiteHeart, written by `liteheart devices mosquitto`. Include it; set persistence_location yourself.
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl
# What a bridge has not taken yet is kept for it: on disk every few seconds and at a stop, without a limit on messages
persistence true
autosave_interval {autosave_s}
max_queued_messages 0
max_queued_bytes {queue_bytes}
# A device may have so many messages on their way; the bridge states its own number
max_inflight_messages 1000
# Above what the bridge takes, so that a body that is too long comes to light as a dead letter
max_packet_size {packet_bytes}
retain_available false
# Devices. Their client id is their user name: none can take over another's session, or the bridge's
listener {port} {host}
use_username_as_clientid true
{tls}
# The bridge
listener {bridge_port} {bridge_host}
"""
_TLS = "certfile {certificate}\nkeyfile {key}\ntls_version tlsv1.2"


@dataclass(frozen=True, slots=True)
class Listeners:
    """Where Mosquitto listens."""

    host: str = "0.0.0.0"  # noqa: S104 - devices come from anywhere, over TLS
    port: int = 8883
    certificate: Path | None = None  # with `key`; None: no TLS, for tests on loopback
    key: Path | None = None
    bridge_host: str = "127.0.0.1"
    bridge_port: int = 1883


class BrokerFiles:
    """The folder that Mosquitto reads. As root, its files belong to whoever the folder belongs to."""

    def __init__(self, folder: Path, user: str, password: str, pid_file: Path | None = None) -> None:
        """`user` and `password` are the bridge's; `pid_file` is Mosquitto's, None to leave telling it to others."""
        if not password:
            raise Misconfigured("mqtt.password", "is not set: LITEHEART_MQTT_PASSWORD or mqtt.password_file")
        self.folder = folder
        self._user, self._pid_file = user, pid_file
        salt = hashlib.sha256(b"liteheart bridge" + password.encode()).digest()[:12]  # the same file every time
        self._bridge = f"{user}:{mosquitto_hash(password, salt)}\n"
        self._untold = True

    def refresh(self, accounts: Iterable[tuple[DeviceId, str]]) -> bool:
        """Bring password file and rights up to date; whether they changed. Raises Misconfigured for the folder."""
        lines = [self._bridge, *(f"{user_of(device)}:{kept}\n" for device, kept in accounts)]
        changed = self._write(PASSWORDS, "".join(lines))
        changed |= self._write(ACL, f"pattern write {PREFIX}%u\n\nuser {self._user}\ntopic read {PREFIX}#\n")
        self._untold |= changed
        if self._untold and self._pid_file is not None:
            self._untold = not _hang_up(self._pid_file)
        return changed

    def write_conf(self, listeners: Listeners, packet_bytes: int, queue_mb: int = QUEUE_MB) -> None:
        """The piece of mosquitto.conf that belongs to them."""
        tls = "" if listeners.key is None else _TLS.format(certificate=listeners.certificate, key=listeners.key)
        text = _CONF.format(
            folder=self.folder.absolute(),
            autosave_s=AUTOSAVE_S,
            queue_bytes=queue_mb << 20,
            packet_bytes=packet_bytes,
            host=listeners.host,
            port=listeners.port,
            tls=tls,
            bridge_host=listeners.bridge_host,
            bridge_port=listeners.bridge_port,
        )
        self._write(CONF, text)

    def _write(self, name: str, text: str) -> bool:
        """All of it or nothing, for the owner's eyes alone; whether it is not what was there."""
        path = self.folder / name
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.read_text() == text:
                return False
            made = self.folder / f".{name}.{secrets.token_hex(4)}"
            try:
                with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                    if os.geteuid() == 0:
                        owner = self.folder.stat()
                        os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                made.replace(path)
            finally:
                made.unlink(missing_ok=True)
        except OSError as error:
            raise Misconfigured("mqtt.accounts_dir", f"{path} cannot be written ({error.strerror})") from error
        return True


def _hang_up(pid_file: Path) -> bool:
    """Have Mosquitto read its files again, which ends the connections of whom it does not know any more."""
    try:
        pid = int(pid_file.read_text())
        name = Path(f"/proc/{pid}/comm")
        if name.exists() and name.read_text().strip() != "mosquitto":  # left over from before a restart
            raise ProcessLookupError(f"process {pid} is not Mosquitto")
        os.kill(pid, signal.SIGHUP)
    except FileNotFoundError:  # it does not run, and reads them when it starts
        return False
    except (OSError, ValueError) as error:
        log.warning("Mosquitto could not be told of changed devices: %s", error)
        return False
    return True
