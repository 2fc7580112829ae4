"""`liteheart quality`: signal quality of each 10 s of a recording."""

import argparse

from deploy.offline import Line, add_record_arguments, print_lines, windows_of
from inference.quality import assess
from ingest.sources.recording import Recording


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """REC..., --lead."""
    add_record_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print one JSON line each 10 s."""
    return print_lines(args, quality)


def quality(recording: Recording, lead: int, args: argparse.Namespace) -> list[Line]:
    """Lines of one recording."""
    lines = []
    for window in windows_of(recording, lead, window_s=10.0, hop_s=10.0):
        found = assess(window.mv, window.fs_hz, valid=window.valid)
        lines.append(
            {
                "record": recording.name,
                "t0_s": window.t0_us / 1e6,
                "sqi": round(found.sqi, 4),
                "usable": found.usable,
                "reasons": list(found.reasons),
            }
        )
    return lines
