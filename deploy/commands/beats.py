"""`liteheart beats`: R peaks of a recording."""

import argparse

from deploy.offline import Line, add_record_arguments, print_lines
from inference.sequence import beats_of_recording
from ingest.sources.recording import Recording


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """REC..., --lead."""
    add_record_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print one JSON line a recording."""
    return print_lines(args, beats)


def beats(recording: Recording, lead: int, args: argparse.Namespace) -> list[Line]:
    """The line of one recording: R peaks in samples of the file's own rate."""
    peaks = beats_of_recording(recording.millivolts(lead), recording.fs_hz)
    return [
        {
            "record": recording.name,
            "lead": recording.leads[lead],
            "fs_hz": recording.fs_hz,
            "samples": [int(p) for p in peaks],
        }
    ]
