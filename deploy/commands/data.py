"""`liteheart data`: what a folder of published recordings holds, what is wrong with it, and splits of it."""

import argparse
import json
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from deploy.cli import EXIT_INPUT
from inference.datasets.examine import examine
from inference.datasets.folder import Entry, open_folder
from inference.datasets.report import Line, Report, Seen, seen
from inference.datasets.splits import Index, cessl, folds, htuning
from ingest.sources.recording import read_recording
from liteheart.errors import Misconfigured

_WORTH_A_POOL = 32  # entries; below it, starting processes costs more than it saves
_CHUNK = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """check DIR; split DIR."""
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="JSON lines: problems, one line a database, a summary")
    split = actions.add_parser("split", help="the same on stderr, and an index file of a split by patient")
    for action in (check, split):
        action.add_argument("folder", type=Path, metavar="DIR", help="WFDB records of the databases, packs")
        action.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (one a core for many records)")
    split.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON index that is written")
    split.add_argument("--plan", choices=("cessl", "htuning", "folds"), default="cessl")
    split.add_argument("--ratio", type=float, metavar="R", help="share that keeps its labels (cessl .05, htuning .1)")
    split.add_argument("--seed", type=int, default=0)
    split.add_argument("--database", metavar="CODE", help="of this database only")


def run(args: argparse.Namespace) -> int:
    """Print what is there; exit status 2 when nothing of it can be learned from."""
    report = Report()
    stream = sys.stdout if args.action == "check" else sys.stderr
    for line in _lines(args, report):
        print(json.dumps(line, ensure_ascii=False), file=stream)
    stream.flush()
    if not report.listed:
        print(f"liteheart data: {args.folder} holds nothing that can be learned from", file=sys.stderr)
        return EXIT_INPUT
    if args.action == "split":
        index = _split(args, report)
        index.save(args.out)
        print(json.dumps({"plan": index.plan, **{side: len(keys) for side, keys in index.sides.items()}}))
    return 0


def _lines(args: argparse.Namespace, report: Report) -> Iterator[Line]:
    folder = open_folder(args.folder)
    for path, remark in folder.remarks:
        yield report.remark(path, remark)
    total = len(folder.entries)
    for done, found in enumerate(_examined(folder.entries, args.jobs), start=1):
        for record in found:
            yield from report.add(record)
        if sys.stderr.isatty():
            print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr)
    yield from report.database_lines()
    yield report.summary()


def _examined(entries: Sequence[Entry], jobs: int) -> Iterator[list[Seen]]:
    jobs = jobs or (multiprocessing.cpu_count() if len(entries) >= _WORTH_A_POOL else 1)
    if jobs == 1:
        yield from map(_examine, entries)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_examine, entries, chunksize=_CHUNK)


def _examine(entry: Entry) -> list[Seen]:
    return [seen(found) for found in examine(entry, read_recording)]


def _split(args: argparse.Namespace, report: Report) -> Index:
    listed = [r for r in report.listed if args.database in (None, r.database)]
    try:
        if args.plan == "folds":
            return folds(listed)
        if args.plan == "htuning":
            return htuning(listed, seed=args.seed, ratio=0.1 if args.ratio is None else args.ratio)
        return cessl(listed, seed=args.seed, ratio=0.05 if args.ratio is None else args.ratio)
    except ValueError as error:
        raise Misconfigured("split", str(error)) from None
