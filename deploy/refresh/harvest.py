"""Harvest: what of the stored windows is learned from, what people's words make of it, and whether signal has drifted.

cohort (consent, bounded) --samples--> preprocess --champion--> embedding, p --choose--> material
acknowledged alarms --weigh--> weak labels of the windows about each onset
"""

import bisect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from deploy.refresh.ports import Floats, Material, Progress
from deploy.refresh.settings import RefreshSettings
from deploy.wiring import Storage
from inference.datasets.archive import Raw, WindowReader
from inference.preprocess import MAX_FS_HZ, MIN_FS_HZ, SAMPLES, Batch, preprocess
from inference.refresh.drift import Profile
from inference.refresh.embed import Embedder
from inference.refresh.features import window_features
from inference.refresh.known import Known, Look, far, profiles_of
from inference.refresh.pool import Candidates, PoolSettings, Rows, World, choose, known_world
from inference.refresh.verdicts import Labels, Said, weigh
from liteheart.clock import US_PER_S
from liteheart.errors import Conflict, Poison
from liteheart.finding import Finding
from liteheart.ids import PatientId
from storage.cohort import Chosen
from storage.cohort_query import Query
from storage.harvest import SCOPE, Word, bare

_LEAST_VALID: Final = 0.9  # of a window's samples, as in serving
_BEFORE_US: Final = 10 * US_PER_S  # a word on an alarm is one on the windows from here before its onset
NOTHING_NEW: Final = "nothing new"  # of patients who agreed: none of their windows is young enough
_AFTER_US: Final = 20 * US_PER_S  # to here after it: persistence is 15 s


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A window that was read. `patient` is the pseudonym: it does not leave this module but salted."""

    patient: PatientId
    finding: Finding
    x: Batch  # float32 [1000]; empty for one that the student was not asked about
    device: str
    features: Mapping[str, float | None]  # in which no student has a say


@dataclass(frozen=True, slots=True, eq=False)
class Harvested:
    """What came of it; `told` is for people: counts, never a patient."""

    material: Material
    profiles: Mapping[str, Profile]
    looks: tuple[Look, ...]  # all that was read, by salted names: what the ward is like
    told: Mapping[str, Any]


def harvest(
    storage: Storage,
    champion: Path,
    known: Known | None,
    settings: RefreshSettings,
    salt: bytes,
    now_us: int,
    progress: Progress,
) -> Harvested:
    """Bounded by `settings.candidates` windows in memory. Raises Retryable when the store does not answer."""
    since_us = now_us - round(settings.days * 86_400 * US_PER_S)
    left_out: Counter[str] = Counter()
    seen = list(_read(storage, settings, since_us, now_us, left_out, progress))
    embedder = Embedder(champion, settings.threads)
    asked = [s for s in seen if len(s.x)]
    embedding, p = embedder(np.stack([s.x for s in asked]) if asked else np.zeros((0, SAMPLES), np.float32))
    progress(0.9)
    world = _own_world(embedding)
    labels, weak = _words(list(storage.harvest.words(since_us, now_us)), asked, p, embedder.card.classes)
    rows = _chosen(asked, embedding, p, world, np.isfinite(weak).any(axis=1), settings, left_out)
    names = np.array([bare(asked[i].patient, salt) for i in rows], np.str_)
    x = np.stack([asked[i].x for i in rows]) if len(rows) else np.zeros((0, SAMPLES), np.float32)
    kinds = np.array([asked[i].device for i in rows], np.str_)
    material = Material(embedder.card.classes, x, weak[rows], names, kinds)
    told = {
        "candidates": len(seen),
        "windows": len(rows),
        "patients": len(set(names.tolist())),
        "labelled": int(np.isfinite(material.weak).any(axis=1).sum()),
        "left_out": dict(left_out),
        "people": len(labels.reliability),
        "people_ignored": len(labels.ignored),
        "words_undecided": len(labels.undecided),
    }
    looks = _looks(storage, seen, salt)
    away = known.distance(embedding) if known is not None else far(world, embedding)
    return Harvested(material, profiles_of(looks, away, p, embedder.card), looks, told)


def _read(
    storage: Storage,
    settings: RefreshSettings,
    since_us: int,
    until_us: int,
    left_out: Counter[str],
    progress: Progress,
) -> Iterator[Seen]:
    query = Query(
        since_us=since_us,
        until_us=until_us,
        consent=(SCOPE,),
        per_patient=settings.per_patient,
        sample=settings.candidates,
    )
    cohort, reader = storage.cohorts.select(query), WindowReader(storage.archive)
    left_out["no consent"] += 0  # told even when it is none
    chosen = list(cohort.windows())
    left_out["no consent"] = cohort.left_out["consent"]  # patients, the others but for the next are windows
    if silent := len(cohort.candidates) - len({w.patient for w in chosen}):
        left_out[NOTHING_NEW] = silent
    for i, window in enumerate(chosen):
        progress(0.8 * i / len(chosen))
        found = _seen(reader, window, left_out)
        if found is not None:
            yield found


def _seen(reader: WindowReader, window: Chosen, left_out: Counter[str]) -> Seen | None:
    try:
        raw = reader.window(window)
    except Poison:
        left_out["damaged"] += 1
        return None
    except Conflict:
        left_out["sealed"] += 1
        return None
    if raw is None or not MIN_FS_HZ <= raw.fs_hz <= MAX_FS_HZ:
        left_out["no signal"] += 1
        return None
    mv = (raw.samples / np.float32(raw.gain)).astype(np.float32)
    finding = window.finding
    askable = not finding.abstained and finding.quality.usable and float(np.mean(raw.valid)) >= _LEAST_VALID
    x = preprocess(mv[None], raw.fs_hz, raw.valid[None])[0] if askable else np.zeros(0, np.float32)
    features = window_features(finding, mv if askable else None, raw.fs_hz)
    left_out["unusable"] += not askable
    return Seen(window.patient, finding, x, _device(finding, raw), features)


def _device(finding: Finding, raw: Raw) -> str:
    """The kind of device, as far as its signal tells: there is no register of models."""
    return f"lead {finding.lead}, {raw.fs_hz:g} Hz, {raw.gain:g}/mV"


def _own_world(embedding: Floats) -> World:
    """What most windows here are like: a new device is to be learned from, and only what is foreign to it is not."""
    if len(embedding) < 2:
        return World(np.zeros(embedding.shape[1]), np.zeros((embedding.shape[1], 0)), 0.0, 1.0)
    return known_world(embedding)


def _words(words: Sequence[Word], asked: Sequence[Seen], p: Floats, classes: tuple[str, ...]) -> tuple[Labels, Floats]:
    """What people's words come to, and the weak labels [n, classes] of the windows."""
    near = _Near(asked)
    heard = [(w, near.of(w)) for w in words if w.condition in classes]
    said = [Said(w.alarm, w.by, w.reason, _mean(p, rows, classes.index(w.condition))) for w, rows in heard if rows]
    labels = weigh(said)
    weak = np.full(p.shape, np.nan)
    for word, rows in heard:
        if word.alarm in labels.positive:
            weak[rows, classes.index(word.condition)] = labels.positive[word.alarm]
    return labels, weak


