"""Blocks come back bit for bit, are as small as they are said to be, and no damage passes for a signal."""

import itertools
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import lfilter

from liteheart.errors import Poison
from storage.archive import loops
from storage.archive.codec import MAX_SAMPLES, PIECE, pack, unpack
from storage.archive.predict import chosen
from storage.archive.tables import ESCAPE, SIDE, tables


def fresh() -> np.random.Generator:
    """The same draws in every test."""
    return np.random.default_rng(6)


SHARES, COARSE = 2835777394, 4253280382
WRITTEN = (
    "01002c010000983aaaea129b01321400ecff4eb801008072052fd5bc40ac2527e537c5be70bfa527b5ccf0c070c207832bdc993b6f02e5"
    "22835c81fbab429a92166ced9bb0c41525a52235c590b2552885c390bfd0b8952a35bb50bd70ba2cf26f9c85dbf212d3c2a1fcc3abe782"
    "ebdc978b89bbf0be55263528e5c370c1a52ec5c690bfb0bfc52235c2532ba472acf2ea2bd78b84726eecab6ba93bf9e2ef9b3fcb3fccf0"
    "b44530e5ff05467f4f3818c03f25aad27694f85d473bc93cf6a5df50a9f1e76549803527b66f7a24fad0f4673ac4cbb4aa1433a9bb693b"
    "3162ce52ec8b1fcc34723da2feebf5c670b3f52ca529e5cad0b49528f5bb70bc10bf75254bdc378cce524162571c41fbecf2e7824c8cff"
    "cb8b42dc8b452fe5baf0c1a52da5c7d0b450bf352d15cdd0b3d0c35522af9c21fcb9e2f3c208cca78bada2e8cb1d1c3b6c978294035f93"
)


def wave(n: int, noise: float = 2.0, size: float = 200.0) -> np.ndarray:
    """Beats at 250 Hz over a slow swing."""
    t = np.arange(n)
    beats = size * np.exp(-(((t % 210) - 100) ** 2) / 18.0)
    return np.rint(beats + 60 * np.sin(t / 900) + fresh().normal(0, noise, n)).astype(np.int16)


def blocks() -> dict[str, np.ndarray]:
    """What a block may hold, likely or not."""
    rng = fresh()
    alternating = np.where(np.arange(9001) % 2, 32767, -32768).astype(np.int16)
    lattice = np.rint(wave(12_000) * 2.44).astype(np.int16)
    return {
        "empty": np.empty(0, np.int16),
        "one": np.array([-32768], np.int16),
        "two": np.array([32767, -32768], np.int16),
        "constant": np.full(70_000, -7, np.int16),
        "zeros": np.zeros(5, np.int16),
        "noise": rng.integers(-32768, 32768, 20_000).astype(np.int16),
        "short noise": rng.integers(-32768, 32768, 300).astype(np.int16),
        "alternating extremes": alternating,
        "steps": np.repeat(rng.integers(-32768, 32768, 40), 500).astype(np.int16),
        "ramp that wraps": np.arange(200_000).astype(np.int64).astype(np.int16),
        "wave": wave(75_000),
        "large wave": (wave(30_000) * 60).astype(np.int16),
        "few values": lattice,
        "few values far apart": (lattice.astype(np.int32) * 40).astype(np.int16),
        "a spike": np.where(np.arange(40_000) == 17_000, 32767, wave(40_000)).astype(np.int16),
        "every value": np.arange(-32768, 32768).astype(np.int16),
        "other byte order": wave(5000).astype(">i2"),
        "a held tune": np.tile(np.repeat(rng.integers(-900, 900, 100), 7), 9).astype(np.int16),
        "every second": wave(10_000)[::2],
    }


@pytest.mark.parametrize("name", blocks())
def test_any_block_comes_back(name):
    samples = blocks()[name]
    packed = pack(samples)
    back = unpack(packed)
    assert back.dtype == np.int16
    assert np.array_equal(back, samples)
    assert len(packed) <= 2 * len(samples) + 14 + 9 * (len(samples) // PIECE + 1)


@settings(max_examples=300, deadline=None)
@given(
    arrays(np.int16, st.integers(0, 700), elements=st.integers(-32768, 32767)),
    st.integers(1, 900),
    st.integers(0, 15),
    st.booleans(),
)
def test_any_samples_come_back_whatever_the_piece(samples, piece, shift, summed):
    samples = samples >> np.int16(shift)
    if summed:
        samples = samples.cumsum(dtype=np.int16)
    assert np.array_equal(unpack(pack(samples, piece)), samples)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12_000), st.floats(0.01, 3000), st.floats(1, 30_000))
