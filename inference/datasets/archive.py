"""Windows of the archive as a PyTorch dataset: streamed by patient and time, never all in memory.

    cohort (whose, when, what was found) --window by window--> samples from the archive --> preprocess --> a student

A loader's workers each open the store for themselves and share the patients out between them.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, Protocol

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from inference.preprocess import preprocess
from liteheart.clock import US_PER_S
from liteheart.ids import PatientId
from liteheart.signal import Mask, Samples, Stretch

AHEAD_US: Final = 300 * US_PER_S  # read at once: windows of one patient lie near each other
Item = dict[str, torch.Tensor]


class Chosen(Protocol):
    """One window of a cohort."""

    @property
    def patient(self) -> PatientId:
        """Whose."""
        ...

    @property
    def t0_us(self) -> int:
        """Its first sample."""
        ...

    @property
    def t1_us(self) -> int:
        """Just after its last."""
        ...

    @property
    def codes(self) -> tuple[str, ...]:
        """Conditions found."""
        ...

    @property
    def scores(self) -> Mapping[str, float]:
        """By condition; empty where nobody answered."""
        ...


class Stretches(Protocol):
    """The archive."""

    def stretches(self, patient: PatientId, t0_us: int, t1_us: int) -> Iterator[Stretch]:
        """Gap-free runs of the samples that were taken in [t0_us, t1_us), in the order in which they begin."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """What is read: every iteration asks for the windows anew."""

    windows: Callable[[], Iterable[Chosen]]
    archive: Stretches
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """A window as it is stored, one lead of one device; `valid` is False and the sample 0 where nothing came."""

    samples: Samples  # int16 [n]
    valid: Mask  # bool [n]
    fs_hz: float
    gain: float


class ArchiveWindows(IterableDataset[Item]):
    """Items of tensors: x float32 [1000], y float32 [classes] 0 or 1, p float32 [classes], NaN where not scored.

    With `raw`, also samples int16 [n], valid bool [n], fs_hz and gain: bit by bit what was stored. Those have the
    length of the window at its own rate; batches of mixed rates need a `collate_fn`.
    """

    def __init__(
        self, open_source: Callable[[], Source], classes: Sequence[str], *, raw: bool = False, least_valid: float = 0.5
    ) -> None:
        """`open_source` is called where it is iterated, in a worker too: it must be picklable.

        Windows with a smaller share of received samples than `least_valid` are left out.
        """
        super().__init__()
        self._open, self._classes, self._raw, self._least_valid = open_source, tuple(classes), raw, least_valid

    def __iter__(self) -> Iterator[Item]:
        worker = get_worker_info()
        source = self._open()
        try:
            reader = WindowReader(source.archive)
            for chosen in source.windows():
                if worker is not None and _share(chosen.patient, worker.num_workers) != worker.id:
                    continue
                raw = reader.window(chosen)
                if raw is not None and float(np.mean(raw.valid)) >= self._least_valid:
                    yield self._item(chosen, raw)
        finally:
            source.close()

    def _item(self, chosen: Chosen, raw: Raw) -> Item:
        mv = (raw.samples / np.float32(raw.gain)).astype(np.float32)
        item = {
            "x": torch.from_numpy(preprocess(mv[None], raw.fs_hz, raw.valid[None])[0]),
            "y": torch.tensor([float(c in chosen.codes) for c in self._classes]),
            "p": torch.tensor([chosen.scores.get(c, float("nan")) for c in self._classes]),
        }
        if self._raw:
            item |= {
                "samples": torch.from_numpy(raw.samples),
                "valid": torch.from_numpy(raw.valid),
                "fs_hz": torch.tensor(raw.fs_hz, dtype=torch.float64),
                "gain": torch.tensor(raw.gain, dtype=torch.float64),
            }
        return item


class WindowReader:
    """Reads ahead, since windows of a patient follow or overlap one another."""

    def __init__(self, archive: Stretches) -> None:
        self._archive = archive
        self._of: PatientId | None = None
        self._span = (0, 0)
        self._held: list[Stretch] = []

    def window(self, chosen: Chosen) -> Raw | None:
        """None where nothing was received."""
        t0_us, t1_us = chosen.t0_us, chosen.t1_us
        begin_us, end_us = self._span
        if self._of != chosen.patient or not begin_us <= t0_us <= t1_us <= end_us:
            self._of, self._span = chosen.patient, (t0_us, max(t1_us, t0_us + AHEAD_US))
            self._held = list(self._archive.stretches(chosen.patient, *self._span))
        there = [s for s in self._held if s.t0_us < t1_us and t0_us < s.t1_us]
        return _laid_out(there, t0_us, t1_us) if there else None


def _laid_out(stretches: Sequence[Stretch], t0_us: int, t1_us: int) -> Raw | None:
    """Samples in their places. Of several leads or devices the one that covers most."""
    covered: dict[tuple[str, str, float, float], int] = {}
    for s in stretches:
        line = (s.device, s.lead, s.fs_hz, s.gain)
        covered[line] = covered.get(line, 0) + min(s.t1_us, t1_us) - max(s.t0_us, t0_us)
    best = max(covered, key=lambda line: covered[line])
    fs_hz, gain = best[2], best[3]
    n = max(1, round((t1_us - t0_us) * fs_hz / US_PER_S))
    samples, valid = np.zeros(n, np.int16), np.zeros(n, np.bool_)
    for s in stretches:
        if (s.device, s.lead, s.fs_hz, s.gain) != best:
            continue
        first = ceil((t0_us - s.t0_us - 1) * fs_hz / US_PER_S)  # of the stretch, at or after the window's begin
        at = 0 if first >= 0 else round((s.t0_us - t0_us) * fs_hz / US_PER_S)
        piece = s.samples[max(0, first) : max(0, first) + n - at]
        samples[at : at + len(piece)] = piece
        valid[at : at + len(piece)] = True
    return Raw(samples, valid, fs_hz, gain) if valid.any() else None


def _share(patient: PatientId, workers: int) -> int:
    return zlib.crc32(patient.encode()) % workers
