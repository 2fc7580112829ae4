"""`liteheart models`: the students that there are, which one serves, and who decides."""

import argparse
import getpass
import json
from typing import Any

from deploy import wiring
from deploy.role import add_store_arguments
from deploy.settings import load
from liteheart.clock import SystemClock
from liteheart.errors import Poison
from liteheart.ids import ModelVersion
from storage.models import Models, Version

_NEEDS_VERSION = ("show", "approve", "promote", "refuse")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """list | show V | approve V --weights HEX | promote V | refuse V --reason | rollback --reason."""
    add_store_arguments(parser)
    parser.add_argument("action", choices=["list", "show", "approve", "promote", "refuse", "rollback"])
    parser.add_argument("version", nargs="?", help="as `list` prints it")
    parser.add_argument("--weights", default="", help="approve: 12 or more hex digits of the weights' SHA-256")
    parser.add_argument("--reason", default="", help="why; needed to refuse and to roll back")
    parser.add_argument("--by", default=getpass.getuser(), help="who decides; kept in the audit")


def run(args: argparse.Namespace) -> int:
    """Monitors take up another champion within seconds, without a restart."""
    if (args.version is None) == (args.action in _NEEDS_VERSION):
        raise Poison("version", f"belongs to {', '.join(_NEEDS_VERSION)} and to no other action")
    if args.action in ("refuse", "rollback") and not args.reason:
        raise Poison("--reason", "must say why")
    storage = wiring.open_storage(load(args.config, data_dir=args.data))
    try:
        return _act(storage.models, args)
    finally:
        storage.close()


def _act(models: Models, args: argparse.Namespace) -> int:
    now_us = SystemClock().now_us()
    if args.action == "list":
        champion = models.champion()
        for version in models.latest():
            print(json.dumps(_line(version) | {"serves": version.version == champion}))
        return 0
    if args.action == "rollback":
        print(json.dumps({"serves": models.roll_back(args.by, args.reason, now_us)}))
        return 0
    name = ModelVersion(args.version)
    if args.action == "approve":
        models.approve(name, args.weights, args.by, args.reason, now_us)
    elif args.action == "promote":
        models.promote(name, args.by, now_us, args.reason)
    elif args.action == "refuse":
        models.take_step(name, "refused", args.by, args.reason, now_us)
    found = models.get(name)
    if found is None:
        raise Poison("version", f"there is no {name}")
    print(json.dumps(_whole(found)))
    return 0


def _line(version: Version) -> dict[str, Any]:
    return {
        "version": version.version,
        "status": version.status,
        "parent": version.parent,
        "weights": version.weights_digest.hex(),
        "made_us": version.made_us,
    }


def _whole(version: Version) -> dict[str, Any]:
    steps = [{"step": s.step, "by": s.by, "reason": s.reason, "at_us": s.at_us} for s in version.steps]
    known = {"code_version": version.code_version, "data": version.data_digest.hex(), "metrics": dict(version.metrics)}
    return _line(version) | known | {"steps": steps, "card": dict(version.card)}