def test_waves_of_any_size_come_back(seed, n, noise, size):
    rng = np.random.default_rng(seed)
    samples = (wave(n, noise, size).astype(np.int64) + rng.integers(-32768, 32768)).astype(np.int16)
    assert np.array_equal(unpack(pack(samples)), samples)


def test_a_stretch_is_read_without_the_rest():
    samples = wave(5 * PIECE + 77)
    packed = bytearray(pack(samples))
    edges = [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 5 * PIECE, 5 * PIECE + 77]
    for first, last in itertools.combinations_with_replacement(edges, 2):
        assert np.array_equal(unpack(bytes(packed), first, last), samples[first:last])
    packed[-40] ^= 1  # in the last piece: those before it can still be read
    assert np.array_equal(unpack(bytes(packed), 10, 5 * PIECE), samples[10 : 5 * PIECE])
    with pytest.raises(Poison, match="crc"):
        unpack(bytes(packed))


@pytest.mark.parametrize(("first", "last"), [(-1, 5), (5, 4), (0, 1001), (1001, None)])
def test_what_a_block_does_not_hold_is_refused(first, last):
    with pytest.raises(Poison, match="samples"):
        unpack(pack(wave(1000)), first, last)


def test_what_is_too_large_is_refused():
    with pytest.raises(ValueError, match="samples"):
        pack(np.zeros(MAX_SAMPLES + 1, np.int16))
    with pytest.raises(ValueError, match="samples"):
        pack(np.zeros(5, np.int16), 0)


def test_a_known_source_packs_to_nearly_what_theory_allows():
    """Noise of 4 units through a resonance: nothing foretells the noise, and it has log2(4 sqrt(2 pi e)) bits."""
    samples = np.rint(lfilter([1.0], [1.0, -1.9, 0.95], fresh().normal(0, 4, 2 * PIECE))).astype(np.int16)
    assert 8 * len(pack(samples)) / len(samples) < 0.2 + np.log2(4 * np.sqrt(2 * np.pi * np.e))


def test_a_recording_of_few_values_is_packed_by_their_places():
    fine = wave(30_000)
    scaled = np.rint(fine * 2.44).astype(np.int16)
    assert len(pack(scaled)) < 1.05 * len(pack(fine))


def test_a_tune_that_repeats_is_packed_by_repetition():
    new = np.repeat(fresh().integers(-900, 900, 900), 7).astype(np.int16)
    assert len(pack(np.tile(new[:700], 9))) < 0.6 * len(pack(new))


def test_prediction_finds_what_differences_do_not():
    n = 20_000
    tone = np.rint(900 * np.sin(np.arange(n) * 1.3) + fresh().normal(0, 1, n)).astype(np.int16)
    assert len(chosen(tone, tables())) == 16
    assert len(chosen(np.cumsum(fresh().integers(-3, 4, n)).astype(np.int16), tables())) <= 4


def test_tables_are_those_that_stored_blocks_were_written_with():
    """A change of a single frequency would make every archive unreadable: raise the version instead."""
    t = tables()
    assert np.array_equal(t.frequency.sum(axis=1), np.full(len(t.frequency), 4096))
    assert np.all(t.frequency[:, [SIDE, ESCAPE]] > 0)
    assert np.all(np.diff(t.fine >> 4) >= 0)
    assert zlib.crc32(t.shares.astype("<u4").tobytes() + t.fine.astype("<u2").tobytes()) == SHARES
    assert zlib.crc32(t.coarse.astype("<u2").tobytes() + t.slots.tobytes()) == COARSE


def test_a_block_of_version_1_is_read_as_it_was_written():
    samples = (np.arange(300) * 37 % 101 - (np.arange(300) == 150) * 9000).astype(np.int16)
    assert np.array_equal(unpack(bytes.fromhex(WRITTEN)), samples)


def sealed(body: bytes) -> bytes:
    """With a checksum that holds."""
    return body + struct.pack("<I", zlib.crc32(body))


