"""A DICOM file up to its samples: everything small is parsed by `pydicom`, the samples are only found.

`pydicom` believes every length that a file declares and allocates it. So it reads through `_Bounded`, which gives
nothing that is not there, and no value larger than a header can need.
"""

import io
import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from liteheart.errors import Unreadable

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_WAVEFORMS: Final = 0x54000100
_DATA: Final = 0x54001010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED: Final = 0xFFFFFFFF
_MAX_VALUE: Final = 1 << 20  # bytes of one element that is no waveform
_MAX_HEADER: Final = 1 << 23  # of all of them
_MAX_GROUPS: Final = 64
_META_END: Final = 0x00030000
_IMPLICIT, _LITTLE, _BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One item of the waveform sequence: its description, and where its samples are."""

    dataset: Any  # pydicom's Dataset, whose values come in as many types as files have ideas
    offset: int  # bytes
    length: int


class _Bounded(io.RawIOBase):
    """A file that never gives more than it has, nor more than a header needs."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self.size = file.seek(0, io.SEEK_END)
        self._left = _MAX_HEADER
        file.seek(0)

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes. Raises Unreadable for a size that the file, or any header, does not have."""
        here = self._file.tell()
        if size > 16 and size > self.size - here:
            raise Unreadable(self._path, f"declares an element of {size} bytes where {self.size - here} are left")
        if size < 0 or size > _MAX_VALUE or size > self._left:
            raise Unreadable(self._path, f"declares an element of {size} bytes, more than a header needs")
        self._left -= size
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As files do."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As files do."""
        return self._file.tell()

    def readable(self) -> bool:
        """It is."""
        return True


@contextmanager
def quiet() -> Iterator[None]:
    """pydicom warns of every value that it would not have written so, in its log and as warnings."""
    log = logging.getLogger("pydicom")
    before, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = before


def walk(path: Path, opened: BinaryIO) -> "tuple[Dataset, list[Item], bool]":
    """What stands before the waveforms, the waveforms, and whether numbers are little-endian.

    Raises Unreadable, or whatever pydicom raises.
    """
    from pydicom.filereader import read_dataset  # lazy: most runs read no DICOM

    file = _Bounded(path, opened)
    implicit, little = _syntax(path, file)
    source = cast(BinaryIO, file)
    dataset = read_dataset(source, implicit, little, stop_when=lambda tag, vr, n: int(tag) >= _WAVEFORMS)
    cursor = _Cursor(path, file, implicit, little)
    if file.tell() + 8 > file.size:
        return dataset, [], little
    tag, length = cursor.element()
    if tag != _WAVEFORMS:
        return dataset, [], little
    end = file.size if length == _UNDEFINED else file.tell() + length
    if end > file.size:
        raise Unreadable(path, f"declares {length} bytes of waveforms where {file.size - file.tell()} are left")
    items: list[Item] = []
    while file.tell() + 8 <= end:
        tag, length = cursor.item()
        if tag == _SEQUENCE_END:
            break
        if tag != _ITEM:
            raise Unreadable(path, "has something else than items among its waveforms")
        if len(items) >= _MAX_GROUPS:
            raise Unreadable(path, f"has more than {_MAX_GROUPS} groups of channels")
        items.append(_item(path, file, cursor, length, end))
    return dataset, items, little


def _syntax(path: Path, file: _Bounded) -> tuple[bool, bool]:
    """(implicit VR, little-endian), from the file meta information. Raises Unreadable for what is compressed."""
    from pydicom.filereader import data_element_generator

    if file.size < 132 or file.read(132)[128:] != b"DICM":
        raise Unreadable(path, "is not a DICOM file")
    syntax = ""
    meta = data_element_generator(cast(BinaryIO, file), False, True, stop_when=lambda tag, vr, n: int(tag) >= _META_END)
    for element in meta:
        if int(element.tag) == 0x00020010 and isinstance(element.value, bytes):
            syntax = element.value.decode("ascii", errors="replace").strip(" \0")
    if syntax not in (_IMPLICIT, _LITTLE, _BIG):
        shown = "".join(c for c in syntax[:64] if c.isprintable())
        raise Unreadable(path, f"has the transfer syntax {shown or 'not given'}: compressed or unknown")
    return syntax == _IMPLICIT, syntax != _BIG


def _item(path: Path, file: _Bounded, cursor: "_Cursor", length: int, end: int) -> Item:
    from pydicom.filereader import read_dataset

    stop = end if length == _UNDEFINED else file.tell() + length
    if stop > end:
        raise Unreadable(path, f"declares a waveform of {length} bytes where {end - file.tell()} are left")
    source = cast(BinaryIO, file)
    dataset = read_dataset(
        source,
        cursor.implicit,
        cursor.little,
        bytelength=None if length == _UNDEFINED else length,
        stop_when=lambda tag, vr, n: int(tag) >= _DATA,
        at_top_level=False,
    )
    tag, size = cursor.element() if file.tell() + 8 <= stop else (0, 0)
    if tag != _DATA:
        raise Unreadable(path, "has a waveform without samples")
    offset = file.tell()
    if size == _UNDEFINED:
        raise Unreadable(path, "has compressed samples")
    if offset + size > stop:
        raise Unreadable(path, f"declares {size} bytes of samples where {stop - offset} are left")
    file.seek(offset + size)
    if length == _UNDEFINED:
        read_dataset(source, cursor.implicit, cursor.little, at_top_level=False)  # up to the end of the item
    else:
        file.seek(stop)
    return Item(dataset, offset, size)


class _Cursor:
    """Tags and lengths, read by hand."""

    def __init__(self, path: Path, file: _Bounded, implicit: bool, little: bool) -> None:
        self._path, self._file = path, file
        self.implicit, self.little = implicit, little
        self._order = "<" if little else ">"

    def item(self) -> tuple[int, int]:
        """Of an item or a delimiter, which never has a VR."""
        group, element, length = self._unpack("HHL")
        return group << 16 | element, length

    def element(self) -> tuple[int, int]:
        """Of an element; the file stands at its value afterwards."""
        if self.implicit:
            return self.item()
        group, element, vr, short = self._unpack("HH2sH")
        long = vr in (b"OB", b"OW", b"OD", b"OF", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
        return group << 16 | element, self._unpack("L")[0] if long else short

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        packed = struct.Struct(self._order + layout)
        data = self._file.read(packed.size)
        if len(data) < packed.size:
            raise Unreadable(self._path, "ends within its waveforms")
        return packed.unpack(data)
