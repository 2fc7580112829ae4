"""What happens to a simulated patient, and when: the script is the truth that the signal is judged by."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final, Literal

Condition = Literal[
    "sinus",  # truth says bradycardia below 60/min and tachycardia above 100/min
    "af",  # atrial fibrillation
    "svt",  # narrow, regular, no P wave, sudden
    "vt",  # ventricular tachycardia
    "flutter",  # ventricular flutter
    "vf",  # ventricular fibrillation
    "asystole",
    "pause",  # no beat, but the patient is otherwise as before
    "artefact",  # sinus rhythm under motion, muscle noise and electrode pops
    "lead_off",  # sinus rhythm that the electrode does not see
    "dropout",  # sinus rhythm whose frames are lost
]
SINUS_BENEATH: Final = frozenset({"sinus", "artefact", "lead_off", "dropout"})
BEATLESS: Final = frozenset({"flutter", "vf", "asystole", "pause"})
_RATES: Final[dict[str, float]] = {"af": 95.0, "svt": 175.0, "vt": 170.0}


@dataclass(frozen=True, slots=True)
class Episode:
    """One stretch of a script."""

    condition: Condition
    duration_s: float
    rate_bpm: float | None = None  # mean ventricular rate; None: 72, or what the condition usually has
    pac_per_min: float = 0.0  # premature atrial beats, in sinus rhythm
    pvc_per_min: float = 0.0  # premature ventricular beats, in sinus rhythm and AF
    noise: float = 1.0  # muscle noise against that of a patient at rest

    def __post_init__(self) -> None:
        if not 0 < self.duration_s < math.inf:
            raise ValueError(f"duration_s: {self.duration_s:g} is not a positive length")
        if not 10 <= self.rate <= 300:
            raise ValueError(f"rate_bpm: {self.rate:g} is not in 10 to 300")
        if min(self.pac_per_min, self.pvc_per_min, self.noise) < 0:
            raise ValueError("pac_per_min, pvc_per_min and noise: must not be negative")

    @property
    def rate(self) -> float:
        """Mean ventricular rate per minute."""
        return self.rate_bpm if self.rate_bpm is not None else _RATES.get(self.condition, 72.0)

    @property
    def label(self) -> str:
        """The truth in one word."""
        if self.condition == "sinus" and self.rate < 60:
            return "bradycardia"
        return "tachycardia" if self.condition == "sinus" and self.rate > 100 else self.condition


@dataclass(frozen=True, slots=True)
class Span:
    """An episode at its place in time; half-open, seconds from the start."""

    index: int  # counts on when the script begins again
    t0_s: float
    t1_s: float
    episode: Episode


def spans(script: Sequence[Episode]) -> Iterator[Span]:
    """The script, which holds an episode, over and over without end."""
    total, index = math.fsum(e.duration_s for e in script), 0
    for loop in count():
        t = loop * total
        for episode in script:
            yield Span(index, t, t + episode.duration_s, episode)
            t, index = t + episode.duration_s, index + 1
