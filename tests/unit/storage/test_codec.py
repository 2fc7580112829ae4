"""Samples come back bit for bit, and never take more room than raw."""

import sys
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from liteheart.errors import Poison
from storage.codec import PLANES_ZSTD, RAW, Packer, Unpacker


@settings(max_examples=200, deadline=None)
@given(arrays(np.int16, st.integers(0, 600), elements=st.integers(-32768, 32767)))
def test_any_samples_come_back(samples):
    codec, payload = Packer().pack(samples)
    assert len(payload) <= 2 * len(samples)
    back = Unpacker().unpack(codec, payload, len(samples))
    assert back.dtype == np.int16
    assert np.array_equal(back, samples)


def test_noise_is_kept_raw_and_signal_packed():
    rng = np.random.default_rng(1)
    noise = rng.integers(-32768, 32767, 250).astype(np.int16)
    assert Packer().pack(noise)[0] == RAW
    codec, payload = Packer().pack(np.cumsum(rng.integers(-5, 6, 250)).astype(np.int16))
    assert codec == PLANES_ZSTD
    assert len(payload) < 250


@pytest.mark.parametrize(
    ("codec", "payload", "n"),
    [
        (7, b"", 0),
        (RAW, b"\0\0", 2),
        (RAW, b"\0\0\0", 1),
        (PLANES_ZSTD, b"no zstd frame", 5),
        (PLANES_ZSTD, b"", 5),
    ],
)
def test_damaged_payloads_are_refused(codec, payload, n):
    with pytest.raises(Poison):
        Unpacker().unpack(codec, payload, n)


def test_a_payload_of_another_length_is_refused():
    codec, payload = Packer().pack(np.arange(250, dtype=np.int16))
    for n in (249, 251, 0):
        with pytest.raises(Poison, match="payload"):
            Unpacker().unpack(codec, payload, n)


@pytest.mark.ecg
def test_real_seconds_pack_to_less_than_half_even_with_noise(ecg_folder: Path):
    sys.path.insert(0, str(ecg_folder))
    try:
        from ecgpack import load
    finally:
        sys.path.remove(str(ecg_folder))
    raw = packed = 0
    packer = Packer()
    for record in load(ecg_folder / "nstdb.ecg.xz"):
        for start in range(0, 360 * 60, 360):
            second = np.ascontiguousarray(record.adc[0][start : start + 360])
            raw += second.nbytes
            packed += len(packer.pack(second)[1])
    assert raw / packed > 2.0, raw / packed


def test_a_frame_that_claims_to_be_huge_is_refused_before_anything_is_allocated() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 26))
    with pytest.raises(Poison, match="claims more"):
        Unpacker().unpack(PLANES_ZSTD, bomb, 250)
