"""`liteheart clients`: systems that may read over FHIR; a token is printed once."""

import argparse
import json

from alerts.fhir import scopes
from deploy import wiring
from deploy.role import add_store_arguments
from deploy.settings import load
from liteheart.clock import SystemClock
from liteheart.errors import Poison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """add NAME --scope SCOPE ... [--patient PATIENT ...] | revoke NAME | list."""
    add_store_arguments(parser)
    actions = parser.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="register a system; prints its token")
    add.add_argument("name")
    add.add_argument("--scope", action="append", required=True, help="as system/Observation.rs; may be repeated")
    add.add_argument("--patient", action="append", default=[], help="of scopes patient/...; may be repeated")
    revoke = actions.add_parser("revoke", help="refuse the system from now on")
    revoke.add_argument("name")
    actions.add_parser("list", help="a JSON line for each")


def run(args: argparse.Namespace) -> int:
    """Register, revoke or list."""
    granted: list[str] = []
    if args.action == "add":
        granted = [*dict.fromkeys(args.scope), *dict.fromkeys(map(scopes.launch, args.patient))]
        scopes.parse(granted)
    storage = wiring.open_storage(load(args.config, data_dir=args.data))
    now_us = SystemClock().now_us()
    try:
        if args.action == "add":
            print(storage.clients.add(args.name, granted, now_us=now_us))
        elif args.action == "list":
            for client in storage.clients.all():
                told = {"name": client.name, "scopes": client.scopes, "made_us": client.made_us}
                print(json.dumps(told | {"revoked_us": client.revoked_us}))
        elif not storage.clients.revoke(args.name, now_us=now_us):
            raise Poison("name", f"{args.name} has no token that is valid")
    finally:
        storage.close()
    return 0
