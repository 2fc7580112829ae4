"""One-lead ECG whose truth is known: the same seed gives the same samples, streamed or at once."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ingest.sources.simulate.episode import Condition, Episode, Span, spans
from ingest.sources.simulate.morphology import AFTER_S, BEFORE_S, Morphology, paint
from ingest.sources.simulate.rhythm import Beat, Heart
from ingest.sources.simulate.texture import Artefact, Background, Oscillation, Signal, envelope
from liteheart.signal import Mask, Millivolts, Samples

GAIN: Final = 400.0  # ADC units per mV: 2.5 uV a step, as wearables have
RAIL_MV: Final = 5.0  # the front end saturates
_BLOCK_S: Final = 4.0
_SEAM_S: Final = 1.0  # spans this near a block are known to it, so that no seam shows


class Truth(NamedTuple):
    """What the patient had from `t0_s` until just before `t1_s`."""

    condition: str
    t0_s: float
    t1_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A stretch of signal with its truth; `beats` are those whose peak lies in it."""

    mv: Millivolts  # float32 [n]
    lead_off: Mask  # bool [n]
    missing: Mask  # bool [n], lost on the way
    beats: tuple[Beat, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """A simulated recording. mV = adc / gain."""

    fs_hz: float
    mv: Millivolts  # float32 [n]
    adc: Samples  # int16 [n]
    gain: float
    r_peaks: npt.NDArray[np.int64]  # sample indices, none where the lead is off or the frame lost
    kinds: npt.NDArray[np.str_]  # of each peak: N, S, V
    truth: tuple[Truth, ...]
    lead_off: Mask  # bool [n]
    missing: Mask  # bool [n]


def to_adc(mv: Millivolts) -> Samples:
    """int16 [n] in steps of 1 / GAIN mV, saturated at the rails."""
    adc: Samples = np.rint(np.clip(mv, -RAIL_MV, RAIL_MV) * GAIN).astype(np.int16)
    return adc


def simulate(
    script: Sequence[Episode], fs_hz: float = 250.0, seed: int = 0, *, morphology: Morphology | None = None
) -> Simulated:
    """The script once through. `morphology` replaces the one that the seed draws. Raises ValueError."""
    total = math.fsum(e.duration_s for e in script)
    n = round(total * fs_hz)
    synth, parts, have = Synth(script, fs_hz, seed, morphology=morphology), list[Block](), 0
    while have < n:
        parts.append(synth.block())
        have += len(parts[-1].mv)
    mv, off, missing = (np.concatenate([getattr(p, name) for p in parts])[:n] for name in ("mv", "lead_off", "missing"))
    beats = [(round(b.t_s * fs_hz), b.kind) for p in parts for b in p.beats]
    seen = [(i, kind) for i, kind in beats if i < n and not off[i] and not missing[i]]
    truth = []
    for span in spans(script):
        if span.index == len(script):
            break
        truth.append(Truth(span.episode.label, span.t0_s, span.t1_s))
    return Simulated(
        fs_hz,
        mv,
        to_adc(mv),
        GAIN,
        np.array([i for i, _ in seen], np.int64),
        np.array([k for _, k in seen], "U1"),
        tuple(truth),
        off,
        missing,
    )


class Synth:
    """An endless signal, block by block; the script begins again when it ends."""

    def __init__(
        self,
        script: Sequence[Episode],
        fs_hz: float,
        seed: int,
        *,
        morphology: Morphology | None = None,
        mains_hz: float = 50.0,
    ) -> None:
        if not script:
            raise ValueError("script: holds no episode")
        if not 50 <= fs_hz <= 2000:
            raise ValueError(f"fs_hz: {fs_hz:g} is not in 50 to 2000")
        shape, heart, body, atria, ventricles, motion = np.random.default_rng(seed).spawn(6)
        self.fs_hz = fs_hz
        self._morphology = morphology or Morphology.drawn(shape)
        self._beats = Heart(heart).beats(spans(script))
        self._upcoming: deque[Beat] = deque()
        self._beats_until_s = 0.0
        self._spans = spans(script)
        self._known: deque[Span] = deque()
        self._background = Background(body, fs_hz, mains_hz)
        self._f_mv = float(atria.uniform(0.012, 0.03))  # TQ segments as in CPSC 2021's lead I
        self._f_waves = Oscillation(atria, fs_hz, float(atria.uniform(5.2, 7.4)), 0.45, 0.35)
        self._fibrillation = [
            Oscillation(ventricles, fs_hz, hz, spread, 0.45) for hz, spread in ((4.5, 0.7), (3.5, 0.8), (6.1, 0.9))
        ]
        self._flutter = Oscillation(ventricles, fs_hz, 4.4, 0.05, 0.06)
        self._artefact = Artefact(motion, fs_hz)
        self._done, self._blocks = 0, 0

    def block(self) -> Block:
        """The next four seconds."""
        self._blocks += 1
        first, end = self._done, round(self._blocks * _BLOCK_S * self.fs_hz)
        self._done = end
        t = np.arange(first, end) / self.fs_hz
        self._advance(t[0], end / self.fs_hz)
        off, lost = self._covered(t, "lead_off"), self._covered(t, "dropout")
        mv = self._noise(t) + self._waves(t)
        paint(mv, first, self.fs_hz, self._scaled(), self._morphology)
        mv[off] = 0.03 * np.sin(2 * np.pi * 50.0 * t[off]) if self.fs_hz > 120 else 0.0  # an open lead hums
        beats = tuple(b for b in self._upcoming if first <= round(b.t_s * self.fs_hz) < end)
        return Block(mv.astype(np.float32), off, lost, beats)

    def _advance(self, t0_s: float, t1_s: float) -> None:
        """Know all spans and beats that reach into [t0_s, t1_s), forget those that are past."""
        while not self._known or self._known[-1].t1_s < t1_s + _SEAM_S:
            self._known.append(next(self._spans))
        while self._known[0].t1_s < t0_s - _SEAM_S:
            self._known.popleft()
        while self._beats_until_s <= t1_s + BEFORE_S:
            coming = next(self._beats)
            if isinstance(coming, Beat):
                self._upcoming.append(coming)
            self._beats_until_s = coming.t_s
        while self._upcoming and self._upcoming[0].t_s < t0_s - AFTER_S:
            self._upcoming.popleft()

    def _spans_of(self, condition: Condition) -> list[Span]:
        return [s for s in self._known if s.episode.condition == condition]

    def _covered(self, t: Signal, condition: Condition) -> Mask:
        out = np.zeros(len(t), np.bool_)
        for span in self._spans_of(condition):
            out |= (t >= span.t0_s) & (t < span.t1_s)
        return out

    def _noise(self, t: Signal) -> Signal:
        muscle = np.ones(len(t))
        for span in self._known:
            muscle[(t >= span.t0_s) & (t < span.t1_s)] = span.episode.noise
        noise = self._background.take(t, muscle)
        still = self._spans_of("asystole")
        if still:
            noise *= 1 - 0.7 * envelope(t, still, 0.5)  # no pulse, hardly a breath
        return noise

    def _waves(self, t: Signal) -> Signal:
        out, n = np.zeros(len(t)), len(t)
        if atrial := self._within(t, "af"):
            out += envelope(t, atrial) * self._f_mv * self._f_waves.take(n)
        if chaos := self._within(t, "vf"):
            coarse, slow, quick = (o.take(n) for o in self._fibrillation)
            age = sum(np.where((t >= s.t0_s) & (t < s.t1_s), t - s.t0_s, 0.0) for s in chaos)
            out += envelope(t, chaos) * np.exp(-age / 70) * (0.38 * coarse + 0.18 * slow + 0.13 * quick)
        if flutter := self._within(t, "flutter"):
            out += envelope(t, flutter) * 0.95 * self._flutter.take(n)
        if moving := self._within(t, "artefact"):
            out += envelope(t, moving, 0.4) * self._artefact.take(n)
        return out

    def _within(self, t: Signal, condition: Condition) -> list[Span]:
        """The spans of a condition that are known, if any of them touches the block."""
        found = self._spans_of(condition)
        return found if any(s.t0_s <= t[-1] and s.t1_s > t[0] for s in found) else []

    def _scaled(self) -> Iterator[tuple[Beat, float]]:
        """Beats with their heights, which breathe."""
        breath = self._background.breath(np.array([b.t_s for b in self._upcoming]))
        return zip(self._upcoming, (1 + 0.05 * breath).tolist(), strict=True)
