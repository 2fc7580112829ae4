"""The page's own tests, in node: pure modules of alerts/dashboard/web, and frames that Python encoded."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame
from liteheart.wire import encode_frame

ROOT = Path(__file__).resolve().parents[4]
WEB = ROOT / "alerts" / "dashboard" / "web"
NODE = ROOT / ".venv" / "bin" / "node"  # set-up puts it there

DECODE = """
import { readFileSync } from "node:fs";
import { decodeFrame } from "./src/kernel/wire.ts";
const plain = (name, value) =>
  typeof value === "bigint" ? String(value) : ArrayBuffer.isView(value) ? [...value] : value;
const frames = JSON.parse(readFileSync(0, "utf8")).map((hex) => decodeFrame(new Uint8Array(Buffer.from(hex, "hex"))));
console.log(JSON.stringify(frames, plain));
"""


def test_node_passes_every_test_of_the_page() -> None:
    ran = subprocess.run(
        [NODE, "--test", "test/**/*.test.ts"], cwd=WEB, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "pass 0" not in ran.stdout


def test_frames_that_python_encoded_read_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    frames = [
        Frame(
            patient=PatientId("p-1"),
            device=DeviceId("d-1"),
            boot=2**64 - 1,
            sequence=i,
            t0_us=1_790_000_000_000_001,
            fs_hz=250.0,
            gain=204.8,
            lead="II",
            samples=rng.integers(-32768, 32768, n).astype(np.int16),
            lead_off=i == 1,
        )
        for i, n in enumerate((0, 1, 250, 4000))
    ]
    wires = [encode_frame(frame, raw=raw) for frame in frames for raw in (False, True)]
    ran = subprocess.run(
        [NODE, "--input-type=module", "--eval", DECODE],
        cwd=WEB,
        input=json.dumps([wire.hex() for wire in wires]),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    read: list[dict[str, Any]] = json.loads(ran.stdout)
    assert [r["samples"] for r in read] == [f.samples.tolist() for f in frames for _ in range(2)]
    assert [(r["boot"], r["t0"], r["leadOff"]) for r in read] == [
        (str(2**64 - 1), 1_790_000_000_000_001, f.lead_off) for f in frames for _ in range(2)
    ]
