"""`liteheart audit`: whether the chain of the audit, or those of the archive, hold, as one JSON line."""

import argparse
import json

from deploy import wiring
from deploy.role import add_store_arguments
from deploy.settings import load
from liteheart.errors import Poison
from liteheart.ids import PatientId

EXIT_BROKEN = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """verify [--noted HEX] | archive [PATIENT ...]."""
    add_store_arguments(parser)
    actions = parser.add_subparsers(dest="action", required=True)
    verify = actions.add_parser(
        "verify", help="check every row against the one before; status 1 names the first that does not hold"
    )
    verify.add_argument("--noted", metavar="HEX", help="a head that was printed before: it must still be in the chain")
    archive = actions.add_parser("archive", help="check every block of signal against the patient's block before")
    archive.add_argument("patients", nargs="*", metavar="PATIENT", help="of these only")
    archive.add_argument("--no-objects", action="store_true", help="do not fetch what lies in the object store")


def run(args: argparse.Namespace) -> int:
    """Verify."""
    return _archive(args) if args.action == "archive" else _audit(args)


def _archive(args: argparse.Namespace) -> int:
    """Every patient's chain; the first that does not hold is told. Needs no key."""
    storage = wiring.open_storage(load(args.config, data_dir=args.data))
    try:
        names, blocks = [PatientId(p) for p in args.patients] or storage.archive.patients(), 0
        for patient in names:
            found = storage.archive.verify(patient, objects=not args.no_objects)
            blocks += found.blocks
            if found.broken is not None:
                told = {"ok": False, "patient": patient, "broken": found.broken, "reason": found.reason}
                print(json.dumps(told | {"blocks": blocks}))
                return EXIT_BROKEN
    finally:
        storage.close()
    print(json.dumps({"ok": True, "patients": len(names), "blocks": blocks}))
    return 0


def _audit(args: argparse.Namespace) -> int:
    """`head` is worth noting outside of this machine: whoever rewrites all rows cannot keep it."""
    noted = _digest(args.noted)
    storage = wiring.open_storage(load(args.config, data_dir=args.data))
    try:
        found = storage.audit.verify(noted)
    finally:
        storage.close()
    told = {"ok": found.broken is None, "rows": found.rows, "head": found.head.hex()}
    if found.broken is not None:
        told |= {"broken": found.broken, "reason": found.reason}
    print(json.dumps(told))
    return 0 if found.broken is None else EXIT_BROKEN


def _digest(text: str | None) -> bytes | None:
    try:
        return None if text is None else bytes.fromhex(text)
    except ValueError:
        raise Poison("--noted", "is not hexadecimal") from None
