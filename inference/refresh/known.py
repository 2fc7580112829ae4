"""What a student saw when it was made, kept beside its weights, so that a ward that is new from the first day is seen.

    windows it learned from --student--> embedding: centre, axes, usual distance | features: a spread for each group

A group is a lead of the original training data, or a site and kind of device that a refresh learned from. Nothing of
anybody lies in the file: of each feature, how many patients had which shares of coarse bins.
"""

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.model.card import Card, load_card
from inference.preprocess import FS_HZ, SAMPLES, Batch, preprocess
from inference.refresh.drift import EDGES, Profile, Spread
from inference.refresh.embed import Embedder
from inference.refresh.features import window_features
from inference.refresh.pool import Floats, World, known_world
from inference.serve.engine import Engine
from inference.train.data import Recording, ptbxl_recordings
from inference.train.split import TRAIN
from liteheart.errors import Misconfigured
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Window

FILE: Final = "student.world.npz"
FORMAT: Final = 1
LEADS: Final = ("I", "II")  # of the recordings; the first is what any other lead is compared with
_BINS: Final = max(len(edges) for edges in EDGES.values()) + 1


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A window as drift sees it: x float32 [1000], empty where the student is not asked; features that are not its."""

    group: str
    patient: str
    x: Batch
    features: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A student's world: where its embeddings lay, and by group the spread of each feature."""

    made_of: str
    space: World
    groups: Mapping[str, Mapping[str, Spread]]

    def like(self, group: str) -> str:
        """Which of its groups a site and kind of device is compared with: itself, its lead, or the first lead."""
        own = [part for part in (group, *group.split(", ")) if part in self.groups]
        return own[0] if own else next(iter(self.groups))

    def distance(self, embedding: Floats) -> Floats:
        """[n] of embeddings [n, d], as multiples of the usual one; NaN for what is no number."""
        return far(self.space, embedding)


def far(space: World, embedding: Floats) -> Floats:
    """[n] distances from the centre of `space`, as multiples of the usual one."""
    away = np.linalg.norm((embedding - space.centre) @ space.axes, axis=1)
    found: Floats = np.where(np.isfinite(away), away / max(space.usual, 1e-9), np.nan)
    return found


def learn_known(folder: Path, looks: Sequence[Look], made_of: str, threads: int = 1) -> Known:
    """The world of the student in `folder`, of what it learned from. Raises Misconfigured where it has no answer."""
    embedder = Embedder(folder, threads)
    asked = [look for look in looks if len(look.x)]
    embedding, p = embedder(np.stack([look.x for look in asked]) if asked else np.zeros((0, SAMPLES), np.float32))
    if len(asked) < 2 or not np.isfinite(embedding).all() or not np.isfinite(p).all():
        raise Misconfigured("model", "has no numbers for what it learned from")
    space = known_world(embedding)
    profiles = profiles_of(looks, far(space, embedding), p, embedder.card)
    return Known(made_of, space, {name: profile.spreads() for name, profile in profiles.items()})


def profiles_of(looks: Iterable[Look], away: Floats, p: Floats, card: Card) -> dict[str, Profile]:
    """By group, with what a student makes of those that it is asked about: distance `away` [n], p [n, classes]."""
    limits = np.array([card.thresholds[c] for c in card.classes])
    answers, profiles = iter(zip(away.tolist(), p, strict=True)), dict[str, Profile]()
    for look in looks:
        features = dict(look.features)
        if len(look.x):
            features["distance"], said = next(answers)
            if np.isfinite(said).all():
                features |= dict(zip(card.classes, (said >= limits).astype(float).tolist(), strict=True))
        profiles.setdefault(look.group, Profile()).add(look.patient, features)
    return profiles


