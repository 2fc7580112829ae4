"""`liteheart benchmark`: every way to train a one-lead student, on the same labels, recordings and steps.

On the PTB-XL packs, or with --database on a published folder of any database whose records `liteheart data` reads.
"""

import argparse
import functools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.twelve import FS_HZ, simulate_twelve
from inference.datasets.examine import read_folder
from inference.datasets.splits import load_index
from inference.distill.benchmark import SHARES, TEACHER, BenchmarkSettings, Source, run_benchmark, settings_for
from inference.distill.objective import ARMS
from inference.distill.parity import ParitySettings, prepare_parity
from inference.distill.plots import STUDENT, by_condition, look_at, plot_gap, plot_regions
from inference.distill.published import MINIMUM, Collected, collect, divide, split_for
from inference.distill.scarce import Material
from inference.distill.table import make_table, markdown
from inference.distill.teachers import load_ensemble
from inference.model.checkpoint import load_student
from inference.preprocess import preprocess
from inference.settings import SHIPPED
from ingest.sources.recording import read_recording
from ingest.sources.simulate import Episode
from liteheart.errors import Misconfigured

DEFAULT = [TEACHER, "scratch", "kd", "kd+u", "fixmatch", "mean-teacher", "pseudo", "liteheart"]
# A simulated patient with one ventricular beat in 10 s, and what is looked for in that strip.
_STRIP: Final = ([Episode("sinus", 16, 70, pvc_per_min=8)], 5)
_LOOKED_FOR: Final = ("PVC", "SR", "NORM")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PACKS, --out, --labels, --seeds, --arms, --against, --rotate; --database and what goes with it."""
    parser.add_argument("packs", type=Path, help="folder that holds the PTB-XL packs, or the published records")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="runs already there are not done again")
    parser.add_argument("--labels", choices=sorted(SHARES), default="10", help="percent of the labels that are kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="each with its own labels and teachers")
    parser.add_argument("--arms", nargs="+", default=DEFAULT, metavar="ARM", help=f"teacher, {', '.join(ARMS)}, ARM+u")
    parser.add_argument("--against", nargs="+", default=["scratch", "kd+u"], metavar="ARM", help="arms to compare with")
    parser.add_argument("--rotate", action="store_true", help="another test fold for each seed")
    parser.add_argument("--database", metavar="CODE", help="the twelve-lead records of this database below PACKS")
    parser.add_argument("--minimum", type=int, default=MINIMUM, metavar="N", help="records a condition of it must have")
    parser.add_argument("--split", type=Path, metavar="FILE", help="of `liteheart data split`; else one a seed")
    parser.add_argument("--profile", choices=("main", "parity"), default="main", help="10 s at 100 Hz; 6,144 at 500 Hz")


def run(args: argparse.Namespace) -> int:
    """Do what is missing, print the table, write it and the pictures beside the runs."""
    try:
        settings, source = _published(args) if args.database else (_of_packs(args), None)
        run_benchmark(args.packs, args.out, settings, seeds=args.seeds, arms=args.arms, source=source, progress=_say)
    except ValueError as error:
        raise Misconfigured("benchmark", str(error)) from None
    table = make_table(args.out, args.arms, args.seeds, against=args.against)
    text = markdown(table)
    (args.out / "table.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    (args.out / "table.md").write_text(text, encoding="utf-8")
    classes, found = by_condition(args.out, [TEACHER, *args.against, *args.arms], args.seeds)
    plot_gap(args.out / "gap.svg", classes, found)
    _plot_regions(args.out, args.seeds[0], settings, classes)
    print(text, end="")
    return 0


def _of_packs(args: argparse.Namespace) -> BenchmarkSettings:
    if args.profile != "main" or args.split:
        raise ValueError("--profile parity and --split speak of published records: name their --database")
    return settings_for(args.labels, rotate=args.rotate)


def _published(args: argparse.Namespace) -> tuple[BenchmarkSettings, Source]:
    """Settings and source; the folder is read when the first run asks for it."""
    if args.rotate:
        raise ValueError("--rotate speaks of the folds of the packs")
    parity = args.profile == "parity"
    settings = ParitySettings(args.labels) if parity else settings_for(args.labels)
    given = load_index(args.split) if args.split else None
    split = f"{given.plan} {given.ratio} seed {given.seed} of {given.of}" if given else "one a seed"

    @functools.cache
    def collected() -> Collected:
        records = (
            r for r in read_folder(args.packs, read_recording, low_rate=not parity) if r.database == args.database
        )
        return collect(records, prepare_parity if parity else preprocess, minimum=args.minimum)

    def material(seed: int) -> Material:
        found = collected()
        try:
            return divide(found, given or split_for(found.listed, SHARES[args.labels], seed))
        except KeyError as error:
            raise ValueError(f"{args.split}: {error.args[0]}") from None

    return settings, Source(f"{args.database}, minimum {args.minimum}, split {split}", material)


def _plot_regions(out: Path, seed: int, settings: BenchmarkSettings, classes: Sequence[str]) -> None:
    """Where this benchmark's teachers and the shipped student look, on a simulated strip."""
    if isinstance(settings, ParitySettings):  # the shipped student reads another profile
        return
    student, card = load_student(SHIPPED)
    codes = [c for c in _LOOKED_FOR if c in classes and c in card.classes]
    teachers = out / f"teachers.seed{seed}.npz"
    if not codes or not teachers.exists():
        return
    x = preprocess(simulate_twelve(*_STRIP), FS_HZ)
    ensemble = load_ensemble(teachers, settings.teachers, len(classes))
    names = {TEACHER: classes, STUDENT: card.classes}
    plot_regions(out / "regions.svg", x[0], look_at(ensemble, student, x, names, codes))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
