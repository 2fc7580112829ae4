"""`liteheart audit`: whether the chain of the audit holds, as one JSON line."""

import argparse
import json

from deploy import wiring
from deploy.role import add_config_argument
from deploy.settings import load
from liteheart.errors import Poison

EXIT_BROKEN = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """verify [--noted HEX]."""
    add_config_argument(parser)
    actions = parser.add_subparsers(dest="action", required=True)
    verify = actions.add_parser(
        "verify", help="check every row against the one before; status 1 names the first that does not hold"
    )
    verify.add_argument("--noted", metavar="HEX", help="a head that was printed before: it must still be in the chain")


def run(args: argparse.Namespace) -> int:
    """Verify. `head` is worth noting outside of this machine: whoever rewrites all rows cannot keep it."""
    noted = _digest(args.noted)
    storage = wiring.open_storage(load(args.config))
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
