"""The command line: `liteheart COMMAND`. Each command is a module of `deploy.commands`, imported only when called."""

import argparse
import importlib
import keyword
import os
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from deploy.environment import calm_threads
from liteheart.errors import LiteHeartError

COMMANDS = {
    "up": "the whole system in this process, with simulated and replayed patients",
    "gateway": "take frames from devices over HTTP and WebSocket into Kafka",
    "bridge": "take frames from devices over an MQTT broker into Kafka",
    "monitor": "analyse the stream, store it, raise alarms",
    "dashboard": "serve the nurses' screen and the API",
    "notify": "tell people who do not look at the screen: webhook, e-mail, Apprise",
    "replay": "let recordings act as devices",
    "score": "findings of each window of a recording",
    "beats": "R peaks of a recording",
    "quality": "signal quality of each 10 s of a recording",
    "alarms": "alarm events of a recording, as the live path would raise them",
    "report": "beats, runs and episodes against annotations, in tables along the lines of EC57",
    "backtest": "stored or recorded signal under other alarm limits, delays or another student",
    "conditions": "the conditions that the shipped student knows",
    "train": "train the 12-lead teachers on the PTB-XL packs",
    "distill": "train the one-lead student that serves, with the teachers' help",
    "evaluate": "figures of a student on the development test fold",
    "benchmark": "every way to train a one-lead student, compared on the same labels and steps",
    "data": "what a folder of published recordings holds, what is wrong with it, and splits of it",
    "models": "the students that there are, which one serves; approve, promote, refuse, roll back",
    "refresh": "grow a better student from stored windows, judge it, keep it for approval",
    "import": "WFDB, EDF+ and DICOM files as patients of the archive",
    "export": "a de-identified cohort as WFDB, EDF+, DICOM or Parquet; or all that is held of one patient",
    "consent": "what a patient agreed to, and what cohorts are chosen by: site, sex, year of birth",
    "migrate": "bring the database to this version's schema",
    "people": "who may sign in to the dashboard",
    "devices": "register a device and print its token once; files for an MQTT broker",
    "clients": "systems that may read over FHIR; prints a token once",
    "erase": "erase a patient: destroy the key, delete the signal",
    "audit": "whether the chain of who did what holds",
    "topics": "create the Kafka topics",
}
EXIT_INPUT = 2


class Command(Protocol):
    """What a module of `deploy.commands` offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the exit status."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `liteheart`."""
    calm_threads()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in COMMANDS:
        return _overview(arguments)
    name = arguments[0]
    try:
        command = cast(Command, importlib.import_module(f"deploy.commands.{module_of(name)}"))
        parser = argparse.ArgumentParser(prog=f"liteheart {name}", description=COMMANDS[name])
        command.add_arguments(parser)
        return command.run(parser.parse_args(arguments[1:]))
    except LiteHeartError as error:
        print(f"liteheart {name}: {error}", file=sys.stderr)
        return EXIT_INPUT
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def module_of(name: str) -> str:
    """The module of a command: its name, unless that is a word of the language."""
    return f"{name}_" if keyword.iskeyword(name) else name


def _overview(arguments: Sequence[str]) -> int:
    wanted = arguments[:1] in ([], ["-h"], ["--help"], ["help"])
    stream = sys.stdout if wanted else sys.stderr
    if not wanted:
        print(f"liteheart: there is no command {arguments[0]!r}", file=stream)
    print("usage: liteheart COMMAND [options]      liteheart COMMAND --help tells its options\n", file=stream)
    for name, text in COMMANDS.items():
        print(f"  {name:<11} {text}", file=stream)
    return 0 if wanted else EXIT_INPUT
