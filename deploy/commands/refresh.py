"""`liteheart refresh`: from stored windows to a better student, by the clock or now; one host at a time is at it."""

import argparse
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from typing import Any, Final, NoReturn

from deploy import wiring
from deploy.role import add_store_arguments, configure_logging
from deploy.settings import Settings, load
from liteheart.clock import SystemClock
from liteheart.errors import Conflict, Retryable
from storage.refreshes import Refresh

log = logging.getLogger(__name__)
NICE: Final = 15  # live scoring goes first


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--config, --data, --once, --now, --dry-run."""
    add_store_arguments(parser)
    parser.add_argument("--once", action="store_true", help="as far as it goes now, then end; without: by the clock")
    parser.add_argument("--now", action="store_true", help="begin even if none is due yet")
    parser.add_argument("--dry-run", action="store_true", help="say what would be learned from; nothing is kept")
    parser.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)  # end when stdin does


def run(args: argparse.Namespace) -> int:
    """One JSON line for each attempt that ended or waits; 0, or 3 where another host is at it (with --once)."""
    settings = load(args.config, data_dir=args.data)
    configure_logging(settings, "WARNING" if args.with_parent and sys.stderr.isatty() else None)  # as `up` itself
    with contextlib.suppress(OSError):
        os.nice(NICE)
    storage = wiring.open_storage(settings)
    try:
        return _run(settings, storage, args)
    finally:
        storage.close()


def _run(settings: Settings, storage: wiring.Storage, args: argparse.Namespace) -> int:
    from deploy.refresh.method import RefreshMethod  # torch
    from deploy.refresh.run import Refresher, dry_run

    if args.dry_run:
        print(json.dumps(dry_run(settings, storage, RefreshMethod(settings.refresh), SystemClock())))
        return 0
    holder = f"{socket.gethostname()}-{os.getpid()}"
    refresher = Refresher(settings, storage, RefreshMethod(settings.refresh), SystemClock(), holder)
    if not args.once:
        signal.signal(signal.SIGTERM, _leave)
    if args.with_parent:
        threading.Thread(target=_await_parent, name="parent", daemon=True).start()
    begin = args.now
    while True:
        status = 0
        try:
            if begin or refresher.due():
                begin = False
                print(json.dumps(line(refresher.step())), flush=True)
            elif args.once:
                print(json.dumps({"due": False}), flush=True)
        except Conflict as conflict:
            status = 3
            log.log(logging.WARNING if args.once else logging.INFO, "%s", conflict)
        except Retryable as error:
            status = 1
            log.warning("storage does not answer: %s", error)
        if args.once:
            return status
        time.sleep(settings.refresh.look_s)


def _leave(*_: object) -> NoReturn:
    """Now, whatever goes on: an attempt is made to be broken off."""
    raise SystemExit(0)


def _await_parent() -> None:
    """Whoever started this holds its stdin open, and is gone when that ends."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def line(refresh: Refresh) -> dict[str, Any]:
    """What is told of an attempt."""
    return {
        "refresh": refresh.refresh_id,
        "phase": refresh.phase,
        "share": round(refresh.share, 3),
        "outcome": refresh.outcome,
        "reason": refresh.reason or refresh.detail.get("waiting", ""),
        "candidate": refresh.candidate,
        "detail": dict(refresh.detail),
    }
