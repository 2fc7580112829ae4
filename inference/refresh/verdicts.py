"""What nurses said of alarms, as labels that are believed as far as those who gave them.

    coded reasons --> says yes | says no | says nothing of the heart
                          |  each person's sensitivity and specificity, from the others and from the student (EM)
                          v
                      probability that the condition was there, and whom not to listen to

The model is that of Dawid and Skene (Applied Statistics 28, 1979) for two classes, with a prior on every person, and
the student's own probability, tempered, as the prior of an alarm: a drifted student must not outvote people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from liteheart.errors import Poison

Floats = npt.NDArray[np.float64]

SAYS: Final[Mapping[str, bool | None]] = {  # what a coded reason says of the condition that was alarmed
    "true-actioned": True,
    "true-no-action": True,
    "false-algorithm": False,
    "false-artefact": None,  # of the signal, not of the heart
    "care-activity": None,
}


@dataclass(frozen=True, slots=True)
class Said:
    """One person's word on one alarm."""

    alarm: str
    by: str
    reason: str
    probability: float  # the student's, of the condition, when it was alarmed


@dataclass(frozen=True, slots=True)
class VerdictSettings:
    """How people are believed before they have said much, and when no longer."""

    prior: tuple[float, float] = (9.0, 1.0)  # right and wrong words that everybody starts with
    least_reliability: float = 0.7  # mean of sensitivity and specificity; below it a person is not listened to
    student_weight: float = 0.1  # of its log odds
    least_certainty: float = 0.8  # a label is one from here on, or from one minus this down
    rounds: int = 100


@dataclass(frozen=True, slots=True)
class Labels:
    """What comes of it."""

    positive: Mapping[str, float]  # alarm: probability that the condition was there, only those that are certain
    reliability: Mapping[str, float]  # of each person
    ignored: tuple[str, ...]  # people below the least reliability
    undecided: tuple[str, ...]  # alarms on which those who are believed do not agree
    artefacts: tuple[str, ...]  # alarms of which somebody said that the signal, not the heart, was at fault


def weigh(said: Sequence[Said], settings: VerdictSettings | None = None) -> Labels:
    """Raises Poison for a reason that is no coded one, or a probability outside [0, 1]."""
    settings = settings or VerdictSettings()
    for word in said:
        if word.reason not in SAYS:
            raise Poison("reason", f"{word.reason!r} is no coded one")
        if not 0 <= word.probability <= 1:
            raise Poison("probability", f"{word.probability} is outside 0 to 1")
    last = {(w.alarm, w.by): w for w in said}.values()  # of a person on an alarm, the last word counts
    artefacts = tuple(sorted({w.alarm for w in last if SAYS[w.reason] is None}))
    heard = [w for w in last if SAYS[w.reason] is not None]
    reliability: dict[str, float] = {}
    ignored: set[str] = set()
    while True:  # whoever is found out is left out, and the others are asked anew
        posterior, found = _believe(heard, settings)
        reliability |= found
        worst = {by for by, r in found.items() if r < settings.least_reliability}
        if not worst:
            break
        ignored |= worst
        heard = [w for w in heard if w.by not in ignored]
    certain = {a: p for a, p in posterior.items() if max(p, 1 - p) >= settings.least_certainty and a not in artefacts}
    undecided = tuple(sorted(posterior.keys() - certain.keys() - set(artefacts)))
    return Labels(certain, reliability, tuple(sorted(ignored)), undecided, artefacts)


def _believe(words: Sequence[Said], settings: VerdictSettings) -> tuple[dict[str, float], dict[str, float]]:
    """Probability of each alarm's condition, and mean of sensitivity and specificity of each person."""
    alarms, people = sorted({w.alarm for w in words}), sorted({w.by for w in words})
    item = np.array([alarms.index(w.alarm) for w in words], np.int64)
    who = np.array([people.index(w.by) for w in words], np.int64)
    yes = np.array([bool(SAYS[w.reason]) for w in words], np.bool_)
    prior = np.zeros(len(alarms))
    for w, i in zip(words, item, strict=True):
        p = np.clip(w.probability, 0.01, 0.99)
        prior[i] = settings.student_weight * np.log(p / (1 - p))
    right, wrong = settings.prior
    sensitivity = specificity = np.full(len(people), right / (right + wrong))
    odds = prior
    for _ in range(settings.rounds):
        evidence = np.where(
            yes, np.log(sensitivity / (1 - specificity))[who], np.log((1 - sensitivity) / specificity)[who]
        )
        odds = prior + np.bincount(item, evidence, len(alarms))
        there = 0.5 * (1 + np.tanh(0.5 * odds))[item]
        before = sensitivity + specificity
        sensitivity = _share(who, there, yes, len(people), settings.prior)
        specificity = _share(who, 1 - there, ~yes, len(people), settings.prior)
        if np.abs(sensitivity + specificity - before).max(initial=0) < 1e-6:
            break
    p = 0.5 * (1 + np.tanh(0.5 * odds))
    reliability = (sensitivity + specificity) / 2
    return dict(zip(alarms, p.tolist(), strict=True)), dict(zip(people, reliability.tolist(), strict=True))


def _share(
    who: npt.NDArray[np.int64], weight: Floats, right: npt.NDArray[np.bool_], n: int, prior: tuple[float, float]
) -> Floats:
    return (np.bincount(who, weight * right, n) + prior[0]) / (np.bincount(who, weight, n) + sum(prior))
