"""`liteheart migrate`: bring the database to this version's schema."""

import argparse

from deploy import wiring
from deploy.role import add_config_argument
from deploy.settings import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--config."""
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Upgrade; safe to repeat."""
    wiring.migrate(load(args.config))
    return 0
