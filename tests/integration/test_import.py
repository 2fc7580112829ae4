"""`liteheart import` as a process: folders of WFDB, EDF+ and DICOM files become patients, killed in between."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import edfio
import numpy as np
import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence

from deploy import wiring
from deploy.settings import load
from ingest.sources.recording import find_recordings, read_recording
from ingest.sources.simulate import Episode, simulate
from liteheart.ids import PatientId

ROOT = Path(__file__).parents[2]
SAMPLES = Path(os.environ.get("LITEHEART_ECG", ROOT.parent / "shared" / "ecg")) / "wfdb_samples"
FS = 250
SECRET = ("MRN-4711-q", "Xanthippe", "1951-05-02")  # an id, a name, a day of birth: nowhere in the data folder
EVER = 1 << 62


def ecg(seed: int, seconds: float) -> np.ndarray:
    """int16 [n] in units of 5 uV."""
    mv = simulate([Episode("sinus", seconds, 60 + seed)], float(FS), seed).mv
    return np.clip(np.rint(mv * 200), -2000, 2000).astype(np.int16)


def write_wfdb(folder: Path, name: str, adc: np.ndarray, first: str = "", comments: str = "") -> None:
    (folder / f"{name}.dat").write_bytes((adc.astype("<i2") + 11).tobytes())
    lines = f"{name} 1 {FS} {len(adc)}{first}\n{name}.dat 16 200(11)/mV 12 0 0 0 0 II\n{comments}"
    (folder / f"{name}.hea").write_text(lines)


def write_edf(path: Path, adc: np.ndarray, patient: edfio.Patient) -> None:
    one = edfio.EdfSignal.from_digital(
        adc, FS, label="ECG II", physical_dimension="mV", physical_range=(-10, 10), digital_range=(-2000, 2000)
    )
    notes = [edfio.EdfAnnotation(1.0, None, "x")]
    edfio.Edf([one], patient=patient, annotations=notes, data_record_duration=1).write(path)


def write_dicom(path: Path, adc: np.ndarray, patient: str, minute: int) -> None:
    def code(value: str) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator = value, "MDC"
        return item

    channel, group, meta = Dataset(), Dataset(), FileMetaDataset()
    channel.ChannelSourceSequence = Sequence([code("2:2")])
    channel.ChannelSensitivity, channel.ChannelSensitivityUnitsSequence = 5.0, Sequence([code("uV")])
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples, group.SamplingFrequency = 1, len(adc), FS
    group.ChannelDefinitionSequence = Sequence([channel])
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformData = adc.astype("<i2").tobytes()
    group["WaveformData"].VR = "OW"
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.3"
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = "1.2.3", "1.2.840.10008.1.2.1"
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.PatientID, dataset.PatientName = meta.MediaStorageSOPClassUID, patient, SECRET[1]
    dataset.PatientBirthDate, dataset.PatientSex = SECRET[2].replace("-", ""), "F"
    dataset.AcquisitionDateTime, dataset.WaveformSequence = f"2021030405{minute:02}07.5+0100", Sequence([group])
    dcmwrite(path, dataset, implicit_vr=False, little_endian=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hours first, then short ones of every kind; of one patient an EDF and two DICOM files."""
    root = tmp_path_factory.mktemp("files")
    for name in ("a-wfdb", "b-edf", "c-dicom"):
        (root / name).mkdir()
    long = np.tile(ecg(1, 60.0), 120)
    long = (long + np.arange(len(long)) // 7 % 5).astype(np.int16)
    write_wfdb(root / "a-wfdb", "a0", long, " 10:20:30 01/02/2019", "#Age: 61\n#Sex: F\n")
    for k in range(2, 6):
        write_wfdb(root / "a-wfdb", f"a{k}", ecg(k, 31.7))
    for name in ("s1", "s2"):  # of one patient, as the comment says; neither tells its time
        write_wfdb(root / "a-wfdb", name, ecg(7 + int(name[1]), 20.0), comments="# patient: 0815\n")
    for k in range(3):
        whose = edfio.Patient(code=SECRET[0], sex="F") if k == 0 else edfio.Patient()
        write_edf(root / "b-edf" / f"b{k}.edf", ecg(10 + k, 30.0), whose)
    for k in range(3):
        write_dicom(root / "c-dicom" / f"c{k}.dcm", ecg(20 + k, 25.0), SECRET[0] if k < 2 else "", 6 + k)
    (root / "b-edf" / "broken.edf").write_bytes(b"0       " + b"?" * 400)
    return root


def command(data: Path, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "deploy", "import", *map(str, arguments), "--data", str(data)]


def run(data: Path, *arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    done = subprocess.run(command(data, *arguments), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def killed_when(data: Path, condition: str, *arguments: str | Path) -> None:
    """Kill -9 the whole group as soon as the SQL condition holds."""
    with subprocess.Popen(
        command(data, *arguments),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            deadline = time.monotonic() + 120
            while not holds(data / "liteheart.db", condition):
                assert process.poll() is None, "ended before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.002)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def holds(database: Path, condition: str) -> bool:
    if not database.is_file():
        return False
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)
    try:
        return bool(connection.execute(f"SELECT {condition}").fetchone()[0])
    except sqlite3.OperationalError:  # no tables yet
        return False
    finally:
        connection.close()


def check_samples(storage: wiring.Storage, lines: list[dict[str, Any]]) -> None:
    """Every record of these lines is stored bit by bit, and no patient has a sample more."""
    stored = dict[str, int]()
    for line in lines:
        recording = read_recording(line["file"])
        lead = recording.lead_index()
        expected, gain = recording.zero_based(lead)
        parts = list(
            storage.archive.stretches(PatientId(line["patient"]), line["t0_us"], line["t0_us"] + recording_us(line))
        )
        assert {p.gain for p in parts} == {gain}
        assert {p.fs_hz for p in parts} == {recording.fs_hz}
        np.testing.assert_array_equal(np.concatenate([p.samples for p in parts]), expected[~recording.invalid[lead]])
        stored[line["patient"]] = stored.get(line["patient"], 0) + line["samples"]
    for patient, samples in stored.items():
        assert sum(len(s.samples) for s in storage.archive.stretches(PatientId(patient), -EVER, EVER)) == samples


def recording_us(line: dict[str, Any]) -> int:
    return round(line["seconds"] * 1e6)


def test_killed_twice_then_whole_and_bit_exact(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    killed_when(data, "COUNT(*) >= 5 FROM blocks", folder, "--jobs", "1")  # within the first file
    assert not holds(data / "liteheart.db", "COUNT(*) > 0 FROM imports WHERE samples > 0")
    killed_when(data, "COUNT(*) >= 6 FROM imports WHERE samples > 0", folder, "--jobs", "1")  # between files
    status, lines, errors = run(data, folder, "--jobs", "2")
    assert status == 2
    assert len(lines) == len(find_recordings(folder)) == 14
    by = {line["record"]: line for line in lines}
    assert by["broken"]["status"] == "refused"
    assert [line for line in errors.splitlines() if line] == [f"liteheart: {by['broken']['reason']}"]
    assert str(folder / "b-edf" / "broken.edf") in by["broken"]["reason"]
    assert 6 <= sum(line["status"] == "known" for line in lines) < 13
    status, again, _ = run(data, folder / "a-wfdb", folder / "b-edf" / "b0.edf", "--jobs", "1")
    assert (status, {line["status"] for line in again}) == (0, {"known"})
    good = [line for line in lines if line["status"] != "refused"]
    assert all(line["lossless"] for line in good)

    storage = wiring.open_storage(load(environ={}, data_dir=data))
    try:
        whose = {line["record"]: line["patient"] for line in good}
        assert whose["b0"] == whose["c0"] == whose["c1"]
        assert whose["s1"] == whose["s2"]
        assert len(set(whose.values())) == len(whose) - 3
        placed = {line["record"]: line["t0_us"] for line in good}
        check_samples(storage, good)
        assert placed["a0"] == 1_549_016_430_000_000  # 2019-02-01T10:20:30Z
        assert placed["c0"] == 1_614_830_767_500_000  # 2021-03-04T04:06:07.5Z
        assert placed["s2"] - placed["s1"] >= 20_000_000  # neither tells when: one after the other
        assert storage.board.patients() == []
        assert storage.board.awaited() == []
        assert storage.board.alarms(open_only=False) == []
        assert storage.audit.verify(None).broken is None
        subject = storage.subjects.of(PatientId(whose["c0"]))
        assert subject is not None
        assert (subject.sex, subject.birth_year) == ("female", 1951)
        older = storage.subjects.of(PatientId(whose["a0"]))
        assert older is not None
        assert (older.sex, older.birth_year) == ("female", 1958)
        assert storage.identities.read(PatientId(whose["c0"]), "test", 0, glass=False) is None
    finally:
        storage.close()
    raw = b"".join(p.read_bytes() for p in data.rglob("*") if p.is_file())
    assert not [word for word in (*SECRET, SECRET[2].replace("-", "")) if word.encode() in raw]


def test_identities_are_sealed_when_wanted_and_scores_stored(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    arguments = (folder / "c-dicom" / "c0.dcm", "--with-identity", "--score", "--site", "ward 3", "--jobs", "1")
    status, lines, errors = run(data, *arguments)
    assert (status, errors) == (0, "")
    storage = wiring.open_storage(load(environ={}, data_dir=data))
    try:
        patient = PatientId(lines[0]["patient"])
        identity = storage.identities.read(patient, "test", 0, glass=False)
        assert identity == {"name": SECRET[1], "born": SECRET[2], "record_number": SECRET[0]}
        subject = storage.subjects.of(patient)
        assert subject is not None
        assert subject.site == "ward-3"
        findings = storage.board.findings(patient)
        assert len(findings) >= 3
        assert all(lines[0]["t0_us"] - 10_000_000 <= f.t0_us <= lines[0]["t0_us"] + 25_000_000 for f in findings)
        assert storage.board.alarms() == []  # nothing that anybody must look at
        assert all(a.retrospective and not a.active for a in storage.board.alarms(open_only=False))
    finally:
        storage.close()
    raw = b"".join(p.read_bytes() for p in data.rglob("*") if p.is_file())
    assert not [word for word in SECRET if word.encode() in raw]


def test_a_dry_run_stores_nothing(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    status, lines, _ = run(data, folder / "c-dicom", "--dry-run", "--jobs", "1")
    assert (status, [line["status"] for line in lines]) == (0, ["new"] * 3)
    assert not data.exists()


@pytest.mark.ecg
def test_real_records_are_stored_bit_by_bit(tmp_path: Path) -> None:
    if not SAMPLES.is_dir():
        pytest.skip(f"no recordings at {SAMPLES} (LITEHEART_ECG)")
    data = tmp_path / "data"
    status, lines, _ = run(data, SAMPLES, "--jobs", "1")
    assert status == 0
    assert {line["status"] for line in lines} == {"imported"}
    storage = wiring.open_storage(load(environ={}, data_dir=data))
    try:
        check_samples(storage, lines)
    finally:
        storage.close()
