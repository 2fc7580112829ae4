"""Attempts to grow a better student: one at a time on however many hosts, resumable, and told while they go on.

begin --> harvest --> grow --> gate --> shadow --> ended: candidate | refused | failed
  |         \\_________ progress, lease renewed ________/
  +-- somebody else's lease holds: Conflict says whose; it has expired: this one goes on where that one broke off
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, func, insert, select, update

from liteheart.errors import Conflict
from liteheart.ids import ModelVersion
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.queries import insert_ignoring
from storage.schema import refresh_profiles, refreshes

PHASES: Final = ("harvest", "grow", "gate", "shadow")
Outcome = Literal["candidate", "refused", "failed"]
_SALT: Final = 16


@dataclass(frozen=True, slots=True)
class Refresh:
    """One attempt, as it stands."""

    refresh_id: int
    phase: str
    share: float
    detail: Mapping[str, Any]
    holder: str
    lease_us: int
    began_us: int
    told_us: int
    ended_us: int | None
    outcome: str | None
    reason: str
    candidate: ModelVersion | None
    salt: bytes | None = field(default=None, repr=False)


class Refreshes:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, holder: str, now_us: int, lease_us: int) -> Refresh:
        """Begin one, or take over what is going on and nobody holds any more. Raises Conflict naming who holds it.

        A lease that lies further ahead than one can be was written by a clock that is wrong: it holds no longer.
        """
        fresh = {"phase": PHASES[0], "share": 0.0, "detail": "{}", "holder": holder, "lease_us": now_us + lease_us}
        fresh |= {"began_us": now_us, "told_us": now_us, "reason": "", "one": 1, "salt": secrets.token_bytes(_SALT)}
        with writing(self._engine) as connection:
            began = insert_ignoring(connection, refreshes).values(fresh).returning(refreshes.c.id)
            if connection.execute(began).one_or_none() is not None:
                found = _going_on(connection)
                note(connection, Deed(now_us, holder, "refresh-began", _name(found)))
                return found
            found = _going_on(connection)
            if found.holder != holder and now_us < found.lease_us <= now_us + 2 * lease_us:
                raise Conflict("refresh", f"{found.holder} is at it ({found.phase}, {found.share:.0%})")
            taken = {"holder": holder, "lease_us": now_us + lease_us}
            connection.execute(update(refreshes).where(refreshes.c.id == found.refresh_id).values(taken))
            return _going_on(connection)

    def tell(self, refresh: Refresh, phase: str, share: float, now_us: int, lease_us: int, **detail: Any) -> Refresh:
        """How far it is, and that it is still held. Raises Conflict when another one holds it or it is over."""
        with writing(self._engine) as connection:
            held = _held(connection, refresh)
            values: dict[str, Any] = {"phase": phase, "share": min(max(share, 0.0), 1.0), "told_us": now_us}
            values |= {"lease_us": now_us + lease_us, "detail": json.dumps({**held.detail, **detail}, sort_keys=True)}
            if "candidate" in detail:
                values["candidate"] = detail["candidate"]
            connection.execute(update(refreshes).where(refreshes.c.id == held.refresh_id).values(values))
            return _going_on(connection)

    def renew(self, refresh: Refresh, now_us: int, lease_us: int) -> None:
        """It is still held. Raises Conflict as `tell`."""
        with writing(self._engine) as connection:
            held = _held(connection, refresh)
            values = {"lease_us": now_us + lease_us}
            connection.execute(update(refreshes).where(refreshes.c.id == held.refresh_id).values(values))

    def release(self, refresh: Refresh, now_us: int) -> None:
        """Nobody holds it until somebody goes on with it: it waits for something, or its host stops."""
        with writing(self._engine) as connection:
            mine = (refreshes.c.id == refresh.refresh_id) & (refreshes.c.holder == refresh.holder)
            connection.execute(update(refreshes).where(mine, refreshes.c.ended_us.is_(None)).values(lease_us=now_us))

    def end(self, refresh: Refresh, outcome: Outcome, reason: str, now_us: int) -> Refresh:
        """It is over; no window can be traced to a patient any more. Raises Conflict as `tell`."""
        with writing(self._engine) as connection:
            held = _held(connection, refresh)
            values = {"ended_us": now_us, "told_us": now_us, "outcome": outcome, "reason": reason, "salt": None}
            connection.execute(update(refreshes).where(refreshes.c.id == held.refresh_id).values(values))
            told = {"reason": reason, "phase": held.phase, "candidate": held.candidate or ""}
            note(connection, Deed(now_us, refresh.holder, f"refresh-{outcome}", _name(held), told))
            found = connection.execute(select(refreshes).where(refreshes.c.id == held.refresh_id)).one()
            return _refresh(found)

    def latest(self, limit: int = 1) -> list[Refresh]:
        """The newest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(refreshes).order_by(refreshes.c.id.desc()).limit(limit))
            return [_refresh(row) for row in rows]

    def keep_profiles(self, refresh: Refresh, profiles: Mapping[str, Mapping[str, Any]]) -> None:
        """What each site and kind of device looked like."""
        with writing(self._engine) as connection:
            connection.execute(refresh_profiles.delete().where(refresh_profiles.c.refresh == refresh.refresh_id))
            rows = [
                {"refresh": refresh.refresh_id, "site_device": name, "profile": json.dumps(profile)}
                for name, profile in sorted(profiles.items())
            ]
            if rows:
                connection.execute(insert(refresh_profiles), rows)

    def reference(self, champion: ModelVersion | None, before: Refresh) -> dict[str, dict[str, Any]]:
        """By site and device, what was seen when the serving student was made; else what was seen first."""
        with reading(self._engine) as connection:
            earlier = refreshes.c.id < before.refresh_id
            made = select(func.max(refreshes.c.id)).where(refreshes.c.candidate == champion, earlier)
            since = connection.scalar(made) or 0
            seen = refresh_profiles.c.refresh
            rows = connection.execute(
                select(refresh_profiles).where(seen >= since, seen < before.refresh_id).order_by(seen.desc())
            )
            return {row.site_device: json.loads(row.profile) for row in rows}  # of one group, the oldest stays


def _name(refresh: Refresh) -> str:
    return f"refresh {refresh.refresh_id}"


def _going_on(connection: Connection) -> Refresh:
    return _refresh(connection.execute(select(refreshes).where(refreshes.c.ended_us.is_(None)).with_for_update()).one())


def _held(connection: Connection, refresh: Refresh) -> Refresh:
    mine = refreshes.c.id == refresh.refresh_id
    row = connection.execute(select(refreshes).where(mine).with_for_update()).one_or_none()
    if row is None or row.ended_us is not None:
        raise Conflict("refresh", "it is over")
    if row.holder != refresh.holder:
        raise Conflict("refresh", f"{row.holder} has gone on with it")
    return _refresh(row)


def _refresh(row: Any) -> Refresh:
    return Refresh(
        row.id,
        row.phase,
        row.share,
        json.loads(row.detail),
        row.holder,
        row.lease_us,
        row.began_us,
        row.told_us,
        row.ended_us,
        row.outcome,
        row.reason,
        None if row.candidate is None else ModelVersion(row.candidate),
        None if row.salt is None else bytes(row.salt),
    )
