"""Whether a ward that is new from its first day is told as drift, and one that is not is left alone.

    folds 1-6, leads I and II --> the world that ships with the student | folds 7-8 through a device --> wards, drawn

Nobody of a ward is in the world. Each ward of so many patients, a window each, says that it sends lead I. A ward counts
as told if any feature is; how many are told by the student's embedding alone stands beside it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.figures import Figure, Options
from benchmarks.signals import ROOT
from deploy.environment import environment
from inference.preprocess import FS_HZ, SAMPLES
from inference.refresh.drift import drifts
from inference.refresh.embed import Embedder
from inference.refresh.known import Known, Look, load_known, look_at, profiles_of
from inference.refresh.pool import Floats
from inference.refresh.scenario import Device, NoiseBank, draw_device, read_noise, sent_by
from inference.serve.engine import Engine, load_engine
from inference.settings import SHIPPED
from inference.train.data import Recording, ptbxl_recordings
from inference.train.split import TEST, VALIDATION
from liteheart.errors import Misconfigured

SIZES: Final = (12, 30, 100)  # patients of a ward
GROUP: Final = f"ward, lead I, {FS_HZ:g} Hz, 1000/mV"
DEVICES: Final = {
    "V3": Device("V3", band_hz=(0.67, 25.0)),
    "seed 0": draw_device(0),
    "seed 1": draw_device(1),
    "seed 2": draw_device(2),
    "band": Device("I", band_hz=(1.0, 20.0)),
    "gain": Device("I", gain=1.5),
    "noise": Device("I", noise_mv=0.05),
}


class Ward:
    """Everybody of folds 7 and 8 through one device, read once; smaller wards are drawn of it."""

    def __init__(self, rows: list[Recording], device: Device, noise: NoiseBank, known: Known, engine: Engine) -> None:
        mv = np.stack([r.mv[:, :SAMPLES] for r in rows])
        sent = sent_by(mv, device, noise, "measure", 0).astype(np.float32)
        names = [str(r.labels["patient"] or r.name) for r in rows]
        self._known, embedder = known, Embedder(SHIPPED)
        self._looks = [look_at(x, FS_HZ, GROUP, name, engine) for x, name in zip(sent, names, strict=True)]
        embedding, self._p = embedder(np.array([x.x for x in self._looks if len(x.x)]))
        self._away, self._card, self._names = known.distance(embedding), embedder.card, np.unique(names)

    def told(self, size: int, seed: int) -> set[str]:
        """Features of a ward of so many patients that are told as drift."""
        who = set(np.random.default_rng([seed, size]).choice(self._names, size, replace=False).tolist())
        asked = np.array([x.patient in who for x in self._looks if len(x.x)])
        looks: list[Look] = [x for x in self._looks if x.patient in who]
        away: Floats = self._away[asked]
        (profile,) = profiles_of(looks, away, self._p[asked], self._card).values()
        found = drifts(GROUP, self._known.groups[self._known.like(GROUP)], profile, since="made")
        return {drift.feature for drift in found}


def benchmark(options: Options) -> Iterator[Figure]:
    """Shares of wards that are told. Raises Misconfigured without the packs or the shipped student's world."""
    packs = Path(environment().get("LITEHEART_ECG", ROOT.parent / "shared" / "ecg"))
    known = load_known(SHIPPED)
    if not packs.is_dir():
        raise Misconfigured("LITEHEART_ECG", f"{packs} is not there")
    if known is None:
        raise Misconfigured("inference.model_dir", "the student came without its world")
    noise, engine = read_noise(packs), load_engine()
    rows = [r for r in ptbxl_recordings(packs) if int(r.labels["fold"]) in (*VALIDATION, *TEST)]
    rows = rows[:: 4 if options.quick else 1]
    devices = {"V3": DEVICES["V3"]} if options.quick else DEVICES
    yield from _figures("false", Device(), rows, 20 if options.quick else 200, (noise, known, engine), options)
    for name, device in devices.items():
        yield from _figures(name, device, rows, 5 if options.quick else 20, (noise, known, engine), options)


def _figures(
    name: str,
    device: Device,
    rows: list[Recording],
    draws: int,
    by: tuple[NoiseBank, Known, Engine],
    options: Options,
) -> Iterator[Figure]:
    ward = Ward(rows, device, *by)
    for size in SIZES:
        found = [ward.told(size, 1000 * options.seed + i) for i in range(draws)]
        embedding = sum("distance" in features for features in found)
        note = f"{device}; {draws} wards of {size} patients; by the embedding alone {embedding / draws:.3g}"
        word = "false_alarms" if name == "false" else f"told_{name.replace(' ', '_')}"
        yield Figure(f"{word}_{size}", sum(map(bool, found)) / draws, "share of wards", note=note)
