"""WFDB: header, signal in format 16, 212 or 24, and an .atr of findings and alarms.

A record whose samples fit 12 bits can be asked for as 212; one that holds -32768, which a reader of format 16 takes
for a missing sample, becomes format 24. Layouts: header(5), signal(5) and annot(5) of the WFDB Programmer's Guide.
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from liteheart.signal import Samples
from storage.export.tape import Mark, Tape

_BITS: Final = {"16": 16, "212": 12, "24": 24}
_NOTE, _SKIP, _AUX = 22, 59, 63  # codes of annotations
_LONGEST_AUX: Final = 255
_SEX: Final = {"female": "Female", "male": "Male"}


class WfdbWriter:
    """Writes records."""

    def __init__(self, *, twelve_bit: bool = False) -> None:
        """`twelve_bit`: format 212 wherever the samples allow it."""
        self._twelve_bit = twelve_bit

    def __call__(self, folder: Path, name: str, tape: Tape) -> list[Path]:
        """NAME.dat, NAME.atr, NAME.hea, the header last: without it there is no record."""
        signal, notes, header = (folder / f"{name}.{ending}" for ending in ("dat", "atr", "hea"))
        layout = self._layout(tape.samples)
        with signal.open("wb") as file:
            packed(tape.samples, layout).tofile(file)
        with notes.open("wb") as file:
            _annotate(file, tape.marks, tape.fs_hz, len(tape.samples))
        header.write_text(_header(name, layout, tape), encoding="ascii")
        return [signal, notes, header]

    def _layout(self, samples: Samples) -> str:
        low, high = int(samples.min()), int(samples.max())
        if self._twelve_bit and low > -2048 and high < 2048:  # -2048 is 212's missing sample
            return "212"
        return "24" if low == np.iinfo(np.int16).min else "16"


def packed(samples: Samples, layout: str) -> npt.NDArray[np.uint8]:
    """The bytes of a signal file."""
    if layout == "212":
        return _in_212(samples)
    if layout == "24":
        return samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].ravel()
    if layout != "16":
        raise ValueError(f"layout: {layout} is none of {', '.join(_BITS)}")
    return np.ascontiguousarray(samples, "<i2").view(np.uint8)


def _header(name: str, layout: str, tape: Tape) -> str:
    when = "" if tape.begin is None else f" {tape.begin:%H:%M:%S.%f} {tape.begin:%d/%m/%Y}"
    gain = f"{np.format_float_positional(tape.gain, trim='0')}(0)/mV"
    rate = np.format_float_positional(tape.fs_hz, trim="-")
    total = int(tape.samples.sum(dtype=np.int64))
    checksum = (total + (1 << 15)) % (1 << 16) - (1 << 15)  # in 16 bits, with its sign
    lines = [
        f"{name} 1 {rate} {len(tape.samples)}{when}",
        f"{name}.dat {layout} {gain} {_BITS[layout]} 0 {tape.samples[0]} {checksum} 0 {tape.lead}",
        f"#Subject: {tape.subject}",
        f"#Age: {'NaN' if tape.age is None else tape.age}",
        f"#Sex: {_SEX.get(tape.sex, 'Unknown')}",
        f"#Device: {tape.device}",
        f"#Offset_s: {tape.offset_s:.6f}",
    ]
    return "\n".join(lines) + "\n"


def _in_212(samples: Samples) -> npt.NDArray[np.uint8]:
    """Two samples of 12 bits in three bytes; a last one alone takes two bytes."""
    padded = np.append(samples, np.int16(0)) if len(samples) % 2 else samples
    a, b = (padded[k::2].astype(np.uint16) & 0xFFF for k in (0, 1))
    triples = np.empty((len(a), 3), np.uint8)
    triples[:, 0] = a & 0xFF
    triples[:, 1] = (a >> 8) | ((b >> 8) << 4)
    triples[:, 2] = b & 0xFF
    flat = triples.ravel()
    return flat[:-1] if len(samples) % 2 else flat


def _annotate(file: BinaryIO, marks: Iterable[Mark], fs_hz: float, count: int) -> None:
    """Notes with their text; the interval before each is relative to the one before."""
    at = 0
    for sample, text in sorted(_notes(marks, fs_hz, count), key=lambda note: note[0]):
        gap = sample - at
        at = sample
        if gap >= 1 << 10:
            file.write(struct.pack("<HHH", _SKIP << 10, gap >> 16, gap & 0xFFFF))  # a long in the order of the PDP-11
            gap = 0
        aux = text.encode("ascii", "replace")[:_LONGEST_AUX]
        file.write(struct.pack("<HH", _NOTE << 10 | gap, _AUX << 10 | len(aux)) + aux + b"\0" * (len(aux) % 2))
    file.write(b"\0\0")


def _notes(marks: Iterable[Mark], fs_hz: float, count: int) -> Iterator[tuple[int, str]]:
    """Sample and text. Never at sample 0: readers take a note there for a definition of symbols and drop it."""
    for mark in marks:
        yield max(1, min(round(mark.t_s * fs_hz), count - 1)), mark.text
        if mark.kind == "alarm" and mark.duration_s is not None:
            end = round((mark.t_s + mark.duration_s) * fs_hz)
            if end < count:
                yield max(1, end), f"alarm {mark.code} over"
