"""DICOM files that hold an ECG waveform (PS3.3 A.34.2 to A.34.4, C.10.9): `pydicom` parses all but the samples.

    mV = (sample x sensitivity x correction + baseline) / units per mV

Groups of channels may differ in rate, or stand at different times: the longest one counts, and those that share its
clock. Skew between channels (milliseconds at most) is in the files and is ignored. Samples are 8, 16 or 32 bits.
"""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from ingest.sources.channel import (
    MAX_VALUES,
    Lead,
    Piece,
    Signals,
    check_gain,
    check_rate,
    one_line,
    printable,
    units_per_millivolt,
)
from ingest.sources.dicom_walk import Item, quiet, walk
from ingest.sources.facts import Facts, age_of, born_on, instant_us, sex_of, somebody
from liteheart.errors import Unreadable
from liteheart.leads import NAMES

DICOM_SUFFIXES: Final = (".dcm", ".dicom")
_ECG: Final = {
    "1.2.840.10008.5.1.4.1.1.9.1.1": "12-lead ECG",
    "1.2.840.10008.5.1.4.1.1.9.1.2": "General ECG",
    "1.2.840.10008.5.1.4.1.1.9.1.3": "Ambulatory ECG",
    "1.2.840.10008.5.1.4.1.1.9.1.4": "General 32-bit ECG",
}
_TYPES: Final = {
    (8, "SB"): "i1", (8, "UB"): "u1", (16, "SS"): "i2", (16, "US"): "u2", (32, "SL"): "i4", (32, "UL"): "u4"
}  # fmt: skip
_CODE = re.compile(r"(?:2:|5\.6\.3-9-)(\d{1,3})")  # MDC (2:1) and SCPECG (5.6.3-9-1) count leads alike
_MAX_CHANNELS: Final = 512


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """The channels of one multiplex group, interleaved in the file."""

    offset: int  # bytes
    kind: np.dtype[Any]
    channels: int
    samples: int
    fs_hz: float
    at_ms: float  # after the begin of the acquisition
    padding: int | None
    leads: list[tuple[int, Lead]]  # number of the channel in the group

    @property
    def clock(self) -> tuple[float, int, float]:
        """Groups with the same were sampled together."""
        return self.fs_hz, self.samples, self.at_ms


