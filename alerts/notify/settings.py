"""Settings of notification, validated at birth. Secrets come from a variable or a file, see `deploy/secrets.py`."""

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

from liteheart.alarm import Kind, Priority
from liteheart.errors import Misconfigured

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_ADDRESS: Final = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Someone to tell, and of what. Raises Misconfigured naming the target and the key."""

    follows: ClassVar[bool] = False  # told of ends and acknowledgements too, with the pseudonym and the value
    name: str  # lower case, digits, '-': stands in the records, and in LITEHEART_SECRET_<NAME>
    minimum: str = "high"  # least priority
    kinds: tuple[str, ...] = ("physiological", "technical")
    steps: tuple[int, ...] = (0,)  # of the ladder: 0 when the alarm begins, 1 at the first escalation ...

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Misconfigured("notify.name", f"{self.name!r} must be 1 to 32 of a-z, 0-9 and '-'")
        if self.minimum.upper() not in Priority.__members__ or self.minimum == "info":
            raise self.wrong("minimum", f"{self.minimum!r} is none of low, medium, high")
        if not self.kinds or not set(self.kinds) <= {kind.value for kind in Kind}:
            raise self.wrong("kinds", "must name physiological, technical or both")
        if not self.steps or min(self.steps) < 0:
            raise self.wrong("steps", "must name steps of the ladder, 0 and up")

    def wrong(self, key: str, reason: str) -> Misconfigured:
        """The error that names this target."""
        return Misconfigured(f"notify.{self.name}.{key}", reason)

    def wants(self, priority: Priority, kind: Kind, step: int) -> bool:
        """Whether this target is told."""
        return priority >= Priority[self.minimum.upper()] and kind.value in self.kinds and step in self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTarget(Target):
    """An HTTP server that takes signed JSON."""

    url: str
    secret: str = field(repr=False)  # of the signature

    def __post_init__(self) -> None:
        super(WebhookTarget, self).__post_init__()
        parts = urlsplit(self.url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise self.wrong("url", "must be https://HOST/...")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise self.wrong("url", "must be https://; http:// is for this machine only")
        if parts.username or parts.password:
            raise self.wrong("url", "must not hold a password; what is secret goes into the signature")
        if len(self.secret) < 16:
            raise self.wrong("secret", "must have 16 characters or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailTarget(Target):
    """A mailbox, through one SMTP server. `secret` is the password of `username`."""

    host: str
    sender: str
    recipients: tuple[str, ...]
    port: int = 587
    tls: str = "starttls"  # or "tls" from the first byte, or "none" towards this machine
    username: str = ""
    secret: str = field(default="", repr=False)
    ca_file: Path | None = None  # of a server with a certificate of one's own

    def __post_init__(self) -> None:
        super(EmailTarget, self).__post_init__()
        if not self.host:
            raise self.wrong("host", "must name the SMTP server")
        if not 0 < self.port < 65536:
            raise self.wrong("port", f"{self.port} is not a port")
        for key, addresses in (("sender", (self.sender,)), ("recipients", self.recipients)):
            if not addresses or not all(_ADDRESS.fullmatch(a) for a in addresses):
                raise self.wrong(key, "must be NAME@HOST")
        if self.tls not in ("starttls", "tls", "none"):
            raise self.wrong("tls", f"{self.tls!r} is none of starttls, tls, none")
        if self.tls == "none" and self.host not in _LOOPBACK:
            raise self.wrong("tls", "may be none towards this machine only")
        if bool(self.username) != bool(self.secret):
            raise self.wrong("secret", "belongs to a username, and a username needs it")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppriseTarget(Target):
    """Any service that Apprise speaks to. Its URL holds tokens, so that the URL is the secret."""

    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        super(AppriseTarget, self).__post_init__()
        if "://" not in self.secret:
            raise self.wrong("secret", "must be an Apprise URL")


@dataclass(frozen=True, slots=True, kw_only=True)
class MllpTarget(Target):
    """A receiver of HL7 v2 over MLLP, another system of the house: it gets all of an alarm, under its pseudonym."""

    follows: ClassVar[bool] = True
    url: str  # mllp://HOST:PORT, or mllps:// with TLS
    minimum: str = "low"
    steps: tuple[int, ...] = (0, 1, 2, 3)
    facility: str = ""  # MSH-4
    plain: bool = False  # True: without TLS to another machine, over a network that is sealed by other means
    ca_file: Path | None = None  # of a server with a certificate of one's own
    vitals_s: float = 0.0  # heart rate and findings of every patient this often; 0: never

    def __post_init__(self) -> None:
        super(MllpTarget, self).__post_init__()
        try:
            parts = urlsplit(self.url)
            whole = parts.scheme in ("mllp", "mllps") and bool(parts.hostname) and bool(parts.port)
        except ValueError:
            whole = False
        if not whole or parts.path or parts.query or parts.username:
            raise self.wrong("url", "must be mllp://HOST:PORT or mllps://HOST:PORT")
        if not self.tls and not self.plain and parts.hostname not in _LOOPBACK:
            raise self.wrong("url", "must be mllps://; mllp:// is for this machine, or with plain = true")
        if self.vitals_s < 0:
            raise self.wrong("vitals_s", f"{self.vitals_s:g} is below 0")

    @property
    def host(self) -> str:
        """Where it listens."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """And on which port."""
        return urlsplit(self.url).port or 0

    @property
    def tls(self) -> bool:
        """Whether the link is sealed."""
        return urlsplit(self.url).scheme == "mllps"


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """Whom to tell, what, and how often to try. Without targets nobody is told."""

    webhook: tuple[WebhookTarget, ...] = ()
    email: tuple[EmailTarget, ...] = ()
    apprise: tuple[AppriseTarget, ...] = ()
    mllp: tuple[MllpTarget, ...] = ()
    link: str = ""  # of the dashboard as the receivers reach it
    pseudonym: bool = False  # may a notice carry the patient's pseudonym? else the bed alone says where
    value: bool = False  # may it carry value and limit ("HR 152 > 140")?
    attempts: int = 10  # then it is a dead letter
    first_s: float = 2.0  # wait after the first failure; doubles
    longest_s: float = 300.0  # and grows no longer than this
    timeout_s: float = 10.0  # of one attempt
    lease_s: float = 60.0  # a notifier that died is waited for so long
    late_s: float = 10.0  # delivered later than this after it was due: marked late
    stale_s: float = 3600.0  # older than this it is not sent but recorded: a notifier that was away tells no old news
    poll_s: float = 0.5  # how often the outbox is looked at
    at_once: int = 4  # attempts at the same time towards one target
    monitor_silent_s: float = 30.0  # without any monitor for so long, everyone is told; 0: never

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if f.type in (int, float)):
            if getattr(self, name) <= 0 and name != "monitor_silent_s":
                raise Misconfigured(f"notify.{name}", f"{getattr(self, name)} must be above 0")
        if self.longest_s < self.first_s:
            raise Misconfigured("notify.longest_s", f"{self.longest_s:g} is below first_s {self.first_s:g}")
        if self.lease_s <= 2 * self.timeout_s:
            raise Misconfigured("notify.lease_s", f"{self.lease_s:g} must be above twice timeout_s {self.timeout_s:g}")
        if self.link and urlsplit(self.link).scheme not in ("http", "https"):
            raise Misconfigured("notify.link", "must be http:// or https://")
        names = [target.name for target in self.targets]
        for name in names:
            if names.count(name) > 1:
                raise Misconfigured("notify.name", f"{name!r} is given twice")

    @property
    def targets(self) -> tuple[Target, ...]:
        """All of them."""
        return (*self.webhook, *self.email, *self.apprise, *self.mllp)
