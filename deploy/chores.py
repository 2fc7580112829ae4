"""What a role does by the clock, beside its real work: each chore is a step that `every` repeats and that may fail."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from alerts.escalation import due
from alerts.hl7.follow import Follower
from alerts.hl7.mllp import MllpSender
from alerts.hl7.vitals import vitals_key, vitals_message
from alerts.notify.notice import monitor_silent
from alerts.notify.ports import Undelivered
from alerts.notify.relay import Relay
from alerts.notify.settings import MllpTarget
from alerts.ports import LiveFeed
from alerts.settings import AlarmSettings
from alerts.watch import (
    CLOCK_SKEW,
    MODEL_STALE,
    WATCHED,
    leave,
    watch,
    watch_answers,
    watch_awaited,
    watch_clocks,
)
from deploy import wiring
from deploy.monitor import Monitor
from deploy.mosquitto import BrokerFiles
from deploy.settings import Settings
from ingest.ports import FramePublisher
from liteheart.alarm import AlarmEvent
from liteheart.board import PatientState, alarm_message
from liteheart.clock import US_PER_S, Clock
from liteheart.ids import PatientId
from liteheart.metrics import Metrics
from storage.admissions import Admissions
from storage.log import DiskLog
from storage.monitor_store import Batch, MonitorStore
from storage.scrub import Scrubber

log = logging.getLogger(__name__)

_HEARD_US = 15 * US_PER_S  # heard from lately: of others nothing is reported as if it were new
_ANSWERS_S = 3600.0  # an answer older than this is not looked for


@dataclass(frozen=True, slots=True)
class Chore:
    """One of them: what, how often, and its name in the log."""

    step: Callable[[], Awaitable[object]]
    seconds: float
    what: str


@dataclass(frozen=True, slots=True)
class Around:
    """What chores work on."""

    settings: Settings
    storage: wiring.Storage
    feed: LiveFeed
    clock: Clock
    metrics: Metrics


def of_monitor(around: Around, monitor: Monitor, publisher: FramePublisher, disk: DiskLog | None) -> list[Chore]:
    """Heartbeat, the watch, escalation, limits, overviews, the archive, clearing away; the relay to a bus if any."""
    storage, settings, clock = around.storage, around.settings, around.clock
    worker = settings.worker
    instance = f"{socket.gethostname()}-{os.getpid()}"

    async def heartbeat() -> None:
        await asyncio.to_thread(storage.monitor.heartbeat, "monitor", instance, clock.now_us())

    def tell(events: list[AlarmEvent]) -> None:
        around.feed.publish([alarm_message(event) for event in events])

    async def watch_silence() -> None:
        tell(await asyncio.to_thread(silences, storage.monitor, settings.alarms, around.metrics, clock.now_us()))
        tell(await asyncio.to_thread(departures, storage.admissions, storage.monitor, clock.now_us()))

    async def watch_model() -> None:
        tell(await asyncio.to_thread(old_answers, storage.monitor, settings.alarms, clock.now_us()))

    async def take_limits() -> None:
        monitor.limits_are(await asyncio.to_thread(storage.limits.all))

    async def relay() -> None:
        while letters := await asyncio.to_thread(storage.outbox.claim, 500, clock.now_us()):
            await publisher.publish([wiring.letter_record(letter) for letter in letters])
            await asyncio.to_thread(storage.outbox.mark_sent, [x.letter_id for x in letters], clock.now_us())

    async def complete_overviews() -> None:
        await asyncio.to_thread(storage.backfill.step, clock.now_us())

    async def compact() -> None:
        await asyncio.to_thread(storage.archive.compact, clock.now_us())

    async def let_go() -> None:
        await asyncio.to_thread(forget, around, scrubber)

    scrubber = None if disk is None else Scrubber(disk, settings.data_dir / "log")

    async def clear_away() -> None:
        await asyncio.to_thread(clear, around, disk)

    chores = [
        Chore(heartbeat, worker.heartbeat_s, "heartbeat"),
        Chore(watch_silence, worker.watch_s, "watch for silent streams"),
        Chore(watch_model, worker.answers_s, "watch for old answers"),
        Chore(take_limits, worker.limits_s, "limits of patients"),
        Chore(complete_overviews, worker.overview_s, "overviews of minutes"),
        Chore(clear_away, worker.purge_s, "clearing away"),
        Chore(compact, worker.compact_s, "compaction"),
        Chore(let_go, worker.retention_s, "retention and erasures"),
        escalation(around),
    ]
    return [*chores, Chore(relay, worker.relay_s, "outbox relay")] if settings.storage.outbox else chores


def of_notifier(around: Around, relay: Relay) -> list[Chore]:
    """Deliveries; escalation too, so that the ladder goes on while no monitor runs; and the monitor's own silence."""
    settings = around.settings
    chores = [Chore(relay.drain, settings.notify.poll_s, "notices"), escalation(around)]
    if settings.notify.monitor_silent_s:

        async def look_for_monitor() -> None:
            await asyncio.to_thread(tell_of_monitor, around)

        chores.append(Chore(look_for_monitor, settings.worker.watch_s, "watch for the monitor"))
    return chores + of_hl7(around)


