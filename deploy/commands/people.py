"""`liteheart people`: add a user who may sign in to the dashboard."""

import argparse
import getpass
import sys

from deploy import wiring
from deploy.environment import environment
from deploy.role import add_config_argument
from deploy.settings import load

ROLES = ("nurse", "physician", "technician", "administrator", "researcher")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """add USERNAME --role ROLE."""
    add_config_argument(parser)
    parser.add_argument("action", choices=["add"])
    parser.add_argument("username")
    parser.add_argument("--role", choices=ROLES, default="nurse")


def run(args: argparse.Namespace) -> int:
    """Ask for the password at the terminal, or take LITEHEART_PASSWORD; it is never an argument."""
    password = environment().get("LITEHEART_PASSWORD")
    if password is None:
        password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    storage = wiring.open_storage(load(args.config))
    try:
        storage.people.add(args.username, args.role, password)
    finally:
        storage.close()
    return 0
