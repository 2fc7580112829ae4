"""10,000 malformed or hostile bodies to each decoder of the door: frames, or one Poison in one line."""

import gc
import json
import random
import resource
import struct
import time
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from ingest.door import BINARY, JSON, Door
from ingest.ports import Record
from ingest.settings import IngestSettings
from ingest.sources.simulate import Episode, simulate
from ingest.validate import check_frame
from liteheart.clock import ManualClock
from liteheart.errors import Poison
from liteheart.ids import DeviceId, PatientId
from liteheart.metrics import NullMetrics
from liteheart.signal import Frame
from liteheart.wire import decode_frame, encode_frame

COUNT = 10_000
SLOWEST_S = 2.0  # of this process's time: the machine may be busy
GROWTH_MB = 64
NOW_US = 1_700_000_000_000_000
SETTINGS = IngestSettings()
ABSURD: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 0.5, -0.0, 1e309, -1e309, float("nan"), 10**400, 2**63, -(2**63), 2**31, "", "nan",
    "p\n1", "../../etc/passwd", "p" * 5000, "\x00", "\u202e",
    [], [[]], {}, {"a": 1}, [None], ["1"], [1e9], [10**30], [True],
    [0] * 70_000, [float("nan")], "1", [[0] * 10] * 10,
)  # fmt: skip


class Nowhere:
    """Publishes nothing."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    samples = np.rint(simulate([Episode("sinus", 4, 70)], 125.0, 1).mv * 1000).astype(np.int16)
    return [
        Frame(PatientId("p-1"), DeviceId("d-1"), 7, k, NOW_US + k * 1_000_000, 125.0, 1000.0, "I", part, NOW_US)
        for k, part in enumerate(samples.reshape(4, 125))
    ]


def door() -> Door:
    return Door(SETTINGS, Nowhere(), ManualClock(NOW_US), NullMetrics())


def judged(decode: Callable[[bytes], list[Frame]], body: bytes) -> bool:
    """Whether it was taken; each frame then holds what the rest of the system relies on."""
    t0 = time.process_time()
    try:
        for frame in decode(body):
            check_frame(frame, NOW_US, SETTINGS)
            assert frame.samples.dtype == np.int16
            assert np.isfinite(frame.millivolts()).all()
            assert decode_frame(encode_frame(frame)) == frame
        taken = True
    except Poison as poison:
        text = f"{poison.field}: {poison.reason}"
        assert "\n" not in text, text
        assert text.isprintable(), text
        assert len(text) < 300
        taken = False
    assert time.process_time() - t0 < SLOWEST_S
    return taken


def run(decode: Callable[[bytes], list[Frame]], bodies: Callable[[random.Random, int], bytes], seed: int) -> int:
    r, taken, before = random.Random(seed), 0, 0
    for k in range(COUNT):
        taken += judged(decode, bodies(r, k))
        if k == 500:
            gc.collect()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < GROWTH_MB
    return taken


def test_ten_thousand_binary_bodies(frames: list[Frame]) -> None:
    wires = [encode_frame(f, raw=raw) for f in frames for raw in (False, True)]

    def body(r: random.Random, k: int) -> bytes:
        out = bytearray(wires[k % 8] + (wires[r.randrange(8)] if k % 3 == 0 else b""))
        for _ in range(r.choice((1, 1, 2, 5))):
            a, n = r.randrange(min(len(out), 90) if k % 2 else len(out)), r.choice((1, 2, 4, 8))
            what = r.randrange(6)
            if what == 0:
                out[a] ^= 1 << r.randrange(8)
            elif what == 1:
                del out[a:]
            elif what == 2:
                out[a : a + n] = r.choice((b"\xff", b"\0", b"\x7f", b"\x80")) * n
            elif what == 3:
                out[a : a + 8] = struct.pack("<d", r.choice((float("nan"), float("inf"), -1.0, 0.0, 1e308, 5e-324)))
            elif what == 4:
                out[a:a] = r.randbytes(n)
            else:
                b = r.randrange(len(out))
                out[a : a + n], out[b : b + n] = out[b : b + n], out[a : a + n]
            if len(out) < 10:
                break
        if k % 2 and len(out) > 8:  # with a checksum that holds, so that the rest is looked at too
            out = bytearray(wires[k % 8][:4]) + out[4:] if k % 4 == 1 else out
            out[-4:] = struct.pack("<L", zlib.crc32(out[:-4]))
        return bytes(out)

    gate = door()
    taken = run(lambda data: gate.decode(data, BINARY[0]), body, 5)
    assert 200 < taken < COUNT * 0.9


def test_ten_thousand_json_bodies(frames: list[Frame]) -> None:
    whole = [
        {
            "patient": f.patient, "device": f.device, "boot": f.boot, "sequence": f.sequence, "t0_us": f.t0_us,
            "fs_hz": f.fs_hz, "gain": f.gain, "lead": f.lead, "samples": f.samples.tolist(), "battery_pct": 50,
        }
        for f in frames
    ]  # fmt: skip

    def body(r: random.Random, k: int) -> bytes:
        document: dict[str, object] = dict(whole[k % 4])
        if k % 3 == 0:
            document["mv"] = [x / 1000 for x in document.pop("samples")]  # type: ignore[attr-defined]
        for _ in range(r.choice((1, 1, 2))):
            key = r.choice((*document, "lead_off", "unknown"))
            if r.random() < 0.2 and key in document:
                del document[key]
            elif r.random() < 0.3 and isinstance(document.get("samples"), list):
                document["samples"] = [*document["samples"], r.choice(ABSURD)]  # type: ignore[misc]
            else:
                document[key] = r.choice(ABSURD)
        wrapped = r.choice((document, document, {"frames": [document]}, {"frames": document}, [document]))
        text = json.dumps(wrapped, ensure_ascii=r.random() < 0.5).encode("utf-8", "surrogatepass")
        if k % 5 == 0:
            a = r.randrange(len(text))
            text = (
                text[:a]
                + r.choice((b"", b"\xff", b"{" * 2000, b"[" * 200_000, b"9" * 5000))
                + text[a + r.randrange(9) :]
            )
        return text

    gate = door()
    taken = run(lambda data: gate.decode(data, JSON), body, 6)
    assert 200 < taken < COUNT * 0.9
