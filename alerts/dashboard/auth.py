"""Who is asking: sessions, and a brake on guessing passwords. Time is an argument; nothing here touches a socket."""

import hashlib
import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from alerts.dashboard.memory import MemorySessions
from alerts.dashboard.ports import SessionStore, SignedIn
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import Person
from liteheart.clock import US_PER_S
from liteheart.errors import Retryable

log = logging.getLogger(__name__)

_TOUCH_US = 60 * US_PER_S  # use is told to storage this often; idleness is counted in half hours


@dataclass(frozen=True, slots=True)
class Local:
    """Whoever sits at this machine while nobody has to sign in."""

    username: str = "nurse"
    role: str = "nurse"


@dataclass(frozen=True, slots=True)
class _Known:
    """What was last read of a session."""

    person: Person
    began_us: int
    seen_us: int
    asked_us: int  # when storage was last asked


class Sessions:
    """Who is signed in. Storage keeps it; what was read from there holds for `session_kept_s`, so asking is cheap.

    What ends here ends at once; what another process ended is seen within that time. While storage does not answer,
    whoever was known to be signed in stays so until the session itself expires: a wall must not go dark.
    """

    def __init__(self, settings: DashboardSettings, store: SessionStore | None = None) -> None:
        """Without `store` in memory: a restart signs everybody out."""
        self._settings = settings
        self._store = store or MemorySessions()
        self._lock = threading.Lock()
        self._known: dict[bytes, _Known] = {}
        self._changes = 0  # of what is known; a reading that a change overtook is not kept

    def begin(self, person: Person, now_us: int, peer: str = "") -> str:
        """A fresh random token of 256 bits for `person`. Raises Retryable."""
        token = secrets.token_urlsafe(32)
        idle_us, age_us = (round(s * US_PER_S) for s in (self._settings.session_idle_s, self._settings.session_max_s))
        self._store.begin(_digest(token), person, now_us, peer)
        self._store.forget(now_us - idle_us, now_us - age_us, self._settings.sessions_max)
        self._drop(lambda known: self._expired(known, now_us))
        return token

    def known(self, token: str, now_us: int) -> Person | None:
        """Whose token this is, if that was asked a moment ago; never waits."""
        with self._lock:
            known = self._known.get(_digest(token))
            if known is None or not 0 <= now_us - known.asked_us < self._settings.session_kept_s * US_PER_S:
                return None
            if self._expired(known, now_us):
                return None
            self._known[_digest(token)] = replace(known, seen_us=max(known.seen_us, now_us))
            return known.person

    def find(self, token: str, now_us: int) -> Person | None:
        """Whose token this is, None when it is unknown or has expired; counts as use. May wait for storage.

        Raises Retryable when storage does not answer and the token is not known here.
        """
        if (person := self.known(token, now_us)) is not None:
            return person
        key = _digest(token)
        with self._lock:
            before, changes = self._known.get(key), self._changes
        try:
            now_known = self._read(key, before, now_us)
        except Retryable as unavailable:
            if before is None:
                raise
            log.warning("a session is taken as it was known: %s", unavailable)
            now_known = replace(before, asked_us=now_us)
        if now_known is None or self._expired(now_known, now_us):
            self._forget(key)
            return None
        now_known = replace(now_known, seen_us=now_us)
        with self._lock:
            if changes == self._changes:
                self._known[key] = now_known
        return now_known.person

    def end(self, token: str, now_us: int) -> None:
        """Forget the token. Raises Retryable."""
        self._store.end(_digest(token), now_us)
        self._forget(_digest(token))

    def end_all(self, username: str, by: str, now_us: int) -> int:
        """Sign a person out everywhere; how many sessions that were. Raises Retryable."""
        count = self._store.end_all(username, by, now_us)
        self.changed(username)
        return count

    def changed(self, username: str) -> None:
        """Role or password changed, or the person is gone: what is known of them is asked anew."""
        self._drop(lambda known: known.person.username == username)

    def refused(self, username: str, now_us: int, peer: str) -> None:
        """Someone failed to sign in. Raises Retryable."""
        self._store.refused(username, now_us, peer)

    def of(self, username: str | None, now_us: int) -> list[SignedIn]:
        """The sessions of a person, or of everybody, that hold. Raises Retryable."""
        found = self._store.of(username)
        return [s for s in found if not self._expired(_Known(s.person, s.began_us, s.seen_us, 0), now_us)]

    def digest(self, token: str) -> bytes:
        """What a session is known by."""
        return _digest(token)

    def _read(self, key: bytes, before: _Known | None, now_us: int) -> _Known | None:
        found = self._store.find(key)
        if found is None:
            return None
        seen_us = found.seen_us if before is None else max(found.seen_us, before.seen_us)
        known = _Known(found.person, found.began_us, seen_us, now_us)
        if not self._expired(known, now_us) and now_us - found.seen_us >= _TOUCH_US:
            self._store.touch(key, now_us)
        return known

    def _forget(self, key: bytes) -> None:
        with self._lock:
            self._changes += 1
            self._known.pop(key, None)

    def _drop(self, which: Callable[[_Known], bool]) -> None:
        with self._lock:
            self._changes += 1
            for key in [k for k, known in self._known.items() if which(known)]:
                del self._known[key]

    def _expired(self, session: _Known, now_us: int) -> bool:
        idle_s = (now_us - session.seen_us) / US_PER_S
        age_s = (now_us - session.began_us) / US_PER_S
        return idle_s > self._settings.session_idle_s or age_s > self._settings.session_max_s


class Attempts:
    """Failed sign-ins within the window, per (name, address) and per address; in memory, each process by itself.

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
