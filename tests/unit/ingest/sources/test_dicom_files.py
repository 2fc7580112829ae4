"""DICOM ECG files, written by pydicom, come back in their own integers; what cannot be read is named in one line."""

import datetime
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from ingest.sources.recording import find_recordings, open_signals, read_recording
from liteheart.errors import Unreadable

RNG = np.random.default_rng(3)
ADC = RNG.integers(-900, 900, (2, 1000))
TWELVE, GENERAL, AMBULATORY = (f"1.2.840.10008.5.1.4.1.1.9.1.{k}" for k in (1, 2, 3))
KINDS = {"SB": "<i1", "UB": "<u1", "SS": "<i2", "US": "<u2", "SL": "<i4", "UL": "<u4"}


def code(value: str, meaning: str, scheme: str = "MDC") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def channel(
    name: str, lead: str, *, unit: str = "uV", sensitivity: float = 1.0, baseline: float = 0.0, bits: int = 16
) -> Dataset:
    item = Dataset()
    item.ChannelLabel = name
    item.ChannelSourceSequence = Sequence([code(lead, name)])
    item.ChannelSensitivity = sensitivity
    item.ChannelSensitivityUnitsSequence = Sequence([code(unit, unit, "UCUM")])
    item.ChannelSensitivityCorrectionFactor = 1.0
    item.ChannelBaseline = baseline
    item.ChannelSampleSkew = 0
    item.WaveformBitsStored = bits
    return item


def group(
    adc: np.ndarray, channels: list[Dataset], *, fs: float = 500.0, kind: str = "SS", at_ms: float = 0
) -> Dataset:
    item = Dataset()
    item.MultiplexGroupTimeOffset = at_ms
    item.WaveformOriginality = "ORIGINAL"
    item.NumberOfWaveformChannels, item.NumberOfWaveformSamples = adc.shape
    item.SamplingFrequency = fs
    item.ChannelDefinitionSequence = Sequence(channels)
    item.WaveformBitsAllocated = np.dtype(KINDS[kind]).itemsize * 8
    item.WaveformSampleInterpretation = kind
    data = adc.T.astype(KINDS[kind]).tobytes()
    item.WaveformData = data + b"\0" * (len(data) % 2)
    item["WaveformData"].VR = "OB" if item.WaveformBitsAllocated == 8 else "OW"
    return item


def write(
    path: Path, groups: list[Dataset], *, sop: str = GENERAL, syntax: str = ExplicitVRLittleEndian, **tags: Any
) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = sop, "1.2.3", syntax
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = sop, "1.2.3", "ECG"
    for key, value in tags.items():
        setattr(dataset, key, value)
    dataset.WaveformSequence = Sequence(groups)
    dcmwrite(path, dataset, little_endian=syntax != ExplicitVRBigEndian, implicit_vr=syntax == ImplicitVRLittleEndian)
    return path


def two(**options: Any) -> list[Dataset]:
    return [group(ADC, [channel("Lead V1", "2:3"), channel("Lead I", "2:1")], **options)]


@pytest.mark.parametrize("sop", [TWELVE, GENERAL, AMBULATORY])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_integers_are_the_files_own(tmp_path: Path, sop: str, syntax: str) -> None:
    recording = read_recording(write(tmp_path / "a.dcm", two(), sop=sop, syntax=syntax))
    assert (recording.name, recording.fs_hz, recording.leads) == ("a", 500.0, ("V1", "I"))
    assert recording.lead_index() == 1
    np.testing.assert_array_equal(recording.adc, ADC)
    np.testing.assert_allclose(recording.gain, 1000.0)
    assert not recording.invalid.any()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_width_and_sign(tmp_path: Path, kind: str) -> None:
    limits = np.iinfo(KINDS[kind])
    adc = RNG.integers(max(limits.min, -30_000), min(limits.max, 30_000), (1, 501))
    recording = read_recording(write(tmp_path / "a.dcm", [group(adc, [channel("I", "2:1")], kind=kind)]))
    np.testing.assert_array_equal(recording.adc, adc)


