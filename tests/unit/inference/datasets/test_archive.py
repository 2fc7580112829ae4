"""Windows of an archive as training material: every sample in its place, whoever reads them."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from inference.datasets.archive import ArchiveWindows, Source
from inference.preprocess import preprocess
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Samples, Stretch

S = 1_000_000
T0 = 1_790_000_000 * S


@dataclass(frozen=True)
class Window:
    patient: PatientId
    t0_us: int
    t1_us: int
    codes: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)


class Memory:
    """Stretches in memory, clipped to what is asked for, as the archive does."""

    def __init__(self, held: list[Stretch]) -> None:
        self.held, self.reads = held, 0

    def stretches(self, patient: PatientId, t0_us: int, t1_us: int) -> Iterator[Stretch]:
        self.reads += 1
        for s in self.held:
            times = s.t0_us + np.rint(np.arange(len(s.samples)) * S / s.fs_hz).astype(np.int64)
            first, last = (int(np.searchsorted(times, t)) for t in (t0_us, t1_us))
            if s.patient == patient and first < last:
                yield Stretch(s.patient, s.device, s.lead, int(times[first]), s.fs_hz, s.gain, s.samples[first:last])


def stretch(patient: str, second: float, samples: Samples, fs_hz: float = 250.0, device: str = "d1") -> Stretch:
    t0_us = T0 + round(second * S)
    return Stretch(PatientId(patient), DeviceId(device), "II", t0_us, fs_hz, 200.0, samples)


def noise(n: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).integers(-32768, 32768, n).astype(np.int16)


def window(patient: str, second: float, seconds: float = 10.0, **told: object) -> Window:
    t0_us = T0 + round(second * S)
    return Window(PatientId(patient), t0_us, t0_us + round(seconds * S), **told)  # type: ignore[arg-type]  # by name


def dataset(held: list[Stretch], windows: list[Window], **options: object) -> ArchiveWindows:
    source = Source(lambda: windows, Memory(held))
    return ArchiveWindows(lambda: source, ("AFIB", "PVC"), raw=True, **options)  # type: ignore[arg-type]  # by name


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([125.0, 200.0, 250.0, 360.0, 250 / 3, 333.3333]), st.integers(0, 400), st.integers(0, 99))
def test_samples_are_those_that_were_stored(fs_hz: float, first: int, seed: int) -> None:
    samples = noise(round(60 * fs_hz), seed)
    whole = stretch("p", 0, samples, fs_hz)
    at = Window(whole.patient, whole.t0_us + round(first * S / fs_hz), whole.t0_us + round(first * S / fs_hz) + 10 * S)
    (item,) = dataset([whole], [at])
    n = round(10 * fs_hz)
    assert torch.equal(item["samples"], torch.from_numpy(samples[first : first + n]))
    assert bool(item["valid"].all())
    assert (float(item["fs_hz"]), float(item["gain"])) == (fs_hz, 200.0)


def test_a_gap_is_a_gap_and_everything_else_is_in_its_place() -> None:
    samples = noise(2500)
    held = [stretch("p", 0, samples[:1000]), stretch("p", 6, samples[1500:])]
    (item,) = dataset(held, [window("p", 0)])
    assert torch.equal(item["samples"], torch.from_numpy(np.where(np.arange(2500) // 500 == 2, 0, samples)))
    assert item["valid"].tolist() == (np.arange(2500) // 500 != 2).tolist()
    mv = (item["samples"].numpy() / np.float32(200.0)).astype(np.float32)
    assert np.array_equal(item["x"], preprocess(mv[None], 250.0, item["valid"].numpy()[None])[0])
    assert item["x"].shape == (1000,)


def test_too_little_is_left_out() -> None:
    held = [stretch("p", 0, noise(1000))]
    assert list(dataset(held, [window("p", 0)])) == []
    assert len(list(dataset(held, [window("p", 0)], least_valid=0.4))) == 1
    assert list(dataset(held, [window("p", 50), window("q", 0)], least_valid=0.0)) == []


def test_of_two_devices_the_one_that_covers_most() -> None:
    more, less = noise(2500, 1), noise(500, 2)
    (item,) = dataset([stretch("p", 0, less, device="a"), stretch("p", 0, more, device="b")], [window("p", 0)])
    assert torch.equal(item["samples"], torch.from_numpy(more))


def test_labels_and_scores() -> None:
    at = window("p", 0, codes=("PVC",), scores={"PVC": 0.75})
    (item,) = dataset([stretch("p", 0, noise(2500))], [at])
    assert item["y"].tolist() == [0.0, 1.0]
    assert item["p"][1].item() == 0.75
    assert item["p"][0].isnan()


def test_windows_that_follow_one_another_are_read_together() -> None:
    memory = Memory([stretch("p", 0, noise(250 * 600))])
    windows = [window("p", 5 * k) for k in range(100)]
    source = Source(lambda: windows, memory)
    assert len(list(ArchiveWindows(lambda: source, ("AFIB",)))) == 100
    assert memory.reads <= 3


PATIENTS = [f"p{k}" for k in range(5)]


def opened(patients: list[str]) -> Source:
    held = [stretch(p, 0, noise(250 * 20, seed=k)) for k, p in enumerate(patients)]
    return Source(lambda: [window(p, 5 * i) for p in patients for i in range(3)], Memory(held))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_share_the_patients_out(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each window once, whoever reads it, and a patient's by one worker alone."""
    windows = ArchiveWindows(functools.partial(opened, PATIENTS), ("AFIB",), raw=True)
    found = []
    for worker in range(workers):
        info = SimpleNamespace(id=worker, num_workers=workers)
        monkeypatch.setattr("inference.datasets.archive.get_worker_info", lambda info=info: info)
        found += [(tuple(item["samples"][:4].tolist()), worker) for item in windows]
    wanted = {tuple(noise(250 * 20, seed=k)[1250 * i : 1250 * i + 4].tolist()): k for k in range(5) for i in range(3)}
    assert sorted(head for head, _ in found) == sorted(wanted)
    readers = {k: {w for head, w in found if wanted[head] == k} for k in range(5)}
    assert all(len(r) == 1 for r in readers.values())


def test_a_loader_makes_batches() -> None:
    (batch,) = DataLoader(ArchiveWindows(functools.partial(opened, PATIENTS), ("AFIB", "PVC")), batch_size=15)
    assert (batch["x"].shape, batch["y"].shape) == ((15, 1000), (15, 2))


def test_the_source_is_closed() -> None:
    closed: list[bool] = []
    source = opened(["p"])
    windows = ArchiveWindows(lambda: Source(source.windows, source.archive, lambda: closed.append(True)), ("AFIB",))
    iterator = iter(windows)
    next(iterator)
    assert closed == []
    iterator.close()  # type: ignore[attr-defined]  # a generator, left half-way
    assert closed == [True]
