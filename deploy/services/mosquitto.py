"""Mosquitto with the files that LiteHeart writes for it: who signs in is in `accounts`."""

import os
import socket
from pathlib import Path
from typing import Final

from deploy.mosquitto import CONF, BrokerFiles, Listeners
from deploy.services.process import HOST, Service, find_program, free_port

BRIDGE: Final = "@bridge"
PASSWORD: Final = "bridge-of-the-tests"  # noqa: S105 - of a broker on loopback that lives for minutes
_PACKET_BYTES = 1 << 20


class Mosquitto(Service):
    """A Mosquitto broker on two loopback ports: `url` for devices, `bridge_url` for the bridge."""

    accounts: BrokerFiles
    bridge_port: int
    tls: bool

    @property
    def url(self) -> str:
        """For devices."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{'localhost' if self.tls else HOST}:{self.port}"

    @property
    def bridge_url(self) -> str:
        """For LITEHEART_MQTT_URL."""
        return f"mqtt://{HOST}:{self.bridge_port}"

    @property
    def pid_file(self) -> Path:
        """For LITEHEART_MQTT_PID_FILE."""
        return self.folder / "mosquitto.pid"

    @property
    def environment(self) -> dict[str, str]:
        """What leads `liteheart bridge` to it."""
        return {
            "LITEHEART_MQTT_URL": self.bridge_url,
            "LITEHEART_MQTT_USERNAME": BRIDGE,
            "LITEHEART_MQTT_PASSWORD": PASSWORD,
            "LITEHEART_MQTT_ACCOUNTS_DIR": str(self.accounts.folder),
            "LITEHEART_MQTT_PID_FILE": str(self.pid_file),
        }


def start_mosquitto(folder: Path, *, certificate: Path | None = None, key: Path | None = None) -> Mosquitto:
    """Start Mosquitto in `folder` with no device known yet. Raises ServiceMissing, ServiceFailed.

    As root it runs as root: the folder is ours.
    """
    program = find_program("mosquitto")
    port, bridge_port = free_port(), free_port()
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    accounts = BrokerFiles(folder / "accounts", BRIDGE, PASSWORD, folder / "mosquitto.pid")
    listeners = Listeners(HOST, port, certificate, key, HOST, bridge_port)
    accounts.write_conf(listeners, _PACKET_BYTES)
    main = folder / "mosquitto.conf"
    main.write_text(
        f"pid_file {folder}/mosquitto.pid\npersistence_location {data}/\nlog_dest stdout\n"
        + ("user root\n" if os.geteuid() == 0 else "")
        + (folder / "accounts" / CONF).read_text()
    )
    service = Mosquitto(
        "mosquitto", [program, "-c", str(main)], folder=folder, port=port, ready=lambda: _welcomes(bridge_port)
    )
    service.accounts, service.bridge_port, service.tls = accounts, bridge_port, key is not None
    accounts.refresh([])
    return service.start()


def _welcomes(port: int) -> bool:
    """Whether an MQTT 3.1.1 CONNECT without a name is answered, as it must be, by a refusal."""
    connect = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x05\x00\x00"
    try:
        with socket.create_connection((HOST, port), timeout=1.0) as connection:
            connection.sendall(connect)
            return connection.recv(4).startswith(b"\x20\x02")
    except OSError:
        return False
