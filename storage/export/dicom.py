"""DICOM waveforms by `pydicom`: General ECG for a short strip at 200 Hz or more, Ambulatory ECG for the rest.

PS3.3 A.34.4 and A.34.5; channel sources of context group 3001 in the codes of ISO/IEEE 11073-10101. Identity is
removed along the lines of PS3.15: a number for the patient, made-up unique identifiers, moved dates.
"""

import datetime as dt
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from liteheart.conditions import BY_CODE
from liteheart.errors import Poison
from liteheart.leads import numbered
from liteheart.signal import Samples
from storage.export.tape import Mark, Tape

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

GENERAL: Final = "1.2.840.10008.5.1.4.1.1.9.1.2"
AMBULATORY: Final = "1.2.840.10008.5.1.4.1.1.9.1.3"
_GENERAL_HZ: Final = (200.0, 1000.0)
_AMBULATORY_HZ: Final = (50.0, 1000.0)
_GENERAL_S: Final = 600.0  # a strip that a person looks at; what is longer is a recording that was worn
_EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
_LEADS: Final = 2  # the block of ISO/IEEE 11073-10101 that their numbers count in
_SEX: Final = {"female": "F", "male": "M", "other": "O"}


def write_dicom(folder: Path, name: str, tape: Tape) -> list[Path]:
    """NAME.dcm. Raises Poison for a rate outside of 50 to 1000 Hz, for which there is no ECG object of 16 bits."""
    from pydicom import dcmwrite  # slow to import, and most exports are others
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    if not _AMBULATORY_HZ[0] <= tape.fs_hz <= _AMBULATORY_HZ[1]:
        raise Poison("fs_hz", f"{tape.fs_hz:g} Hz: DICOM's ECG objects hold 50 to 1000 Hz")
    samples = tape.samples
    dataset = _described(tape, sop_class(len(samples), tape.fs_hz))
    dataset.WaveformSequence = [_group(tape, samples)]
    if tape.marks:
        dataset.WaveformAnnotationSequence = [_annotation(m, tape.fs_hz, len(samples)) for m in tape.marks]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = UID(_EXPLICIT_LITTLE)
    path = folder / f"{name}.dcm"
    dcmwrite(path, dataset, enforce_file_format=True)
    return [path]


def sop_class(count: int, fs_hz: float) -> str:
    """Which kind of object holds so many samples at that rate."""
    short = count / fs_hz <= _GENERAL_S and _GENERAL_HZ[0] <= fs_hz <= _GENERAL_HZ[1]
    return GENERAL if short else AMBULATORY


def _described(tape: Tape, kind: str) -> "Dataset":
    from pydicom.dataset import Dataset
    from pydicom.uid import UID, generate_uid

    d = Dataset()
    d.SpecificCharacterSet = "ISO_IR 192"
    d.SOPClassUID, d.SOPInstanceUID, d.SeriesInstanceUID = UID(kind), generate_uid(None), generate_uid(None)
    d.StudyInstanceUID = generate_uid(None)  # a recording each: none says which belong together but the subject
    d.PatientID, d.PatientName, d.PatientBirthDate = tape.subject, tape.subject, ""
    d.PatientSex = _SEX.get(tape.sex, "")
    if tape.age is not None:
        d.PatientAge = f"{tape.age:03d}Y"
    d.PatientIdentityRemoved = "YES"
    d.DeidentificationMethod = "number, moved dates, hashed device, no free text"
    d.LongitudinalTemporalInformationModified = "MODIFIED"  # or counted from a day that never was
    d.Modality, d.SeriesNumber, d.InstanceNumber = "ECG", 1, 1
    d.StudyID, d.AccessionNumber, d.ReferringPhysicianName = "", "", ""
    d.Manufacturer, d.DeviceSerialNumber = "", tape.device
    begin = tape.begin or dt.datetime(1990, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=tape.offset_s)
    d.StudyDate = d.ContentDate = f"{begin:%Y%m%d}"
    d.StudyTime = d.ContentTime = f"{begin:%H%M%S.%f}"
    d.AcquisitionDateTime = f"{begin:%Y%m%d%H%M%S.%f}"
    d.TimezoneOffsetFromUTC = "+0000"
    d.AcquisitionContextSequence = []
    return d


def _group(tape: Tape, samples: Samples) -> "Dataset":
    """One multiplex group of one channel."""
    from pydicom.dataset import Dataset

    channel = Dataset()
    number, meaning = numbered(tape.lead)
    channel.ChannelSourceSequence = [_code(f"{_LEADS}:{number}", "MDC", meaning)]
    channel.ChannelLabel = tape.lead
    channel.ChannelSensitivity = _decimal(1 / tape.gain)
    channel.ChannelSensitivityUnitsSequence = [_code("mV", "UCUM", "millivolt")]
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "0"
    channel.ChannelSampleSkew = "0"
    channel.WaveformBitsStored = 16
    group = Dataset()
    group.MultiplexGroupTimeOffset = "0"
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = 1, len(samples)
    group.SamplingFrequency = _decimal(tape.fs_hz)
    group.MultiplexGroupLabel = "RHYTHM"
    group.ChannelDefinitionSequence = [channel]
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.add_new("WaveformData", "OW", np.ascontiguousarray(samples, "<i2").tobytes())
    return group


def _annotation(mark: Mark, fs_hz: float, count: int) -> "Dataset":
    """A finding at its moment, an alarm from its onset to its end."""
    from pydicom.dataset import Dataset

    d = Dataset()
    first = min(round(mark.t_s * fs_hz), count - 1) + 1  # positions count from 1
    codes: Sequence[str] = mark.code.split()
    known = BY_CODE.get(codes[0]) if len(codes) == 1 else None
    if known is not None and known.snomed is not None:
        d.ConceptNameCodeSequence = [_code(known.snomed, "SCT", known.name[:64])]
    else:
        d.UnformattedTextValue = mark.text
    d.ReferencedWaveformChannels = [1, 1]
    end = None if mark.duration_s is None else min(first + round(mark.duration_s * fs_hz), count)
    d.TemporalRangeType = "POINT" if end is None or end <= first else "SEGMENT"
    d.ReferencedSamplePositions = [first] if d.TemporalRangeType == "POINT" else [first, end]
    d.AnnotationGroupNumber = 2 if mark.kind == "alarm" else 1
    return d


@functools.cache
def _decimal(value: float) -> str:
    """The nearest decimal string of 16 characters."""
    from pydicom.valuerep import format_number_as_ds

    return format_number_as_ds(value)


def _code(value: str, scheme: str, meaning: str) -> Any:
    from pydicom.dataset import Dataset

    d = Dataset()
    d.CodeValue, d.CodingSchemeDesignator, d.CodeMeaning = value, scheme, meaning
    return d
