"""`liteheart people`: the users who may sign in to the dashboard."""

import argparse
import getpass
import json
import sys

from deploy import wiring
from deploy.environment import environment
from deploy.role import add_store_arguments
from deploy.settings import load
from liteheart.errors import Poison

ROLES = ("nurse", "physician", "technician", "administrator", "researcher")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """add USERNAME --role ROLE | password USERNAME | role USERNAME --role ROLE | remove USERNAME | list."""
    add_store_arguments(parser)
    parser.add_argument("action", choices=["add", "password", "role", "remove", "list"])
    parser.add_argument("username", nargs="?", help="for all but list, which prints a JSON line for each")
    parser.add_argument("--role", choices=ROLES, default="nurse")


def run(args: argparse.Namespace) -> int:
    """Ask for a password at the terminal, or take LITEHEART_PASSWORD; it is never an argument."""
    if (args.username is None) != (args.action == "list"):
        raise Poison("username", "belongs to every action but list")
    password = _password() if args.action in ("add", "password") else ""
    storage = wiring.open_storage(load(args.config, data_dir=args.data))
    people = storage.people
    try:
        if args.action == "list":
            for person in people.all():
                print(json.dumps({"username": person.username, "role": person.role}))
            return 0
        if args.action == "add":
            people.add(args.username, args.role, password)
            return 0
        found: object = None
        if args.action == "password":
            found = people.set_password(args.username, password)
        elif args.action == "role":
            found = people.change(args.username, args.role, None)
        else:
            found = people.remove(args.username)
        if not found:
            raise Poison("username", f"there is no account {args.username}")
    finally:
        storage.close()
    return 0


def _password() -> str:
    password = environment().get("LITEHEART_PASSWORD")
    if password is not None:
        return password
    return getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
