"""Prometheus behind the kernel's metric names."""

import typing

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from liteheart import metrics as names

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class PrometheusMetrics:
    """Every metric of `liteheart.metrics` in a registry of its own, so that two systems fit in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counters = {
            n: Counter(f"liteheart_{n}", n.replace("_", " "), ["label"], registry=self._registry)
            for n in typing.get_args(names.Counter)
        }
        self._gauges = {
            n: Gauge(f"liteheart_{n}", n.replace("_", " "), registry=self._registry)
            for n in typing.get_args(names.Gauge)
        }
        self._histograms = {
            n: Histogram(f"liteheart_{n}", n.replace("_", " "), buckets=_BUCKETS, registry=self._registry)
            for n in typing.get_args(names.Histogram)
        }

    def count(self, name: names.Counter, n: int = 1, label: str = "") -> None:
        """Add `n` to a counter."""
        self._counters[name].labels(label).inc(n)

    def gauge(self, name: names.Gauge, value: float) -> None:
        """Set a gauge."""
        self._gauges[name].set(value)

    def observe(self, name: names.Histogram, seconds: float) -> None:
        """Add one observation, in seconds."""
        self._histograms[name].observe(seconds)

    def exposition(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)
