"""Frames as bytes, versioned. One layout for devices, Kafka, storage and the browser; never JSON, never a name.

Version 1, little-endian, self-delimiting so that several frames may follow one another in one body:

    magic "LH" | version u8 | flags u8 | header length u16 | payload length u32 | boot u64 | sequence u64
    | t0_us i64 | arrival_us i64 | fs_hz f64 | gain f64 | samples u32 | battery u8 | 3 x text length u8
    | patient | device | lead (ASCII) | ...fields a later minor may add... | payload | CRC-32 of all before

A reader skips what the header length says it does not know. The payload is int16 little-endian (flag RAW) or the
zigzag first difference in two byte planes, which any general compressor then packs three times better than raw.
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from liteheart.errors import Poison
from liteheart.ids import DeviceId, PatientId, is_identifier
from liteheart.signal import Frame, Samples

VERSION = 1
MAX_SAMPLES = 60_000  # a minute at 1 kHz
_RAW, _LEAD_OFF = 1, 2
_MAGIC = b"LH"
_FIXED = struct.Struct("<2sBBHIQQqqddIBBBB")
_CRC = struct.Struct("<I")
_NO_BATTERY = 255


def to_planes(samples: Samples) -> bytes:
    """int16 [n] as 2n bytes: low bytes of the zigzag first difference, then the high bytes. Lossless."""
    difference = np.array(samples, dtype="<i2")
    difference[1:] -= difference[:-1].copy()
    zigzag = (difference << 1) ^ (difference >> 15)  # wraps within 16 bits, and is undone so
    return zigzag.astype("<i2", copy=False).view(np.uint8).reshape(-1, 2).T.tobytes()


def from_planes(payload: bytes | memoryview) -> Samples:
    """The inverse of `to_planes`: int16 [len(payload) / 2]."""
    zigzag = np.frombuffer(payload, np.uint8).reshape(2, -1).T.copy(order="C").reshape(-1).view("<u2")
    return ((zigzag >> 1) ^ -(zigzag & 1)).cumsum(dtype=np.uint16).view(np.int16)


def encode_frame(frame: Frame, *, raw: bool = False) -> bytes:
    """Bytes of one frame. Raises ValueError for identifiers that the layout cannot hold."""
    texts = [t.encode("ascii") for t in (frame.patient, frame.device, frame.lead)]
    if any(not 0 < len(t) < 256 for t in texts):
        raise ValueError("patient, device and lead must be 1 to 255 ASCII characters")
    samples = np.ascontiguousarray(frame.samples, dtype="<i2")
    payload = samples.tobytes() if raw else to_planes(samples)
    header = _FIXED.pack(
        _MAGIC,
        VERSION,
        (_RAW if raw else 0) | (_LEAD_OFF if frame.lead_off else 0),
        _FIXED.size + sum(map(len, texts)),
        len(payload),
        frame.boot,
        frame.sequence,
        frame.t0_us,
        frame.arrival_us,
        frame.fs_hz,
        frame.gain,
        len(samples),
        _NO_BATTERY if frame.battery_pct is None else frame.battery_pct,
        *map(len, texts),
    )
    body = b"".join([header, *texts, payload])
    return body + _CRC.pack(zlib.crc32(body))


def decode_frame(data: bytes | memoryview) -> Frame:
    """The one frame in `data`. Raises Poison naming the field that is wrong."""
    frame, size = _decode(memoryview(data))
    if size != len(data):
        raise Poison("body", f"{len(data) - size} bytes follow the frame")
    return frame


def decode_frames(data: bytes | memoryview) -> Iterator[Frame]:
    """Frames that follow one another in `data`. Raises Poison at the first that is wrong."""
    view = memoryview(data)
    while view:
        frame, size = _decode(view)
        yield frame
        view = view[size:]


def _decode(view: memoryview) -> tuple[Frame, int]:
    if len(view) < _FIXED.size + _CRC.size:
        raise Poison("body", f"{len(view)} bytes are too few for a frame")
    (
        magic,
        version,
        flags,
        header_len,
        payload_len,
        boot,
        sequence,
        t0_us,
        arrival_us,
        fs_hz,
        gain,
        n,
        battery,
        *lens,
    ) = _FIXED.unpack_from(view)
    if magic != _MAGIC:
        raise Poison("magic", "this is not a LiteHeart frame")
    if version != VERSION:
        raise Poison("version", f"{version} is not known here, only {VERSION}")
    if n > MAX_SAMPLES:
        raise Poison("samples", f"{n} are more than {MAX_SAMPLES}")
    if payload_len != 2 * n:
        raise Poison("payload", f"{payload_len} bytes cannot hold {n} samples")
    if header_len < _FIXED.size + sum(lens):
        raise Poison("header", f"length {header_len} is too short for its own texts")
    end = header_len + payload_len
    if len(view) < end + _CRC.size:
        raise Poison("body", f"ends after {len(view)} of {end + _CRC.size} bytes")
    if _CRC.unpack_from(view, end)[0] != zlib.crc32(view[:end]):
        raise Poison("crc", "checksum does not match the bytes")
    texts, at = [], _FIXED.size
    for field, length in zip(("patient", "device", "lead"), lens, strict=True):
        raw_text = bytes(view[at : at + length])
        if not raw_text.isascii() or not is_identifier(text := raw_text.decode("ascii")):
            raise Poison(field, "must be 1 to 64 letters, digits or . _ : -")
        texts.append(text)
        at += length
    if boot >= 1 << 63 or sequence >= 1 << 63:
        raise Poison("boot" if boot >= 1 << 63 else "sequence", "must be below 2**63")
    payload = view[header_len:end]
    samples = np.frombuffer(payload, "<i2").copy() if flags & _RAW else from_planes(payload)
    frame = Frame(
        patient=PatientId(texts[0]),
        device=DeviceId(texts[1]),
        boot=boot,
        sequence=sequence,
        t0_us=t0_us,
        fs_hz=fs_hz,
        gain=gain,
        lead=texts[2],
        samples=samples.astype(np.int16, copy=False),
        arrival_us=arrival_us,
        lead_off=bool(flags & _LEAD_OFF),
        battery_pct=None if battery == _NO_BATTERY else battery,
    )
    return frame, end + _CRC.size
