"""Windows of many patients in, findings out, in order; one network pass for as many windows as fit.

windows --quality, beats--> worth asking? --by rate--> preprocess --micro-batches--> logits --> findings
                                 no --> abstained, with the reason in its quality
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inference.beats import detect_r_peaks
from inference.model.card import Card, load_card
from inference.ports import Network
from inference.preprocess import MAX_FS_HZ, MIN_FS_HZ, SAMPLES, preprocess
from inference.quality import assess
from inference.serve.explain import regions
from inference.serve.network import TorchNetwork, load_network
from inference.settings import Device, InferenceSettings
from liteheart.conditions import SUPERCLASSES
from liteheart.finding import Finding, Quality
from liteheart.ids import ModelVersion
from liteheart.signal import Window

__all__ = ["Engine", "TorchNetwork", "load_engine", "load_network"]

WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is known of one window before the student is asked."""

    quality: Quality
    heart_rate_bpm: float | None
    askable: bool


class Engine:
    """A `Scorer`. Never raises for what a window holds; what it cannot read, it abstains from."""

    def __init__(self, network: Network, card: Card, settings: InferenceSettings) -> None:
        self._network = network
        self._settings = settings
        self._temperature = np.array([card.temperature[c] for c in card.classes], np.float64)
        self._limits = np.array([card.thresholds[c] for c in card.classes], np.float64)
        self.card = card
        self.thresholds = dict(card.thresholds)

    @property
    def model(self) -> ModelVersion:
        """Name and checksum of the weights."""
        return self.card.version

    def score(self, windows: Sequence[Window]) -> list[Finding]:
        """One finding a window, in order; rates and lengths may differ."""
        readings = [self._read(w) for w in windows]
        asked = [i for i, r in enumerate(readings) if r.askable]
        p = self._probabilities([windows[i] for i in asked])
        answer: dict[int, npt.NDArray[np.float64]] = dict(zip(asked, p, strict=True))
        return [self._finding(w, r, answer.get(i)) for i, (w, r) in enumerate(zip(windows, readings, strict=True))]

    def undecided(self, finding: Finding) -> tuple[str, ...]:
        """Codes that `finding` neither holds nor excludes: their scores lie in the band below their thresholds."""
        low, high = self.card.undecided_from, self.thresholds
        return tuple(c for c, p in finding.scores.items() if c in low and low[c] <= p < high[c])

    def explain(self, window: Window, finding: Finding) -> dict[str, list[float]]:
        """Where in `window` the student saw each code of its `finding`: 50 bins of 0.2 s each, 0 to 1.

        Of a finding without codes, the likeliest superclass; of an abstention, nothing.
        """
        codes = finding.codes or tuple(sorted(SUPERCLASSES, key=lambda c: -finding.scores.get(c, 0.0))[:1])
        if finding.abstained:
            return {}
        (x,) = preprocess(window.mv[None], window.fs_hz, window.valid[None])
        return regions(self._network, x, {c: self.card.classes.index(c) for c in codes})

    def _read(self, window: Window) -> _Reading:
        settings = self._settings
        if not MIN_FS_HZ <= window.fs_hz <= MAX_FS_HZ or not window.valid.any():
            return _Reading(Quality(0.0, usable=False, reasons=("gap",)), None, askable=False)
        beats = detect_r_peaks(np.where(window.valid, window.mv, np.nan), window.fs_hz)
        quality = assess(window.mv, window.fs_hz, window.valid, window.lead_off, beats=beats)
        share = window.valid_share * min(1.0, len(window.mv) / (WINDOW_S * window.fs_hz))
        if share < settings.min_valid_share and "gap" not in quality.reasons:
            quality = replace(quality, reasons=(*quality.reasons, "gap"))
        heart_rate = _heart_rate(beats, window.fs_hz) if quality.usable else None
        askable = quality.usable and not window.lead_off and share >= settings.min_valid_share
        return _Reading(quality, heart_rate, askable)

    def _probabilities(self, windows: Sequence[Window]) -> npt.NDArray[np.float64]:
        """[b, classes]; a row of NaN where the network has no answer."""
        groups: dict[tuple[float, int], list[int]] = defaultdict(list)
        for i, window in enumerate(windows):
            groups[window.fs_hz, len(window.mv)].append(i)
        x = np.empty((len(windows), SAMPLES), np.float32)
        for (fs_hz, _), rows in groups.items():
            mv, valid = (np.stack([getattr(windows[i], name) for i in rows]) for name in ("mv", "valid"))
            x[rows] = preprocess(mv, fs_hz, valid)
        size = self._settings.micro_batch
        logits = [self._network(x[i : i + size]) for i in range(0, len(x), size)]
        z = np.concatenate(logits).astype(np.float64) if logits else np.empty((0, len(self._limits)))
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z / self._temperature)))

    def _finding(self, window: Window, reading: _Reading, p: npt.NDArray[np.float64] | None) -> Finding:
        quality = reading.quality
        if p is not None and not np.isfinite(p).all():
            p, quality = None, replace(quality, usable=False, reasons=(*quality.reasons, "no_answer"))
        classes = self.card.classes
        scores = {} if p is None else dict(zip(classes, p.tolist(), strict=True))
        found = [] if p is None else [classes[i] for i in np.argsort(-p, kind="stable") if p[i] >= self._limits[i]]
        return Finding(
            patient=window.patient,
            device=window.device,
            lead=window.lead,
            t0_us=window.t0_us,
            t1_us=window.t1_us,
            model=self.model,
            quality=quality,
            abstained=p is None,
            heart_rate_bpm=reading.heart_rate_bpm,
            scores=scores,
            codes=tuple(found),
            arrival_us=window.arrival_us,
        )


def load_engine(
    settings: InferenceSettings | None = None, model_dir: Path | None = None, device: Device | None = None
) -> Engine:
    """The engine on the weights that ship with the package, or on those in `model_dir`; needs no network access.

    `model_dir` and `device` override `settings`. Raises Misconfigured as `load_network` does.
    """
    settings = settings or InferenceSettings()
    settings = replace(settings, model_dir=model_dir or settings.model_dir, device=device or settings.device)
    return Engine(load_network(settings), load_card(settings.model_dir), settings)


def _heart_rate(beats: npt.NDArray[np.int64], fs_hz: float) -> float | None:
    """Beats a minute between the first and the last R peak; None with fewer than three."""
    if len(beats) < 3:
        return None
    return round(60.0 * fs_hz * (len(beats) - 1) / float(beats[-1] - beats[0]), 1)
