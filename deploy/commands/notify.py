"""`liteheart notify`: carry notices to webhooks, mailboxes and Apprise services; `--try` tells each target once."""

import argparse
import asyncio

from alerts.notify.notice import trial
from alerts.notify.ports import Undelivered
from alerts.notify.relay import senders
from deploy.role import add_role_arguments, run_role
from deploy.settings import Settings, load
from liteheart.clock import SystemClock
from liteheart.errors import Misconfigured


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--config, --host, --port, --try."""
    add_role_arguments(parser)
    parser.add_argument("--try", dest="trial", action="store_true", help="send a test notice to each target and end")


def run(args: argparse.Namespace) -> int:
    """Work until told to stop; with --try 0 when every target has taken the test notice."""
    if not args.trial:
        return run_role(args, "notify")
    settings = load(args.config)
    if not settings.notify.targets:
        raise Misconfigured("notify", "names no target")
    return asyncio.run(_try(settings))


async def _try(settings: Settings) -> int:
    now_us = SystemClock().now_us()
    failed = 0
    for name, sender in senders(settings.notify).items():
        delivery = trial(name, now_us, settings.notify)
        try:
            await sender.send(delivery, delivery.notice, now_us)
            print(f"{name}: taken")
        except Undelivered as error:
            failed = 1
            print(f"{name}: {error}")
    return failed
