"""`liteheart backtest`: what other limits, delays or another student would have meant, before anyone has to hear it.

Signal from the store, or from recordings, runs once more through the live path's own parts, under the settings as they
are and as they would be. The store is opened so that it cannot be written to.
"""

import argparse
import functools
import json
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.annotated import Source, sources
from deploy.backtest.cases import Plan, Stay, of_source, open_store, stays, try_stay
from deploy.backtest.figures import Case, change, figures, reproduced
from deploy.backtest.table import markdown
from deploy.cli import EXIT_INPUT
from liteheart.clock import US_PER_S
from liteheart.errors import LiteHeartError, Misconfigured

Result = tuple[Case, Case] | str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """REC... or the store; --set, --model; which patients and when; what is the truth."""
    parser.add_argument("records", nargs="*", type=Path, metavar="REC", help="recordings or packs; none: the store")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes", help="of `after`")
    parser.add_argument("--model", type=Path, metavar="DIR", help="another student, for `after`")
    parser.add_argument("--no-student", action="store_true", help="the beat path alone, in both")
    parser.add_argument("--patient", action="append", default=[], metavar="P", help="of the store; may be repeated")
    parser.add_argument("--since", metavar="TIME", help="ISO 8601, UTC unless it says otherwise")
    parser.add_argument("--until", metavar="TIME", help="likewise; default: the newest sample")
    parser.add_argument("--hours", type=float, default=24.0, help="length of the period without --since (24)")
    parser.add_argument("--reference", metavar="EXT", help="annotations of the recordings that are the truth (atr)")
    parser.add_argument("--lead", metavar="NAME", help="of the recordings; default I, II, MLII, else the first")
    parser.add_argument("--response-s", type=float, default=60.0, help="until somebody comes to an alarm (60)")
    parser.add_argument("--format", choices=("both", "json", "markdown"), default="both")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (one a core)")


def run(args: argparse.Namespace) -> int:
    """One JSON line, then the table; exit status 2 when a patient or recording was left out."""
    _check(args)
    plan = Plan(tuple(args.changes), args.model, not args.no_student, args.reference, args.lead)
    _ = plan.variants  # a change that cannot be is refused now, not in the first process
    status, cases = 0, list[tuple[Case, Case]]()
    for result in _results(args, plan):
        if isinstance(result, str):
            print(f"liteheart backtest: {result}", file=sys.stderr)
            status = EXIT_INPUT
        else:
            cases.append(result)
    if not cases:
        return EXIT_INPUT
    told = _told(cases, args)
    if args.format != "markdown":
        print(json.dumps(told))
    if args.format != "json":
        print(("" if args.format == "markdown" else "\n") + markdown(told), end="")
    return status


def _check(args: argparse.Namespace) -> None:
    if args.records and (args.patient or args.since or args.until):
        raise Misconfigured("backtest", "--patient, --since and --until choose from the store, not from recordings")
    if args.reference is not None and not args.records:
        raise Misconfigured("--reference", "recordings have annotations; the store has the nurses' verdicts")
    if not args.hours > 0 or not args.response_s > 0:
        raise Misconfigured("backtest", "--hours and --response-s must be above zero")


def _results(args: argparse.Namespace, plan: Plan) -> Iterator[Result]:
    one: functools.partial[Result]
    items: list[Stay] | list[Source]
    if args.records:
        items, one = list(sources(args.records)), functools.partial(_try_source, plan=plan)
    else:
        since_us, until_us = (_instant(text, name) for name, text in (("--since", args.since), ("--until", args.until)))
        board = open_store(plan.variants[0].settings).board
        items = stays(board, args.patient, since_us, until_us, args.hours)
        one = functools.partial(try_stay, plan=plan)
    jobs = args.jobs or min(len(items), multiprocessing.cpu_count())
    if jobs <= 1:
        yield from map(one, items)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(one, items)


def _try_source(source: Source, plan: Plan) -> Result:
    try:
        return of_source(source, plan)
    except LiteHeartError as error:
        return str(error)


def _instant(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    try:
        t = datetime.fromisoformat(text)
    except ValueError:
        raise Misconfigured(name, f"{text!r} is no time, as in 2026-11-22T08:00") from None
    return round((t if t.tzinfo else t.replace(tzinfo=UTC)).timestamp() * US_PER_S)


def _told(cases: list[tuple[Case, Case]], args: argparse.Namespace) -> dict[str, Any]:
    first, second = [a for a, _ in cases], [b for _, b in cases]
    before, after = figures(first, args.response_s), figures(second, args.response_s)
    told: dict[str, Any] = {"kind": "backtest", "changes": list(args.changes)}
    if args.model is not None:
        told["model"] = str(args.model)
    told |= {"cases": len(cases), "response_s": args.response_s}
    told["truth"] = "annotations" if args.reference else "verdicts" if not args.records else "none"
    if (share := reproduced(first)) is not None:
        told["stored_alarms_reproduced"] = share
    return told | {"before": before, "after": after, "change": change(before, after)}
