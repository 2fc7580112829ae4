"""Where on a stored window the student saw what it found: asked anew when somebody looks, one window at a time."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from alerts.ports import Board, Explainer, Trends
from liteheart.clock import US_PER_S
from liteheart.finding import Finding
from liteheart.ids import PatientId
from liteheart.signal import Frame, Window

_WAIT_S: Final = 10.0  # for whoever asked before; the first question of all loads the student
_KEPT: Final = 512  # answers; a patient page asks for the same ones again and again
Maps = Mapping[str, Sequence[float]]


class Busy(Exception):
    """Too many ask at once."""


class RegionMaps:
    """Answers, kept for a while. Thread-safe."""

    def __init__(self, board: Board, trends: Trends, explainer: Explainer) -> None:
        self._board, self._trends, self._explainer = board, trends, explainer
        self._asking, self._lock = threading.Lock(), threading.Lock()
        self._answers: OrderedDict[tuple[str, int, str], Maps] = OrderedDict()

    def of_window(self, patient: PatientId, t0_us: int) -> dict[str, Any] | None:
        """The map of the window that begins at `t0_us`; None where no reading or no signal is. Raises Busy."""
        finding = self._trends.finding(patient, t0_us)
        if finding is None:
            return None
        key = (patient, t0_us, finding.model)
        maps = self._kept(key)
        if maps is None:
            window = window_of(self._board.strip(patient, finding.t0_us, finding.t1_us), finding)
            if window is None:
                return None
            maps = self._ask(window, finding)
            self._keep(key, maps)
        code = next(iter(maps), None)
        return {
            "t0_us": finding.t0_us,
            "t1_us": finding.t1_us,
            "model": finding.model,
            "code": code,
            "map": None if code is None else list(maps[code]),
            "maps": {name: list(values) for name, values in maps.items()},
        }

    def _ask(self, window: Window, finding: Finding) -> Maps:
        if not self._asking.acquire(timeout=_WAIT_S):
            raise Busy
        try:
            return self._explainer.explain(window, finding)
        finally:
            self._asking.release()

    def _kept(self, key: tuple[str, int, str]) -> Maps | None:
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
            return self._answers.get(key)

    def _keep(self, key: tuple[str, int, str], maps: Maps) -> None:
        with self._lock:
            self._answers[key] = maps
            while len(self._answers) > _KEPT:
                self._answers.popitem(last=False)


def window_of(frames: Iterable[Frame], finding: Finding) -> Window | None:
    """The window that the student read, put together again from the frames of its device and lead; None without any.

    frames    |~~~~~~|~~~~~~|      |~~~~~~|
    window       [t0 ------------------ t1)
    valid         TTTTTTTTTT FFFFFF TTTT
    """
    same = [f for f in frames if (f.device, f.lead) == (finding.device, finding.lead) and len(f.samples)]
    if not same:
        return None
    fs_hz = same[-1].fs_hz
    n = round((finding.t1_us - finding.t0_us) * fs_hz / US_PER_S)
    mv, valid = np.zeros(n, np.float32), np.zeros(n, np.bool_)
    for frame in sorted((f for f in same if f.fs_hz == fs_hz), key=lambda f: -f.t0_us):  # the earlier one wins
        at = round((frame.t0_us - finding.t0_us) * fs_hz / US_PER_S)
        begin, end = max(at, 0), min(at + len(frame.samples), n)
        if begin < end:
            mv[begin:end], valid[begin:end] = frame.millivolts()[begin - at : end - at], True
    if not valid.any():
        return None
    return Window(
        patient=finding.patient,
        device=finding.device,
        lead=finding.lead,
        t0_us=finding.t0_us,
        fs_hz=fs_hz,
        mv=mv,
        valid=valid,
        lead_off=any(f.lead_off for f in same),
        arrival_us=finding.arrival_us,
    )
