"""The command line of the benchmarks."""

import argparse
import importlib
import logging
import sys
import time
from collections.abc import Sequence
from typing import Final, cast

from benchmarks import page
from benchmarks.figures import NOISY, Benchmark, Options
from liteheart.errors import Misconfigured

NAMES: Final = ("beats", "codec", "engines", "pipeline", "live", "export")
IN_CHROMIUM: Final = ("screen",)  # wants the machine for itself, and is not among `all`
BESIDE: Final = ("refresh_load",)  # two turns of everything, and not among `all`
ALIASES: Final = {"dashboard": "screen"}
IN_NOISE: Final = ("quality", "onset", "refresh", "refresh_drift", "sequence")  # need the packs; not among `all`


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0, or 1 when a benchmark could not run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="one JSON line a figure")
    parser.add_argument("name", choices=[*NAMES, *IN_CHROMIUM, *BESIDE, *ALIASES, *IN_NOISE, "all", "write-docs"])
    parser.add_argument("--quick", action="store_true", help="small and short: all of them within a minute")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated signal and of what is drawn (1)")
    parser.add_argument(
        "--patients", type=int, metavar="N", help="of `live` (50, with --quick 12), tiles of `screen` (48)"
    )
    parser.add_argument("--kafka", action="store_true", help="`live` on Kafka, PostgreSQL and Redis, a process a role")
    parser.add_argument("--keep", action="store_true", help="keep the lines in benchmarks/results for the page")
    asked = parser.parse_args(arguments)
    if asked.name == "write-docs":
        return _write_docs()
    if asked.patients is not None and asked.patients < 1:
        parser.error("--patients: at least one")
    options = Options(quick=asked.quick, seed=asked.seed, patients=asked.patients, kafka=asked.kafka)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    names = NAMES if asked.name == "all" else (ALIASES.get(asked.name, asked.name),)
    words = [a for a in arguments if a not in ("--keep", asked.name)]
    return max([_run(name, options, words if asked.keep else None) for name in names])


def _write_docs() -> int:
    try:
        page.write()
    except Misconfigured as error:
        _say(f"write-docs: {error}")
        return 1
    return 0


def _run(name: str, options: Options, words: Sequence[str] | None) -> int:
    """Print the figures; with `words`, the options of the command, keep them when all is done."""
    lines: list[str] = []
    began = time.monotonic()
    benchmark = cast(Benchmark, importlib.import_module(f"benchmarks.{name}").benchmark)
    try:
        for figure in benchmark(options):
            lines.append(figure.line(name, options))
            print(lines[-1], flush=True)
            if figure.noisy:
                _say(f"{name}: {figure.name}: the rounds spread by more than {NOISY:.0%}")
    except Misconfigured as error:
        _say(f"{name}: {error}")
        return 1
    if words is not None:
        page.keep(f"{name}-kafka" if options.kafka and name == "live" else name, lines, _command(name, words))
    _say(f"{name}: done in {time.monotonic() - began:.0f} s")
    return 0


def _command(name: str, words: Sequence[str]) -> str:
    return " ".join(["python -m benchmarks", name, *words])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
