"""What the production roles have in common: options, signals, a clean stop."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from deploy.settings import Settings, load
from deploy.system import System, running
from liteheart import logs
from liteheart.errors import Misconfigured

log = logging.getLogger(__name__)


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """--config."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML; variables win over it")


def add_store_arguments(parser: argparse.ArgumentParser) -> None:
    """--config, --data: for commands that work on the database without being a role."""
    add_config_argument(parser)
    parser.add_argument("--data", metavar="DIR", type=Path, help="data folder of the embedded system (data)")


def add_role_arguments(parser: argparse.ArgumentParser) -> None:
    """--config, --host, --port."""
    add_config_argument(parser)
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (8080)")


def configure_logging(settings: Settings, level: str | None = None) -> None:
    """Lines for a person at a terminal, JSON for a collector; libraries speak up from warnings on."""
    logs.configure(level or settings.log_level, as_json=not sys.stderr.isatty())
    for library in ("faust", "mode", "aiokafka", "kafka", "alembic", "deploy.transport", "onnx_ir", "onnxscript"):
        logging.getLogger(library).setLevel(logging.WARNING)


def run_role(args: argparse.Namespace, role: str) -> int:
    """Run one production role until SIGTERM or SIGINT; 0 on a clean stop, 1 when a part of it failed."""
    settings = load(args.config, http__host=args.host, http__port=args.port)
    if settings.embedded:
        raise Misconfigured("broker", "this role needs LITEHEART_BROKER=kafka://host:port; `liteheart up` needs none")
    configure_logging(settings)
    return asyncio.run(_until_stopped(settings, role))


async def _until_stopped(settings: Settings, role: str) -> int:
    async with running(settings, {role}) as system:
        log.info("%s ready", role, extra={"url": system.url})
        return await stopped(system)


async def stopped(system: System) -> int:
    """Wait for a signal (0), or for a part that failed (1): the supervisor then starts the process anew."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    system.failed.add_done_callback(lambda _: stop.set())
    await stop.wait()
    if system.failed.done():
        log.critical("stopping, a part failed", exc_info=system.failed.exception())
        return 1
    system.failed.cancel()
    return 0
