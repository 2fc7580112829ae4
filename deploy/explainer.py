"""The student for whoever looks back: the one that made the finding, loaded when asked, on the CPU."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from inference.settings import InferenceSettings
from liteheart.errors import LiteHeartError
from liteheart.finding import Finding
from liteheart.ids import ModelVersion
from liteheart.signal import Window

if TYPE_CHECKING:
    from inference.serve.engine import Engine


log = logging.getLogger(__name__)
Students = Callable[[InferenceSettings, ModelVersion], InferenceSettings]


class LateExplainer:
    """An `alerts.ports.Explainer`. Thread-safe; raises Misconfigured where no student can be loaded."""

    def __init__(self, settings: InferenceSettings, students: Students = lambda settings, _: settings) -> None:
        """`students` gives the settings of a version, or raises where there is none: then the given one answers."""
        self._settings = replace(settings, device="cpu")  # a few windows at a time; an accelerator is the monitor's
        self._students = students
        self._lock = threading.Lock()
        self._loaded: tuple[ModelVersion, Engine] | None = None  # the last that was asked for

    def explain(self, window: Window, finding: Finding) -> Mapping[str, Sequence[float]]:
        """50 bins of 0.2 s for each code of `finding` that its student knows, else for its likeliest superclass."""
        engine = self._engine(finding.model)
        known = tuple(code for code in finding.codes if code in engine.card.classes)
        return engine.explain(window, replace(finding, codes=known))

    def _engine(self, version: ModelVersion) -> "Engine":
        with self._lock:
            if self._loaded is None or self._loaded[0] != version:
                from inference.serve.engine import load_engine  # seconds to import; most dashboards are never asked

                self._loaded = version, load_engine(self._of(version))
            return self._loaded[1]

    def _of(self, version: ModelVersion) -> InferenceSettings:
        try:
            return self._students(self._settings, version)
        except LiteHeartError as error:
            log.warning("%s is not there to be asked, the student of the settings is: %s", version, error)
            return self._settings
