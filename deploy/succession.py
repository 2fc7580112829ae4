"""Which student reads the windows: the champion of the registry, taken up without a restart.

    registry --champion--> files in a folder of their own --load, probe--> the monitor, between two batches

What cannot be loaded, or does not answer with numbers, never serves: the student that serves goes on.
"""

import hashlib
import importlib.metadata
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from deploy.students import student_of
from inference.model.card import load_card
from inference.ports import Network
from inference.preprocess import SAMPLES
from inference.serve.engine import Engine
from inference.serve.network import load_network
from inference.settings import InferenceSettings
from liteheart.clock import Clock
from liteheart.errors import LiteHeartError, Misconfigured
from liteheart.ids import ModelVersion
from liteheart.metrics import Metrics
from storage.models import Made, Models

log = logging.getLogger(__name__)

_PROBES = 16
_LARGEST_LOGIT = 1e4
_AGAIN_AFTER = 30  # looks at a champion that could not be taken up, before it is tried again


class Serves(Protocol):
    """Whoever reads windows."""

    def serve(self, scorer: Engine, thresholds: Mapping[str, float]) -> None:
        """From now on with this student."""
        ...


class Succession:
    """Looks which student is to serve, and has it served. One thread at a time."""

    def __init__(self, models: Models, settings: InferenceSettings, folder: Path, metrics: Metrics) -> None:
        self._models, self._settings, self._folder, self._metrics = models, settings, folder, metrics
        self.version: ModelVersion | None = None  # what serves in this process
        self._failed: ModelVersion | None = None
        self._looks = 0

    def begin(self, clock: Clock) -> InferenceSettings:
        """Register the student of the settings; settings of the one that serves, which need not be it."""
        shipped = load_card(self._settings.model_dir).version
        self._models.ship(made_of(self._settings.model_dir), clock.now_us())
        champion = self._models.champion()
        settings = self._settings
        if champion is not None and champion != shipped:
            try:
                settings = student_of(self._models, self._settings, self._folder, champion)
                probe(load_network(settings))
            except LiteHeartError as error:
                self._fail(champion, error)
                champion, settings = shipped, self._settings
        self.version = champion or shipped
        return settings

    def step(self, monitor: Serves) -> bool:
        """Take up another champion if there is one; whether it serves now."""
        champion = self._models.champion()
        if champion is None or champion == self.version:
            return False
        self._looks += 1
        if champion == self._failed and self._looks % _AGAIN_AFTER:
            return False
        try:
            settings = student_of(self._models, self._settings, self._folder, champion)
            network = load_network(settings)
            probe(network)
            engine = Engine(network, load_card(settings.model_dir), settings)
        except LiteHeartError as error:
            self._fail(champion, error)
            return False
        monitor.serve(engine, engine.thresholds)
        log.info("another student serves", extra={"model": champion, "before": self.version})
        self.version, self._failed = champion, None
        return True

    def _fail(self, champion: ModelVersion, error: Exception) -> None:
        self._failed = champion
        self._metrics.count("models_refused")
        log.critical("student %s cannot serve, %s goes on: %s", champion, self.version or "the shipped one", error)


def probe(network: Network) -> None:
    """Ask a network once. Raises Misconfigured unless it answers with finite numbers of a sensible size."""
    rng = np.random.default_rng(0)
    x = np.concatenate([np.zeros((1, SAMPLES)), rng.normal(size=(_PROBES - 1, SAMPLES))]).astype(np.float32)
    try:
        logits = network(x)
    except Exception as error:
        raise Misconfigured("model", f"does not answer: {type(error).__name__}: {error}") from None
    if not np.isfinite(logits).all() or np.abs(logits).max() > _LARGEST_LOGIT:
        raise Misconfigured("model", "answers with what is no number, or absurd")


def made_of(folder: Path) -> Made:
    """What the registry keeps of a folder of weights and card. Raises Misconfigured."""
    card = load_card(folder)
    files = {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file() and p.name.startswith("student.")}
    about: dict[str, Any] = dict(card.about)
    data = hashlib.sha256(json.dumps(about.get("data", ""), sort_keys=True).encode()).digest()
    code = importlib.metadata.version("liteheart")
    return Made(card.version, None, files, data, code, about, about.get("metrics", {}))
