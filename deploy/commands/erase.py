"""`liteheart erase`: destroy a patient's key and delete everything that it sealed; one JSON line of what went."""

import argparse
import dataclasses
import json
import logging

from deploy import wiring
from deploy.role import add_store_arguments
from deploy.settings import Settings, load
from liteheart.clock import SystemClock
from liteheart.errors import Misconfigured, Poison
from liteheart.ids import PatientId
from storage.log import DiskLog
from storage.scrub import Scrubber

log = logging.getLogger(__name__)

_MOST = 200  # characters of a reason


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PATIENT [--by WHO --reason TEXT --yes] [--force]."""
    add_store_arguments(parser)
    parser.add_argument("patient", help="the pseudonym")
    parser.add_argument("--by", help="who decided so, for the audit")
    parser.add_argument("--reason", help="why, for the audit; no names")
    parser.add_argument("--yes", action="store_true", help="do it; without it only tells what would go")
    parser.add_argument("--force", action="store_true", help="also a patient who is here: the stay ends first")


def run(args: argparse.Namespace) -> int:
    """Erase, or tell what would go. There is no way back."""
    settings = load(args.config, data_dir=args.data)
    patient = PatientId(args.patient)
    if args.yes and not (args.by and args.reason):
        raise Poison("--by", "and --reason are needed: an erasure is audited")
    if args.reason and len(args.reason) > _MOST:
        raise Poison("--reason", f"must be at most {_MOST} characters")
    storage = wiring.open_storage(settings)
    try:
        if not args.yes:
            told = dataclasses.asdict(storage.erasure.plan(patient)) | {"erased": False}
            del told["files"]
        else:
            now_us = SystemClock().now_us()
            done = storage.erasure.erase(patient, args.by, args.reason, now_us, force=args.force)
            told = dataclasses.asdict(done) | {"erased": True} | _log(settings, storage)
    finally:
        storage.close()
    print(json.dumps(told))
    return 0


def _log(settings: Settings, storage: wiring.Storage) -> dict[str, object]:
    """The embedded log: scrubbed here, or by the monitor that has it. Kafka's topics go by their own retention."""
    if not settings.embedded:
        return {"log": "kafka: gone with the retention of its topics"}
    folder = settings.data_dir / "log"
    if not folder.is_dir():
        return {"log": 0}
    try:
        disk = DiskLog(folder)
    except Misconfigured:
        return {"log": f"by the monitor that runs, within {settings.worker.retention_s:g} s"}
    try:
        return {"log": Scrubber(disk, folder).follow(storage.keys.erased())}
    finally:
        disk.close()
