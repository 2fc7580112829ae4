"""`liteheart score`: findings of each window of a recording."""

import argparse
import functools
from pathlib import Path

from deploy.offline import Line, add_record_arguments, print_lines, windows_of
from inference.serve.engine import Engine, load_engine
from ingest.sources.recording import Recording

WINDOW_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """REC..., --lead, --hop, --model, --explain."""
    add_record_arguments(parser)
    parser.add_argument("--hop", type=float, default=5.0, metavar="S", help="seconds between windows (5)")
    parser.add_argument("--model", type=Path, metavar="DIR", help="another student than the shipped one")
    parser.add_argument(
        "--explain", action="store_true", help="where on the strip each finding was seen: 50 bins of 0.2 s, 0 to 1"
    )


def run(args: argparse.Namespace) -> int:
    """Print one JSON line a window."""
    return print_lines(args, score)


@functools.cache
def _engine(model: Path | None) -> Engine:
    return load_engine(model_dir=model)


def score(recording: Recording, lead: int, args: argparse.Namespace) -> list[Line]:
    """Lines of one recording."""
    engine = _engine(args.model)
    windows = windows_of(recording, lead, window_s=WINDOW_S, hop_s=args.hop)
    lines = []
    for window, finding in zip(windows, engine.score(windows), strict=True):
        line: Line = {
            "record": recording.name,
            "lead": finding.lead,
            "t0_s": finding.t0_us / 1e6,
            "t1_s": finding.t1_us / 1e6,
            "quality": round(finding.quality.sqi, 4),
            "usable": finding.quality.usable,
            "abstained": finding.abstained,
            "heart_rate_bpm": finding.heart_rate_bpm and round(finding.heart_rate_bpm, 1),
            "scores": {code: round(p, 6) for code, p in finding.scores.items()},
            "findings": list(finding.codes),
            "undecided": list(engine.undecided(finding)),
            "model": finding.model,
        }
        lines.append(line | {"regions": engine.explain(window, finding)} if args.explain else line)
    return lines
