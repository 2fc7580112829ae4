"""10,000 malformed or hostile inputs to each reader of files: a recording, or one error in one line. No crash, no hang,
no growth, nothing left open.

The seeds are simulated ECG in small files of every kind; real WFDB records join them where they are.
"""

import gc
import os
import random
import resource
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import edfio
import numpy as np
import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence

from ingest.settings import IngestSettings
from ingest.sources.recording import find_recordings, read_recording
from ingest.sources.simulate import Episode, simulate
from ingest.sources.survey import frames_of_file, survey
from liteheart.errors import Unreadable
from liteheart.ids import DeviceId, PatientId

COUNT = 10_000  # inputs to each reader
SLOWEST_S = 2.0  # of this process's time: the machine may be busy
GROWTH_MB = 96  # of the resident set: allocators keep some, a leak of 10,000 files would be far above
ROOT = Path(__file__).parents[4]
SAMPLES = Path(os.environ.get("LITEHEART_ECG", ROOT.parent / "shared" / "ecg")) / "wfdb_samples"
ABSURD = (
    "nan", "inf", "-inf", "-1", "0", "1e309", "-1e309", "1e-320", "99999999999999999999", "2147483648", "4294967295",
    "-2147483648", "1e18", "0.0", "-0", "1/0", "~", "-", "..", ".", "/", "../../../etc/passwd", "/etc/passwd",
    "/dev/zero", "%s%s%n", "16x65535", "16x-1", "16:99999", "16+99999999", "524", "508", "8", "61", "310", "311",
    "0x41", "½", "١٢", "+", "99:99:99", "31/02/2020", "200(99999999999)/mV", "1e-9/mV", "1e11(0)/nV", "s3://a/b",
    "http://127.0.0.1/", "a::b", "record.hea", "<NUL>", "*",
)  # fmt: skip


@pytest.fixture(scope="module")
def ecg() -> np.ndarray:
    """int16 [2, 600]: six seconds at 100 Hz, in microvolts."""
    one = simulate([Episode("sinus", 6, 70)], 100.0, 4).mv
    adc = np.clip(np.rint(one * 1000), -2000, 2000).astype(np.int16)
    return np.stack([adc, -adc])


def mutated(data: bytes, r: random.Random) -> bytes:
    """Bits flipped, cut short, fields swapped, repeated or overwritten."""
    out = bytearray(data)
    for _ in range(r.choice((1, 1, 1, 2, 4))):
        if len(out) < 8:
            return bytes(out)
        near = len(out) if r.random() < 0.4 else min(len(out), 1200)  # most of what can go wrong stands in front
        a, n = r.randrange(near), r.choice((1, 2, 4, 8, 16, 80))
        what = r.randrange(8)
        if what == 0:
            out[a] ^= 1 << r.randrange(8)
        elif what == 1:
            del out[a:]
        elif what == 2:
            b = r.randrange(near)
            out[a : a + n], out[b : b + n] = out[b : b + n], out[a : a + n]
        elif what == 3:
            out[a : a + n] = r.choice((b"\xff", b"\0", b"\x7f", b"9", b" ", b"\x80")) * n
        elif what == 4:
            out[a:a] = out[a : a + n] * r.choice((1, 1, 50))
        elif what == 5:
            out[a : a + n] = r.randbytes(n)
        elif what == 6:
            del out[a : a + n]
        else:
            out[a : a + 8] = r.choice(ABSURD).encode().ljust(8)[:8]
    return bytes(out)


def misread(text: str, r: random.Random) -> str:
    """A word or two of a header replaced by another or by something absurd; lines dropped, doubled, exchanged."""
    lines = text.splitlines()
    for _ in range(r.choice((1, 1, 2, 3))):
        i = r.randrange(len(lines))
        words = lines[i].split(" ")
        what = r.randrange(7)
        if what < 4:
            words[r.randrange(len(words))] = r.choice(ABSURD).replace("<NUL>", "\0")
            lines[i] = " ".join(words)
        elif what == 4:
            j = r.randrange(len(words))
            words[j], words[0] = words[0], words[j]
            lines[i] = " ".join(words)
        elif what == 5:
            lines[i:i] = lines[i : i + 1] * r.choice((1, 1, 600))
        else:
            lines[i] = lines[i][: r.randrange(len(lines[i]) + 1)] + r.choice(("", "A" * 5000, "\x1b[2J", "\r\n# x"))
    return "\n".join(lines) + "\n"


