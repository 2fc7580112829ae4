"""`liteheart benchmark`: every way to train a one-lead student, on the same labels, recordings and steps."""

import argparse
import json
import sys
from pathlib import Path

from inference.distill.benchmark import SHARES, TEACHER, run_benchmark, settings_for
from inference.distill.objective import ARMS
from inference.distill.plots import by_condition, plot_gap
from inference.distill.table import make_table, markdown
from liteheart.errors import Misconfigured

DEFAULT = [TEACHER, "scratch", "kd", "kd+u", "fixmatch", "mean-teacher", "pseudo", "liteheart"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PACKS, --out, --labels, --seeds, --arms, --against, --rotate."""
    parser.add_argument("packs", type=Path, help="folder that holds the PTB-XL packs")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="runs already there are not done again")
    parser.add_argument("--labels", choices=sorted(SHARES), default="10", help="percent of the labels that are kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="each with its own labels and teachers")
    parser.add_argument("--arms", nargs="+", default=DEFAULT, metavar="ARM", help=f"teacher, {', '.join(ARMS)}, ARM+u")
    parser.add_argument("--against", nargs="+", default=["scratch", "kd+u"], metavar="ARM", help="arms to compare with")
    parser.add_argument("--rotate", action="store_true", help="another test fold for each seed")


def run(args: argparse.Namespace) -> int:
    """Do what is missing, print the table, write it and a picture of the gaps beside the runs."""
    try:
        settings = settings_for(args.labels, rotate=args.rotate)
        run_benchmark(args.packs, args.out, settings, seeds=args.seeds, arms=args.arms, progress=_say)
    except ValueError as error:
        raise Misconfigured("benchmark", str(error)) from None
    table = make_table(args.out, args.arms, args.seeds, against=args.against)
    text = markdown(table)
    (args.out / "table.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    (args.out / "table.md").write_text(text, encoding="utf-8")
    plot_gap(args.out / "gap.svg", *by_condition(args.out, [TEACHER, *args.against, *args.arms], args.seeds))
    print(text, end="")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
