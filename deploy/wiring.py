"""Where strangers meet: each function builds one part from the settings, and mypy checks that it fits its port."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from fastapi import APIRouter

from alerts.dashboard.app import Office, dashboard_router
from alerts.dashboard.care import Care
from alerts.dashboard.feed import InProcessFeed
from alerts.dashboard.history import History
from alerts.dashboard.models import Learning
from alerts.fhir.ports import Sources
from alerts.limits import with_limits
from alerts.notify.relay import Relay, senders
from alerts.ports import LiveFeed
from alerts.settings import AlarmSettings
from deploy import secrets
from deploy.departed import DepartedSoon
from deploy.explainer import LateExplainer
from deploy.mosquitto import BrokerFiles
from deploy.settings import Settings
from deploy.students import student_of
from deploy.transport.publisher import EmbeddedPublisher
from inference.refresh.plan import load_plan
from ingest.door import Door
from ingest.gateway import gateway_router
from ingest.ports import FramePublisher, Record
from liteheart.board import LiveMessage
from liteheart.clock import Clock
from liteheart.conditions import CONDITIONS
from liteheart.errors import Misconfigured, Poison
from liteheart.metrics import Metrics
from liteheart.topics import ALL
from storage.admissions import Admissions
from storage.archive.archive import Archive
from storage.archive.objects import open_objects
from storage.archive.read import SignalReader
from storage.audit import Audit
from storage.backfill import Backfill
from storage.board import Board
from storage.burden import AlarmHistory
from storage.clients import Clients
from storage.cohort import Cohorts
from storage.consents import Consents
from storage.devices import Devices
from storage.engine import open_engine
from storage.erasure import Erasure
from storage.escalations import Escalations
from storage.export.bundle import Bundles
from storage.export.run import Exports
from storage.harvest import Harvest
from storage.identities import Identities, Vault
from storage.imports import Imports
from storage.keys import Keyring, open_keys
from storage.limits import Limits
from storage.log import DiskLog
from storage.migrations import upgrade
from storage.models import Models
from storage.monitor_store import MonitorStore
from storage.notes import Notes
from storage.notifications import Notifications
from storage.outbox import Letter, Outbox
from storage.overviews import Overviews
from storage.pairing import Pairing
from storage.pauses import Pauses
from storage.people import People
from storage.records import Records
from storage.refreshes import Refreshes
from storage.retention import Retention
from storage.sessions import Sessions
from storage.subjects import Subjects
from storage.trends import Trends

if TYPE_CHECKING:
    from ingest.mqtt import Bridge

log = logging.getLogger(__name__)

_TOPICS = {topic.name: topic for topic in ALL}


@dataclass(frozen=True, slots=True)
class Storage:
    """Everything on one database."""

    monitor: MonitorStore
    board: Board
    people: People
    devices: Devices
    outbox: Outbox
    escalations: Escalations
    pauses: Pauses
    limits: Limits
    notifications: Notifications
    overviews: Overviews
    backfill: Backfill
    trends: Trends
    alarm_history: AlarmHistory
    notes: Notes
    sessions: Sessions
    admissions: Admissions
    identities: Identities
    pairing: Pairing
    audit: Audit
    clients: Clients
    records: Records
    imports: Imports
    models: Models
    refreshes: Refreshes
    harvest: Harvest
    keys: Keyring
    signal: SignalReader
    archive: Archive
    subjects: Subjects
    consents: Consents
    cohorts: Cohorts
    exports: Exports
    bundles: Bundles
    erasure: Erasure
    retention: Retention
    close: Callable[[], None]


def open_storage(settings: Settings) -> Storage:
    """Connect. The embedded database is brought to this version's schema; another one must be migrated first."""
    engine = open_engine(settings.storage)
    if settings.embedded:
        upgrade(engine)
    vault = Vault(lambda: _master_key(settings))
    keys, close_keys = open_keys(settings.storage, engine, vault)
    signal = SignalReader(keys, open_objects(settings.archive.store) if settings.archive.store else None)

    def close() -> None:
        engine.dispose()
        close_keys()

    archive, notes = Archive(engine, signal, settings.archive), Notes(engine, keys)
    return Storage(
        monitor=MonitorStore(engine, settings.storage, signal),
        board=Board(engine, outbox=settings.storage.outbox, signal=signal),
        people=People(engine),
        devices=Devices(engine),
        outbox=Outbox(engine),
        escalations=Escalations(engine),
        pauses=Pauses(engine),
        limits=Limits(engine),
        notifications=Notifications(engine),
        overviews=Overviews(engine, signal),
        backfill=Backfill(engine, signal),
        trends=Trends(engine),
        alarm_history=AlarmHistory(engine),
        notes=notes,
        sessions=Sessions(engine),
        admissions=Admissions(engine, vault, keys),
        identities=Identities(engine, vault, keys),
        pairing=Pairing(engine),
        audit=Audit(engine),
        clients=Clients(engine),
        records=Records(engine),
        imports=Imports(engine, keys, lambda: _master_key(settings)),
        models=Models(engine),
        refreshes=Refreshes(engine),
        harvest=Harvest(engine),
        keys=keys,
        signal=signal,
        archive=archive,
        subjects=Subjects(engine),
        consents=Consents(engine),
        cohorts=Cohorts(engine),
        exports=Exports(engine, archive),
        bundles=Bundles(engine, archive, notes),
        erasure=Erasure(engine, keys, signal.objects),
        retention=Retention(engine, settings.retention, signal.objects),
        close=close,
    )


