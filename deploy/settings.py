"""Settings: each package's frozen dataclass, filled from defaults, then a TOML file, then the environment.

`LITEHEART_INGEST_REORDER_S=3` sets `[ingest] reorder_s`; the four that
every deployment needs have short names: LITEHEART_DATA, LITEHEART_BROKER, LITEHEART_DATABASE, LITEHEART_REDIS.
"""

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alerts.dashboard.settings import DashboardSettings
from alerts.escalation import EscalationSettings
from alerts.fhir.settings import FhirSettings
from alerts.notify.settings import NotifySettings
from alerts.settings import AlarmSettings
from deploy.environment import environment
from deploy.refresh.settings import RefreshSettings
from deploy.secrets import OWN_VARIABLE, with_secrets
from inference.settings import InferenceSettings
from ingest.settings import IngestSettings, KafkaSettings, MqttSettings
from liteheart.errors import Misconfigured
from storage.archive.settings import ArchiveSettings
from storage.monitor_store import HEARTBEAT_GAP_S
from storage.retention import RetentionSettings
from storage.settings import StorageSettings

PREFIX = "LITEHEART_"
_SHORT = {"DATA": "data_dir", "BROKER": "broker", "DATABASE": "storage.database_url", "REDIS": "storage.redis_url"}
_NOT_SETTINGS = frozenset({"CONFIG", "ECG", "PASSWORD", "TOKEN"})  # read by single commands, below


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where a role listens."""

    host: str = "127.0.0.1"  # loopback unless told otherwise; put TLS in front of anything wider
    port: int = 8080

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65536:
            raise Misconfigured("http.port", f"{self.port} is not a port")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How the monitor gathers work and how it is watched."""

    batch_items: int = 512  # events in one transaction at most
    batch_delay_s: float = 0.2  # longest wait for a batch to fill; part of every alarm's latency
    queue_items: int = 4096  # events in front of the batcher; beyond it Kafka waits
    unstored_items: int = 60_000  # events kept, and alarmed on, while the database is away: 2 min of 500 patients
    heartbeat_s: float = 2.0
    watch_s: float = 2.0  # how often silence is looked for
    relay_s: float = 0.5  # how often the outbox is emptied onto the bus
    limits_s: float = 2.0  # how soon the limits that someone set for a patient hold
    escalate_s: float = 1.0  # how often the ladder of escalation is looked at
    answers_s: float = 15.0  # how often the age of the student's answers is looked at
    overview_s: float = 10.0  # how often a piece of the missing overviews is made (`storage.backfill`)
    models_s: float = 2.0  # how often it is looked which student is to serve
    purge_s: float = 60.0  # how often what was sent, and old segments of the embedded log, are cleared away
    compact_s: float = 1.0  # how often a piece of what has settled is compacted (`storage.archive`)
    retention_s: float = 60.0  # how often a piece of what is over is deleted, and erasures are completed
    sent_keep_s: float = 3600.0  # letters of the outbox are kept so long after they were sent
    unread_keep_s: float = 86_400.0  # notices that no notifier has taken, and deliveries that nobody could make
    retry_s: float = 1.0  # pause before a failed transaction is repeated

    def __post_init__(self) -> None:
        for name in (f.name for f in dataclasses.fields(self)):
            if getattr(self, name) <= 0:
                raise Misconfigured(f"worker.{name}", "must be positive")
        if self.heartbeat_s > HEARTBEAT_GAP_S / 2:
            raise Misconfigured("worker.heartbeat_s", f"must be at most {HEARTBEAT_GAP_S / 2:g}, or it looks dead")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set."""

    data_dir: Path = Path("data")
    broker: str = "embedded"  # or kafka://host:port[,host:port...]
    log_level: str = "INFO"
    identity_key: str | None = field(default=None, repr=False)  # `deploy.secrets`; None: the embedded system's own
    http: HttpSettings = field(default_factory=HttpSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    ingest: IngestSettings = field(default_factory=IngestSettings)
    inference: InferenceSettings = field(default_factory=InferenceSettings)
    alarms: AlarmSettings = field(default_factory=AlarmSettings)
    escalation: EscalationSettings = field(default_factory=EscalationSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    fhir: FhirSettings = field(default_factory=FhirSettings)
    dashboard: DashboardSettings = field(default_factory=DashboardSettings)
    archive: ArchiveSettings = field(default_factory=ArchiveSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    refresh: RefreshSettings = field(default_factory=RefreshSettings)
    storage: StorageSettings = field(default_factory=lambda: StorageSettings("sqlite:///data/liteheart.db"))

    def __post_init__(self) -> None:
        if self.broker != "embedded" and not self.broker.startswith("kafka://"):
            raise Misconfigured("broker", f"{self.broker!r} is neither 'embedded' nor kafka://host:port")

    @property
    def embedded(self) -> bool:
        """Whether the whole system runs in this process, without a broker."""
        return self.broker == "embedded"

    @property
    def kafka_client(self) -> KafkaSettings:
        """How to reach the broker that `broker` names."""
        return dataclasses.replace(self.kafka, bootstrap=self.broker.removeprefix("kafka://"))


def load(config: Path | None = None, environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Assemble the settings; `overrides` are dotted names with '__' for '.', and win. Raises Misconfigured."""
    env = environment() if environ is None else environ
    path = config or (Path(env[PREFIX + "CONFIG"]) if PREFIX + "CONFIG" in env else None)
    values: dict[str, Any] = dict(_from_toml(path)) if path else {}
    values |= _from_environment(env)
    values |= {name.replace("__", "."): value for name, value in overrides.items() if value is not None}
    values = with_secrets(values, env)
    broker = str(values.get("broker", "embedded"))
    if not broker.startswith("kafka://"):
        data_dir = Path(values.get("data_dir", "data"))
        values.setdefault("storage.database_url", f"sqlite:///{data_dir.absolute() / 'liteheart.db'}")
        values.setdefault("storage.keys_url", f"sqlite:///{data_dir.absolute() / 'keys.db'}")
        values.setdefault("storage.outbox", False)  # nobody else listens
    elif "storage.database_url" not in values:
        raise Misconfigured("storage.database_url", "is not set; LITEHEART_DATABASE=postgresql://USER@HOST/NAME")
    return typing.cast(Settings, _build(Settings, values, ""))


