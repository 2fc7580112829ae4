"""Every format gives back each sample as it was, whatever the gain, the rate, the length; read by others' readers."""

import datetime as dt
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.sources.recording import open_signals, read_recording
from liteheart.errors import Poison
from liteheart.signal import Samples
from storage.export.dicom import AMBULATORY, GENERAL, sop_class, write_dicom
from storage.export.edf import MOST_SAMPLES, record_samples, write_edf
from storage.export.parquet import ParquetWriter, reading_columns
from storage.export.tape import Mark, Tape
from storage.export.wfdb import WfdbWriter, packed

with warnings.catch_warnings():  # the libraries warn of their own imports
    warnings.simplefilter("ignore")
    import edfio
    import pyarrow.parquet as pq
    import pydicom
    import wfdb

BEGIN = dt.datetime(2031, 5, 6, 23, 59, 58, 123456, tzinfo=dt.UTC)
MARKS = (
    Mark(0.0, None, "finding", "SR"),
    Mark(1.0, 2.5, "alarm", "VF", "high"),
    Mark(2.0, None, "finding", "AFIB PVC"),
    Mark(20.0, None, "finding", "?"),
)
RATES = st.one_of(
    st.sampled_from(
        [125.0, 128.0, 130.0, 200.0, 250.0, 256.0, 300.0, 360.0, 500.0, 1000.0, 250 / 3, 360 / 7, 333.3333]
    ),
    st.floats(50.0, 1000.0),
)
GAINS = st.one_of(st.sampled_from([1.0, 200.0, 1000.0, 306.9, 1000 / 3, 100_000.0]), st.floats(1.0, 100_000.0))


@st.composite
def signals(draw: st.DrawFn, low: int = -32768, high: int = 32767) -> Samples:
    n = draw(st.one_of(st.integers(1, 40), st.integers(1, 12_000)))
    edges = draw(st.lists(st.sampled_from([low, high, 0, -1, low + 1]), min_size=1, max_size=6))
    made = np.random.default_rng(draw(st.integers(0, 999))).integers(low, high + 1, n).astype(np.int16)
    made[: len(edges)] = edges[: len(made)]
    return made


def tape(samples: Samples, fs_hz: float = 250.0, gain: float = 200.0, **changes: Any) -> Tape:
    values: dict[str, Any] = {
        "subject": "s00000007",
        "age": 71,
        "sex": "female",
        "device": "0123456789ab",
        "lead": "II",
        "begin": BEGIN,
        "offset_s": 0.0,
        "marks": (),
    }
    return Tape(fs_hz=fs_hz, gain=gain, samples=samples, **values | changes)


def read_edf(paths: Sequence[Path]) -> list[edfio.Edf]:
    return [edfio.read_edf(path) for path in paths]


@settings(max_examples=60, deadline=None)
@given(signals(), RATES, GAINS)
@example(np.array([-32768], np.int16), 250.0, 200.0)
@example(np.array([32767], np.int16), 250 / 3, 1000 / 3)
def test_wfdb_gives_back_every_sample(samples: Samples, fs_hz: float, gain: float) -> None:
    with TemporaryDirectory() as folder:
        WfdbWriter()(Path(folder), "r1", tape(samples, fs_hz, gain))
        record = wfdb.rdrecord(f"{folder}/r1", physical=False, return_res=32)
        physical = wfdb.rdrecord(f"{folder}/r1").p_signal[:, 0]
    assert np.array_equal(record.d_signal[:, 0], samples)
    assert (record.adc_gain, record.baseline, record.units) == ([gain], [0], ["mV"])
    assert record.fs == pytest.approx(fs_hz, abs=1e-8), "the reader takes a rate within 1e-8 of a whole one for that"
    assert record.checksum[0] % 65536 == record.calc_checksum()[0] % 65536, "with its sign, as the guide says"
    assert np.allclose(physical, samples / gain, rtol=1e-12), "also the lowest value, which format 16 takes for missing"
    assert (record.base_date, record.base_time) == (BEGIN.date(), BEGIN.time())


