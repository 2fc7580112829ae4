"""What sealing with the patient's key costs the monitor: the same frames committed with keys and without.

`python -m benchmarks.sealing [--quick]`: CPU of the storing thread, a second of 100 patients a transaction.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.figures import Figure, Measured, Options, alternate, figure, seconds
from deploy.environment import calm_threads
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame
from storage.archive.read import SignalReader
from storage.engine import open_engine
from storage.keys import Keyring
from storage.migrations import upgrade
from storage.monitor_store import Batch, MonitorStore
from storage.settings import StorageSettings
from storage.vault import KEY_BYTES, Vault

T0_US: Final = 1_700_000_000 * US_PER_S
_PATIENTS: Final = 100


def benchmark(options: Options) -> Iterator[Figure]:
    """Microseconds a frame of a second, sealed and not."""
    batch = 10 if options.quick else 60
    rng = np.random.default_rng(options.seed)
    ecg = np.cumsum(rng.integers(-6, 7, 250 * (_PATIENTS + 10))).astype(np.int16)
    with ExitStack() as stack:
        ways = {}
        for name in ("sealed", "plain"):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liteheart-bench-")))
            ways[name] = _Ward(folder, ecg, batch, sealed=name == "sealed")
            stack.callback(ways[name].close)
        found = alternate({name: ward.round for name, ward in ways.items()}, 5 if options.quick else 9)
    note = f"{_PATIENTS} patients, frames of 1 s, SQLite, CPU of the storing thread"
    yield figure("commit_us_per_frame", "us", found["sealed"], ("unsealed", found["plain"]), better="less", note=note)
    extra = Measured.of([a - b for a, b in zip(found["sealed"].values, found["plain"].values, strict=True)])
    yield figure("sealing_us_per_frame", "us", extra, note=f"{note}; the difference")


class _Ward:
    """A store that is written second by second."""

    def __init__(self, folder: Path, ecg: np.ndarray, batch: int, *, sealed: bool) -> None:
        settings = StorageSettings(f"sqlite:///{folder}/ward.db", outbox=False)
        self._engine = open_engine(settings)
        upgrade(self._engine)
        keys = Keyring(self._engine, Vault(lambda: bytes(KEY_BYTES))) if sealed else None
        self._store = MonitorStore(self._engine, settings, SignalReader(keys))
        self._ecg, self._batch, self._second = ecg, batch, 0
        self._write(1)

    def round(self) -> float:
        """Microseconds a frame of the next seconds."""
        return seconds(lambda: self._write(self._batch)) / (self._batch * _PATIENTS) * US_PER_S

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    def _write(self, count: int) -> None:
        for second in range(self._second, self._second + count):
            self._store.commit(Batch(frames=[self._frame(i, second) for i in range(_PATIENTS)]))
        self._second += count

    def _frame(self, i: int, second: int) -> Frame:
        t0_us, at = T0_US + second * US_PER_S, (i + second % 10) * 250
        samples = self._ecg[at : at + 250]
        return Frame(
            PatientId(f"p{i}"), DeviceId(f"d{i}"), 1, second, t0_us, 250.0, 200.0, "II", samples, t0_us + US_PER_S
        )


if __name__ == "__main__":
    calm_threads()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sealing", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="small and short")
    asked = Options(quick=parser.parse_args().quick)
    for found in benchmark(asked):
        sys.stdout.write(found.line("sealing", asked) + "\n")