def _from_toml(path: Path) -> Mapping[str, Any]:
    try:
        tables = tomllib.loads(path.read_text())
    except OSError as error:
        raise Misconfigured("config", f"{path} cannot be read ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured("config", f"{path} is not TOML: {error}") from error
    flat: dict[str, Any] = {}
    for key, value in tables.items():
        flat |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    sections = {f.name for f in dataclasses.fields(Settings) if dataclasses.is_dataclass(f.type)}
    values: dict[str, Any] = {}
    for variable, text in env.items():
        name = variable.removeprefix(PREFIX)
        if name == variable or name in _NOT_SETTINGS or variable.startswith(OWN_VARIABLE):
            continue
        section, _, rest = name.lower().partition("_")
        values[_SHORT.get(name) or (f"{section}.{rest}" if section in sections else name.lower())] = text
    return values


def _build(cls: type[Any], values: Mapping[str, Any], prefix: str) -> Any:
    known = {f.name for f in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    arguments: dict[str, Any] = {}
    for name in known:
        if dataclasses.is_dataclass(hints[name]):
            inner = {k.partition(".")[2]: v for k, v in values.items() if k.startswith(f"{name}.")}
            arguments[name] = _build(hints[name], inner, f"{prefix}{name}.")
    for key, value in values.items():
        head = key.partition(".")[0]
        if head in arguments and "." in key:
            continue
        if key not in known:
            raise Misconfigured(prefix + key, "there is no such setting")
        arguments[key] = _parse(value, hints[key], prefix + key)
    absent = [f.name for f in dataclasses.fields(cls) if f.name not in arguments and _required(f)]
    if absent:
        raise Misconfigured(prefix + absent[0], "is not set")
    return cls(**arguments)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _parse(value: Any, kind: Any, key: str) -> Any:
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if value in (None, "") and type(None) in options:
        return None
    target = next(o for o in options if o is not type(None))
    try:
        if target is bool and isinstance(value, str):
            return {"true": True, "1": True, "false": False, "0": False}[value.lower()]
        if target in (int, float, str, Path):
            return target(value)
        if typing.get_origin(target) is tuple:
            return _parse_all(value, typing.get_args(target)[0], key)
    except (ValueError, KeyError, TypeError) as error:
        raise Misconfigured(key, f"{value!r} is not {target.__name__}") from error
    return value


def _parse_all(value: Any, kind: Any, key: str) -> tuple[Any, ...]:
    """A list, or text with commas; of tables, each as the dataclass that it describes."""
    if dataclasses.is_dataclass(kind):
        return tuple(_build(typing.cast(type[Any], kind), item, f"{key}.") for item in value)
    items = [item for item in value.split(",") if item] if isinstance(value, str) else value
    return tuple(_parse(item.strip() if isinstance(item, str) else item, kind, key) for item in items)
