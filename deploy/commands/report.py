"""`liteheart report`: beats, runs and episodes of annotated recordings, in tables along the lines of ANSI/AAMI EC57."""

import argparse
import functools
import json
import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from alerts.catalogue import STUDENT
from alerts.settings import AlarmSettings
from deploy import alarmed, wiring
from deploy.alarmed import analyse_recording as analyse_recording
from deploy.annotated import T0_US as T0_US
from deploy.annotated import Annotated, Source, open_source, sources
from deploy.cli import EXIT_INPUT
from deploy.playback import Score, judge
from deploy.settings import Settings, load
from deploy.sounded import calls, spans
from inference.beats import detect_r_peaks
from inference.report.labels import AF, AFL, Annotations, Beats, beats_of, fibrillation, rhythm
from inference.report.markdown import markdown
from inference.report.read import read_annotations
from inference.report.tables import Compared, Detected, Rules, compare, line, summary
from inference.serve.engine import load_engine
from ingest.sources.recording import Recording
from liteheart.clock import US_PER_S
from liteheart.errors import LiteHeartError, Misconfigured
from liteheart.finding import Vitals

R = TypeVar("R")
CODES: Final = ("AFIB", "VF", "VT", "ASYSTOLE", "EXTREME_BRADY", "EXTREME_TACHY")
_SETTLED_S: Final = 3.5  # after which the search back for a missed beat has had its say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """REC..., what is the truth, what is compared with it, and how."""
    parser.add_argument("records", nargs="+", type=Path, metavar="REC", help="WFDB record, folder, or pack (.ecg.xz)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--alarms", action="store_true", help="instead: how many alarms, and which are false")
    what.add_argument("--cinc2015", action="store_true", help="instead: the alarms of CinC-2015 and its score")
    parser.add_argument("--reference", default="atr", metavar="EXT", help="annotations taken for the truth (atr)")
    parser.add_argument("--test", metavar="EXT", help="compare these annotations instead of what LiteHeart finds")
    parser.add_argument("--live", action="store_true", help="beats as the live path knows them, second by second")
    parser.add_argument("--no-student", action="store_true", help="leave out the student, and what only it can find")
    parser.add_argument("--lead", metavar="NAME", help="lead by name; default I, II, MLII, else the first")
    parser.add_argument("--model", type=Path, metavar="DIR", help="another student than the shipped one")
    parser.add_argument("--window-ms", type=float, default=150.0, help="of a beat around the annotator's (150)")
    parser.add_argument("--learning-s", type=float, default=300.0, help="left out at the start of each record (300)")
    parser.add_argument("--format", choices=("both", "json", "markdown"), default="both")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (one a core for many records)")


def run(args: argparse.Namespace) -> int:
    """JSON lines of the records and of all together, then the tables; exit status 2 when a record was left out."""
    if args.window_ms <= 0 or args.learning_s < 0:
        raise Misconfigured("report", "--window-ms must be above zero and --learning-s not below")
    found, status = list(sources(args.records)), Status()
    if args.cinc2015:
        answers = list(status.kept(_results(found, args, alarmed.answer)))
        if answers:
            alarmed.print_answers(answers, args.format, _provenance(args))
        return status.exit if answers else EXIT_INPUT
    if args.alarms:
        cases = list(status.kept(_results(found, args, alarmed.case)))
        if cases:
            alarmed.print_burden(cases, args.format, _provenance(args))
        return status.exit if cases else EXIT_INPUT
    compared: list[Compared] = []
    for result in status.kept(_results(found, args, _compared)):
        compared.append(result)
        if args.format != "markdown":
            print(json.dumps({"kind": "record", **line(result)}), flush=True)
    if not compared:
        return EXIT_INPUT
    total = summary(compared)
    if args.format != "markdown":
        print(json.dumps({"kind": "summary", **total, **_provenance(args)}))
    if args.format != "json":
        print(("" if args.format == "markdown" else "\n") + markdown([line(r) for r in compared], total), end="")
    return status.exit


class Status:
    """The exit status: 2 when a record was left out, which is told on stderr."""

    def __init__(self) -> None:
        self.exit = 0

    def kept(self, results: Iterable[R | str]) -> Iterator[R]:
        """Results without those that are a reason why there is none."""
        for result in results:
            if isinstance(result, str):
                print(f"liteheart report: {result}", file=sys.stderr)
                self.exit = EXIT_INPUT
            else:
                yield result