def damaged(original: bytes, rng: np.random.Generator) -> bytes:
    """One kind of damage or another; in half of the cases the checksums are made to hold all the same."""
    data = bytearray(original)
    kind = int(rng.integers(6))
    if kind == 0:
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del data[int(rng.integers(len(data))) :]
    elif kind == 2:
        data = bytearray(rng.bytes(int(rng.integers(0, 200))))
    elif kind == 3:
        struct.pack_into("<IH", data, 2, int(rng.integers(2**32)), int(rng.integers(2**16)))
    elif kind == 4:
        at = int(rng.integers(len(data)))
        data[at : at + 8] = rng.bytes(8)
    else:
        data += rng.bytes(int(rng.integers(1, 50)))
    if kind in (0, 3, 4) and rng.integers(2) and len(data) > 40:  # a forger's
        head = bytes(data[:8])
        return sealed(head) + sealed(bytes(data[12:-4]))
    return bytes(data)


def test_ten_thousand_damaged_blocks_are_refused_or_read_within_bounds():
    """Damage is one clear error. What a forger seals anew may be read, as something of the length it says."""
    rng = np.random.default_rng(7)
    originals = [pack(s) for s in (wave(900), wave(5000), np.rint(wave(700) * 3.7).astype(np.int16), wave(6000) * 50)]
    originals.append(pack(wave(2000), 300))
    whole = {bytes(p) for p in originals}
    tracemalloc.start()
    refused, read, fields = 0, 0, set[str]()
    for _ in range(10_000):
        data = damaged(originals[int(rng.integers(len(originals)))], rng)
        try:
            found = unpack(data)
        except Poison as poison:
            fields.add(poison.field)
            refused += 1
        else:
            assert len(found) == struct.unpack_from("<I", data, 2)[0] <= MAX_SAMPLES
            read += data not in whole
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused > 9000, (refused, read)
    assert fields <= {"block", "version", "samples", "crc", "values", "piece"}
    assert len(fields) > 3
    assert peak < 16 * 2**20


def test_pieces_whose_checksum_was_forged_are_refused_for_what_they_hold():
    """Past the checksums: orders, starts, lengths, values and words that no encoder writes."""
    rng = np.random.default_rng(8)
    samples = wave(6000)
    body = pack(samples, 6000)[12:-4]
    bomb = b"\xfe" + zstandard.ZstdCompressor().compress(bytes(1 << 24))
    head = sealed(struct.pack("<BBIH", 1, 0, 6000, 6000))
    assert np.array_equal(unpack(head + sealed(body)), samples)
    refused = 0
    for _ in range(2000):
        data = bytearray(body)
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        try:
            assert len(unpack(head + sealed(bytes(data)))) == 6000
        except Poison:
            refused += 1
    assert refused > 1900  # coefficients and the first sample can be changed without a trace: only checksums tell
    planes = (b"\xfe", b"\xfenone", bomb, b"\xfe" + zstandard.ZstdCompressor().compress(bytes(12_000))[:-1])
    shapes = (b"", b"\0", b"\3" + body[1:], bytes([body[0], 84]) + body[2:], body[:-1], bytes([255]) + bytes(11_999))
    for forged in planes + shapes:
        with pytest.raises(Poison):
            unpack(head + sealed(forged))


def test_words_past_their_end_are_not_read():
    t = tables()
    out = np.empty(1000, np.int16)
    states = np.full(4, 0xFFFF_FFFF, np.uint64)
    args = (states, 1024, 1000, t.fine, t.coarse, t.slots, t.shares, out)
    assert not loops.read(np.zeros(12, np.uint16), *args)


@pytest.mark.ecg
def test_real_minutes_pack_to_a_quarter(ecg_folder: Path):
    """MIT-BIH with its electrode motion and baseline noise of the stress set included: 360 Hz, 5 uV."""
    sys.path.insert(0, str(ecg_folder))
    try:
        from ecgpack import load
    finally:
        sys.path.remove(str(ecg_folder))
    raw = packed = 0
    for record in load(ecg_folder / "nstdb.ecg.xz"):
        samples = np.ascontiguousarray(record.adc[0][: 5 * 60 * 360])
        data = pack(samples)
        assert np.array_equal(unpack(data), samples)
        raw += samples.nbytes
        packed += len(data)
    assert raw / packed > 4.15, raw / packed