def _mean(p: Floats, rows: Sequence[int], column: int) -> float:
    return float(np.clip(np.nan_to_num(p[list(rows), column], nan=0.5).mean(), 0.0, 1.0))


class _Near:
    """Rows of windows about a moment of a patient."""

    def __init__(self, asked: Sequence[Seen]) -> None:
        self._of: dict[PatientId, list[tuple[int, int]]] = {}
        for row, s in enumerate(asked):
            self._of.setdefault(s.patient, []).append((s.finding.t0_us, row))
        for places in self._of.values():
            places.sort()

    def of(self, word: Word) -> list[int]:
        """Those that begin within the reach of the word."""
        places = self._of.get(word.patient, [])
        first = bisect.bisect_left(places, (word.onset_us - _BEFORE_US, -1))
        last = bisect.bisect_left(places, (word.onset_us + _AFTER_US, -1))
        return [row for _, row in places[first:last]]


def _chosen(
    asked: Sequence[Seen],
    embedding: Floats,
    p: Floats,
    world: World,
    labelled: Any,
    settings: RefreshSettings,
    left_out: Counter[str],
) -> Rows:
    """Rows to learn from: of those with words first, at most half of the pool, then of the others."""
    if not asked:
        return np.zeros(0, np.int64)
    sqi = np.array([s.finding.quality.sqi for s in asked])
    whose = np.array([s.patient for s in asked], np.str_)
    everything = Candidates(embedding, p, sqi, whose)
    pool = PoolSettings(size=settings.pool, most_per_patient=settings.per_patient)
    with_words = np.flatnonzero(labelled)
    taken = _part(everything, with_words, world, replace(pool, size=max(1, settings.pool // 2)), left_out)
    rest = np.setdiff1d(np.arange(len(asked)), with_words)
    more = _part(everything, rest, world, replace(pool, size=max(1, settings.pool - len(taken))), left_out)
    return np.sort(np.concatenate([taken, more]))


def _part(all_: Candidates, rows: Rows, world: World, pool: PoolSettings, left_out: Counter[str]) -> Rows:
    if not len(rows):
        return rows
    part = Candidates(all_.embedding[rows], all_.p[rows], all_.sqi[rows], all_.patients[rows])
    found = choose(part, world, pool)
    left_out.update(found.left_out)
    return rows[found.rows]


def _looks(storage: Storage, seen: Sequence[Seen], salt: bytes) -> tuple[Look, ...]:
    """By site and kind of device."""
    sites = storage.harvest.sites()
    return tuple(
        Look(f"{sites.get(s.patient, 'ward')}, {s.device}", bare(s.patient, salt), s.x, s.features) for s in seen
    )