def _master_key(settings: Settings) -> bytes | None:
    """What patients' keys are wrapped with; None: nothing is sealed, identities can neither be kept nor read."""
    return secrets.master_key(settings.data_dir, settings.identity_key, embedded=settings.embedded)


def migrate(settings: Settings) -> None:
    """Bring the database to this version's schema."""
    engine = open_engine(settings.storage)
    try:
        upgrade(engine)
    finally:
        engine.dispose()


@contextlib.asynccontextmanager
async def live_feed(settings: Settings) -> AsyncIterator[LiveFeed]:
    """Redis when configured, so that several processes share it; else inside this one."""
    if settings.storage.redis_url is None:
        yield InProcessFeed()
        return
    from storage.live import RedisLiveFeed  # the client is slow to import, and `liteheart up` needs none

    feed = RedisLiveFeed(settings.storage)
    try:
        yield feed
    finally:
        await asyncio.to_thread(feed.close)


@dataclass(frozen=True, slots=True)
class Broker:
    """Where frames are published; `log` is the embedded broker's, None on Kafka."""

    publisher: FramePublisher
    log: DiskLog | None


@contextlib.asynccontextmanager
async def broker(settings: Settings) -> AsyncIterator[Broker]:
    """A publisher to Kafka, or to the disk log of the embedded broker."""
    if settings.embedded:
        log = DiskLog(settings.data_dir / "log")
        local = EmbeddedPublisher(log)
        try:
            yield Broker(local, log)
        finally:
            await local.close()
            log.close()
        return
    from ingest.publish import KafkaFramePublisher  # likewise

    publisher = KafkaFramePublisher(settings.kafka_client)
    try:
        yield Broker(publisher, None)
    finally:
        await publisher.close()


def gateway(
    settings: Settings, publisher: FramePublisher, storage: Storage, clock: Clock, metrics: Metrics, *, sign_in: bool
) -> APIRouter:
    """The door for devices; without `sign_in` open to all, but for patients who were discharged."""
    return gateway_router(
        settings.ingest,
        publisher,
        storage.devices if sign_in else None,
        clock,
        metrics,
        desk=storage.pairing,
        departed=None if sign_in else DepartedSoon(storage.admissions),
    )


def bridge(settings: Settings, publisher: FramePublisher, storage: Storage, clock: Clock, metrics: Metrics) -> "Bridge":
    """The door for devices that publish over MQTT; always for registered ones only."""
    from ingest.mqtt import Bridge  # likewise

    door = Door(settings.ingest, publisher, clock, metrics)
    return Bridge(door, storage.devices, publisher, settings.mqtt, metrics)


