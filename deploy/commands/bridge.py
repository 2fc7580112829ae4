"""`liteheart bridge`: devices over an MQTT broker into Kafka."""

import argparse

from deploy.role import add_role_arguments, run_role


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--config, --host, --port."""
    add_role_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Carry until told to stop."""
    return run_role(args, "bridge")
