"""Rows of Parquet: the windows that a cohort names, or all signal cut into windows, each with its reading."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine

from liteheart.clock import US_PER_S
from liteheart.finding import Finding
from liteheart.ids import PatientId
from liteheart.signal import Stretch
from storage.cohort import Candidate, Cohort, readings
from storage.export.marks import alarmed
from storage.export.parquet import Row, reading_columns
from storage.export.signal import Ahead, Stretches, recordings

_BEFORE_US = 60 * US_PER_S  # longer than a window
_EVER = (-(1 << 62), 1 << 62)
Alarmed = list[tuple[int, int | None, str, str]]


class Rows:
    """Of one cohort, by patient and time: whose, the gap-free samples, and what was said of them."""

    def __init__(self, engine: Engine, source: Stretches, cohort: Cohort, window_s: float) -> None:
        self._engine, self._source, self._cohort, self._window_s = engine, source, cohort, window_s
        self._alarms: tuple[PatientId | None, Alarmed] = (None, [])

    def __iter__(self) -> Iterator[tuple[Candidate, Stretch, Row]]:
        return self._chosen() if self._cohort.query.by_window else self._tiled()

    def _chosen(self) -> Iterator[tuple[Candidate, Stretch, Row]]:
        """A window with a gap gives a row for each piece."""
        ahead = Ahead(self._source)
        for chosen in self._cohort.windows():
            columns = reading_columns(chosen.finding)
            for piece in ahead.window(chosen.patient, chosen.t0_us, chosen.t1_us):
                yield chosen.candidate, piece, columns | self._near(piece)

    def _tiled(self) -> Iterator[tuple[Candidate, Stretch, Row]]:
        """Each sample once; a recording's last window may be shorter."""
        for span in self._cohort.spans():
            for whole in recordings(self._source, span.candidate.patient, span.t0_us, span.t1_us):
                found = readings(self._engine, whole.patient, (whole.t0_us - _BEFORE_US, span.t1_us))
                said = _Best(f for f in found if f.device == whole.device)
                for piece in tiles(whole, self._window_s):
                    yield span.candidate, piece, reading_columns(said.of(piece)) | self._near(piece)

    def _near(self, piece: Stretch) -> Row:
        if self._alarms[0] != piece.patient:
            self._alarms = (piece.patient, alarmed(self._engine, piece.patient, *_EVER))
        t0_us, t1_us = piece.t0_us, piece.t1_us
        on = (code for a, b, code, _ in self._alarms[1] if a < t1_us and (b is None or b > t0_us))
        return {"alarms": sorted(set(on))}


def tiles(recording: Stretch, window_s: float) -> Iterator[Stretch]:
    """The samples of a recording in windows one after another."""
    size = max(1, round(window_s * recording.fs_hz))
    for first in range(0, len(recording.samples), size):
        t0_us = recording.t0_us + round(first * US_PER_S / recording.fs_hz)
        yield replace(recording, t0_us=t0_us, samples=recording.samples[first : first + size])


class _Best:
    """Of readings in order of time, the one that covers most of a piece, if it covers half of it."""

    def __init__(self, found: Iterator[Finding]) -> None:
        self._found = found
        self._held: deque[Finding] = deque()
        self._next: Finding | None = next(found, None)

    def of(self, piece: Stretch) -> Finding | None:
        """Pieces must come in order of time."""
        while self._next is not None and self._next.t0_us < piece.t1_us:
            self._held.append(self._next)
            self._next = next(self._found, None)
        while self._held and self._held[0].t1_us <= piece.t0_us:
            self._held.popleft()

        def covered(finding: Finding) -> int:
            return min(finding.t1_us, piece.t1_us) - max(finding.t0_us, piece.t0_us)

        best: Any = max(self._held, key=covered, default=None)
        return best if best is not None and 2 * covered(best) >= piece.t1_us - piece.t0_us else None
