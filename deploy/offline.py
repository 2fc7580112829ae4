"""Recordings through the same code as the live path, for the commands that print JSON lines."""

import argparse
import functools
import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from deploy.cli import EXIT_INPUT
from ingest.sources.recording import Recording, find_recordings, read_recording
from liteheart.errors import Unreadable
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Window

Line = dict[str, Any]
Analysis = Callable[[Recording, int, argparse.Namespace], list[Line]]  # recording, lead index, options
_WORTH_A_POOL = 8  # recordings; below it, starting processes costs more than it saves


def add_record_arguments(parser: argparse.ArgumentParser) -> None:
    """REC... and --lead."""
    parser.add_argument("records", nargs="+", metavar="REC", type=Path, help="WFDB record, EDF+ or DICOM file, folder")
    parser.add_argument("--lead", metavar="NAME", help="lead by name; default I, II, MLII, else the first")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (one a core for many records)")


def print_lines(args: argparse.Namespace, analysis: Analysis) -> int:
    """Run `analysis` (a module-level function) over every recording and print its lines in order.

    A recording that cannot be read is one line on stderr and exit status 2; the others still run.
    """
    status = 0
    paths: list[Path] = []
    for record in args.records:
        try:
            paths += find_recordings(record)
        except Unreadable as error:
            print(f"liteheart: {error}", file=sys.stderr)
            status = EXIT_INPUT
    for done, (lines, error_text) in enumerate(_results(paths, args, analysis), start=1):
        for line in lines:
            print(json.dumps(line))
        if error_text is not None:
            print(f"liteheart: {error_text}", file=sys.stderr)
            status = EXIT_INPUT
        if sys.stderr.isatty() and len(paths) > 1:
            print(f"\r{done}/{len(paths)}", end="" if done < len(paths) else "\n", file=sys.stderr)
    sys.stdout.flush()
    return status


def _results(
    paths: Sequence[Path], args: argparse.Namespace, analysis: Analysis
) -> Iterator[tuple[list[Line], str | None]]:
    one = functools.partial(_analyse, args=args, analysis=analysis)
    jobs = args.jobs or (multiprocessing.cpu_count() if len(paths) >= _WORTH_A_POOL else 1)
    if jobs == 1:
        yield from map(one, paths)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(one, paths, chunksize=4)


def _analyse(path: Path, args: argparse.Namespace, analysis: Analysis) -> tuple[list[Line], str | None]:
    try:
        recording = read_recording(path)
        return analysis(recording, recording.lead_index(args.lead), args), None
    except Unreadable as error:
        return [], str(error)


def windows_of(recording: Recording, lead: int, *, window_s: float, hop_s: float) -> list[Window]:
    """Windows every `hop_s` from the start, and one that ends with the recording when a tail would go unread.

    A recording shorter than a window gives one window whose missing end is invalid.
    """
    mv, fs_hz = recording.millivolts(lead), recording.fs_hz
    valid = ~recording.invalid[lead]
    size, step = round(window_s * fs_hz), max(1, round(hop_s * fs_hz))
    starts = list(range(0, max(1, len(mv) - size + 1), step))
    if len(mv) > size and len(mv) - (starts[-1] + size) > fs_hz:
        starts.append(len(mv) - size)
    windows = []
    for start in starts:
        part, ok = mv[start : start + size], valid[start : start + size]
        missing = size - len(part)
        windows.append(
            Window(
                patient=PatientId(recording.name),
                device=DeviceId("file"),
                lead=recording.leads[lead],
                t0_us=round(start * 1e6 / fs_hz),
                fs_hz=fs_hz,
                mv=np.pad(np.where(ok, part, 0).astype(np.float32), (0, missing)),
                valid=np.pad(ok, (0, missing)),
            )
        )
    return windows
