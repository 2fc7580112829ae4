"""Who is asking: sessions, and a brake on guessing passwords. Time is an argument; nothing here touches a socket."""

import hashlib
import secrets
import threading
from dataclasses import dataclass, replace

from alerts.dashboard.settings import DashboardSettings
from alerts.ports import Person
from liteheart.clock import US_PER_S

MAY_ACKNOWLEDGE = frozenset({"nurse", "physician", "administrator"})


@dataclass(frozen=True, slots=True)
class Local:
    """Whoever sits at this machine while nobody has to sign in."""

    username: str = "nurse"
    role: str = "nurse"


@dataclass(frozen=True, slots=True)
class _Session:
    person: Person
    began_us: int
    seen_us: int


class Sessions:
    """Who is signed in, in memory: a restart signs everybody out. Only digests of the tokens are kept."""

    def __init__(self, settings: DashboardSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._sessions: dict[bytes, _Session] = {}

    def begin(self, person: Person, now_us: int) -> str:
        """A fresh random token of 256 bits for `person`."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._forget(now_us)
            self._sessions[_digest(token)] = _Session(person, now_us, now_us)
        return token

    def find(self, token: str, now_us: int) -> Person | None:
        """Whose token this is, None when it is unknown or has expired; counts as use."""
        key = _digest(token)
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                return None
            if self._expired(session, now_us):
                del self._sessions[key]
                return None
            self._sessions[key] = replace(session, seen_us=now_us)
            return session.person

    def end(self, token: str) -> None:
        """Forget the token."""
        with self._lock:
            self._sessions.pop(_digest(token), None)

    def _expired(self, session: _Session, now_us: int) -> bool:
        idle_s = (now_us - session.seen_us) / US_PER_S
        age_s = (now_us - session.began_us) / US_PER_S
        return idle_s > self._settings.session_idle_s or age_s > self._settings.session_max_s

    def _forget(self, now_us: int) -> None:
        for key in [k for k, s in self._sessions.items() if self._expired(s, now_us)]:
            del self._sessions[key]
        while len(self._sessions) >= self._settings.sessions_max:
            del self._sessions[next(iter(self._sessions))]


class Attempts:
    """Failed sign-ins within the window, per (name, address) and per address.

    An attempt is counted before the password is looked at, so that many at once gain nothing.
    """

    _KEYS_MAX = 20_000

    def __init__(self, settings: DashboardSettings) -> None:
        self._settings = settings
        self._window_us = round(settings.attempts_window_s * US_PER_S)
        self._failed: dict[tuple[str, ...], list[int]] = {}

    def wait_s(self, username: str, address: str, now_us: int) -> float:
        """0 when the attempt may go on (and is then counted), else the seconds until the next may."""
        limits = {
            (username, address): self._settings.attempts,
            (address,): self._settings.attempts_per_address,
        }
        waits = [0.0]
        for key, limit in limits.items():
            recent = [t for t in self._failed.get(key, ()) if t > now_us - self._window_us]
            if recent:
                self._failed[key] = recent
            if len(recent) >= limit:
                waits.append((recent[-limit] + self._window_us - now_us) / US_PER_S)
        if max(waits) == 0.0:
            if len(self._failed) > self._KEYS_MAX:
                self._forget(now_us)
            for key in limits:
                self._failed.setdefault(key, []).append(now_us)
        return max(waits)

    def succeeded(self, username: str, address: str) -> None:
        """The person knew the password: their failures are forgiven, the attempt itself is not held against them."""
        self._failed.pop((username, address), None)
        if tried := self._failed.get((address,)):
            tried.pop()

    def _forget(self, now_us: int) -> None:
        for key in [k for k, at in self._failed.items() if at[-1] <= now_us - self._window_us]:
            del self._failed[key]
        while len(self._failed) > self._KEYS_MAX:
            del self._failed[next(iter(self._failed))]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