@settings(max_examples=40, deadline=None)
@given(signals(-2047, 2047))
@example(np.array([-2047], np.int16))
def test_wfdb_of_twelve_bits(samples: Samples) -> None:
    with TemporaryDirectory() as folder:
        WfdbWriter(twelve_bit=True)(Path(folder), "r1", tape(samples))
        record = wfdb.rdrecord(f"{folder}/r1", physical=False)
        size = (Path(folder) / "r1.dat").stat().st_size
    assert record.fmt == ["212"]
    assert size == -(-3 * len(samples) // 2)
    assert np.array_equal(record.d_signal[:, 0], samples)


def test_wfdb_takes_sixteen_bits_where_twelve_are_too_few(tmp_path: Path) -> None:
    for value, layout in ((2047, "212"), (2048, "16"), (-2047, "212"), (-2048, "16"), (-32768, "24")):
        samples = np.array([0, value, 0], np.int16)
        WfdbWriter(twelve_bit=True)(tmp_path, "r1", tape(samples))
        record = wfdb.rdrecord(str(tmp_path / "r1"), physical=False, return_res=32)
        assert (record.fmt, record.d_signal[:, 0].tolist()) == ([layout], [0, value, 0])
    with pytest.raises(ValueError, match="310"):
        packed(samples, "310")


def test_wfdb_annotations(tmp_path: Path) -> None:
    n = 25 * 250
    WfdbWriter()(tmp_path, "r1", tape(np.zeros(n, np.int16), marks=MARKS))
    notes = wfdb.rdann(str(tmp_path / "r1"), "atr")
    told = list(zip(notes.sample.tolist(), notes.symbol, notes.aux_note, strict=True))
    assert told == [
        (1, '"', "found SR"),  # at 0 it would be taken for a definition
        (250, '"', "alarm VF high"),
        (500, '"', "found AFIB PVC"),
        (875, '"', "alarm VF over"),
        (5000, '"', "found ?"),
    ]
    record = wfdb.rdheader(str(tmp_path / "r1"))
    assert {"Age: 71", "Sex: Female", "Subject: s00000007"} <= set(record.comments)


def test_wfdb_annotations_far_apart(tmp_path: Path) -> None:
    """Beyond ten bits of samples, and beyond sixteen."""
    marks = [Mark(t, None, "finding", f"C{k}") for k, t in enumerate((0.0, 4.0, 5.0, 400.0, 86_000.0))]
    WfdbWriter()(tmp_path, "r1", tape(np.zeros(86_001 * 250, np.int16), marks=marks))
    assert wfdb.rdann(str(tmp_path / "r1"), "atr").sample.tolist() == [1, 1000, 1250, 100_000, 21_500_000]


@settings(max_examples=60, deadline=None)
@given(signals(), RATES, GAINS)
@example(np.array([-32768], np.int16), 250.0, 200.0)
@example(np.array([32767], np.int16), 250 / 3, 1000 / 3)
def test_edf_gives_back_every_sample(samples: Samples, fs_hz: float, gain: float) -> None:
    with TemporaryDirectory() as folder:
        paths = write_edf(Path(folder), "r1", tape(samples, fs_hz, gain))
        files = read_edf(paths)
        digital = np.concatenate([f.signals[0].digital for f in files])
    assert np.array_equal(digital, samples)
    first = files[0].signals[0]
    drift = abs(first.sampling_frequency / fs_hz - 1) * len(samples)
    assert drift < 0.5, "samples, over the whole file: eight characters hold the duration of a record"
    per_mv = {"mV": 1.0, "uV": 1e3, "nV": 1e6}[first.physical_dimension]
    assert np.abs(first.data / per_mv * gain - files[0].signals[0].digital).max() < 0.5, "half an ADC unit"
    told = dict(part.split("=") for part in files[0].recording.additional)
    assert (float(told["gain"]), float(told["fs"])) == (gain, fs_hz), "exact, where eight characters are too few"
    assert (files[0].startdate, files[0].starttime) == (BEGIN.date(), BEGIN.time())


def test_edf_of_a_length_that_nothing_divides(tmp_path: Path) -> None:
    prime = 999_983
    samples = np.arange(prime).astype(np.int16)
    assert record_samples(prime, 250.0) is None
    paths = write_edf(tmp_path, "r1", tape(samples, marks=(*MARKS, Mark(prime / 250 - 0.5, None, "finding", "PVC"))))
    files = read_edf(paths)
    assert [p.name for p in paths] == ["r1.edf", "r1-rest.edf"]
    assert np.array_equal(np.concatenate([f.signals[0].digital for f in files]), samples)
    begin, seconds = (BEGIN.replace(tzinfo=None), len(files[0].signals[0].digital) / 250)
    assert abs(files[1].startdatetime - begin - dt.timedelta(seconds=seconds)) < dt.timedelta(milliseconds=1)
    assert [a.text for a in files[1].annotations] == ["found PVC"]


@given(st.integers(1, 30_000_000), RATES)
def test_edf_records_divide_the_length(count: int, fs_hz: float) -> None:
    n = record_samples(count, fs_hz)
    if n is None:
        assert all(count % k for k in range(int(fs_hz / 4) + 1, MOST_SAMPLES + 1))
    else:
        assert count % n == 0
        assert n <= MOST_SAMPLES


def test_edf_annotations_and_identity(tmp_path: Path) -> None:
    (path,) = write_edf(tmp_path, "r1", tape(np.zeros(25 * 250, np.int16), marks=MARKS))
    edf = edfio.read_edf(path)
    assert [(a.onset, a.duration, a.text) for a in edf.annotations] == [
        (0.0, None, "found SR"),
        (1.0, 2.5, "alarm VF high"),
        (2.0, None, "found AFIB PVC"),
        (20.0, None, "found ?"),
    ]
    assert (edf.patient.code, edf.patient.name, edf.patient.sex) == ("s00000007", "X", "F")
    with pytest.raises(edfio.AnonymizedDateError):
        _ = edf.patient.birthdate
    assert edf.is_continuous
    read = read_recording(path)  # what this house itself reads
    assert (read.fs_hz, read.gain[0], read.adc.shape) == (250.0, pytest.approx(200.0, rel=1e-6), (1, 6250))


def test_edf_without_a_date(tmp_path: Path) -> None:
    for begin in (None, BEGIN.replace(year=2090)):
        (path,) = write_edf(tmp_path, "r1", tape(np.zeros(250, np.int16), begin=begin))
        with pytest.raises(edfio.AnonymizedDateError):
            _ = edfio.read_edf(path).startdate


@settings(max_examples=60, deadline=None)
@given(signals(), st.one_of(RATES, st.floats(50.0, 1000.0)), GAINS)
@example(np.array([-32768], np.int16), 250.0, 200.0)
def test_dicom_gives_back_every_sample(samples: Samples, fs_hz: float, gain: float) -> None:
    with TemporaryDirectory() as folder:
        (path,) = write_dicom(Path(folder), "r1", tape(samples, fs_hz, gain, marks=MARKS[:1]))
        dataset = pydicom.dcmread(path)
    group = dataset.WaveformSequence[0]
    assert np.array_equal(np.frombuffer(group.WaveformData, "<i2"), samples)
    assert group.NumberOfWaveformSamples == len(samples)
    channel = group.ChannelDefinitionSequence[0]
    assert float(group.SamplingFrequency) == pytest.approx(fs_hz, rel=1e-12)
    assert 1 / float(channel.ChannelSensitivity) == pytest.approx(gain, rel=1e-9)
    assert np.allclose(dataset.waveform_array(0)[:, 0], samples / gain, rtol=1e-9), "as pydicom calibrates it"
    assert dataset.SOPClassUID == sop_class(len(samples), fs_hz)


def test_dicom_objects(tmp_path: Path) -> None:
    assert sop_class(2500, 250.0) == GENERAL
    assert sop_class(250 * 601, 250.0) == AMBULATORY, "worn, not looked at"
    assert sop_class(1250, 125.0) == AMBULATORY, "General ECG begins at 200 Hz"
    (path,) = write_dicom(tmp_path, "r1", tape(np.zeros(25 * 250, np.int16), marks=MARKS, age=90, sex="male"))
    d = pydicom.dcmread(path)
    assert (d.SOPClassUID, d.Modality, d.file_meta.MediaStorageSOPClassUID) == (GENERAL, "ECG", GENERAL)
    assert (d.PatientID, d.PatientSex, d.PatientAge, d.PatientBirthDate) == ("s00000007", "M", "090Y", "")
    assert d.PatientIdentityRemoved == "YES"
    assert d.AcquisitionDateTime == "20310506235958.123456"
    source = d.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelSourceSequence[0]
    assert (source.CodeValue, source.CodingSchemeDesignator) == ("2:2", "MDC")
    notes = d.WaveformAnnotationSequence
    assert [n.TemporalRangeType for n in notes] == ["POINT", "SEGMENT", "POINT", "POINT"]
    assert notes[0].ConceptNameCodeSequence[0].CodeValue == "426783006"
    assert list(notes[1].ReferencedSamplePositions) == [251, 876]
    assert notes[2].UnformattedTextValue == "found AFIB PVC"


@pytest.mark.parametrize(
    ("lead", "source"),
    [
        ("MLII", ("2:126", "Modified limb lead")),
        ("AVF", ("2:64", "aVF, augmented voltage, foot")),
        ("V4R", ("2:12", "Lead V4R")),
        ("CM5", ("2:20", "Chest-manubrium lead per V5 placement")),
        ("mod.V1", ("2:0", "Unspecified lead")),
    ],
)
def test_dicom_tells_the_lead_and_an_import_knows_it_again(tmp_path: Path, lead: str, source: tuple[str, str]) -> None:
    (path,) = write_dicom(tmp_path, "r1", tape(np.arange(2500, dtype=np.int16), lead=lead))
    channel = pydicom.dcmread(path).WaveformSequence[0].ChannelDefinitionSequence[0]
    told = channel.ChannelSourceSequence[0]
    assert (told.CodeValue, told.CodeMeaning, channel.ChannelLabel) == (*source, lead)
    with open_signals(path) as opened:
        assert [found.name.upper() for found in opened.leads] == [lead.upper()]


@pytest.mark.parametrize("fs_hz", [49.9, 1000.1])
def test_dicom_refuses_a_rate_that_it_has_no_object_for(tmp_path: Path, fs_hz: float) -> None:
    with pytest.raises(Poison, match="50 to 1000"):
        write_dicom(tmp_path, "r1", tape(np.zeros(10, np.int16), fs_hz))
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(signals(), min_size=1, max_size=7), RATES, GAINS, st.integers(1, 4))
def test_parquet_gives_back_every_sample(windows: list[Samples], fs_hz: float, gain: float, rows_a_file: int) -> None:
    done: list[Path] = []
    with TemporaryDirectory() as folder:
        writer = ParquetWriter(Path(folder), done.append, rows_a_file)
        own = {"subject": "s1", "age": None, "sex": "other", "site": "", "device": "d", "lead": "I"}
        for k, samples in enumerate(windows):
            row = own | {"t0_us": k, "fs_hz": fs_hz, "gain": gain, "alarms": ["VF"]} | reading_columns(None)
            writer.add(row, samples)
        writer.close()
        tables = [pq.read_table(path) for path in done]
    assert len(tables) == -(-len(windows) // rows_a_file)
    rows = [row for table in tables for row in table.to_pylist()]
    assert [row["samples"] for row in rows] == [samples.tolist() for samples in windows]
    assert {(row["fs_hz"], row["gain"]) for row in rows} == {(fs_hz, gain)}
    assert tables[0].schema.field("samples").type.value_type == "int16"
