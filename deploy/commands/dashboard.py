"""`liteheart dashboard`: the nurses' screen and the API."""

import argparse

from deploy.role import add_role_arguments, run_role


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--config, --host, --port."""
    add_role_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    return run_role(args, "dashboard")
