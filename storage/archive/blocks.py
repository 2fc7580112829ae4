"""A block: up to five minutes of one lead of one device, between two marks of the clock, as a row and as its frames.

    frames of [k x 5 min, (k + 1) x 5 min)  --pack-->  meta | payload  --seal-->  row of a chain

A frame belongs to the period in which it begins. What is bound into the seal is the row itself, so that neither rows
nor their parts can be swapped.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter, itemgetter
from typing import Any, Final

import numpy as np

from liteheart.clock import US_PER_S
from liteheart.errors import Poison
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame
from storage.archive import meta
from storage.archive.codec import MAX_SAMPLES, pack, unpack
from storage.archive.objects import Objects
from storage.frame_rows import Opener
from storage.rows import Row
from storage.vault import Cipher

MINUTE_US: Final = 60 * US_PER_S
PERIOD_MINUTES: Final = 5
PERIOD_US: Final = PERIOD_MINUTES * MINUTE_US
PIECE: Final = 7_500  # samples: half a minute at 250 Hz. 0.1 % larger than whole ones, read in two thirds of the time
_HEADER: Final = (
    "patient", "device", "lead", "fs_hz", "gain", "t0_us", "t1_us", "arrival_us", "frames", "n", "sealed", "counts",
)  # fmt: skip
_of_dict, _of_row = itemgetter(*_HEADER), attrgetter(*_HEADER)
_JSON: Final = json.JSONEncoder(separators=(",", ":"))
Group = tuple[str, str, str, float, float, int]  # patient, device, lead, rate, gain, period


def in_time(frame: Frame) -> tuple[int, int, int]:
    """The order in which frames are read."""
    return (frame.t0_us, frame.boot, frame.sequence)


def group_of(frame: Frame) -> Group:
    """Frames of one group share a block."""
    key = (frame.patient, frame.device, frame.lead, float(frame.fs_hz), float(frame.gain))
    return (*key, frame.t0_us // PERIOD_US)


def grouped(frames: Iterable[Frame]) -> list[list[Frame]]:
    """Frames by block, each in order of time, none too large."""
    groups: dict[Group, list[Frame]] = {}
    for frame in sorted(frames, key=in_time):
        groups.setdefault(group_of(frame), []).append(frame)
    return [part for _, group in sorted(groups.items()) for part in _parts(group)]


def _parts(group: Sequence[Frame]) -> Iterator[list[Frame]]:
    part: list[Frame] = []
    n = 0
    for frame in group:
        if part and (n + len(frame.samples) > MAX_SAMPLES or len(part) == meta.MOST_FRAMES):
            yield part
            part, n = [], 0
        part.append(frame)
        n += len(frame.samples)
    yield part


def block_row(frames: Sequence[Frame], cipher: Cipher | None, objects: Objects | None) -> Row:
    """A row of `blocks` but for its place in the chain; `frames` are one of `grouped`. Its object is written."""
    first = frames[0]
    row: Row = {
        "patient": first.patient,
        "device": first.device,
        "lead": first.lead,
        "fs_hz": float(first.fs_hz),
        "gain": float(first.gain),
        "t0_us": first.t0_us,
        "t1_us": max(f.t1_us for f in frames),
        "arrival_us": max(f.arrival_us for f in frames),
        "frames": len(frames),
        "n": sum(len(f.samples) for f in frames),
        "sealed": cipher is not None,
    }
    minutes = np.bincount([f.t0_us % PERIOD_US // MINUTE_US for f in frames], minlength=PERIOD_MINUTES)
    row["counts"] = minutes.astype("<u4").tobytes()
    members, samples = meta.to_bytes(frames, row["fs_hz"]), pack(np.concatenate([f.samples for f in frames]), PIECE)
    if cipher is not None:
        header = header_of(row)
        members, samples = cipher.seal(b"meta" + header, members), cipher.seal(b"payload" + header, samples)
    row |= {"meta": members, "payload": samples, "object": None, "dropped_us": None}
    row["content"] = content_of(row)
    if objects is not None:
        row |= {"object": objects.put(samples), "payload": None}
    return row


def header_of(row: Any) -> bytes:
    """What is told in the clear of a block, as bytes."""
    told = _of_dict(row) if isinstance(row, dict) else _of_row(row)
    return _JSON.encode([*told[:-1], bytes(told[-1]).hex()]).encode()


def content_of(row: Any, payload: bytes | None = None) -> bytes:
    """SHA-256 of all of a block; `payload` where the row does not hold it."""
    members, samples = (row["meta"], row["payload"]) if isinstance(row, dict) else (row.meta, row.payload)
    parts = (header_of(row), bytes(members), bytes(samples if payload is None else payload))
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def minute_counts(row: Any) -> dict[int, int]:
    """How many frames begin in each minute since the epoch."""
    first = row.t0_us // PERIOD_US * PERIOD_MINUTES
    return {first + i: int(n) for i, n in enumerate(np.frombuffer(row.counts, "<u4")) if n}


class BlockReader:
    """Opens blocks. Not for two threads at once: make one for each reading."""

    def __init__(self, opener: Opener, objects: Objects | None) -> None:
        self._opener, self._objects = opener, objects

    def members(self, row: Any) -> meta.Members:
        """Who its frames are. Raises Poison when it is damaged, Conflict without its key."""
        return self._members(row, header_of(row) if row.sealed else b"")

    def frames(self, row: Any, since_us: int = -(1 << 62), until_us: int = 1 << 62) -> list[Frame]:
        """Its frames that overlap [since_us, until_us), in order of time. Raises as `members`."""
        header = header_of(row) if row.sealed else b""
        members = self._members(row, header)
        wanted = (members.t0_us < until_us) & (members.t1_us > since_us)
        inside = np.flatnonzero(wanted)
        if not len(inside):
            return []
        a, b = int(inside[0]), int(inside[-1]) + 1  # of frames in order of time few between are not wanted
        begin = int(members.n[:a].sum())
        bounds = [0, *members.n[a:b].cumsum().tolist()]
        kept = self.stored(row)
        packed = self._opener.cipher(row.patient).open(b"payload" + header, kept) if row.sealed else kept
        samples = unpack(packed, begin, begin + bounds[-1])
        if len(samples) != bounds[-1]:
            raise Poison("payload", f"of a block holds {len(samples)} samples instead of {bounds[-1]}")
        told = (members.boot, members.sequence, members.t0_us, members.arrival_us, members.lead_off, members.battery)
        patient, device, fs_hz, gain, lead = PatientId(row.patient), DeviceId(row.device), row.fs_hz, row.gain, row.lead
        return [
            Frame(
                patient=patient,
                device=device,
                boot=boot,
                sequence=sequence,
                t0_us=t0_us,
                fs_hz=fs_hz,
                gain=gain,
                lead=lead,
                samples=samples[first:last],
                arrival_us=arrival_us,
                lead_off=bool(lead_off),
                battery_pct=None if battery == meta.UNKNOWN else battery,
            )
            for (boot, sequence, t0_us, arrival_us, lead_off, battery), first, last, is_wanted in zip(
                zip(*(column[a:b].tolist() for column in told), strict=True),
                bounds,
                bounds[1:],
                wanted[a:b].tolist(),
                strict=False,
            )
            if is_wanted
        ]

    def stored(self, row: Any) -> bytes:
        """Its payload as it is kept, wherever that is."""
        if row.payload is not None:
            return bytes(row.payload)
        if row.object is None or self._objects is None:
            raise Poison("object", "of a block lies in an object store that is not set here")
        return self._objects.get(row.object)

    def _members(self, row: Any, header: bytes) -> meta.Members:
        packed = bytes(row.meta)
        if row.sealed:
            packed = self._opener.cipher(row.patient).open(b"meta" + header, packed)
        found = meta.from_bytes(packed, row.fs_hz)
        n = int(found.n.sum())
        if len(found.n) != row.frames or n != row.n:
            raise Poison("meta", f"of a block is of {n} samples instead of {row.n}")
        return found