def _provenance(args: argparse.Namespace) -> dict[str, str]:
    """Day and command, without the folders in which the recordings lie."""
    words = ["liteheart report", *(path.name for path in args.records)]
    words += ["--cinc2015"] if args.cinc2015 else ["--alarms"] * args.alarms + [f"--reference {args.reference}"]
    words += [f"--test {args.test}"] if args.test else []
    words += ["--live"] * args.live + ["--no-student"] * args.no_student
    return {"date": datetime.now(UTC).date().isoformat(), "command": " ".join(words)}


def _results(found: Sequence[Source], args: argparse.Namespace, work: Callable[..., R]) -> Iterator[R | str]:
    """What `work` makes of each, in order, or why nothing."""
    one = functools.partial(_try, args=args, work=work)
    jobs = args.jobs or min(len(found), multiprocessing.cpu_count())
    if jobs <= 1:
        yield from map(one, found)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(one, found)


def _try(source: Source, args: argparse.Namespace, work: Callable[..., R]) -> R | str:
    try:
        return work(source, args)
    except LiteHeartError as error:
        return str(error)


def _compared(source: Source, args: argparse.Namespace) -> Compared:
    opened = open_source(source, args.reference)
    lead = opened.recording.lead_index(args.lead)
    if args.test is not None:
        said = read_annotations(source.path, args.test, opened.recording.fs_hz)
        detected = annotated(said, opened.end_s)
    else:
        detected = detect(opened.recording, lead, model=args.model, student=not args.no_student, live=args.live)
    # of a recording's last seconds nobody lives to see what becomes known later
    end_s = opened.end_s - (_SETTLED_S + 1.0) * args.live
    return compare_one(opened, detected, Rules(args.window_ms / 1000.0, args.learning_s), end_s)


def compare_one(opened: Annotated, detected: Detected, rules: Rules, end_s: float) -> Compared:
    """The record's tables, up to `end_s`. Raises ValueError without annotations."""
    if opened.annotations is None:
        raise ValueError(f"{opened.recording.name}: nothing to compare with")
    return compare(opened.recording.name, opened.annotations, detected, end_s, rules)


def annotated(said: Annotations, end_s: float) -> Detected:
    """What another detector wrote down: its beats with their classes, its rhythms."""
    episodes = {"AFIB": rhythm(said, AF, end_s), "AFLT": rhythm(said, AFL, end_s), "VF": fibrillation(said, end_s)}
    return Detected(beats_of(said), episodes)


def detect(recording: Recording, lead: int, *, model: Path | None, student: bool, live: bool) -> Detected:
    """What LiteHeart finds: beats over the whole recording, the rest through the live path."""
    settings, score, alarms = _parts(model, student)
    analysed = analyse_recording(recording, lead, settings, score)
    made = calls(judge(analysed, alarms))
    end_us = T0_US + round(recording.duration_s * US_PER_S)
    codes = [code for code in CODES if student or code not in STUDENT]
    if live:
        beats = np.array(live_beats(analysed.vitals), np.float64)
    else:
        beats = detect_r_peaks(recording.millivolts(lead), recording.fs_hz) / recording.fs_hz
    return Detected(
        beats=Beats(beats),
        episodes={code: spans(made, code, T0_US, end_us) for code in codes},
        rates=[((v.t_us - T0_US) / US_PER_S, v.heart_rate_bpm) for v in analysed.vitals],
    )


def live_beats(vitals: Sequence[Vitals]) -> list[float]:
    """Seconds since T0_US of R peaks as the live path knew them four seconds later, at the end as it knew them last."""
    found: list[float] = []
    for v in vitals:
        if v.since_beat_s is None or not v.rr_s:
            continue
        t = (v.t_us - T0_US) / US_PER_S
        at = t - v.since_beat_s
        known = [at]
        for rr in reversed(v.rr_s):
            at -= rr
            known.append(at)
        until = t if v is vitals[-1] else t - _SETTLED_S
        settled = [x for x in reversed(known) if x <= until]
        found += [x for x in settled if not found or x > found[-1] + 0.1]
    return found


@functools.cache
def _parts(model: Path | None, student: bool) -> tuple[Settings, Score | None, AlarmSettings]:
    settings = load()
    if not student:
        return settings, None, settings.alarms
    engine = load_engine(settings.inference, model_dir=model)
    return settings, engine.score, wiring.alarm_settings(settings, engine.thresholds)