class Watch:
    """What must hold over all inputs of a reader."""

    def __init__(self, seed: Path) -> None:
        take(seed, frames=True)  # what is imported lazily is imported now
        self.read, self.refused, self.slowest_s = 0, 0, 0.0
        self._begun = False
        self._rss_kb = self._files = 0

    def look(self, path: Path, *, frames: bool) -> None:
        if self.read + self.refused == 200 and not self._begun:
            gc.collect()
            self._begun, self._rss_kb, self._files = True, peak_kb(), open_files()
        t0 = time.process_time()
        try:
            take(path, frames=frames)
            self.read += 1
        except Unreadable as error:
            self.refused += 1
            text = str(error)
            assert "\n" not in text, text
            assert "\r" not in text, text
            assert text.isprintable(), text
            assert str(path.parent) in text, text
            assert len(text) < 6000
        self.slowest_s = max(self.slowest_s, time.process_time() - t0)

    def done(self) -> None:
        gc.collect()
        assert self.read + self.refused == COUNT
        assert self.slowest_s < SLOWEST_S
        assert open_files() == self._files
        assert (peak_kb() - self._rss_kb) / 1024 < GROWTH_MB
        assert self.read > COUNT // 50
        assert self.refused > COUNT // 10


def peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def take(path: Path, *, frames: bool) -> None:
    """Read it as the commands do, or as the import does."""
    if frames:
        found = survey(path, None, IngestSettings())
        n = sum(len(f.samples) for f in frames_of_file(found, PatientId("p"), DeviceId("d"), 0, 0))
        assert n == found.valid > 0
        return
    recording = read_recording(path)
    samples, gain = recording.zero_based(recording.lead_index())
    assert len(samples) == recording.adc.shape[1] > 0
    assert gain > 0
    assert 20 <= recording.fs_hz <= 20_000
    assert np.isfinite(recording.gain).all()
    with np.errstate(over="raise", invalid="raise"):
        assert np.isfinite(recording.millivolts(0)[~recording.invalid[0]]).all()


# WFDB


