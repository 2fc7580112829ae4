"""AtriumDB as its documentation says it is used: its SDK, its defaults, a dataset in a folder.

It keeps the time of the samples too, and gives one back for each of them.
"""

import tempfile
import warnings
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from liteheart.signal import Samples

NAME: Final = "AtriumDB"
BEGIN_S: Final = 1_700_000_000


class Atrium:
    """A new, empty dataset; gone when left."""

    def __enter__(self) -> Self:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its way of reading its own settings is deprecated
            from atriumdb import AtriumSDK

        self._folder = tempfile.TemporaryDirectory(prefix="liteheart-bench-")
        self._sdk: Any = AtriumSDK.create_dataset(dataset_location=self._folder.name)
        self._measures: dict[float, int] = {}
        self._devices = 0
        return self

    def __exit__(self, *_error: object) -> None:
        self._sdk.close()
        self._folder.cleanup()

    def write(self, samples: Samples, fs_hz: float) -> tuple[int, int]:
        """Samples of a new device; gives back what to read them with."""
        if fs_hz not in self._measures:
            self._measures[fs_hz] = self._sdk.insert_measure(measure_tag="ECG", freq=fs_hz, freq_units="Hz", units="mV")
        self._devices += 1
        device = self._sdk.insert_device(device_tag=f"d{self._devices}")
        measure = self._measures[fs_hz]
        wide = samples.astype(np.int64)  # the type it takes
        self._sdk.write_segment(measure, device, wide, BEGIN_S, freq=fs_hz, time_units="s", freq_units="Hz")
        return measure, device

    def read(self, which: tuple[int, int], since_s: float, until_s: float) -> Any:
        """Samples of a device from one time after the first sample to another, int64 as it gives them."""
        since, until = (int((BEGIN_S + at) * 1e9) for at in (since_s, until_s))
        return self._sdk.get_data(which[0], since, until, device_id=which[1], analog=False)[2]

    def size(self) -> int:
        """Bytes of its files of samples; those of its SQLite database are left out."""
        return sum(p.stat().st_size for p in Path(self._folder.name).rglob("*.tsc"))
