"""`liteheart devices`: register a device for a patient and print its token, once; files for an MQTT broker."""

import argparse
import sys
from pathlib import Path

from deploy import wiring
from deploy.mosquitto import QUEUE_MB, BrokerFiles, Listeners
from deploy.role import add_store_arguments
from deploy.settings import Settings, load
from liteheart.clock import SystemClock
from liteheart.errors import Poison
from liteheart.ids import DeviceId, PatientId


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """add DEVICE PATIENT [--bed BED] | revoke DEVICE | mosquitto --out DIR."""
    add_store_arguments(parser)
    actions = parser.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="register a device; prints its token")
    add.add_argument("device")
    add.add_argument("patient", help="the patient's pseudonym")
    add.add_argument("--bed", default="", help="where the patient lies, for the nurses' screen")
    revoke = actions.add_parser("revoke", help="refuse the device from now on")
    revoke.add_argument("device")
    mosquitto = actions.add_parser("mosquitto", help="write who may sign in to Mosquitto, their rights, its settings")
    mosquitto.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder that Mosquitto can read")
    mosquitto.add_argument("--cert", type=Path, metavar="FILE", help="the broker's certificate (DIR/server.crt)")
    mosquitto.add_argument("--key", type=Path, metavar="FILE", help="its key (DIR/server.key)")
    mosquitto.add_argument("--host", default="0.0.0.0", help="where devices connect to (0.0.0.0)")  # noqa: S104
    mosquitto.add_argument("--port", type=int, default=8883, help="for devices, over TLS (8883)")
    mosquitto.add_argument("--bridge-host", default="127.0.0.1", help="where the bridge connects to (127.0.0.1)")
    mosquitto.add_argument("--bridge-port", type=int, default=1883, help="for the bridge (1883)")
    mosquitto.add_argument(
        "--queue-mb", type=int, default=QUEUE_MB, metavar="MB", help=f"kept for a bridge that is away ({QUEUE_MB})"
    )


def run(args: argparse.Namespace) -> int:
    """Register, revoke or write."""
    settings = load(args.config, data_dir=args.data)
    storage = wiring.open_storage(settings)
    now_us = SystemClock().now_us()
    try:
        if args.action == "mosquitto":
            _write(args, settings, storage)
        elif args.action == "add":
            print(storage.devices.register(DeviceId(args.device), PatientId(args.patient), now_us=now_us, bed=args.bed))
        elif not storage.devices.revoke(DeviceId(args.device), now_us):
            raise Poison("device", f"{args.device} has no token that is valid")
    finally:
        storage.close()
    return 0


def _write(args: argparse.Namespace, settings: Settings, storage: wiring.Storage) -> None:
    mqtt, folder = settings.mqtt, args.out.absolute()
    files = BrokerFiles(folder, mqtt.username, mqtt.secret() or "", mqtt.pid_file)
    certificate, key = args.cert or folder / "server.crt", args.key or folder / "server.key"
    listeners = Listeners(args.host, args.port, certificate, key, args.bridge_host, args.bridge_port)
    files.write_conf(listeners, 4 * mqtt.max_message_bytes, args.queue_mb)
    accounts = storage.devices.mqtt_accounts()
    files.refresh(accounts)
    print(f"{len(accounts)} devices in {folder}; mosquitto.conf needs: include_dir {folder}", file=sys.stderr)
    if mqtt.pid_file is None:
        print("Mosquitto takes changed devices at SIGHUP: kill -HUP $(pidof mosquitto)", file=sys.stderr)