def is_dicom(path: Path) -> bool:
    """Whether the file begins as DICOM files do. Raises OSError."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def open_dicom(path: Path, stack: ExitStack) -> Signals:
    """The voltage channels of a DICOM ECG; `stack` holds the file open. Raises Unreadable."""
    try:
        file = stack.enter_context(path.open("rb"))
        with quiet():  # values are parsed when first looked at
            return _signals(path, file)
    except Unreadable:
        raise
    except OSError as error:
        raise Unreadable(path, error.strerror or one_line(error)) from error
    except Exception as error:  # the library raises whatever its parser stumbles over
        raise Unreadable(path, f"not a readable DICOM file ({one_line(error)})") from error


def _signals(path: Path, file: BinaryIO) -> Signals:
    dataset, items, little = walk(path, file)
    kind = str(dataset.get("SOPClassUID", ""))
    if kind not in _ECG:
        raise Unreadable(path, f"is no ECG: its SOP class is {printable(kind) or 'not given'}")
    if not items:
        raise Unreadable(path, "holds no waveform")
    groups = [_group(path, i, item, little) for i, item in enumerate(items)]
    longest = max((g for g in groups if g.leads), key=lambda g: g.samples / g.fs_hz, default=None)
    if longest is None:
        raise Unreadable(path, "holds no voltage")
    groups = [g for g in groups if g.clock == longest.clock]  # not the median beats, nor what came later
    places = [(group, channel) for group in groups for channel, _ in group.leads]

    def read(which: Sequence[int], a: int, b: int) -> list[Piece]:
        return _pieces(file, [places[i] for i in which], a, b)

    return Signals([lead for group in groups for _, lead in group.leads], read, _facts(dataset, groups[0].at_ms))


def _pieces(file: BinaryIO, places: Sequence[tuple[_Group, int]], a: int, b: int) -> list[Piece]:
    """Samples [a, b) of channels; each group is read once."""
    read: dict[int, Any] = {}
    out: list[Piece] = []
    for group, channel in places:
        a, b = min(a, group.samples), min(b, group.samples)
        if group.offset not in read:
            width = group.channels * group.kind.itemsize
            file.seek(group.offset + a * width)
            data = file.read((b - a) * width)
            if len(data) < (b - a) * width:
                raise EOFError("became shorter while it was read")
            read[group.offset] = np.frombuffer(data, group.kind).reshape(b - a, group.channels)
        raw = read[group.offset][:, channel]
        missing = raw == group.padding if group.padding is not None else np.zeros(b - a, np.bool_)
        out.append((raw.astype(np.int64 if group.kind.itemsize == 4 else np.int32), missing))
    return out


def _group(path: Path, i: int, item: Item, little: bool) -> _Group:
    data = item.dataset
    bits, interpretation = _whole(data, "WaveformBitsAllocated"), str(data.get("WaveformSampleInterpretation", ""))
    if (bits, interpretation) not in _TYPES:
        raise Unreadable(
            path, f"group {i + 1} has samples of {bits} bits, {printable(interpretation) or 'not told how'}"
        )
    kind = np.dtype(_TYPES[bits, interpretation]).newbyteorder("<" if little else ">")
    channels, samples = _whole(data, "NumberOfWaveformChannels"), _whole(data, "NumberOfWaveformSamples")
    if not 0 < channels <= _MAX_CHANNELS or samples < 1 or channels * samples > MAX_VALUES:
        raise Unreadable(path, f"group {i + 1} claims {samples} samples of {channels} channels")
    if item.length < channels * samples * kind.itemsize:
        raise Unreadable(path, f"group {i + 1} ends after {item.length} of {channels * samples * kind.itemsize} bytes")
    fs_hz = float(data.get("SamplingFrequency") or 0)
    check_rate(path, fs_hz)
    described = data.get("ChannelDefinitionSequence") or []
    if len(described) != channels:
        raise Unreadable(path, f"group {i + 1} announces {channels} channels and describes {len(described)}")
    leads = [(k, lead) for k, c in enumerate(described) if (lead := _lead(path, k, c, fs_hz, samples)) is not None]
    at_ms = float(data.get("MultiplexGroupTimeOffset") or 0)
    padding = _padding(data.get("WaveformPaddingValue"), kind)
    return _Group(item.offset, kind, channels, samples, fs_hz, at_ms, padding, leads)


def _lead(path: Path, k: int, channel: Any, fs_hz: float, samples: int) -> Lead | None:
    """Its calibration; None for a channel of another quantity. Raises Unreadable where the amplitude is not known."""
    name = _name(k, channel)
    if "ChannelSensitivity" not in channel or not channel.get("ChannelSensitivityUnitsSequence"):
        raise Unreadable(path, f"lead {name} has no sensitivity: its amplitude is not known")
    per_mv = units_per_millivolt(str(channel.ChannelSensitivityUnitsSequence[0].get("CodeValue", "")))
    if per_mv is None:
        return None
    step = float(channel.ChannelSensitivity) * float(channel.get("ChannelSensitivityCorrectionFactor") or 1)
    gain = per_mv / step if step else 0.0
    check_gain(path, name, gain)
    baseline = -float(channel.get("ChannelBaseline") or 0) / step
    if not abs(baseline) < 1e10:
        raise Unreadable(path, f"lead {name} puts 0 mV at {baseline:g} units")
    return Lead(name, fs_hz, samples, gain, baseline)


def _name(k: int, channel: Any) -> str:
    """By the code of its source, else what the code means, else its label."""
    source = (channel.get("ChannelSourceSequence") or [None])[0]
    if source is not None:
        code = _CODE.fullmatch(str(source.get("CodeValue", "")))
        if code and int(code[1]) in NAMES:
            return NAMES[int(code[1])]
        if code and not int(code[1]):  # some lead: what it is called may say which
            return _label(k, channel)
        meaning = re.sub(r"\s*\(.*", "", re.sub(r"^lead\s+", "", str(source.get("CodeMeaning", "")), flags=re.I))
        if meaning.strip():
            return printable(meaning)[:32]
    return _label(k, channel)


def _label(k: int, channel: Any) -> str:
    return printable(str(channel.get("ChannelLabel") or ""))[:32] or f"channel-{k + 1}"


def _padding(value: Any, kind: np.dtype[Any]) -> int | None:
    """The value that stands where nothing was sampled."""
    if isinstance(value, bytes) and len(value) >= kind.itemsize:
        return int(np.frombuffer(value[: kind.itemsize], kind)[0])
    return int(value) if isinstance(value, int) else None


def _whole(data: Any, keyword: str) -> int:
    value = data.get(keyword)
    return int(value) if isinstance(value, int) else 0


def _facts(data: Any, at_ms: float) -> Facts:
    start_us = instant_us(_began(data))
    age = str(data.get("PatientAge") or "")
    patient = somebody(str(data.get("PatientID") or ""))
    issuer = somebody(str(data.get("IssuerOfPatientID") or ""))
    return Facts(
        start_us=None if start_us is None else start_us + round(at_ms * 1000),
        patient=f"{issuer}|{patient}" if issuer and patient else patient,
        name=somebody(str(data.get("PatientName") or "").replace("^", " ")),
        born=born_on(_day(str(data.get("PatientBirthDate") or ""))),
        sex=sex_of(str(data.get("PatientSex") or "")),
        age=age_of(age[:-1].lstrip("0") or "0") if age[-1:] == "Y" else None,
        site=printable(str(data.get("InstitutionName") or ""))[:64],
    )


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text[:8], "%Y%m%d").date()
    except ValueError:
        return None


def _began(data: Any) -> datetime | None:
    """AcquisitionDateTime, else the date and time of the content or of the study; with its zone where one is told."""
    for at, clock in (("AcquisitionDateTime", ""), ("ContentDate", "ContentTime"), ("StudyDate", "StudyTime")):
        text = str(data.get(at) or "") + (str(data.get(clock) or "") if clock else "")
        match = re.match(r"(\d{8})(\d{6})(?:\.(\d{1,6}))?([+-]\d{4})?", text)
        if match:
            zone = match[4] or str(data.get("TimezoneOffsetFromUTC") or "")
            return _moment(match[1] + match[2], match[3] or "", zone)
    return None


def _moment(whole: str, fraction: str, zone: str) -> datetime | None:
    try:
        at = datetime.strptime(whole, "%Y%m%d%H%M%S").replace(microsecond=int(fraction.ljust(6, "0") or 0))
        if not re.fullmatch(r"[+-]\d{4}", zone):
            return at
        minutes = int(zone[1:3]) * 60 + int(zone[3:])
        return at.replace(tzinfo=timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes)))
    except ValueError:
        return None
