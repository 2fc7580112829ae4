"""`liteheart export`: a cohort, de-identified, as WFDB, EDF+, DICOM or Parquet; or all that is held of one patient."""

import argparse
import importlib.metadata
import json
import sys
import time
from pathlib import Path
from typing import Any

from deploy import wiring
from deploy.role import add_store_arguments
from deploy.settings import Settings, load
from liteheart.clock import SystemClock
from liteheart.errors import Conflict, Misconfigured, Poison
from liteheart.ids import PatientId
from storage.cohort_query import NO_REASON, Query, parse, read
from storage.consents import SCOPES
from storage.export.run import FORMATS, Order, Tally
from storage.people import OPERATOR
from storage.subjects import SEXES

_TOLD_EVERY_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--format F --out DIR with a cohort; or --bundle PATIENT --out FILE."""
    add_store_arguments(parser)
    parser.add_argument("--out", metavar="PATH", type=Path, required=True, help="a folder that is not there yet")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--format", choices=FORMATS, help="de-identified")
    what.add_argument("--bundle", metavar="PATIENT", help="all that is held of this patient, not disguised, in one zip")
    parser.add_argument("--relative-times", action="store_true", help="no dates at all, not even moved ones")
    parser.add_argument("--keep-mapping", metavar="FILE", type=Path, help="write down which number was which patient")
    parser.add_argument("--twelve-bit", action="store_true", help="WFDB in format 212 wherever the samples allow it")
    parser.add_argument("--window", metavar="S", type=float, default=10.0, help="rows of Parquet without filters (10)")
    consent = parser.add_mutually_exclusive_group()
    consent.add_argument("--consent", action="append", choices=SCOPES, help="asked for (export); may be repeated")
    consent.add_argument("--waive-consent", metavar="REASON", help="ask nobody; the audit keeps and flags the reason")
    _add_filters(parser.add_argument_group("cohort; LO:HI may leave either out"))


def _add_filters(parser: Any) -> None:
    parser.add_argument("--cohort", metavar="FILE", type=Path, help="as JSON, see docs/export.md; options win over it")
    parser.add_argument("--patient", action="append", metavar="P", help="may be repeated, as all that name things")
    parser.add_argument("--condition", action="append", metavar="CODE", help="found in the window, any of them")
    parser.add_argument("--score", action="append", default=[], metavar="CODE=LO:HI", help="every one of them")
    parser.add_argument("--near", action="append", default=[], metavar="CODE=M", help="score within M of the threshold")
    parser.add_argument("--entropy", metavar="LO:HI", help="bits, mean over the scores: 0 certain, 1 undecided")
    parser.add_argument("--sqi", metavar="LO:HI")
    parser.add_argument("--heart-rate", metavar="LO:HI", help="beats a minute")
    parser.add_argument("--usable", action="store_true", default=None)
    parser.add_argument("--model", metavar="VERSION", help="readings of this one, not the first of each window")
    parser.add_argument("--alarm", action="append", metavar="CODE", help="around alarms of this condition")
    parser.add_argument("--reason", action="append", metavar="R", help=f"that were given this reason, or {NO_REASON}")
    parser.add_argument("--around", metavar="S", type=float, help="before and after an alarm (30)")
    parser.add_argument("--since", metavar="TIME", help="ISO 8601, UTC unless it says otherwise")
    parser.add_argument("--until", metavar="TIME")
    parser.add_argument("--age", metavar="LO:HI")
    parser.add_argument("--sex", action="append", choices=SEXES)
    parser.add_argument("--site", action="append", metavar="NAME")
    parser.add_argument("--per-patient", type=int, metavar="N", help="windows of a patient, drawn at random")
    parser.add_argument("--sample", type=int, metavar="N", help="windows in all, drawn at random")
    parser.add_argument("--seed", type=int, metavar="N", help="of what is drawn (0)")


def run(args: argparse.Namespace) -> int:
    """One JSON line; progress on stderr at a terminal."""
    settings = load(args.config, data_dir=args.data)
    storage = wiring.open_storage(settings)
    try:
        if args.bundle is not None:
            print(json.dumps(_bundle(storage, PatientId(args.bundle), args.out)))
            return 0
        order = _order(args, query(args, settings))
        if order.mapping is not None:
            print(f"liteheart export: {order.mapping} undoes the disguise: keep it apart", file=sys.stderr)
        progress = _Progress()
        tally = storage.exports.run(order, progress)
        progress.end()
    finally:
        storage.close()
    print(json.dumps({"kind": "export", "format": order.format, "out": str(order.out)} | tally.to_json()))
    return 0


def query(args: argparse.Namespace, settings: Settings) -> Query:
    """What the options say, over what the file says. Raises Poison naming what cannot be."""
    document = _document(args.cohort)
    named = {
        "patients": args.patient,
        "conditions": args.condition,
        "sexes": args.sex,
        "sites": args.site,
        "usable": args.usable,
        "model": args.model,
        "since": args.since,
        "until": args.until,
        "per_patient": args.per_patient,
        "sample": args.sample,
        "seed": args.seed,
        "consent": [] if args.waive_consent is not None else args.consent,
    }
    document |= {name: value for name, value in named.items() if value is not None}
    for name in ("entropy", "sqi", "heart_rate", "age"):
        if (text := getattr(args, name)) is not None:
            document["heart_rate_bpm" if name == "heart_rate" else name] = _ends(name, text)
    scores = {code: _ends("score", text) for code, text in map(_pair, args.score)}
    scores |= _near(args.near, settings) if args.near else {}
    if scores:
        document["scores"] = document.get("scores", {}) | scores
    alarms = {"conditions": args.alarm, "reasons": args.reason, "around_s": args.around}
    if alarms := {name: value for name, value in alarms.items() if value is not None}:
        document["alarms"] = document.get("alarms", {}) | alarms
    return parse(document)


def _document(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    read(path)  # says what is wrong with it
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def _pair(text: str) -> tuple[str, str]:
    code, sign, value = text.partition("=")
    if not sign or not code:
        raise Poison("score", f"{text!r} is not CODE=VALUE")
    return code, value


def _ends(name: str, text: str) -> list[float | None]:
    low, sign, high = text.partition(":")
    try:
        if not sign:
            raise ValueError
        return [float(low) if low else None, float(high) if high else None]
    except ValueError:
        raise Poison(name, f"{text!r} is not LO:HI") from None


def _near(wanted: list[str], settings: Settings) -> dict[str, list[float | None]]:
    """Ranges around the thresholds of the student that is set."""
    from inference.model.card import load_card  # only who asks for it pays for it

    limits = load_card(settings.inference.model_dir).thresholds
    found: dict[str, list[float | None]] = {}
    for code, text in map(_pair, wanted):
        if code not in limits:
            raise Poison("near", f"the student has no threshold for {code}")
        try:
            margin = float(text)
        except ValueError:
            raise Poison("near", f"{text!r} is no number") from None
        found[code] = [limits[code] - margin, limits[code] + margin]
    return found


def _order(args: argparse.Namespace, asked: Query) -> Order:
    if args.waive_consent is not None and not args.waive_consent.strip():
        raise Misconfigured("--waive-consent", "needs a reason")
    return Order(
        query=asked,
        format=args.format,
        out=args.out,
        by=OPERATOR,
        now_us=SystemClock().now_us(),
        version=importlib.metadata.version("liteheart"),
        relative_times=args.relative_times,
        twelve_bit=args.twelve_bit,
        window_s=args.window,
        mapping=args.keep_mapping,
        waived=args.waive_consent or "",
    )


def _bundle(storage: wiring.Storage, patient: PatientId, out: Path) -> dict[str, Any]:
    now_us = SystemClock().now_us()
    try:
        identity = storage.identities.read(patient, OPERATOR, now_us, glass=False)
    except Conflict as conflict:
        print(f"liteheart export: without the identity: {conflict}", file=sys.stderr)
        identity = None
    held = storage.bundles.write(patient, out, by=OPERATOR, now_us=now_us, identity=identity)
    return {"kind": "bundle", "out": str(out)} | held.to_json()


class _Progress:
    """A line that is written over, where someone watches."""

    def __init__(self) -> None:
        self._watched, self._told_s = sys.stderr.isatty(), 0.0

    def __call__(self, done: int, total: int, tally: Tally) -> None:
        now_s = time.monotonic()
        if self._watched and (now_s - self._told_s > _TOLD_EVERY_S):
            self._told_s = now_s
            text = f"patient {done}/{total}, {tally.recordings} written, {tally.seconds / 3600:.1f} h"
            print(f"\r{text}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._watched and self._told_s:
            print(file=sys.stderr)
