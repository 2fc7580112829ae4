"""Recordings with what annotators said of them: WFDB records, folders of them, and packs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from inference.report.labels import Annotations
from inference.report.read import packed_annotations, read_annotations
from inference.train.data import Recording as Packed
from inference.train.data import read_pack
from ingest.sources.recording import Recording, find_recordings, read_recording
from liteheart.clock import US_PER_S
from liteheart.errors import Unreadable

PACK: Final = ".ecg.xz"
T0_US: Final = 1_700_000_000 * US_PER_S  # any whole second at which recordings begin; results are relative to it
_GAIN: Final = 1000.0  # of what a pack gives in mV: 1 uV a unit, finer than any of the recordings
_LARGEST: Final = 32_000.0


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A recording to be read, or one that a pack gave already."""

    path: Path
    recording: Recording | None = None
    annotations: Annotations | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)  # of a pack, as they are

    @property
    def name(self) -> str:
        """As it is told of."""
        return self.path.stem if self.recording is None else self.recording.name


@dataclass(frozen=True, slots=True, eq=False)
class Annotated:
    """A recording and its annotations; None where none were asked for."""

    recording: Recording
    annotations: Annotations | None

    @property
    def end_s(self) -> float:
        """Length in seconds."""
        return self.recording.duration_s


def sources(paths: Sequence[Path]) -> Iterator[Source]:
    """What lies at `paths`, packs and folders opened, one after another. Raises Unreadable."""
    for path in paths:
        if path.name.endswith(PACK):
            for packed in read_pack(path):
                said = packed_annotations(packed.labels, packed.fs_hz)
                yield Source(path, unpacked(packed, path), said, packed.labels)
        else:
            yield from map(Source, find_recordings(path))


def open_source(source: Source, reference: str | None) -> Annotated:
    """Read it, with the annotations that carry the name `reference`. Raises Unreadable where it has none."""
    recording = source.recording or read_recording(source.path)
    if reference is None:
        return Annotated(recording, None)
    if source.recording is None:
        return Annotated(recording, read_annotations(source.path, reference, recording.fs_hz))
    if source.annotations is None:
        raise Unreadable(source.path, f"has no beats of {recording.name}")
    return Annotated(recording, source.annotations)


def unpacked(packed: Packed, path: Path) -> Recording:
    """A recording of a pack as one of a file; mV become integers of 1 uV, or of more where they would not fit."""
    seen = np.isfinite(packed.mv)
    mv = np.where(seen, packed.mv, 0.0)
    gain = min(_GAIN, _LARGEST / max(float(np.abs(mv).max(initial=0.0)), 1e-6))
    leads = len(packed.leads)
    return Recording(
        name=packed.name,
        fs_hz=packed.fs_hz,
        leads=packed.leads,
        adc=np.round(mv * gain).astype(np.int16),
        gain=np.full(leads, gain),
        baseline=np.zeros(leads),
        invalid=~seen,
        path=path,
    )
