"""When the heart beats: an endless stream of beats that follows a script.

Sinus RR varies by 2.6 % as in PTB-XL's normal records (median), AF by 20 % as in the fibrillation of PTB-XL and of
CinC-2017 (.193, .202), and as there with a long tail of late beats: the AV node lets none through much too early.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from ingest.sources.simulate.episode import BEATLESS, SINUS_BENEATH, Span

Kind = Literal["N", "S", "V"]  # normal, supraventricular premature, ventricular: the letters of AAMI

RESPIRATION_HZ: Final = 0.23
_AF_EARLIEST: Final = 0.5  # of the mean RR; beyond it a gamma distribution, whose shape makes the variation 20 %
_AF_SHAPE: Final = 6.25
_AF_SHORTEST_S: Final = 0.33  # refractory AV node


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat; `t_s` is its R peak (or the peak of the main deflection when ventricular)."""

    t_s: float
    kind: Kind
    rr_s: float  # mean of the latest RR intervals; sets PR and QT
    p_wave: float  # height of the P wave against the patient's usual one; 0: none
    t_wave: float = 1.0  # likewise of the T wave


@dataclass(frozen=True, slots=True)
class Silence:
    """All beats before `t_s` are known."""

    t_s: float


class Heart:
    """Turns spans into beats. One random generator, so that the same seed beats the same way."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._phase = rng.uniform(0, 2 * math.pi, 2)
        self._rsa, self._slow = rng.uniform(0.008, 0.032), rng.uniform(0.006, 0.02)
        self._last_s = -math.inf  # last beat
        self._rate = 0.0  # the sinus node's; 0: it starts anew
        self._mean_rr_s = 0.0

    def beats(self, spans: Iterable[Span]) -> Iterator[Beat | Silence]:
        """Beats in order of time, and a Silence at the end of each span: nothing more comes before it."""
        for span in spans:
            condition = span.episode.condition
            if condition in BEATLESS:
                self._rate, self._last_s = 0.0, -math.inf
            elif condition in SINUS_BENEATH:
                yield from self._sinus(span)
            elif condition == "af":
                yield from self._fibrillation(span)
            else:
                yield from self._regular(span, "V" if condition == "vt" else "N")
            yield Silence(span.t1_s)

    def _sinus(self, span: Span) -> Iterator[Beat]:
        episode = span.episode
        target = episode.rate
        if self._rate == 0:
            self._rate = target
        t = self._first(span, 60 / self._rate)
        while t < span.t1_s:
            yield self._beat(t, "N", 1.0)
            self._rate += 0.35 * (target - self._rate)  # the node speeds up and slows down over some beats
            rr = self._sinus_rr(t)
            kind = self._premature(rr, episode.pac_per_min, episode.pvc_per_min)
            if kind is None:
                t += rr
                continue
            early = t + rr * self._rng.uniform(0.55, 0.68 if kind == "V" else 0.75)
            if early >= span.t1_s:
                t += rr
                continue
            yield self._beat(early, kind, 0.0 if kind == "V" else self._rng.uniform(0.5, 0.9))
            t = t + 2 * rr if kind == "V" else early + 1.1 * rr  # fully compensated pause, or a reset node

    def _fibrillation(self, span: Span) -> Iterator[Beat]:
        episode = span.episode
        mean = 60 / episode.rate
        self._rate = 0.0
        t = self._first(span, mean)
        while t < span.t1_s:
            late = self._rng.gamma(_AF_SHAPE, (1 - _AF_EARLIEST) / _AF_SHAPE)
            rr = max(_AF_SHORTEST_S, mean * (_AF_EARLIEST + late))
            ventricular = self._premature(rr, 0.0, episode.pvc_per_min) == "V"
            yield self._beat(t, "V" if ventricular else "N", 0.0, 0.55)
            t += 1.3 * rr if ventricular else rr

    def _regular(self, span: Span, kind: Kind) -> Iterator[Beat]:
        rr = 60 / span.episode.rate
        self._rate = 0.0
        t = max(span.t0_s + 0.02, self._last_s + max(rr, 0.25)) if math.isfinite(self._last_s) else span.t0_s + rr / 2
        while t < span.t1_s:
            yield self._beat(t, kind, 0.0, 0.8)
            t += rr * (1 + self._rng.normal(0, 0.012 if kind == "V" else 0.006))

    def _first(self, span: Span, rr: float) -> float:
        """The span's first beat: in step with the beat before it, or soon after a silence."""
        if math.isfinite(self._last_s):
            return max(span.t0_s, self._last_s + rr)
        return span.t0_s + rr * float(self._rng.uniform(0.3, 0.7))

    def _sinus_rr(self, t: float) -> float:
        swing = self._rsa * math.sin(2 * math.pi * RESPIRATION_HZ * t + self._phase[0])
        swing += self._slow * math.sin(2 * math.pi * 0.095 * t + self._phase[1])
        swing *= min(1.0, 75 / self._rate)  # a fast node is a steady one
        return 60 / self._rate * (1 + swing + self._rng.normal(0, 0.006))

    def _premature(self, rr: float, pac_per_min: float, pvc_per_min: float) -> Kind | None:
        draw = self._rng.random() * 60 / rr  # always drawn, so that ectopy shifts no other chance
        if rr < 0.45:
            return None
        if draw < pvc_per_min:
            return "V"
        return "S" if draw < pvc_per_min + pac_per_min else None

    def _beat(self, t: float, kind: Kind, p_wave: float, t_wave: float = 1.0) -> Beat:
        rr = t - self._last_s if math.isfinite(self._last_s) else 60 / self._rate if self._rate else 0.8
        self._mean_rr_s = rr if self._mean_rr_s == 0 else self._mean_rr_s + 0.25 * (rr - self._mean_rr_s)
        self._last_s = t
        return Beat(t, kind, min(max(self._mean_rr_s, 0.25), 1.6), p_wave, t_wave)
