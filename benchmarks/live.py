"""Patients at life's own speed through the whole system: how soon an alarm is on the screen, and what it all costs."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Engine, func, select, text

from benchmarks.figures import Figure, Options
from benchmarks.processes import Serving, cpu_s, disk_bytes, embedded, production, rss_bytes, scrape
from benchmarks.wearing import Screen, Wearable, watching, wear, wearables
from deploy.wiring import open_storage
from liteheart.alarm import Kind
from liteheart.clock import US_PER_S
from storage import schema
from storage.engine import open_engine, reading

SETTLE_S, QUICK_SETTLE_S = 20, 2  # after the last frame; in full longer than until a screen is told everything anew
WARM_S = 3  # not counted in CPU and lag
DAY_S = 86_400


@dataclass(slots=True)
class Watch:
    """What was counted while the patients were live."""

    began: tuple[float, float, float] = (0.0, 0.0, 0.0)  # monotonic time, CPU of the roles, CPU of the servers
    ended: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rss: tuple[int, int] = (0, 0)  # largest seen, roles and servers
    lag: list[tuple[float, float]] = field(default_factory=list)  # seconds, frames accepted and not yet stored

    def look(self, serving: Serving) -> None:
        """One sample, about once a second."""
        totals = [scrape(url) for url in serving.urls]
        accepted, stored = (
            sum(t.get(f"liteheart_frames_{what}_total", 0.0) for t in totals) for what in ("accepted", "stored")
        )
        self.ended = (time.monotonic(), cpu_s(serving.roles), cpu_s(serving.servers))
        self.began = self.began if self.lag else self.ended
        self.lag.append((self.ended[0], accepted - stored))
        self.rss = (max(self.rss[0], rss_bytes(serving.roles)), max(self.rss[1], rss_bytes(serving.servers)))

    @property
    def cores(self) -> tuple[float, float]:
        """Of the roles, of the servers."""
        wall = self.ended[0] - self.began[0]
        return (self.ended[1] - self.began[1]) / wall, (self.ended[2] - self.began[2]) / wall

    @property
    def lag_growth(self) -> float:
        """Frames a second by which what waits grows: the slope of a straight line."""
        t, frames = np.array(self.lag).T
        return float(np.polyfit(t - t[0], frames, 1)[0])


def benchmark(options: Options) -> Iterator[Figure]:
    """Latency of alarms, CPU, memory, lag and disk of a running system."""
    patients = options.patients or (12 if options.quick else 50)
    length_s = 12 if options.quick else 60
    worn = wearables(patients, length_s, options.seed)
    with production() if options.kafka else embedded() as serving:
        engine = open_engine(serving.settings.storage)
        try:
            tokens = _register(serving, worn)
            before = _stored_bytes(serving, engine)
            screen, watch, sent = asyncio.run(
                _run(serving, worn, tokens, QUICK_SETTLE_S if options.quick else SETTLE_S)
            )
            found = _delays(engine, screen)
            after = _stored_bytes(serving, engine)
        finally:
            engine.dispose()
        where = "Kafka, PostgreSQL, Redis, a process a role" if options.kafka else "embedded: one process, SQLite"
        note = f"{where}; {patients} simulated patients for {length_s} s, devices and screen on the same machine"
        yield from _figures(worn, screen, watch, found, note)
        for name, a, b in zip(("", "log_"), before, after, strict=True):
            value = (b - a) / sent * DAY_S
            yield Figure(f"{name}bytes_per_patient_day", value, "bytes", note=f"{note}; {sent} frames of 1 s at 250 Hz")


def _register(serving: Serving, worn: Sequence[Wearable]) -> list[str | None]:
    if serving.password is None:
        return [None] * len(worn)
    storage = open_storage(serving.settings)
    now_us = time.time_ns() // 1000
    try:
        return [storage.devices.register(w.device, w.patient, now_us=now_us) for w in worn]
    finally:
        storage.close()


async def _run(
    serving: Serving, worn: list[Wearable], tokens: list[str | None], settle_s: float
) -> tuple[Screen, Watch, int]:
    watch = Watch()
    async with watching(serving) as screen:
        wearing = asyncio.create_task(wear(serving, worn, tokens))
        await asyncio.wait({wearing}, timeout=WARM_S)
        while not wearing.done():
            await asyncio.to_thread(watch.look, serving)
            await asyncio.wait({wearing}, timeout=1.0)
        sent = await wearing
        await asyncio.sleep(settle_s)
    return screen, watch, sent


@dataclass(slots=True)
class Delays:
    """Seconds from the arrival of the frame that completed a condition to the alarm on the screen."""

    raised_s: list[float] = field(default_factory=list)
    returned_s: list[float] = field(default_factory=list)  # of alarms whose condition came back
    decided_s: list[float] = field(default_factory=list)  # of all, but only until the monitor has decided
    asystoles: int = 0  # seen
    missing: int = 0  # never seen


def _delays(engine: Engine, screen: Screen) -> Delays:
    """Of all stored alarms of patients.

    The completing frame is the one that holds the last sample before the event's own time.
    """
    events, frames, alarms = schema.alarm_events, schema.frames, schema.alarms
    query = (
        select(events.c.alarm_id, events.c.t_us, events.c.at_us, alarms.c.patient, alarms.c.condition)
        .join(alarms, alarms.c.alarm_id == events.c.alarm_id)
        .where(events.c.action.in_(("raised", "reactivated")), alarms.c.kind == Kind.PHYSIOLOGICAL.value)
        .order_by(events.c.at_us)
    )
    episodes, found = Counter[str](), Delays()
    with reading(engine) as connection:
        for event in connection.execute(query).all():
            mine = (frames.c.patient == event.patient, frames.c.t0_us < event.t_us, frames.c.t1_us >= event.t_us)
            arrival_us = connection.scalar(select(func.min(frames.c.arrival_us)).where(*mine))
            episodes[event.alarm_id] += 1
            seen_us = screen.first_us.get((event.alarm_id, episodes[event.alarm_id]))
            if seen_us is None or arrival_us is None:
                found.missing += 1
                continue
            found.asystoles += event.condition == "ASYSTOLE"
            found.decided_s.append((event.at_us - arrival_us) / US_PER_S)
            again = episodes[event.alarm_id] > 1
            (found.returned_s if again else found.raised_s).append((seen_us - arrival_us) / US_PER_S)
    return found


def _figures(worn: Sequence[Wearable], screen: Screen, watch: Watch, found: Delays, note: str) -> Iterator[Figure]:
    expected, heard = sum(w.asystoles for w in worn), found.asystoles
    yield Figure("patients", float(len(worn)), "patients", note=note)
    yield Figure("asystoles_alarmed_share", heard / expected, "", note=f"{heard} of {expected} that were simulated")
    yield Figure("alarms_never_seen", float(found.missing), "alarms", note="stored, but never on the screen")
    groups = {
        "": ("alarms", found.raised_s + found.returned_s),
        "_first": ("first alarms", found.raised_s),
        "_again": ("alarms that came back", found.returned_s),
    }
    for name, (which, delays_s) in groups.items():
        what = f"{note}; {len(delays_s)} {which}, arrival of the completing frame at the gateway to the screen's socket"
        yield from _percentiles(f"arrival_to_alarm{name}", delays_s, what)
    yield from _percentiles("arrival_to_decision", found.decided_s, f"{note}; until the monitor takes up the batch")
    for k, of in enumerate(("", "_servers")):
        if watch.rss[k]:
            yield Figure(f"cpu_cores{of}", watch.cores[k], "cores", note=note)
            yield Figure(f"rss_gb{of}", watch.rss[k] / 1e9, "GB", note=note)
    yield Figure("lag_growth", watch.lag_growth, "frames/s", note=f"{note}; accepted less stored, fitted over time")
    yield Figure("screen_messages_s", screen.messages / (watch.ended[0] - watch.began[0] + WARM_S), "messages/s")


def _percentiles(name: str, delays_s: Sequence[float], note: str) -> Iterator[Figure]:
    for share in (50, 99) if delays_s else ():
        yield Figure(f"{name}_p{share}_s", float(np.percentile(delays_s, share)), "s", note=note)


def _stored_bytes(serving: Serving, engine: Engine) -> tuple[float, float]:
    """Of the database with its journal folded in, and of the broker's log."""
    log = float(disk_bytes(serving.log_folder)) if serving.log_folder is not None else 0.0
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            pages, size = (connection.scalar(text(f"PRAGMA {name}")) for name in ("page_count", "page_size"))
            return float((pages or 0) * (size or 0)), log
        return float(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0), log