def looks_of(packs: Path, engine: Engine, folds: Iterable[int] = TRAIN, most: int | None = None) -> Iterator[Look]:
    """The recordings of these folds by each of `LEADS`, as `engine` would read them live; `most` of them, evenly.

    Raises Unreadable.
    """
    rows = [r for r in ptbxl_recordings(packs) if int(r.labels["fold"]) in set(folds)]
    step = 1 if most is None else max(1, len(rows) // most)
    for r in rows[::step][:most]:
        for lead in LEADS:
            yield look_at(r.mv[r.leads.index(lead), :SAMPLES], FS_HZ, f"lead {lead}", _patient(r), engine)


def look_at(mv: npt.NDArray[np.float32], fs_hz: float, group: str, patient: str, engine: Engine) -> Look:
    """One window [n], mV, by the path of live scoring."""
    valid, mv = np.isfinite(mv), np.nan_to_num(mv).astype(np.float32)
    window = Window(PatientId("p"), DeviceId("d"), group, 0, fs_hz, mv, valid)
    (finding,) = engine.score([window])
    if finding.abstained:
        return Look(group, patient, np.zeros(0, np.float32), window_features(finding, None, fs_hz))
    x = preprocess(mv[None], fs_hz, valid[None])[0]
    return Look(group, patient, x, window_features(finding, mv, fs_hz))


def save_known(folder: Path, known: Known) -> None:
    """Beside the weights in `folder`, to which it is tied. The same world gives the same bytes."""
    names = sorted({feature for spreads in known.groups.values() for feature in spreads})
    rows, times, of = [], [], []
    for g, spreads in enumerate(known.groups.values()):
        for feature, spread in spreads.items():
            padded = np.zeros((len(spread.rows), _BINS), np.float32)
            padded[:, : spread.rows.shape[1]] = spread.rows
            rows.append(padded)
            times.append(spread.times.astype(np.uint32))
            of.append(np.tile(np.array([[g, names.index(feature)]], np.uint16), (len(spread.rows), 1)))
    about = {"format": FORMAT, "weights": load_card(folder).sha256, "made_of": known.made_of}
    about |= {"groups": list(known.groups), "features": names}
    about |= {"usual": round(known.space.usual, 6), "spread": round(known.space.spread, 6)}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        about=np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), np.uint8),
        centre=known.space.centre.astype(np.float32),
        axes=known.space.axes.astype(np.float32),
        rows=np.concatenate(rows),
        times=np.concatenate(times),
        of=np.concatenate(of),
    )
    (folder / FILE).write_bytes(buffer.getvalue())


def load_known(folder: Path) -> Known | None:
    """None for a student that came without. Raises Misconfigured for what is damaged, or another student's."""
    path = folder / FILE
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        about: dict[str, Any] = json.loads(bytes(arrays["about"]))
        if about["format"] != FORMAT:
            raise Misconfigured("model", f"{path} is of format {about['format']!r}, not {FORMAT}")
        if about["weights"] != load_card(folder).sha256:
            raise Misconfigured("model", f"{path} is the world of another student")
        centre, axes = (arrays[name].astype(np.float64) for name in ("centre", "axes"))
        space = World(centre, axes, float(about["usual"]), float(about["spread"]))
        groups = {name: dict(_spreads(arrays, g, about["features"])) for g, name in enumerate(about["groups"])}
    except FileNotFoundError:
        return None
    except (OSError, EOFError, zipfile.BadZipFile, ValueError, KeyError, IndexError) as error:
        raise Misconfigured("model", f"{path} is damaged ({error})") from None
    return Known(str(about["made_of"]), space, groups)


def _spreads(arrays: Mapping[str, Any], group: int, features: Sequence[str]) -> Iterator[tuple[str, Spread]]:
    of = arrays["of"]
    for at in np.unique(of[of[:, 0] == group, 1]).tolist():
        mine = (of[:, 0] == group) & (of[:, 1] == at)
        bins = len(EDGES.get(features[at], (0.5,))) + 1
        rows = np.round(arrays["rows"][mine, :bins].astype(np.float64), 6)
        yield features[at], Spread(rows, arrays["times"][mine].astype(np.int64))


def _patient(recording: Recording) -> str:
    return str(recording.labels["patient"] or recording.name)
