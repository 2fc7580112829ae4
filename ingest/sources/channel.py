"""One channel of a file, whatever its format, and the rules all formats share: units, range, default lead."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ingest.sources.facts import Facts
from liteheart.errors import Unreadable
from liteheart.signal import Mask

Integers = npt.NDArray[np.signedinteger[Any]]

MIN_FS_HZ: Final = 20.0  # below it no QRS complex can be seen: numerics, not a waveform
MAX_FS_HZ: Final = 20_000.0
MAX_VALUES: Final = 1_000_000_000  # leads x samples; a header that asks for more is a mistake or an attack
MAX_MISSING: Final = 50_000_000  # likewise for gaps, which take no bytes in a file and many in memory: 2 days of 1 lead
PREFERRED: Final = ("i", "ii", "mlii")

_PER_MV: Final = {"nv": 1e6, "uv": 1e3, "mv": 1.0, "v": 1e-3}
_PREFIX = re.compile(r"^(?:ecg|ekg|lead)[\s_:-]+")
_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """One lead of one file. mV = (adc - baseline) / gain, where not `invalid`."""

    name: str
    fs_hz: float
    adc: Integers  # [n], any width
    gain: float  # ADC units per millivolt, may be negative
    baseline: float  # ADC units at 0 mV
    invalid: Mask  # bool [n]


@dataclass(frozen=True, slots=True)
class Lead:
    """One lead of one file, before it is read. mV = (adc - baseline) / gain."""

    name: str
    fs_hz: float
    n: int  # samples, gaps included
    gain: float  # ADC units per millivolt, may be negative
    baseline: float  # ADC units at 0 mV


Piece = tuple[Integers, Mask]  # adc [b - a], of any width, and which of them the file marks as missing


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """What a file holds, and how to read a part of it. Reading raises Unreadable, OSError or what a library raises."""

    leads: list[Lead]
    read: Callable[[Sequence[int], int, int], list[Piece]]  # samples [a, b) of some leads, all of one clock
    facts: Facts = field(default_factory=Facts)

    def channels(self, which: Sequence[int]) -> list[Channel]:
        """Some leads of one clock, whole."""
        leads = [self.leads[i] for i in which]
        pieces = self.read(which, 0, leads[0].n)
        return [
            Channel(lead.name, lead.fs_hz, adc, lead.gain, lead.baseline, invalid)
            for lead, (adc, invalid) in zip(leads, pieces, strict=True)
        ]


def one_line(error: BaseException) -> str:
    """The message of a stranger's exception, short enough for one line of a report."""
    text = " ".join(str(error).split())[:160]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def printable(text: str) -> str:
    """What a file says, in characters that a line of a report can hold."""
    return "".join(c if c.isprintable() else "?" for c in text.strip(" \0\t\r\n"))


def units_per_millivolt(unit: str) -> float | None:
    """How many of `unit` make a millivolt; None when the unit is not a voltage. Both signs for micro are known."""
    return _PER_MV.get(unit.strip().replace("µ", "u").replace("μ", "u").casefold())


def plain(name: str) -> str:
    """The name by which leads are compared: no case, no "ECG " in front."""
    return _PREFIX.sub("", name.strip().casefold())


def default_lead(names: Sequence[str]) -> int:
    """I, II, MLII, else the first that calls itself an ECG, else the first."""
    plains = [plain(n) for n in names]
    for wanted in PREFERRED:
        if wanted in plains:
            return plains.index(wanted)
    ecg = [i for i, n in enumerate(names) if n.strip().casefold().startswith(("ecg", "ekg"))]
    return ecg[0] if ecg else 0


def same_clock(leads: Sequence[Lead]) -> list[int]:
    """The leads sampled together with the default lead; slower or faster company is left out."""
    first = leads[default_lead([lead.name for lead in leads])]
    return [i for i, lead in enumerate(leads) if lead.fs_hz == first.fs_hz and lead.n == first.n]


def as_int16(channel: Channel) -> Channel:
    """The same channel in int16. Unchanged where it fits; else halved as often as it takes, and the gain with it."""
    kept = np.where(channel.invalid, 0, channel.adc)
    shift = _shift(kept)
    if shift == 0:
        safe = channel.adc if _shift(channel.adc) == 0 else kept
        return replace(channel, adc=safe.astype(np.int16))
    scale = float(1 << shift)
    return replace(
        channel,
        adc=np.clip(np.rint(kept / scale), _INT16.min, _INT16.max).astype(np.int16),
        gain=channel.gain / scale,
        baseline=channel.baseline / scale,
    )


def _shift(values: Integers) -> int:
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    shift = 0
    while (high >> shift) > _INT16.max or (low >> shift) < _INT16.min:
        shift += 1
    return shift


def check_rate(path: object, fs_hz: float) -> None:
    """Unreadable unless the rate is one at which an ECG can be sampled."""
    if not MIN_FS_HZ <= fs_hz <= MAX_FS_HZ:
        raise Unreadable(path, f"{fs_hz:g} Hz is no sampling rate of an ECG")


def check_gain(path: object, name: str, gain: float) -> None:
    """Unreadable when the amplitude of a lead is not known."""
    if not np.isfinite(gain) or gain == 0 or not 1e-6 < abs(gain) < 1e12:
        raise Unreadable(path, f"lead {name} has gain {gain:g}: its amplitude is not known")
