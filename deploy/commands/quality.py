"""`liteheart quality`: signal quality of each 10 s of a recording.

Three questions, three answers: `usable`, can the waves of this lead be read (`sqi`); `rhythm_usable`, can its beats be
told in spite of noise, which is what gates alarms and findings (`rhythm_sqi`); `acceptable`, can a diagnosis be read
from the recording, all of its leads together (`acceptability`).
"""

import argparse

import numpy as np

from deploy.offline import Line, add_record_arguments, print_lines, windows_of
from inference.acceptance import Acceptance, accept
from inference.beats import bridge, detect_r_peaks
from inference.noise import cleanness, noise_of
from inference.quality import assess
from ingest.sources.recording import Recording
from liteheart.signal import Window

WINDOW_S = 10.0
_NOISY = ("noise",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """REC..., --lead."""
    add_record_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print one JSON line each 10 s."""
    return print_lines(args, quality)


def quality(recording: Recording, lead: int, args: argparse.Namespace) -> list[Line]:
    """Lines of one recording."""
    leads = [windows_of(recording, k, window_s=WINDOW_S, hop_s=WINDOW_S) for k in range(len(recording.leads))]
    return [line(recording.name, leads[lead][k], judged(windows)) for k, windows in enumerate(zip(*leads, strict=True))]


def judged(windows: tuple[Window, ...]) -> Acceptance:
    """All leads of the same 10 s together."""
    return accept([w.mv for w in windows], windows[0].fs_hz, [w.valid for w in windows])


def line(name: str, window: Window, acceptance: Acceptance) -> Line:
    """What is said of one window."""
    mv = bridge(np.where(window.valid, window.mv, np.nan).astype(np.float64))
    beats = detect_r_peaks(mv, window.fs_hz)
    rhythm = assess(window.mv, window.fs_hz, valid=window.valid)
    reasons = tuple(r for r in rhythm.reasons if r not in _NOISY)
    clean = min(1.0, window.valid_share) * cleanness(noise_of(mv, window.fs_hz, beats)) if rhythm.sqi > 0 else 0.0
    usable = clean >= 0.5 and not reasons
    return {
        "record": name,
        "t0_s": window.t0_us / 1e6,
        "sqi": round(clean, 4),
        "usable": usable,
        "reasons": list(reasons or (() if usable else _NOISY)),
        "rhythm_sqi": round(rhythm.sqi, 4),
        "rhythm_usable": rhythm.usable,
        "acceptability": round(acceptance.score, 4),
        "acceptable": acceptance.acceptable,
        "not_acceptable_for": list(acceptance.reasons),
    }
