"""Settings of the ingest room, checked when they are made: a bad one is named, and nothing starts."""

import math
from dataclasses import dataclass, fields

from liteheart.errors import Misconfigured

_STAGGER_S = 0.1  # windows of different patients are staggered in steps of this


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What a frame may be, how long order is waited for, and how windows are cut."""

    max_ahead_s: float = 300.0  # device clocks run ahead by minutes at most; more is a wrong date
    max_behind_s: float = 7 * 86_400.0  # back-fill after a week offline; Kafka keeps no more either
    fs_min_hz: float = 50.0  # below this no QRS complex is left
    fs_max_hz: float = 2_000.0  # the fastest ECG recorders in use
    gain_min: float = 1.0  # ADC units per mV: one unit a millivolt shows no P wave
    gain_max: float = 100_000.0  # int16 would clip at 0.3 mV
    max_frame_s: float = 60.0  # a longer frame would arrive too late to alarm on
    max_body_bytes: int = 1 << 20  # one HTTP body or WebSocket message
    max_frames_per_body: int = 1_024  # 17 min of 1 s frames after a break
    max_dead_letter_bytes: int = 1 << 19  # of a refused body are kept: a Kafka record stays below 1 MB
    max_in_flight: int = 32  # unanswered messages of one WebSocket
    reorder_s: float = 2.0  # how long a missing frame is waited for, on the arrival clock
    catch_up_s: float = 10.0  # a frame first seen later than this after its arrival belongs to a backlog
    join_s: float = 0.1  # jitter of device time between consecutive frames that is no gap
    step_s: float = 5.0  # signal in time already passed for so long means that the device clock stepped back
    ring_s: float = 30.0  # signal kept in memory; nothing that decides looks further back
    window_s: float = 10.0  # what the student reads at once
    hop_s: float = 5.0  # a window begins every so often

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise Misconfigured(field.name, f"{value!r} is not a finite number")
            if field.type is int and not isinstance(value, int):
                raise Misconfigured(field.name, f"{value!r} is not a whole number")
            if value < 0 or (value == 0 and field.name not in {"reorder_s", "join_s"}):
                raise Misconfigured(field.name, f"{value} must be above 0")
        self._check_pairs()

    def _check_pairs(self) -> None:
        for low, high in (("fs_min_hz", "fs_max_hz"), ("gain_min", "gain_max"), ("hop_s", "window_s")):
            if getattr(self, low) > getattr(self, high):
                raise Misconfigured(low, f"{getattr(self, low)} is above {high} {getattr(self, high)}")
        if abs(self.hop_s / _STAGGER_S - round(self.hop_s / _STAGGER_S)) > 1e-9:
            raise Misconfigured("hop_s", f"{self.hop_s} must be a multiple of {_STAGGER_S} s")
        if self.ring_s < self.window_s + self.hop_s:
            raise Misconfigured("ring_s", f"{self.ring_s} cannot rebuild a window after a restart")


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How frames reach Kafka."""

    bootstrap: str = "127.0.0.1:9092"  # host:port, several separated by commas
    compression: str = "zstd"  # or gzip; of whole batches
    linger_ms: int = 5  # waits this long for company: fewer, larger, better packed batches
    batch_bytes: int = 1 << 17  # about 200 frames of 1 s
    max_block_ms: int = 2_000  # wait for topic metadata; a device is told to retry rather than kept waiting
    delivery_timeout_ms: int = 10_000  # after this the device is told to retry
    max_pending_bytes: int = 64 << 20  # not yet durable; beyond it devices are told to retry
    security_protocol: str = "PLAINTEXT"  # or SSL, SASL_PLAINTEXT, SASL_SSL
    ssl_cafile: str | None = None
    sasl_mechanism: str | None = None  # PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
    sasl_username: str | None = None
    sasl_password: str | None = None

    def __post_init__(self) -> None:
        if not self.bootstrap.strip():
            raise Misconfigured("bootstrap", "no Kafka server is named")
        if self.compression not in {"zstd", "gzip"}:
            raise Misconfigured("compression", f"{self.compression!r} is neither zstd nor gzip")
        for name in ("batch_bytes", "max_block_ms", "delivery_timeout_ms", "max_pending_bytes"):
            if getattr(self, name) <= 0:
                raise Misconfigured(name, f"{getattr(self, name)} must be above 0")
        if self.linger_ms < 0:
            raise Misconfigured("linger_ms", f"{self.linger_ms} must not be below 0")
        if self.security_protocol not in {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}:
            raise Misconfigured("security_protocol", f"{self.security_protocol!r} is not known")
        if self.security_protocol.startswith("SASL") and not (self.sasl_mechanism and self.sasl_username):
            raise Misconfigured("sasl_mechanism", "SASL needs a mechanism and a user name")
