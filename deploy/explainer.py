"""The student for whoever looks back: loaded at the first question, on the CPU, beside the monitor's own."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from inference.settings import InferenceSettings
from liteheart.finding import Finding
from liteheart.signal import Window

if TYPE_CHECKING:
    from inference.serve.engine import Engine


class LateExplainer:
    """An `alerts.ports.Explainer`. Thread-safe; raises Misconfigured where the student cannot be loaded."""

    def __init__(self, settings: InferenceSettings) -> None:
        self._settings = replace(settings, device="cpu")  # a few windows at a time; an accelerator is the monitor's
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    def explain(self, window: Window, finding: Finding) -> Mapping[str, Sequence[float]]:
        """50 bins of 0.2 s for each code of `finding` that this student knows, else for its likeliest superclass."""
        engine = self._loaded()
        known = tuple(code for code in finding.codes if code in engine.card.classes)
        return engine.explain(window, replace(finding, codes=known))

    def _loaded(self) -> "Engine":
        with self._lock:
            if self._engine is None:
                from inference.serve.engine import load_engine  # seconds to import; most dashboards are never asked

                self._engine = load_engine(self._settings)
            return self._engine
