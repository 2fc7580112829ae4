"""`liteheart report`: beats, runs and episodes of annotated recordings, in tables along the lines of ANSI/AAMI EC57."""

import argparse
import functools
import json
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from alerts.catalogue import STUDENT
from alerts.settings import AlarmSettings
from deploy import wiring
from deploy.annotated import Annotated, Source, open_source, sources
from deploy.cli import EXIT_INPUT
from deploy.playback import Analysed, Score, analyse, judge
from deploy.settings import Settings, load
from deploy.sounded import calls, spans
from inference.beats import detect_r_peaks
from inference.report.labels import AF, AFL, Annotations, Beats, beats_of, fibrillation, rhythm
from inference.report.markdown import markdown
from inference.report.read import read_annotations
from inference.report.tables import Compared, Detected, Rules, compare, line, summary
from inference.serve.engine import load_engine
from ingest.sources.recording import Recording
from ingest.sources.replay import frames_of
from liteheart.clock import US_PER_S
from liteheart.errors import LiteHeartError, Misconfigured
from liteheart.finding import Vitals
from liteheart.ids import DeviceId, PatientId

T0_US: Final = 1_700_000_000 * US_PER_S  # any whole second; results are relative to it
CODES: Final = ("AFIB", "VF", "VT", "ASYSTOLE", "EXTREME_BRADY", "EXTREME_TACHY")
_SETTLED_S: Final = 2.0  # a beat that is so old is not moved any more


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """REC..., what is the truth, what is compared with it, and how."""
    parser.add_argument("records", nargs="+", type=Path, metavar="REC", help="WFDB record, folder, or pack (.ecg.xz)")
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
    status, compared = 0, list[Compared]()
    for result, error in _results(list(sources(args.records)), args):
        if result is None:
            print(f"liteheart report: {error}", file=sys.stderr)
            status = EXIT_INPUT
            continue
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
    return status


def _provenance(args: argparse.Namespace) -> dict[str, str]:
    """Day and command, without the folders in which the recordings lie."""
    words = ["liteheart report", *(path.name for path in args.records), f"--reference {args.reference}"]
    words += [f"--test {args.test}"] if args.test else []
    words += ["--live"] * args.live + ["--no-student"] * args.no_student
    return {"date": datetime.now(UTC).date().isoformat(), "command": " ".join(words)}


def _results(found: Sequence[Source], args: argparse.Namespace) -> Iterator[tuple[Compared | None, str]]:
    one = functools.partial(_compared, args=args)
    jobs = args.jobs or min(len(found), multiprocessing.cpu_count())
    if jobs <= 1:
        yield from map(one, found)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(one, found)


def _compared(source: Source, args: argparse.Namespace) -> tuple[Compared | None, str]:
    try:
        opened = open_source(source, args.reference)
        lead = opened.recording.lead_index(args.lead)
        if args.test is not None:
            said = read_annotations(source.path, args.test, opened.recording.fs_hz)
            detected = annotated(said, opened.end_s)
        else:
            detected = detect(opened.recording, lead, model=args.model, student=not args.no_student, live=args.live)
        return compare_one(opened, detected, Rules(args.window_ms / 1000.0, args.learning_s)), ""
    except LiteHeartError as error:
        return None, str(error)


def compare_one(opened: Annotated, detected: Detected, rules: Rules) -> Compared:
    """The record's tables. Raises ValueError without annotations."""
    if opened.annotations is None:
        raise ValueError(f"{opened.recording.name}: nothing to compare with")
    return compare(opened.recording.name, opened.annotations, detected, opened.end_s, rules)


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


def analyse_recording(recording: Recording, lead: int, settings: Settings, score: Score | None) -> Analysed:
    """A recording as a patient's stream whose first sample is at T0_US, each frame arriving when it is complete."""
    patient, device = PatientId("recording"), DeviceId("file")
    frames = frames_of(recording, lead, patient=patient, device=device, boot=1, t0_us=T0_US)
    return analyse(patient, (f.stamped(f.t1_us) for f in frames), settings.ingest, score)


def live_beats(vitals: Sequence[Vitals]) -> list[float]:
    """Seconds since T0_US at which the live path saw R peaks, each as it was known two to three seconds later."""
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
        settled = [x for x in reversed(known) if t - _SETTLED_S - 1.0 < x <= t - _SETTLED_S]
        found += [x for x in settled if not found or x > found[-1] + 0.1]
    return found


@functools.cache
def _parts(model: Path | None, student: bool) -> tuple[Settings, Score | None, AlarmSettings]:
    settings = load()
    if not student:
        return settings, None, settings.alarms
    engine = load_engine(settings.inference, model_dir=model)
    return settings, engine.score, wiring.alarm_settings(settings, engine.thresholds)