def wfdb_seeds(folder: Path, ecg: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """Headers and signal files of several kinds; "m" is their name."""
    low = np.clip(ecg, -500, 500)
    flat = low.T.astype("<i2")
    lines = "m.dat {f} 200(3)/mV 12 0 0 0 0 I\nm.dat {f} 200(3)/mV 12 0 0 0 0 II\n#Age: 61\n#Sex: F\n"
    n = ecg.shape[1]
    yield f"m 2 100 {n}\n" + lines.format(f="16"), flat.tobytes()
    yield f"m 2 100 {n} 10:20:30 01/02/2019\n" + lines.format(f="16+24"), bytes(24) + flat.tobytes()
    yield "m 2 100\n" + lines.format(f="80"), (low.T // 4 + 128).astype(np.uint8).tobytes()
    u = (flat.ravel().astype(np.int64) & 0xFFF).reshape(-1, 2)
    packed = np.stack([u[:, 0] & 0xFF, (u[:, 0] >> 8) | ((u[:, 1] >> 8) << 4), u[:, 1] & 0xFF], axis=1)
    yield f"m 2 100 {n}\n" + lines.format(f="212"), packed.astype(np.uint8).tobytes()
    yield f"m 2 100 {n}\n" + lines.format(f="32"), low.T.astype("<i4").tobytes()
    three = low.T.astype("<i4").reshape(-1).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    yield f"m 2 100 {n}\n" + lines.format(f="24"), three
    yield f"m 2 100 {n}\n" + lines.format(f="8"), np.diff(low, axis=1, prepend=0).T.astype("i1").tobytes()
    yield f"m 2 50 {n // 2}\n" + lines.format(f="16x2"), flat.tobytes()
    yield f"m/3 2 100 {2 * n + 40}\nseg {n}\n~ 40\nseg {n}\n", b""
    (folder / "seg.hea").write_text(f"seg 2 100 {n}\n" + lines.format(f="16").replace("m.dat", "seg.dat"))
    (folder / "seg.dat").write_bytes(flat.tobytes())
    if SAMPLES.is_dir():
        for name in ("A0019", "JS20006"):
            header = (SAMPLES / f"{name}.hea").read_text().replace(f"{name}.mat", "m.dat").replace(name, "m", 1)
            yield header, (SAMPLES / f"{name}.mat").read_bytes()


def test_ten_thousand_wfdb_records(tmp_path: Path, ecg: np.ndarray) -> None:
    folder = tmp_path / "w"
    folder.mkdir()
    seeds, watch, r = list(wfdb_seeds(folder, ecg)), Watch(folder / "seg.hea"), random.Random(20)
    for k in range(COUNT):
        header, data = seeds[r.choice((k, r.randrange(9))) % len(seeds)] if k % 25 == 0 else seeds[k % 9]
        which = r.randrange(8)
        if which < 5:
            (folder / "m.hea").write_text(misread(header, r), encoding="utf-8")
        else:
            (folder / "m.hea").write_bytes(mutated(header.encode(), r) if which < 7 else header.encode())
        (folder / "m.dat").write_bytes(mutated(data, r) if which == 7 else data)
        watch.look(folder / "m.hea", frames=k % 4 == 0)
    watch.done()


# EDF+


def edf_seeds(folder: Path, ecg: np.ndarray) -> list[bytes]:
    """EDF+C with annotations, EDF+D with a gap, and a plain one."""
    signals = [
        edfio.EdfSignal(
            np.tile(row, 1)[:500] / 1000, 100, label=f"ECG {name}", physical_dimension="mV", physical_range=(-5, 5)
        )
        for row, name in zip(ecg, ("I", "II"), strict=True)
    ]
    notes = [edfio.EdfAnnotation(1.5, None, "button")]
    edfio.Edf(signals, annotations=notes, data_record_duration=1).write(folder / "c.edf")
    edfio.Edf(signals, data_record_duration=1).write(folder / "p.edf")
    whole = (folder / "c.edf").read_bytes()
    gaps = bytearray(whole)
    gaps[192:197] = b"EDF+D"
    at = gaps.index(b"+4\x14\x14\x00")
    gaps[at + 1] = ord("9")
    return [whole, bytes(gaps), (folder / "p.edf").read_bytes()]


def test_ten_thousand_edf_files(tmp_path: Path, ecg: np.ndarray) -> None:
    seeds, watch, r, path = edf_seeds(tmp_path, ecg), Watch(tmp_path / "c.edf"), random.Random(21), tmp_path / "m.edf"
    for k in range(COUNT):
        data = bytearray(seeds[k % 3])
        if k % 2:
            for _ in range(r.choice((1, 1, 2))):  # a field of the header, wholly
                a = r.choice((0, 8, 88, 168, 176, 184, 192, 236, 244, 252, *range(256, 1280, 8)))
                data[a : a + 8] = r.choice(ABSURD).encode("latin-1", "replace").ljust(8)[:8]
            path.write_bytes(data)
        else:
            path.write_bytes(mutated(bytes(data), r))
        watch.look(path, frames=k % 4 == 0)
    watch.done()


# DICOM


def dicom_seed(path: Path, ecg: np.ndarray, syntax: str) -> bytes:
    """A small General ECG."""

    def code(value: str) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator = value, "MDC"
        return item

    channels = []
    for lead in ("2:1", "2:2"):
        one = Dataset()
        one.ChannelSourceSequence, one.ChannelSensitivity, one.ChannelBaseline = Sequence([code(lead)]), 1.0, 0.0
        one.ChannelSensitivityUnitsSequence = Sequence([code("uV")])
        channels.append(one)
    group = Dataset()
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = ecg.shape
    group.SamplingFrequency, group.ChannelDefinitionSequence = 100.0, Sequence(channels)
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformData = ecg.T.astype("<i2").tobytes()
    group["WaveformData"].VR = "OW"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.9.1.2", "1.2.3"
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.PatientID, dataset.PatientSex = meta.MediaStorageSOPClassUID, "42", "F"
    dataset.AcquisitionDateTime, dataset.WaveformSequence = "20200102030405", Sequence([group])
    implicit = syntax == "1.2.840.10008.1.2"
    dcmwrite(path, dataset, implicit_vr=implicit, little_endian=True)
    return path.read_bytes()


def test_ten_thousand_dicom_files(tmp_path: Path, ecg: np.ndarray) -> None:
    path, r = tmp_path / "m.dcm", random.Random(22)
    seeds = [dicom_seed(path, ecg[:, :200], s) for s in ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")]
    watch = Watch(path)
    for k in range(COUNT):
        data = seeds[k % 2]
        head = r.randrange(132, 900)  # mutations before the samples, where the structure is
        path.write_bytes(data[:head] + mutated(data[head:], r) if k % 3 else mutated(data, r))
        watch.look(path, frames=k % 4 == 0)
    watch.done()


# what is no file


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    s = socket.socket(socket.AF_UNIX)
    try:
        s.bind(os.path.relpath(path))
    finally:
        s.close()


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def circle(path: Path) -> None:
    path.symlink_to(path.name)


def nowhere(path: Path) -> None:
    path.symlink_to("gone")


def secret(path: Path) -> None:
    path.symlink_to("/proc/self/mem")


MADE: list[Callable[[Path], None]] = [pipe, listening, endless, circle, nowhere, secret, Path.mkdir]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize("name", ["m.hea", "m.dat", "m.edf", "m.dcm", "m"])
def test_pipes_devices_and_links_are_no_files(
    tmp_path: Path, ecg: np.ndarray, name: str, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    header, data = next(wfdb_seeds(tmp_path, ecg))
    if name == "m.dat":
        (tmp_path / "m.hea").write_text(header)
    make(tmp_path / name)
    before = open_files()
    with pytest.raises(Unreadable) as caught:
        read_recording(tmp_path / ("m.hea" if name == "m.dat" else name))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    (tmp_path / "good.dat").write_bytes(data)
    (tmp_path / "good.hea").write_text(header.replace("m.dat", "good.dat").replace("m 2", "good 2"))
    found = find_recordings(tmp_path)  # does not wait for the pipe either
    assert tmp_path / "good.hea" in found
    for path in found:
        if path.stem == "m":
            with pytest.raises(Unreadable):
                survey(path, None, IngestSettings())
    assert open_files() == before


@pytest.mark.parametrize("name", ["../out.dat", "/etc/hostname", "sub/x.dat", "..", "a\\b", "x\x07y", "%2e%2e/out.dat"])
def test_a_header_reads_nothing_but_files_beside_it(tmp_path: Path, ecg: np.ndarray, name: str) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    header, data = next(wfdb_seeds(folder, ecg))
    for place in (tmp_path / "out.dat", folder / "sub" / "x.dat"):
        place.write_bytes(data)
    (folder / "m.hea").write_text(header.replace("m.dat", name))
    with pytest.raises(Unreadable, match=r"is not a file beside it|missing|invalid syntax"):
        read_recording(folder / "m")
    (folder / "m.hea").write_text(f"m/1 2 100 600\n{name} 600\n")
    with pytest.raises(Unreadable, match=r"is not a file beside it|missing|invalid syntax"):
        read_recording(folder / "m")


def test_lengths_like_those_of_a_bomb_allocate_nothing(tmp_path: Path, ecg: np.ndarray) -> None:
    header, data = next(wfdb_seeds(tmp_path, ecg))
    (tmp_path / "m.dat").write_bytes(data)
    before = peak_kb()
    for text in (
        header.replace("100 600", "100 500000000"),
        header.replace(" 16 ", " 516 ").replace("100 600", "100 120000000"),
        "m/2 2 100 900000600\n~ 900000000\nseg 600\n",
        "m/2 2 100 24900600\n~ 24900000\nseg 600\n".replace("24900", "99900"),
        header.replace(" 16 ", " 16x400000000 "),
        header.replace("m 2", "m 999999999"),
    ):
        (tmp_path / "m.hea").write_text(text)
        with pytest.raises(Unreadable):
            read_recording(tmp_path / "m")
    assert (peak_kb() - before) / 1024 < GROWTH_MB


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path, ecg: np.ndarray) -> None:
    whole = edf_seeds(tmp_path, ecg)[0]
    path = tmp_path / "m.edf"
    path.write_bytes(whole)
    found = survey(path, None, IngestSettings())
    path.write_bytes(whole[:2000])
    with pytest.raises(Unreadable):
        list(frames_of_file(found, PatientId("p"), DeviceId("d"), 0, 0))


def test_a_disk_that_is_gone_is_named(tmp_path: Path, ecg: np.ndarray) -> None:
    header, data = next(wfdb_seeds(tmp_path, ecg))
    (tmp_path / "m.hea").write_text(header)
    (tmp_path / "m.dat").write_bytes(data)
    found = survey(tmp_path / "m.hea", None, IngestSettings())
    shutil.rmtree(tmp_path)
    with pytest.raises(Unreadable, match="no such file"):
        list(frames_of_file(found, PatientId("p"), DeviceId("d"), 0, 0))
