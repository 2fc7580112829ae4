"""What a benchmark says: figures as JSON lines, with the peer of the same run beside them."""

import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from scipy.stats import t as student_t

NOISY = 0.30  # a spread above this is said, not hidden
Better = Literal["more", "less"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    quick: bool = False
    seed: int = 1
    patients: int | None = None  # of `live`; None: its default
    kafka: bool = False  # `live` on Kafka, PostgreSQL and Redis instead of the embedded system


@dataclass(frozen=True, slots=True)
class Measured:
    """One value a round."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The rounds' values. Raises ValueError when there are none."""
        if not values:
            raise ValueError("values: no round was measured")
        return cls(tuple(values))

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Largest less smallest, over the median."""
        middle = self.median
        return (max(self.values) - min(self.values)) / abs(middle) if middle else 0.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One line. `ratio` is how many times better than the peer, above 1 when it is better."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    spread: float | None = None  # of `value` over the rounds, (max - min) / median
    ratio_spread: float | None = None
    ratio_low: float | None = None  # 95 % interval of the mean ratio over the rounds
    ratio_high: float | None = None
    rounds: int | None = None
    note: str | None = None

    @property
    def noisy(self) -> bool:
        """Whether the rounds disagreed too much to be quoted without saying so."""
        return max(self.spread or 0.0, self.ratio_spread or 0.0) > NOISY

    def line(self, benchmark: str, options: Options) -> str:
        """The figure as JSON, without its end; what does not apply is left out."""
        own = {name: _rounded(getattr(self, name)) for name in self.__slots__}
        told = {"benchmark": benchmark} | {k: v for k, v in own.items() if v is not None}
        if self.noisy:
            told["noisy"] = True
        today = datetime.now(UTC).date().isoformat()
        return json.dumps(told | {"date": today, "machine": machine(), "seed": options.seed}, ensure_ascii=False)


Benchmark = Callable[[Options], Iterator[Figure]]


def interval(ratios: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the geometric mean, by Student's t over the rounds; None of fewer than three."""
    if len(ratios) < 3:
        return None
    logs = [math.log(r) for r in ratios]
    half = float(student_t.ppf(0.975, len(logs) - 1)) * statistics.stdev(logs) / math.sqrt(len(logs))
    middle = statistics.fmean(logs)
    return math.exp(middle - half), math.exp(middle + half)


def figure(
    name: str,
    unit: str,
    mine: Measured,
    peer: tuple[str, Measured] | None = None,
    *,
    better: Better = "more",
    note: str | None = None,
) -> Figure:
    """Medians of the rounds; the ratio is the median of each round's own, so that a slow minute cancels out."""
    base = Figure(name, mine.median, unit, spread=mine.spread, rounds=len(mine.values), note=note)
    if peer is None:
        return base
    pairs = zip(mine.values, peer[1].values, strict=True)
    ratios = Measured.of([a / b if better == "more" else b / a for a, b in pairs])
    low, high = interval(ratios.values) or (None, None)
    return Figure(
        name=name,
        value=mine.median,
        unit=unit,
        peer=peer[0],
        peer_value=peer[1].median,
        ratio=ratios.median,
        spread=mine.spread,
        ratio_spread=ratios.spread,
        ratio_low=low,
        ratio_high=high,
        rounds=len(mine.values),
        note=note,
    )


def alternate(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Measured]:
    """Ask each contender for its value once a round, in the opposite order every other round."""
    order = list(contenders)
    values: dict[str, list[float]] = {name: [] for name in order}
    for k in range(rounds):
        for name in order if k % 2 == 0 else reversed(order):
            values[name].append(contenders[name]())
    return {name: Measured.of(v) for name, v in values.items()}


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this thread that `work` takes: neither neighbours on the same core nor waiting count."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def machine() -> str:
    """Processor, how many, system and interpreter."""
    system = f"{platform.system()} {platform.machine()}"
    return f"{_processor()}, {os.cpu_count()} CPUs, {system}, Python {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
