"""Audio pauses: facts with a beginning and an end, so that every screen and every restart hears the same."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from liteheart.alarm import Priority
from liteheart.care import AudioPause, sound_key
from liteheart.clock import US_PER_S
from liteheart.ids import PatientId
from storage import queries
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.schema import audio_pauses as table


class Pauses:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def pauses(self, now_us: int) -> list[AudioPause]:
        """Those that hold now, the oldest first. They end by themselves."""
        with reading(self._engine) as connection:
            return _holding(connection, now_us)

    def pause(
        self,
        by: str,
        seconds: float,
        now_us: int,
        *,
        patient: PatientId | None = None,
        station: str | None = None,
        unheard_s: float = 0.0,
    ) -> AudioPause:
        """Silence what has been heard of one patient, or on one station, for `seconds`; replaces an older pause.

        Silenced are the alarms that are open now and were raised `unheard_s` or longer ago: what began in the very
        moment of the press nobody has heard yet, so it still sounds.
        """
        if (patient is None) == (station is None):
            raise ValueError("patient: a pause is of one patient or of one station")
        with writing(self._engine) as connection:
            for older in _holding(connection, now_us):
                if (older.patient, older.station) == (patient, station):
                    _end(connection, older, by, now_us)
            heard_us = now_us - round(unheard_s * US_PER_S)
            open_now = queries.alarms(connection, open_only=True, limit=None, patient=patient)
            began = queries.activations(connection, [a.alarm_id for a in open_now])
            heard = [a for a in open_now if began.get(a.alarm_id, a.raised_us) <= heard_us]
            row = {
                "patient": patient,
                "station": station,
                "by_whom": by,
                "began_us": now_us,
                "until_us": now_us + round(seconds * US_PER_S),
                "priority": int(max((a.priority for a in heard), default=Priority.INFO)),
                "silenced": json.dumps([sound_key(a) for a in heard]),
            }
            (pause_id,) = connection.execute(insert(table).values(row).returning(table.c.id)).one()
            detail = {"seconds": seconds, "silenced": len(heard)}
            note(connection, Deed(now_us, by, "audio-paused", patient or station or "", detail))
            return _pause(connection.execute(select(table).where(table.c.id == pause_id)).one())

    def resume(self, pause_id: int, by: str, now_us: int) -> bool:
        """End a pause before its time; False when it does not hold any more."""
        with writing(self._engine) as connection:
            holding = [p for p in _holding(connection, now_us) if p.pause_id == pause_id]
            for pause in holding:
                _end(connection, pause, by, now_us)
                note(connection, Deed(now_us, by, "audio-resumed", pause.patient or pause.station or "", {}))
        return bool(holding)


def _holding(connection: Connection, now_us: int) -> list[AudioPause]:
    holds = select(table).where(table.c.until_us > now_us, table.c.ended_us.is_(None)).order_by(table.c.id)
    return [_pause(row) for row in connection.execute(holds)]


def _end(connection: Connection, pause: AudioPause, by: str, now_us: int) -> None:
    connection.execute(update(table).where(table.c.id == pause.pause_id).values(ended_us=now_us, ended_by=by))


def _pause(row: Any) -> AudioPause:
    silenced: Sequence[str] = json.loads(row.silenced)
    return AudioPause(
        pause_id=row.id,
        patient=None if row.patient is None else PatientId(row.patient),
        station=row.station,
        by=row.by_whom,
        began_us=row.began_us,
        until_us=row.until_us,
        priority=Priority(row.priority),
        silenced=tuple(silenced),
    )
