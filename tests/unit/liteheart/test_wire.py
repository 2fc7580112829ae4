"""The frame codec: lossless, readable for as long as frames are kept, and unimpressed by any bytes."""

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from liteheart.errors import Poison
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame
from liteheart.wire import decode_frame, decode_frames, encode_frame, from_planes, to_planes

OLD = Frame(
    patient=PatientId("ward-3.p17"),
    device=DeviceId("vest:0042"),
    boot=2**62 + 5,
    sequence=2**40 + 7,
    t0_us=1_700_000_000_123_456,
    fs_hz=257.5,
    gain=987.25,
    lead="MLII",
    samples=np.array([0, 1, -1, 32767, -32768, -32768, 32767, 5, 250, -250], np.int16),
    arrival_us=1_700_000_001_500_000,
    lead_off=True,
    battery_pct=73,
)
# Written down when version 1 was young. Frames lie in archives: what changes must still read these.
OLD_PLANES = bytes.fromhex(
    "4c4801025900140000000500000000000040070000000001000040222018240a060060233518240a06000000000000187040"
    "0000000000da8e400a000000490a0904776172642d332e703137766573743a303034324d4c4949000203ff020001f3eae700"
    "0000ff000000ff010382627819"
)
OLD_RAW = bytes.fromhex(
    "4c4801035900140000000500000000000040070000000001000040222018240a060060233518240a06000000000000187040"
    "0000000000da8e400a000000490a0904776172642d332e703137766573743a303034324d4c494900000100ffffff7f008000"
    "80ff7f0500fa0006ffe0e542e1"
)
HEADER_LENGTH = 4  # offsets in the layout
FIXED = 66

identifiers = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", fullmatch=True)
int64 = st.integers(-(1 << 63), (1 << 63) - 1)
counts = st.integers(0, (1 << 63) - 1)
samples = arrays(np.int16, st.integers(0, 600), elements=st.integers(-32768, 32767))
frames = st.builds(
    Frame,
    patient=identifiers.map(PatientId),
    device=identifiers.map(DeviceId),
    boot=counts,
    sequence=counts,
    t0_us=int64,
    fs_hz=st.floats(allow_nan=False),
    gain=st.floats(allow_nan=False),
    lead=identifiers,
    samples=samples,
    arrival_us=int64,
    lead_off=st.booleans(),
    battery_pct=st.none() | st.integers(0, 100),
)


def sealed(body: bytes) -> bytes:
    """With a checksum that fits, so that what lies behind it is put to the test."""
    return body + struct.pack("<I", zlib.crc32(body))


@given(frame=frames, raw=st.booleans())
def test_every_frame_survives_the_wire(frame: Frame, raw: bool) -> None:
    data = encode_frame(frame, raw=raw)
    assert decode_frame(data) == frame
    assert decode_frame(memoryview(bytearray(data))) == frame


@given(values=samples)
def test_planes_are_lossless(values: np.ndarray[Any, np.dtype[np.int16]]) -> None:
    packed = to_planes(values)
    assert len(packed) == 2 * len(values)
    assert np.array_equal(from_planes(packed), values)


@settings(max_examples=30)
@given(several=st.lists(frames, max_size=5), raw=st.booleans())
def test_frames_follow_one_another(several: list[Frame], raw: bool) -> None:
    assert list(decode_frames(b"".join(encode_frame(f, raw=raw) for f in several))) == several


@pytest.mark.parametrize("data", [OLD_PLANES, OLD_RAW], ids=["planes", "raw"])
def test_a_frame_of_the_first_version_is_read_and_written_as_ever(data: bytes) -> None:
    assert decode_frame(data) == OLD
    assert encode_frame(OLD, raw=data is OLD_RAW) == data


def test_samples_of_a_decoded_frame_do_not_hang_on_the_message() -> None:
    message = bytearray(OLD_RAW)
    frame = decode_frame(message)
    message[:] = bytes(len(message))
    assert frame == OLD


