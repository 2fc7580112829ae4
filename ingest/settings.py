"""Settings of the ingest room, checked when they are made: a bad one is named, and nothing starts."""

import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

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
        for key in fields(self):
            value = getattr(self, key.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise Misconfigured(key.name, f"{value!r} is not a finite number")
            if key.type is int and not isinstance(value, int):
                raise Misconfigured(key.name, f"{value!r} is not a whole number")
            if value < 0 or (value == 0 and key.name not in {"reorder_s", "join_s"}):
                raise Misconfigured(key.name, f"{value} must be above 0")
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


class MqttAddress(NamedTuple):
    """Where an MQTT broker listens."""

    host: str
    port: int
    tls: bool


_MQTT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


def mqtt_address(url: str) -> MqttAddress:
    """Of mqtt://host[:port] or, over TLS, mqtts://host[:port]. Raises Misconfigured."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    else:
        if parts.scheme not in _MQTT_PORTS or parts.username or parts.path.strip("/") or parts.query:
            host = None
    if not host:
        raise Misconfigured("url", "must be mqtt://host[:port] or mqtts://host[:port], without names or passwords")
    return MqttAddress(host, port or _MQTT_PORTS[parts.scheme], parts.scheme == "mqtts")


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """How the bridge reaches the MQTT broker. Raises Misconfigured naming the key that is wrong."""

    url: str | None = None  # mqtt://host[:port] or mqtts://host[:port]; None: there is no broker
    username: str = "@bridge"  # no device can be called so: '@' is in no identifier
    password: str | None = field(default=None, repr=False)
    password_file: Path | None = None  # instead of `password`: its content
    name: str = "liteheart-bridge"  # client id; the broker keeps what waits under it, so no two bridges share one
    group: str = ""  # of a shared subscription, which Mosquitto 2.0 forgets when it restarts; empty: one of our own
    ssl_cafile: Path | None = None  # who signed the broker's certificate; None: the machine's own list
    keepalive_s: int = 15  # a broker that is silent for one and a half of it is gone
    session_expiry_s: int = 7 * 86_400  # the broker keeps what waits for a bridge that is away; Kafka keeps no more
    receive_maximum: int = 512  # messages in hand that are not acknowledged yet; the broker keeps back the others
    max_message_bytes: int = 1 << 18  # a body of some 300 one-second frames; times receive_maximum: 128 MiB at worst
    batch_bytes: int = 4 << 20  # of messages published at once
    retry_s: float = 1.0  # pause before work that failed is tried again
    retry_longest_s: float = 15.0  # to reach a broker that is away; doubled up to this
    stop_s: float = 5.0  # to finish the work in hand when told to stop
    accounts_dir: Path | None = None  # where the broker's password file is kept up to date; None: by hand
    accounts_s: float = 5.0  # how soon the broker learns who was registered or revoked
    pid_file: Path | None = None  # of Mosquitto, which is told by SIGHUP; None: whoever runs it sees to that

    def __post_init__(self) -> None:
        if self.url is not None:
            _ = self.address
        for name in ("username", "name"):
            if not getattr(self, name) or set(getattr(self, name)) & set("+#/:\n"):
                raise Misconfigured(name, "must not be empty nor hold any of + # / :")
        if set(self.group) & set("+#/"):
            raise Misconfigured("group", "must not hold any of + # /")
        if self.password is not None and self.password_file is not None:
            raise Misconfigured("password_file", "is given beside password")
        for name, most in (("receive_maximum", 65_535), ("keepalive_s", 65_535), ("session_expiry_s", 0xFFFFFFFE)):
            if not 1 <= getattr(self, name) <= most:
                raise Misconfigured(name, f"{getattr(self, name)} is not within 1 to {most}")
        for name in ("max_message_bytes", "batch_bytes", "retry_s", "retry_longest_s", "stop_s", "accounts_s"):
            if not getattr(self, name) > 0:
                raise Misconfigured(name, f"{getattr(self, name)} must be above 0")

    @property
    def address(self) -> MqttAddress:
        """Where the broker listens. Raises Misconfigured without a `url`."""
        if self.url is None:
            raise Misconfigured("url", "is not set; LITEHEART_MQTT_URL=mqtts://host:8883")
        return mqtt_address(self.url)

    def secret(self) -> str | None:
        """The bridge's password. Raises Misconfigured for a file that cannot be read."""
        if self.password_file is None:
            return self.password
        try:
            return self.password_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured("password_file", f"cannot be read ({type(error).__name__})") from None
