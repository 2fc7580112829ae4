"""`python -m deploy.chaos`: the whole system under kill -9. One JSON line; exit status 0 when nothing is missing.

devices --> gateway --> Kafka --> monitor-1, monitor-2 --> PostgreSQL      each killed at random, started again at once
   |                                                            |
   '------ what was accepted  ==  what is stored, and its alarms '
"""

import argparse
import asyncio
import contextlib
import json
import logging
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy import wiring
from deploy.chaos.roles import Role
from deploy.chaos.run import Plan, run, say
from deploy.environment import environment
from deploy.services.kafka import Kafka, start_kafka
from deploy.services.postgres import Postgres, start_postgres
from deploy.services.process import ServiceFailed, ServiceMissing
from deploy.services.redis import start_redis
from deploy.settings import PREFIX, load
from ingest.publish import create_topics
from liteheart.errors import LiteHeartError
from liteheart.topics import ALL

MONITORS = ("monitor-1", "monitor-2")


def main(arguments: Sequence[str]) -> int:
    """0 when nothing differs, 1 when something does, 2 when it could not be carried out, 130 after Ctrl-C."""
    args = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.basicConfig(level="ERROR")  # devices that wait for a killed gateway are no news
    plan = Plan(args.kills, args.patients, args.every, args.seed, args.broker, args.database, args.freeze)
    with contextlib.ExitStack() as stack:
        folder = args.folder.resolve() if args.folder else _scratch(stack)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            figures = _carry_out(plan, folder, stack)
        except (ServiceMissing, ServiceFailed, LiteHeartError, TimeoutError) as error:
            say(str(error))
            return 2
        except KeyboardInterrupt:
            say("stopped")
            return 130
        if not figures["clean"] and not args.folder:
            say("with --folder DIR the logs are kept")
        print(json.dumps(figures), flush=True)
    return 0 if figures["clean"] else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.chaos", description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=10, metavar="N", help="how many (10)")
    parser.add_argument("--patients", type=int, default=20, metavar="N", help="simulated wearables (20)")
    parser.add_argument("--every", type=float, default=5.0, metavar="S", help="seconds between kills, on average (5)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another choice of victims")
    parser.add_argument("--broker", action="store_true", help="kill Kafka too")
    parser.add_argument("--database", action="store_true", help="kill PostgreSQL too")
    parser.add_argument("--freeze", action="store_true", help="freeze monitors too, until others have their patients")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep logs and data there")
    return parser


def _scratch(stack: contextlib.ExitStack) -> Path:
    """A folder that every account can pass through, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="liteheart-chaos-"))
    folder.chmod(0o711)
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _carry_out(plan: Plan, folder: Path, stack: contextlib.ExitStack) -> dict[str, Any]:
    say(f"starting the servers in {folder}")
    redis = stack.enter_context(start_redis(folder / "redis"))
    postgres: Postgres = stack.enter_context(start_postgres(folder / "postgres"))
    kafka: Kafka = stack.enter_context(start_kafka(folder / "kafka"))
    environ = {name: value for name, value in environment().items() if not name.startswith(PREFIX)}
    environ |= {"LITEHEART_BROKER": kafka.url, "LITEHEART_DATABASE": postgres.url, "LITEHEART_REDIS": redis.url}
    environ["LITEHEART_DATA"] = str(folder / "data")
    settings = load(environ=environ)
    wiring.migrate(settings)
    create_topics(settings.kafka_client, ALL)
    roles = [Role("gateway", "gateway", environ, folder)]
    roles += [Role(name, "monitor", environ, folder) for name in MONITORS]
    return asyncio.run(run(plan, settings, roles, kafka, postgres))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