@pytest.mark.parametrize("extra", [b"\0", b"later field", b"x" * 500])
def test_header_fields_of_a_later_minor_are_skipped(extra: bytes) -> None:
    (length,) = struct.unpack_from("<H", OLD_PLANES, HEADER_LENGTH)
    longer = OLD_PLANES[:HEADER_LENGTH] + struct.pack("<H", length + len(extra)) + OLD_PLANES[HEADER_LENGTH + 2 :]
    data = sealed(longer[:length] + extra + longer[length:-4])
    assert decode_frame(data) == OLD
    assert list(decode_frames(data + OLD_RAW)) == [OLD, OLD]


@pytest.mark.parametrize("data", [OLD_PLANES, OLD_RAW], ids=["planes", "raw"])
def test_a_frame_cut_short_anywhere_is_poison(data: bytes) -> None:
    for length in range(len(data)):
        with pytest.raises(Poison):
            decode_frame(data[:length])


@pytest.mark.parametrize("data", [OLD_PLANES, OLD_RAW], ids=["planes", "raw"])
def test_any_single_flipped_bit_is_poison(data: bytes) -> None:
    for at in range(len(data)):
        for bit in range(8):
            with pytest.raises(Poison):
                decode_frame(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])


def test_bytes_after_the_frame_are_poison() -> None:
    with pytest.raises(Poison, match="3 bytes follow"):
        decode_frame(OLD_RAW + b"abc")


def _put(form: str, at: int, value: int) -> Callable[[bytearray], None]:
    return lambda body: struct.pack_into(form, body, at, value)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("magic", _put("<B", 0, 0)),
        ("version", _put("<B", 2, 2)),
        ("header", _put("<H", 4, FIXED + 3)),
        ("payload", _put("<I", 6, 18)),
        ("boot", _put("<Q", 10, 1 << 63)),
        ("sequence", _put("<Q", 18, (1 << 64) - 1)),
        ("samples", _put("<I", 58, 60_001)),
        ("patient", _put("<B", FIXED, ord(" "))),
        ("patient", _put("<B", FIXED + 3, 0xFC)),
        ("patient", _put("<B", 63, 0)),
        ("device", _put("<B", FIXED + 10, ord("/"))),
        ("lead", _put("<B", FIXED + 19, 0)),
    ],
)
def test_a_sealed_frame_with_a_wrong_field_names_it(field: str, change: Callable[[bytearray], None]) -> None:
    body = bytearray(OLD_RAW[:-4])
    change(body)
    with pytest.raises(Poison) as caught:
        decode_frame(sealed(bytes(body)))
    assert caught.value.field == field


@settings(max_examples=150)
@given(data=st.binary(max_size=300))
def test_no_bytes_whatever_raise_anything_but_poison(data: bytes) -> None:
    for candidate in (data, sealed(data), b"LH\x01" + data, sealed(b"LH\x01" + data)):
        with pytest.raises(Poison):
            decode_frame(candidate)


@settings(max_examples=150)
@given(at=st.integers(0, FIXED + 40), patch=st.binary(min_size=1, max_size=12))
def test_no_sealed_header_whatever_raises_anything_but_poison(at: int, patch: bytes) -> None:
    body = OLD_PLANES[:-4]
    changed = body[:at] + patch + body[at + len(patch) :]
    try:
        frame = decode_frame(sealed(changed))
    except Poison:
        return
    assert frame.samples.dtype == np.int16
    assert len(frame.samples) == 10


def test_an_honest_length_of_a_liar_allocates_nothing() -> None:
    body = bytearray(OLD_RAW)
    struct.pack_into("<I", body, 6, 120_000)
    struct.pack_into("<I", body, 58, 60_000)
    with pytest.raises(Poison, match="ends after"):
        decode_frame(bytes(body))


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_identifiers_that_do_not_fit_are_not_written(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 255"):
        encode_frame(Frame(PatientId(name), OLD.device, 0, 0, 0, 250.0, 1000.0, "I", OLD.samples))


def test_planes_pack_smaller_than_raw() -> None:
    t = np.arange(2500) / 250
    beats = 900 * np.exp(-(((t % 0.8) - 0.4) ** 2) / 0.0008) + np.random.default_rng(0).normal(0, 8, t.size)
    frame = Frame(OLD.patient, OLD.device, 0, 0, 0, 250.0, 1000.0, "I", beats.astype(np.int16))
    assert len(zlib.compress(encode_frame(frame))) < 0.8 * len(zlib.compress(encode_frame(frame, raw=True)))