def test_big_endian(tmp_path: Path) -> None:
    item = two()[0]
    item.WaveformData = ADC.T.astype(">i2").tobytes()
    item["WaveformData"].VR = "OB"  # as bytes: the writer swaps nothing
    np.testing.assert_array_equal(
        read_recording(write(tmp_path / "a.dcm", [item], syntax=ExplicitVRBigEndian)).adc, ADC
    )


@pytest.mark.parametrize(
    ("unit", "sensitivity", "baseline", "mv"),
    [
        ("uV", 5.0, 0.0, ADC[0] * 0.005),
        ("mV", 0.01, 0.5, ADC[0] * 0.01 + 0.5),
        ("V", 1e-6, 0.0, ADC[0] * 1e-3),
        ("uV", -2.0, 100.0, ADC[0] * -0.002 + 0.1),
    ],
)
def test_millivolts_follow_sensitivity_baseline_and_unit(
    tmp_path: Path, unit: str, sensitivity: float, baseline: float, mv: np.ndarray
) -> None:
    lead = channel("I", "2:1", unit=unit, sensitivity=sensitivity, baseline=baseline)
    recording = read_recording(write(tmp_path / "a.dcm", [group(ADC[:1], [lead])]))
    np.testing.assert_allclose(recording.millivolts(0), mv, atol=1e-5)


def test_correction_factor_counts(tmp_path: Path) -> None:
    lead = channel("I", "2:1", sensitivity=2.0)
    lead.ChannelSensitivityCorrectionFactor = 0.5
    assert read_recording(write(tmp_path / "a.dcm", [group(ADC[:1], [lead])])).gain[0] == pytest.approx(1000)


def test_names_come_from_codes_then_meanings_then_labels(tmp_path: Path) -> None:
    leads = [channel("x", "2:64"), channel("y", "5.6.3-9-61"), channel("Lead II (mod)", "99"), channel("z", "2:1")]
    del leads[3].ChannelSourceSequence
    recording = read_recording(write(tmp_path / "a.dcm", [group(np.tile(ADC[:1], (4, 1)), leads)]))
    assert recording.leads == ("aVF", "III", "II", "z")


def test_groups_the_longest_counts_and_who_shares_its_clock(tmp_path: Path) -> None:
    median = group(ADC[:1, :600], [channel("I", "2:1")])
    rhythm = [group(ADC[:1], [channel("II", "2:2")]), group(ADC[1:], [channel("V1", "2:3")])]
    later = group(ADC[1:], [channel("V6", "2:8")], at_ms=2000.0)
    recording = read_recording(write(tmp_path / "a.dcm", [median, *rhythm, later]))
    assert recording.leads == ("II", "V1")
    np.testing.assert_array_equal(recording.adc, ADC)


def test_padding_is_missing(tmp_path: Path) -> None:
    item = two()[0]
    adc = ADC.copy()
    adc[1, 10:20] = -32768
    item.WaveformData = adc.T.astype("<i2").tobytes()
    item.add_new(0x5400100A, "OW", struct.pack("<h", -32768))
    recording = read_recording(write(tmp_path / "a.dcm", [item]))
    assert recording.invalid[1].nonzero()[0].tolist() == list(range(10, 20))


def test_other_quantities_are_left_out(tmp_path: Path) -> None:
    leads = [channel("Pressure", "99", unit="mm[Hg]"), channel("I", "2:1")]
    recording = read_recording(write(tmp_path / "a.dcm", [group(ADC, leads)]))
    assert recording.leads == ("I",)
    np.testing.assert_array_equal(recording.adc[0], ADC[1])


def test_facts(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.dcm",
        two(),
        PatientID="0042",
        PatientName="Doe^Jane",
        PatientSex="F",
        PatientBirthDate="19500321",
        InstitutionName="Station 3",
        AcquisitionDateTime="20240229235958.250000+0100",
    )
    with open_signals(path) as signals:
        facts = signals.facts
    began = datetime.datetime(2024, 2, 29, 22, 59, 58, 250_000, tzinfo=datetime.UTC)
    assert facts.start_us == round(began.timestamp() * 1e6)
    assert (facts.patient, facts.name, facts.sex, facts.born) == ("0042", "Doe Jane", "female", "1950-03-21")
    assert (facts.birth_year, facts.site) == (1950, "Station 3")
    anonymous = write(tmp_path / "b.dcm", two(), PatientID="ANONYMOUS", PatientAge="073Y", StudyDate="", StudyTime="")
    with open_signals(anonymous) as signals:
        assert (signals.facts.patient, signals.facts.age, signals.facts.start_us) == ("", 73, None)


