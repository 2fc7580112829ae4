"""`liteheart devices`: register a device for a patient and print its token, once."""

import argparse

from deploy import wiring
from deploy.role import add_config_argument
from deploy.settings import load
from liteheart.clock import SystemClock
from liteheart.errors import Poison
from liteheart.ids import DeviceId, PatientId


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """add DEVICE PATIENT [--bed BED] | revoke DEVICE."""
    add_config_argument(parser)
    actions = parser.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="register a device; prints its token")
    add.add_argument("device")
    add.add_argument("patient", help="the patient's pseudonym")
    add.add_argument("--bed", default="", help="where the patient lies, for the nurses' screen")
    revoke = actions.add_parser("revoke", help="refuse the device from now on")
    revoke.add_argument("device")


def run(args: argparse.Namespace) -> int:
    """Register or revoke."""
    storage = wiring.open_storage(load(args.config))
    now_us = SystemClock().now_us()
    try:
        if args.action == "add":
            print(storage.devices.register(DeviceId(args.device), PatientId(args.patient), now_us=now_us, bed=args.bed))
        elif not storage.devices.revoke(DeviceId(args.device), now_us):
            raise Poison("device", f"{args.device} has no token that is valid")
    finally:
        storage.close()
    return 0
