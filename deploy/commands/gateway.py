"""`liteheart gateway`: devices over HTTP and WebSocket into Kafka."""

import argparse

from deploy.role import add_role_arguments, run_role


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--config, --host, --port."""
    add_role_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    return run_role(args, "gateway")
