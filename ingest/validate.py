"""The door: what may not enter, and why. One wrong field is named; nothing is repaired by guessing."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ingest.settings import IngestSettings
from liteheart.clock import US_PER_S
from liteheart.errors import Poison
from liteheart.ids import DeviceId, PatientId, is_identifier
from liteheart.signal import Frame, Samples

_INT16 = np.iinfo(np.int16)
_INT64_MAX = (1 << 63) - 1
_MICROVOLTS = 1_000.0  # ADC units per mV when a device sends millivolts and names no gain


def check_frame(frame: Frame, arrival_us: int, settings: IngestSettings) -> None:
    """Raise Poison, naming the field, unless the frame can be processed.

    `arrival_us` is the gateway's clock at receipt; the device's clock is judged by it.
    """
    fs_hz, gain = frame.fs_hz, frame.gain
    if not math.isfinite(fs_hz) or not settings.fs_min_hz <= fs_hz <= settings.fs_max_hz:
        raise Poison("fs_hz", f"{fs_hz} is not within {settings.fs_min_hz:g} to {settings.fs_max_hz:g} Hz")
    if not math.isfinite(gain) or not settings.gain_min <= gain <= settings.gain_max:
        raise Poison("gain", f"{gain} is not within {settings.gain_min:g} to {settings.gain_max:g} units per mV")
    if len(frame.samples) == 0:
        raise Poison("samples", "a frame holds at least one")
    if len(frame.samples) > settings.max_frame_s * fs_hz:
        seconds = len(frame.samples) / fs_hz
        raise Poison("samples", f"{seconds:.1f} s are more than {settings.max_frame_s:g} s")
    if frame.battery_pct is not None and not 0 <= frame.battery_pct <= 100:
        raise Poison("battery_pct", f"{frame.battery_pct} is not a percentage; 255 stands for unknown")
    ahead_s = (frame.t0_us - arrival_us) / US_PER_S
    if ahead_s > settings.max_ahead_s:
        raise Poison("t0_us", f"{ahead_s:.0f} s after its arrival, at most {settings.max_ahead_s:g} s may be")
    if -ahead_s > settings.max_behind_s:
        raise Poison("t0_us", f"{-ahead_s:.0f} s before its arrival, at most {settings.max_behind_s:g} s may be")


def frame_from_json(document: object) -> Frame:
    """A frame from the JSON of a simple device. Unknown fields are not looked at. Raises Poison naming the field.

    `samples` are integer ADC units (then `gain` is needed), or `mv` are millivolts, kept as int16 in units
    of 1/gain mV (1 uV unless `gain` says otherwise).
    """
    if not isinstance(document, Mapping):
        raise Poison("body", "a frame is a JSON object")
    if ("samples" in document) == ("mv" in document):
        raise Poison("samples", "give either samples (ADC units) or mv (millivolts)")
    if "mv" in document:
        gain = _number(document, "gain") if "gain" in document else _MICROVOLTS
        samples = _from_millivolts(document["mv"], gain)
    else:
        gain, samples = _number(document, "gain"), _from_units(document["samples"])
    battery = document.get("battery_pct")
    return Frame(
        patient=PatientId(_identifier(document, "patient")),
        device=DeviceId(_identifier(document, "device")),
        boot=_integer(document, "boot", 0, _INT64_MAX),
        sequence=_integer(document, "sequence", 0, _INT64_MAX),
        t0_us=_integer(document, "t0_us", -_INT64_MAX, _INT64_MAX),
        fs_hz=_number(document, "fs_hz"),
        gain=gain,
        lead=_identifier(document, "lead"),
        samples=samples,
        lead_off=_flag(document, "lead_off"),
        battery_pct=None if battery in (None, 255) else _integer(document, "battery_pct", 0, 100),
    )


def _field(document: Mapping[str, Any], name: str) -> Any:
    if name not in document:
        raise Poison(name, "is missing")
    return document[name]


def _identifier(document: Mapping[str, Any], name: str) -> str:
    value = _field(document, name)
    if not isinstance(value, str) or not is_identifier(value):
        raise Poison(name, "must be 1 to 64 letters, digits or . _ : -")
    return value


def _integer(document: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = _field(document, name)
    if type(value) is not int:  # a bool is an int too, and 1.0 is not a count
        raise Poison(name, "must be a whole number")
    if not low <= value <= high:
        raise Poison(name, f"must be within {low} to {high}")
    return value


def _number(document: Mapping[str, Any], name: str) -> float:
    value = _field(document, name)
    if type(value) not in (int, float):
        raise Poison(name, "must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Poison(name, "must be a finite number")
    return number


def _flag(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise Poison(name, "must be true or false")
    return value


def _from_units(values: object) -> Samples:
    if not isinstance(values, list) or not all(type(v) is int for v in values):
        raise Poison("samples", "must be a list of whole numbers")
    if values and not (_INT16.min <= min(values) and max(values) <= _INT16.max):
        raise Poison("samples", "must fit 16 bits")
    return np.array(values, np.int16)


def _from_millivolts(values: object, gain: float) -> Samples:
    if not isinstance(values, list) or not all(type(v) in (int, float) for v in values):
        raise Poison("mv", "must be a list of numbers")
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # judged right below
            units = np.rint(np.array(values, np.float64) * gain)
    except OverflowError:
        raise Poison("mv", "must be finite numbers") from None
    if not np.isfinite(units).all():
        raise Poison("mv", "must be finite numbers")
    if len(units) and not (_INT16.min <= units.min() and units.max() <= _INT16.max):
        raise Poison("mv", f"must fit 16 bits at {gain:g} units per mV")
    return units.astype(np.int16)
