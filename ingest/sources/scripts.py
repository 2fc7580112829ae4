"""A ward that is worth watching: mostly quiet, with every kind of event early on and again every ten minutes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ingest.sources.simulate import Episode
from liteheart.ids import DeviceId, PatientId

PERIOD_S: Final = 600.0  # each patient's story repeats after this

_EVENTS: Final[tuple[tuple[float, Episode], ...]] = (  # when, and what; each to another patient while there are enough
    (8.0, Episode("asystole", 6.0)),
    (35.0, Episode("vf", 20.0)),
    (65.0, Episode("vt", 14.0, rate_bpm=176)),
    (95.0, Episode("sinus", 30.0, rate_bpm=30)),
    (130.0, Episode("svt", 35.0, rate_bpm=172)),
    (170.0, Episode("af", 150.0, rate_bpm=112)),
    (205.0, Episode("lead_off", 25.0, rate_bpm=74)),
    (245.0, Episode("dropout", 25.0, rate_bpm=68)),
    (285.0, Episode("artefact", 30.0, rate_bpm=80)),
    (330.0, Episode("sinus", 60.0, rate_bpm=128)),
    (400.0, Episode("pause", 2.7)),
    (440.0, Episode("flutter", 9.0)),
)
_STABLE: Final[tuple[Episode, ...]] = (  # what the patients have between events, in turn
    Episode("sinus", PERIOD_S, rate_bpm=72),
    Episode("sinus", PERIOD_S, rate_bpm=64),
    Episode("sinus", PERIOD_S, rate_bpm=81, noise=1.3),
    Episode("sinus", PERIOD_S, rate_bpm=68),
    Episode("sinus", PERIOD_S, rate_bpm=76, pac_per_min=1.5),
    Episode("sinus", PERIOD_S, rate_bpm=84),
    Episode("sinus", PERIOD_S, rate_bpm=70, noise=1.6),
    Episode("sinus", PERIOD_S, rate_bpm=62),
    Episode("sinus", PERIOD_S, rate_bpm=88),
    Episode("sinus", PERIOD_S, rate_bpm=74),
    Episode("sinus", PERIOD_S, rate_bpm=66, pvc_per_min=1.0),
    Episode("sinus", PERIOD_S, rate_bpm=79),
    Episode("af", PERIOD_S, rate_bpm=84),
    Episode("sinus", PERIOD_S, rate_bpm=71, pvc_per_min=4.0),
    Episode("sinus", PERIOD_S, rate_bpm=54),
    Episode("sinus", PERIOD_S, rate_bpm=92),
    Episode("af", PERIOD_S, rate_bpm=72, noise=1.3),
    Episode("sinus", PERIOD_S, rate_bpm=77, pac_per_min=4.0),
)
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BEDS_A_ROW: Final = 24


@dataclass(frozen=True, slots=True)
class PatientScript:
    """One bed of the ward."""

    patient: PatientId
    device: DeviceId
    bed: str
    seed: int
    script: tuple[Episode, ...]


def ward(n_patients: int) -> list[PatientScript]:
    """Beds A-01, A-02, ... with their stories. The first lethal rhythm begins after 8 s. Raises ValueError below 1."""
    if n_patients < 1:
        raise ValueError(f"n_patients: {n_patients} is less than one")
    events: list[list[tuple[float, Episode]]] = [[] for _ in range(n_patients)]
    for k, event in enumerate(_EVENTS):
        events[_bed_of(k, n_patients)].append(event)
    return [
        PatientScript(
            patient=PatientId(f"sim-{i + 1:04d}"),
            device=DeviceId(f"sim-device-{i + 1:04d}"),
            bed=_bed(i),
            seed=1000 + i,
            script=_story(_STABLE[i % len(_STABLE)], events[i]),
        )
        for i in range(n_patients)
    ]


def _bed_of(event: int, n_patients: int) -> int:
    """Events spread over the ward's quiet beds rather than over its first ones."""
    quiet = [i for i in range(n_patients) if _STABLE[i % len(_STABLE)].condition == "sinus"]
    return quiet[(5 * event + 2) % len(quiet)] if len(quiet) % 5 else quiet[(3 * event + 2) % len(quiet)]


def _bed(i: int) -> str:
    row, place = divmod(i, _BEDS_A_ROW)
    letters = _LETTERS[row] if row < len(_LETTERS) else f"{_LETTERS[row // 26 % 26]}{_LETTERS[row % 26]}"
    return f"{letters}-{place + 1:02d}"


def _story(calm: Episode, events: Sequence[tuple[float, Episode]]) -> tuple[Episode, ...]:
    """Events in their places, calm between, PERIOD_S in all."""
    story: list[Episode] = []
    t = 0.0
    for start, event in sorted(events, key=lambda e: e[0]):
        if start > t:
            story.append(_for(calm, start - t))
        story.append(event)
        t = max(start, t) + event.duration_s
    story.append(_for(calm, PERIOD_S - t))
    return tuple(story)


def _for(calm: Episode, seconds: float) -> Episode:
    return Episode(calm.condition, seconds, calm.rate_bpm, calm.pac_per_min, calm.pvc_per_min, calm.noise)
