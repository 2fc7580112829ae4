"""Metric names, typed once; a misspelt one is a type error."""

from typing import Literal, Protocol

Counter = Literal[
    "frames_accepted",  # frames answered with 2xx by the gateway
    "frames_refused",  # frames answered with 4xx and set aside, label field
    "frames_duplicate",  # frames seen before by (device, boot, sequence)
    "frames_stored",  # frames committed to storage
    "frames_late",  # frames that came after their place in time was already processed
    "windows_scored",  # windows given to the student
    "windows_abstained",  # windows the student was not asked about, or did not answer
    "models_refused",  # champions of the registry that could not be taken up
    "alarms_raised",  # alarm episodes begun, label condition
    "dead_letters",  # records set aside by the worker, label field
    "batches_retried",  # transactions repeated after a storage error
    "notices_delivered",  # notices that their target has taken, label target
    "notices_retried",  # attempts that failed and are repeated, label target
    "notices_dead",  # notices given up, label target
    "alarms_escalated",  # steps of the ladder taken, label owner
    "bridge_messages",  # MQTT messages acknowledged: their frames, or why they were refused, are durable
    "bridge_retries",  # batches of the MQTT bridge offered to Kafka again
    "bridge_connections",  # times the MQTT broker was reached
]
Gauge = Literal[
    "patients_live",  # patients heard from in the last 15 s
    "queue_depth",  # events waiting in front of the batcher
    "frame_age_s",  # age of the oldest frame in the last batch
    "bridge_connected",  # 1 while subscribed to the MQTT broker
    "bridge_unacknowledged",  # MQTT messages in hand that are not durable yet
]
Histogram = Literal[
    "arrival_to_commit_s",  # gateway clock to the end of the transaction
    "score_s",  # one micro-batch in the student
    "commit_s",  # one transaction
]


class Metrics(Protocol):
    """Where measurements go."""

    def count(self, name: Counter, n: int = 1, label: str = "") -> None:
        """Add `n` to a counter."""
        ...

    def gauge(self, name: Gauge, value: float) -> None:
        """Set a gauge."""
        ...

    def observe(self, name: Histogram, seconds: float) -> None:
        """Add one observation, in seconds."""
        ...


class NullMetrics:
    """Measures nothing."""

    def count(self, name: Counter, n: int = 1, label: str = "") -> None:
        """Forget it."""

    def gauge(self, name: Gauge, value: float) -> None:
        """Forget it."""

    def observe(self, name: Histogram, seconds: float) -> None:
        """Forget it."""