def broker_files(settings: Settings) -> BrokerFiles | None:
    """What the MQTT broker is told of the devices; None: someone else sees to that. Raises Misconfigured."""
    mqtt = settings.mqtt
    if mqtt.accounts_dir is None:
        return None
    return BrokerFiles(mqtt.accounts_dir, mqtt.username, mqtt.secret() or "", mqtt.pid_file)


def dashboard(settings: Settings, storage: Storage, feed: LiveFeed, clock: Clock, *, sign_in: bool) -> APIRouter:
    """The nurses' screen; without `sign_in` whoever is on this machine is the demo nurse."""
    people = storage.people if sign_in else None
    care = Care(
        pauses=storage.pauses,
        ladder=storage.escalations,
        limits=storage.limits,
        told=storage.notifications,
        escalation=settings.escalation,
        alarms=settings.alarms,
    )
    history = History(
        overviews=storage.overviews,
        trends=storage.trends,
        alarms=storage.alarm_history,
        notes=storage.notes,
        explainer=LateExplainer(
            settings.inference, lambda own, v: student_of(storage.models, own, settings.data_dir / "models-asked", v)
        ),
    )
    office = Office(
        accounts=storage.people,
        sessions=storage.sessions,
        stays=storage.admissions,
        identities=storage.identities,
        codes=storage.pairing,
        worn=storage.devices,
        trail=storage.audit,
        consents=storage.consents,
        subjects=storage.subjects,
    )
    fhir = Sources(
        board=storage.board,
        trends=storage.trends,
        told=storage.notifications,
        records=storage.records,
        clients=storage.clients,
        trail=storage.audit,
        clock=clock,
    )
    return dashboard_router(
        storage.board,
        feed,
        people,
        clock,
        settings.dashboard,
        conditions=CONDITIONS,
        care=care,
        history=history,
        office=office,
        fhir=(fhir, settings.fhir),
        learning=Learning(storage.models, storage.refreshes, _signers(settings), _scheduled(settings)),
    )


def _signers(settings: Settings) -> tuple[str, ...]:
    """The roles that may sign for a student; nobody by a plan that cannot be read, which must not cost the screen."""
    try:
        return load_plan(settings.refresh.plan).approval.roles
    except Misconfigured as error:
        log.error("nobody can sign for a student: %s", error)
        return ()


def _scheduled(settings: Settings) -> bool | None:
    """Embedded, it is begun if there is a test set; else that is another process's part."""
    return settings.refresh.exam is not None if settings.embedded else None


def notifier(settings: Settings, storage: Storage, clock: Clock, metrics: Metrics) -> Relay:
    """Carries notices to the targets. Raises Misconfigured for a target that cannot be."""
    return Relay(storage.notifications, senders(settings.notify), settings.notify, clock, metrics)


def alarm_settings(settings: Settings, thresholds: dict[str, float]) -> AlarmSettings:
    """Alarm limits with the student's thresholds, from which the hysteresis of findings follows."""
    return replace(settings.alarms, thresholds=thresholds)


def patient_alarms(ward: AlarmSettings, limits: Mapping[str, float]) -> AlarmSettings:
    """The ward's settings with the limits of one patient. Limits that do not fit any more give those of the ward."""
    try:
        return with_limits(ward, limits)
    except Poison as poison:
        log.error("limits of a patient do not fit, the ward's hold: %s", poison)
        return ward


class Nowhere:
    """A live feed that nobody watches."""

    def publish(self, messages: Sequence[LiveMessage]) -> None:
        """Forget them."""


class Publishes(Protocol):
    """The sending half of a live feed."""

    def publish(self, messages: Sequence[LiveMessage]) -> None:
        """Send them."""
        ...


def letter_record(letter: Letter) -> Record:
    """A row of the outbox for the bus."""
    return Record(_TOPICS[letter.topic], letter.key.encode(), letter.payload, (), letter.created_us)