def of_hl7(around: Around) -> list[Chore]:
    """What receivers of HL7 v2 get beside beginnings: what became of alarms, and heart rates by the clock."""
    settings, storage, clock = around.settings.notify, around.storage, around.clock
    if not settings.mllp:
        return []
    follower = Follower(storage.board, storage.notifications, settings, clock)

    async def follow() -> None:
        await asyncio.to_thread(follower.step)

    def vitals(target: MllpTarget) -> Chore:
        async def step() -> None:
            states, now_us = await asyncio.to_thread(storage.board.patients), clock.now_us()
            heard = [s for s in states if now_us - s.last_arrival_us < _HEARD_US]
            told = [vitals_message(s, vitals_key(s, now_us), now_us, target.facility) for s in heard]
            try:
                await MllpSender(target, settings.timeout_s).exchange(told)
            except Undelivered as error:  # the next ones are newer: nothing is kept
                log.warning("vitals not delivered: %s", error, extra={"target": target.name})

        return Chore(step, target.vitals_s, f"vitals for {target.name}")

    reports = [vitals(target) for target in settings.mllp if target.vitals_s]
    return [Chore(follow, settings.poll_s, "what became of alarms"), *reports]


def of_bridge(around: Around, files: BrokerFiles) -> list[Chore]:
    """The MQTT broker is told who was registered and who was revoked."""

    def tell_broker() -> None:
        if files.refresh(around.storage.devices.mqtt_accounts()):
            log.info("the MQTT broker is told of changed devices")

    async def step() -> None:
        await asyncio.to_thread(tell_broker)

    return [Chore(step, around.settings.mqtt.accounts_s, "accounts of the MQTT broker")]


def escalation(around: Around) -> Chore:
    """The ladder. Any number of processes may look at it: storage takes each step once."""

    def climb() -> None:
        storage = around.storage.escalations
        steps = due(storage.unattended(), around.clock.now_us(), around.settings.escalation)
        for step in storage.take(steps):
            log.warning("alarm escalated", extra={"alarm": step.alarm_id, "step": step.step, "owner": step.owner})
            around.metrics.count("alarms_escalated", label=step.owner)

    async def step() -> None:
        await asyncio.to_thread(climb)

    return Chore(step, around.settings.worker.escalate_s, "escalation")


def silences(store: MonitorStore, settings: AlarmSettings, metrics: Metrics, now_us: int) -> list[AlarmEvent]:
    """Look at the clock, not at the stream: who has fallen silent or was never heard, who is heard again, whose
    clock is wrong.

    Nothing while no monitor is heard: what is not listened to is not silent.
    """
    states = store.states()
    metrics.gauge("patients_live", sum(now_us - s.last_arrival_us < 15 * US_PER_S for s in states))
    listening_us = store.heard_since_us("monitor", now_us)
    if listening_us is None:
        return []
    no_data = {a.patient: a for code in WATCHED for a in store.open_alarms(code) if a.active}
    skew = {a.patient: a for a in store.open_alarms(CLOCK_SKEW.code) if a.active}
    events = watch(states, no_data, now_us, settings, listening_us, store.staying())
    events += watch_awaited(store.awaited(), no_data, now_us, settings, listening_us)
    return _stored(store, [*events, *watch_clocks(states, skew, now_us, settings)])


def departures(stays: Admissions, store: MonitorStore, now_us: int) -> list[AlarmEvent]:
    """Alarms that were left on by who was discharged end."""
    return _stored(store, leave(stays.left_on(), now_us))


def old_answers(store: MonitorStore, settings: AlarmSettings, now_us: int) -> list[AlarmEvent]:
    """Whose last reading by the student is old, and whose is not any more."""
    stale = {a.patient: a for a in store.open_alarms(MODEL_STALE.code) if a.active}
    told = {a.patient for a in store.open_alarms("MODEL_UNAVAILABLE") if a.active}
    states = _heard(store.states(), now_us, stale.keys())
    answers = store.last_answers([s.patient for s in states], now_us - round(_ANSWERS_S * US_PER_S))
    return _stored(store, watch_answers(states, answers, stale, told, now_us, settings))


def tell_of_monitor(around: Around) -> None:
    """No monitor is heard of: whoever takes technical notices is told once."""
    notify, now_us = around.settings.notify, around.clock.now_us()
    age_s = around.storage.board.heartbeat_age_s("monitor", now_us)
    if age_s is not None and age_s > notify.monitor_silent_s:
        last_us = around.storage.board.last_heartbeat_us("monitor")
        found = list(monitor_silent(last_us or 0, now_us, notify))
        if around.storage.notifications.accept([], found, now_us):
            log.critical("no monitor is heard of for %.0f s", age_s)


def clear(around: Around, disk: DiskLog | None) -> None:
    """Letters that were sent, notices that nobody took, segments of the embedded log that nobody needs."""
    worker, now_us = around.settings.worker, around.clock.now_us()
    unread_us = now_us - round(worker.unread_keep_s * US_PER_S)
    around.storage.outbox.purge(now_us - round(worker.sent_keep_s * US_PER_S), unread_us)
    around.storage.notifications.expire(unread_us, now_us)
    if disk is not None:
        disk.retain(now_us)


def forget(around: Around, scrubber: Scrubber | None) -> None:
    """What is kept no longer, what is left of erased patients, objects that no block names."""
    storage, now_us = around.storage, around.clock.now_us()
    storage.erasure.sweep(now_us)
    if scrubber is not None:
        scrubber.follow(storage.keys.erased())
    storage.retention.step(now_us)
    storage.retention.sweep_objects(now_us, round(around.settings.archive.orphan_s * US_PER_S))


def _heard(states: list[PatientState], now_us: int, also: Collection[PatientId]) -> list[PatientState]:
    return [s for s in states if now_us - s.last_arrival_us < 60 * US_PER_S or s.patient in also]


def _stored(store: MonitorStore, events: list[AlarmEvent]) -> list[AlarmEvent]:
    if events:
        store.commit(Batch(alarms=events))
    return events
