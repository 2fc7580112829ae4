"""Settings of storage, validated at birth. `deploy/settings.py` reads the environment and builds this once."""

from dataclasses import dataclass, replace

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from liteheart.errors import Misconfigured

_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where things are kept. Raises Misconfigured naming the key that is wrong."""

    database_url: str  # sqlite:///FILE or postgresql://USER@HOST/NAME
    keys_url: str | None = None  # where patients' keys lie, best in no backup of the rest; None: with everything else
    redis_url: str | None = None  # the live feed between processes; None: one process, no Redis
    ring_s: float = 30.0  # signal given back to a monitor at its start; the ring of the beat path
    pool_size: int = 8  # connections a process keeps: the monitor needs 2, the dashboard one a busy request
    busy_timeout_s: float = 10.0  # a writer waits this long for another before the batch is tried again
    statement_timeout_s: float = 30.0  # PostgreSQL: a statement that takes longer is broken, not slow
    outbox: bool = True  # off when nobody relays findings and alarms to the bus, lest the table grow for ever
    presence_ttl_s: float = 15.0  # a patient not heard from for so long is not live any more

    def __post_init__(self) -> None:
        _ = self.url
        for key in ("ring_s", "pool_size", "busy_timeout_s", "statement_timeout_s", "presence_ttl_s"):
            if not getattr(self, key) > 0:
                raise Misconfigured(key, f"{getattr(self, key)} must be above zero")
        _ = self.keys
        if self.redis_url is not None and not self.redis_url.startswith(("redis://", "rediss://", "unix://")):
            raise Misconfigured("redis_url", "must begin with redis://, rediss:// or unix://")

    @property
    def keys(self) -> "StorageSettings | None":
        """The same, for the database of the keys."""
        return None if self.keys_url is None else replace(self, database_url=self.keys_url, keys_url=None, pool_size=2)

    @property
    def url(self) -> URL:
        """`database_url` with its driver named."""
        try:
            url = make_url(self.database_url)
        except ArgumentError:
            raise Misconfigured("database_url", "is not a database URL") from None
        if url.drivername not in _DRIVERS:
            raise Misconfigured("database_url", f"{url.drivername} is not known; sqlite:///FILE or postgresql://...")
        if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
            raise Misconfigured("database_url", "SQLite needs a file: sqlite:///FILE")
        return url.set(drivername=_DRIVERS[url.drivername])
