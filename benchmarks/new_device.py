"""`python -m benchmarks.new_device PACKS OUT`: real recordings as another device would have sent them, as WFDB.

    PTB-XL, 12 leads --inference.refresh.scenario: lead, noise, band, gain--> one lead, of which the header says I

So the walk in docs/refresh.md has a ward whose devices were exchanged without anybody being told. One recording of each
patient of folds 5 and 6: of fold 8, which examines, and of fold 7, which calibrates, nothing is taken.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.refresh.scenario import draw_device, read_noise, sent_by
from inference.train.data import Recording, ptbxl_recordings
from liteheart.errors import Misconfigured, Unreadable

FOLDS: Final = (5, 6)
GAIN: Final = 1000  # units per mV


def write(packs: Path, out: Path, device: int, records: int) -> Iterator[Path]:
    """The header of each record, once it is written. Raises Unreadable, Misconfigured when there are fewer."""
    chosen = list(islice(_recordings(packs), records))
    if len(chosen) < records:
        raise Misconfigured("--records", f"{packs} holds {len(chosen)} that fit")
    sent = sent_by(np.stack([r.mv for r in chosen]), draw_device(device), read_noise(packs), "learn", device)
    out.mkdir(parents=True, exist_ok=True)
    began = datetime.now(UTC) - timedelta(days=1)
    for recording, x in zip(chosen, sent, strict=True):
        yield _written(out, recording, x, began)


def _recordings(packs: Path) -> Iterator[Recording]:
    seen = set[str]()
    for recording in ptbxl_recordings(packs, labelled=True):
        patient = str(recording.labels["patient"])
        if patient not in seen and int(recording.labels["fold"]) in FOLDS:
            seen.add(patient)
            yield recording


def _written(out: Path, recording: Recording, mv: npt.NDArray[np.float64], began: datetime) -> Path:
    samples = np.clip(np.round(GAIN * mv), -32_767, 32_767).astype("<i2")
    samples.tofile(out / f"{recording.name}.dat")
    checksum = (int(samples.astype(np.int64).sum()) + 2**15) % 2**16 - 2**15
    head = f"{recording.name} 1 {recording.fs_hz:g} {len(samples)} {began:%H:%M:%S %d/%m/%Y}"
    path = out / f"{recording.name}.hea"
    path.write_text(f"{head}\n{recording.name}.dat 16 {GAIN}(0)/mV 16 0 {samples[0]} {checksum} 0 I\n")
    return path


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0, or 1 where there is too little to write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.new_device", description="a ward with new devices")
    parser.add_argument("packs", type=Path, help="folder with the packs of recordings")
    parser.add_argument("out", type=Path, help="folder for the records")
    parser.add_argument("--device", type=int, default=0, metavar="SEED", help="lead, band, gain and noise by it (0)")
    parser.add_argument("--records", type=int, default=240, metavar="N", help="each of a patient of its own (240)")
    asked = parser.parse_args(arguments)
    try:
        count = sum(1 for _ in write(asked.packs, asked.out, asked.device, asked.records))
    except (Unreadable, Misconfigured) as error:
        print(f"new_device: {error}", file=sys.stderr)
        return 1
    print(f"{count} recordings in {asked.out}: {draw_device(asked.device)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