def test_pieces_are_the_whole(tmp_path: Path) -> None:
    with open_signals(write(tmp_path / "a.dcm", two())) as signals:
        whole = signals.read([0, 1], 0, 1000)
        for a, b in ((0, 1), (7, 400), (400, 1000)):
            for lead, (adc, invalid) in enumerate(signals.read([0, 1], a, b)):
                np.testing.assert_array_equal(adc, whole[lead][0][a:b])
                assert len(invalid) == b - a


def test_files_without_a_suffix_are_looked_into(tmp_path: Path) -> None:
    write(tmp_path / "IM000001", two())
    (tmp_path / "README").write_text("hello")
    assert find_recordings(tmp_path) == [tmp_path / "IM000001"]
    assert read_recording(tmp_path / "IM000001").leads == ("V1", "I")


def patched(path: Path, before: bytes, after: bytes) -> Path:
    data = path.read_bytes()
    assert data.count(before) == 1
    path.write_bytes(data.replace(before, after))
    return path


def test_a_huge_declared_length_is_refused_before_it_is_allocated(tmp_path: Path) -> None:
    sizes = ADC.size * 2
    path = write(tmp_path / "a.dcm", two())
    patched(path, b"\x00\x54\x10\x10OW\0\0" + struct.pack("<L", sizes), b"\x00\x54\x10\x10OW\0\0" + b"\xf0\xff\xff\xff")
    with pytest.raises(Unreadable, match="declares 4294967280 bytes of samples where 4000 are left"):
        read_recording(path)
    path = write(tmp_path / "b.dcm", two(), InstitutionName="x" * 60)
    at = path.read_bytes().index(b"\x08\x00\x80\x00LO")
    data = bytearray(path.read_bytes())
    data[at + 4 : at + 12] = b"UT\0\0" + b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    with pytest.raises(Unreadable, match="declares an element of 2147483647 bytes"):
        read_recording(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda g: setattr(g, "NumberOfWaveformSamples", 2_000_000_000), "claims 2000000000 samples"),
        (lambda g: setattr(g, "NumberOfWaveformSamples", 1001), "ends after 4000 of 4004 bytes"),
        (lambda g: setattr(g, "NumberOfWaveformChannels", 3), "ends after 4000 of 6000 bytes"),
        (lambda g: setattr(g, "SamplingFrequency", 1e9), "1e\\+09 Hz is no sampling rate"),
        (lambda g: setattr(g, "WaveformSampleInterpretation", "MB"), "samples of 16 bits, MB"),
        (lambda g: setattr(g.ChannelDefinitionSequence[0], "ChannelSensitivity", 0), "gain 0"),
        (lambda g: delattr(g.ChannelDefinitionSequence[0], "ChannelSensitivity"), "amplitude is not known"),
        (lambda g: delattr(g, "WaveformData"), "waveform without samples"),
    ],
)
def test_every_damage_is_named(tmp_path: Path, change: Any, reason: str) -> None:
    groups = two()
    change(groups[0])
    path = write(tmp_path / "a.dcm", groups)
    with pytest.raises(Unreadable, match=reason) as caught:
        read_recording(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_is_no_ecg_or_compressed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", two(), sop="1.2.840.10008.5.1.4.1.1.9.2.1")
    with pytest.raises(Unreadable, match=r"is no ECG: its SOP class is 1\.2\.840"):
        read_recording(path)
    path = write(tmp_path / "b.dcm", two(), syntax=DeflatedExplicitVRLittleEndian)
    with pytest.raises(Unreadable, match=r"transfer syntax 1\.2\.840\.10008\.1\.2\.1\.99: compressed or unknown"):
        read_recording(path)
    (tmp_path / "c.dcm").write_bytes(b"GIF89a" * 100)
    with pytest.raises(Unreadable, match="is not a DICOM file"):
        read_recording(tmp_path / "c.dcm")
    with pytest.raises(Unreadable, match="holds no waveform"):
        read_recording(write(tmp_path / "d.dcm", []))
