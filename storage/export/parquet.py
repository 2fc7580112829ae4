"""Parquet by `pyarrow`: one row a window, samples as int16 lists, zstd; a file for every so many windows.

`samples` are ADC units: mV = samples / gain. `t0_us` is moved like every time of the subject, or counts from the
subject's first sample. Scores are the student's, by condition, in the 16-bit precision in which they are stored.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from liteheart.finding import Finding
from liteheart.signal import Samples
from storage.export.deidentify import condition_code

ROWS_A_GROUP: Final = 500  # 3 MB of 10 s at 250 Hz
ROWS_A_FILE: Final = 50_000
Row = dict[str, Any]


def schema() -> Any:
    """The columns."""
    import pyarrow as pa  # type: ignore[import-untyped]  # ships no types

    return pa.schema(
        [
            pa.field("subject", pa.string(), nullable=False),
            pa.field("age", pa.int16()),
            pa.field("sex", pa.string(), nullable=False),
            pa.field("site", pa.string(), nullable=False),
            pa.field("device", pa.string(), nullable=False),
            pa.field("lead", pa.string(), nullable=False),
            pa.field("t0_us", pa.int64(), nullable=False),
            pa.field("fs_hz", pa.float64(), nullable=False),
            pa.field("gain", pa.float64(), nullable=False),
            pa.field("samples", pa.list_(pa.field("element", pa.int16(), nullable=False)), nullable=False),
            pa.field("model", pa.string()),
            pa.field("sqi", pa.float64()),
            pa.field("usable", pa.bool_()),
            pa.field("abstained", pa.bool_()),
            pa.field("heart_rate_bpm", pa.float64()),
            pa.field("codes", pa.list_(pa.string())),
            pa.field("scores", pa.map_(pa.string(), pa.float32())),
            pa.field("alarms", pa.list_(pa.string()), nullable=False),
        ]
    )


def reading_columns(finding: Finding | None) -> Row:
    """What the student said of a window; nulls where it was not asked."""
    if finding is None:
        names = ("model", "sqi", "usable", "abstained", "heart_rate_bpm", "codes", "scores")
        return dict.fromkeys(names)
    return {
        "model": finding.model,
        "sqi": finding.quality.sqi,
        "usable": finding.quality.usable,
        "abstained": finding.abstained,
        "heart_rate_bpm": finding.heart_rate_bpm,
        "codes": list(map(condition_code, finding.codes)),
        "scores": [(condition_code(code), p) for code, p in finding.scores.items()],
    }


class ParquetWriter:
    """Writes rows into windows-0001.parquet and on, and tells of each file that is complete."""

    def __init__(self, folder: Path, done: Callable[[Path], None], rows_a_file: int = ROWS_A_FILE) -> None:
        self._folder, self._done, self._rows_a_file = folder, done, rows_a_file
        self._schema = schema()
        self._rows: list[Row] = []
        self._samples: list[Samples] = []
        self._writer: Any = None
        self._path = folder
        self._in_file = self._files = 0

    def add(self, row: Mapping[str, Any], samples: Samples) -> None:
        """One window; `row` holds every column but the samples."""
        self._rows.append(dict(row))
        self._samples.append(samples)
        self._in_file += 1
        if len(self._rows) >= ROWS_A_GROUP:
            self._flush()
        if self._in_file >= self._rows_a_file:
            self.close()

    def close(self) -> None:
        """The file that is open is complete."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._done(self._path)
        self._writer, self._in_file = None, 0

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        if self._writer is None:
            self._writer = self._begin()
        columns = []
        for field in self._schema:
            if field.name == "samples":
                columns.append(self._lists(field.type))
            else:
                columns.append(pa.array([row[field.name] for row in self._rows], field.type))
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._rows, self._samples = [], []

    def _lists(self, kind: Any) -> Any:
        """Without a Python number for each sample."""
        import pyarrow as pa

        offsets = np.concatenate([[0], np.cumsum([len(s) for s in self._samples])]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(self._samples)), type=kind)

    def _begin(self) -> Any:
        import pyarrow.parquet as pq  # type: ignore[import-untyped]  # likewise

        self._files += 1
        self._path = self._folder / f"windows-{self._files:04d}.parquet"
        samples = "samples.list.element"
        others = [name for name in self._schema.names if name != "samples"]
        return pq.ParquetWriter(
            self._path,
            self._schema,
            compression="zstd",
            use_dictionary=[n for n in others if n not in ("t0_us", "sqi", "heart_rate_bpm", "scores")],
            column_encoding={samples: "DELTA_BINARY_PACKED"},
        )
