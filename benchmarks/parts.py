"""Where the monitor's time goes: its own functions, wrapped while a measurement lasts. Nested ones count once."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import deploy.monitor
import deploy.seconds
import inference.rhythm
import inference.serve.engine
from alerts.engine import AlarmEngine
from deploy.monitor import Monitor
from inference.rhythm import RhythmBank
from inference.serve.engine import Engine
from ingest.stream import PatientStream
from storage.monitor_store import MonitorStore

REST: Final = "rest"
_WRAPPED: Final[tuple[tuple[Any, str, str], ...]] = (
    (Monitor, "process", REST),
    (Monitor, "commit", REST),
    (deploy.monitor, "decode_frame", "decode"),
    (deploy.monitor, "check_frame", "decode"),
    (PatientStream, "push", "stream"),
    (PatientStream, "advance", "stream"),
    (RhythmBank, "follow", "tracker"),
    (inference.rhythm, "assess", "quality"),
    (Engine, "score", "network"),  # preprocessing, the student and its findings: all but quality
    (inference.serve.engine, "detect_r_peaks", "quality"),
    (inference.serve.engine, "assess", "quality"),
    (deploy.seconds, "quiet", "alarms"),
    (deploy.seconds, "hear", "alarms"),
    (AlarmEngine, "on_finding", "alarms"),
    (AlarmEngine, "checkpoint", "alarms"),
    (deploy.monitor, "live_messages", "live"),
    (MonitorStore, "commit", "commit"),
)
PARTS: Final = tuple(dict.fromkeys(part for _, _, part in _WRAPPED))


class _Meter:
    """CPU seconds of each part, less those of the parts inside it."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._inside: list[float] = []

    def wrap(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The same function, metered."""

        def metered(*args: Any, **kwargs: Any) -> Any:
            self._inside.append(0.0)
            began = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                took = time.thread_time() - began
                self.spent[part] += took - self._inside.pop()
                if self._inside:
                    self._inside[-1] += took

        return metered


@contextlib.contextmanager
def metered() -> Iterator[Mapping[str, float]]:
    """CPU seconds by part, filled while the context lasts. For one thread."""
    meter = _Meter()
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in _WRAPPED]
    try:
        for (owner, name, part), (_, _, original) in zip(_WRAPPED, originals, strict=True):
            setattr(owner, name, meter.wrap(original, part))
        yield meter.spent
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)
