"""From the outbox to the receiver over a real database and a real HTTP server: at least once, never twice by design."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from alerts.notify.relay import Relay, backoff_s, senders
from alerts.notify.settings import NotifySettings, WebhookTarget
from liteheart.alarm import Alarm, AlarmEvent, Kind, Priority
from liteheart.board import PatientState
from liteheart.clock import ManualClock
from liteheart.errors import Retryable
from liteheart.ids import DeviceId, PatientId, alarm_id
from liteheart.metrics import NullMetrics
from storage.engine import open_engine
from storage.migrations import upgrade
from storage.monitor_store import Batch, MonitorStore
from storage.notifications import Notifications
from storage.settings import StorageSettings

S = 1_000_000
T0 = 1_700_000_000 * S
SECRET = "correct horse battery staple"


class Bench:
    """A database with alarms, a clock, and relays on it."""

    def __init__(self, engine: Engine, settings: StorageSettings) -> None:
        self.monitor, self.room = MonitorStore(engine, settings), Notifications(engine)
        self.clock = ManualClock(T0)

    def raise_alarm(self, patient: str = "p1", condition: str = "VF", **changes: Any) -> Alarm:
        """An alarm that begins now, of a patient in bed 7."""
        now_us, who = self.clock.now_us(), PatientId(patient)
        values: dict[str, Any] = {"kind": Kind.PHYSIOLOGICAL, "priority": Priority.HIGH, "latching": True} | changes
        alarm = Alarm(
            alarm_id(who, condition, now_us),
            who,
            condition,
            f"{condition} label",
            onset_us=now_us - 4 * S,
            raised_us=now_us,
            message="HR 212 > 140",
            active=True,
            evidence={"value": 212.0},
            **values,
        )
        state = PatientState(who, DeviceId("d1"), "I", 250.0, now_us, now_us, bed="Bed 7")
        self.monitor.commit(Batch(states=[state], alarms=[AlarmEvent(alarm, "raised", now_us, now_us)]))
        return alarm

    def relay(self, settings: NotifySettings) -> Relay:
        """A notifier of its own."""
        return Relay(self.room, senders(settings), settings, self.clock, NullMetrics())


@contextmanager
def database(folder: Path) -> Iterator[Bench]:
    settings = StorageSettings(f"sqlite:///{folder}/ward.db")
    engine = open_engine(settings)
    upgrade(engine)
    try:
        yield Bench(engine, settings)
    finally:
        engine.dispose()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with database(tmp_path) as opened:
        yield opened


def to(url: str, *, name: str = "pager", attempts: int = 4, **changes: Any) -> NotifySettings:
    own = {key: changes.pop(key) for key in ("minimum", "kinds", "steps") if key in changes}
    target = WebhookTarget(name=name, url=url, secret=SECRET, **own)
    return NotifySettings(webhook=(target,), attempts=attempts, timeout_s=2.0, **changes)


async def step(relay: Relay) -> int:
    begun = await relay.step()
    await relay.finish()
    return begun


def test_an_alarm_reaches_its_target_once(bench: Bench, sinks: Any) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            relay = bench.relay(to(sink.url, link="https://ward.example/"))
            alarm = bench.raise_alarm()
            bench.clock.advance(1)
            assert [await step(relay) for _ in range(3)] == [1, 0, 0]
            (got,) = sink.got
        assert got.told["label"] == "VF label"
        assert got.told["bed"] == "Bed 7"
        assert got.told["link"] == f"https://ward.example/#alarm={alarm.alarm_id}"
        (record,) = bench.room.of_alarm(alarm.alarm_id)
        assert (record.delivered_us, record.late, record.attempts) == (T0 + S, False, 0)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("allowed", "shown", "hidden"),
    [
        ({}, [], ["p-secret", "212"]),
        ({"pseudonym": True}, ["p-secret"], ["212"]),
        ({"value": True}, ["HR 212 > 140"], ["p-secret"]),
    ],
)
def test_a_notice_says_no_more_than_is_allowed(
    bench: Bench, sinks: Any, allowed: dict[str, bool], shown: list[str], hidden: list[str]
) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            bench.raise_alarm("p-secret")
            await step(bench.relay(to(sink.url, **allowed)))
            (got,) = sink.got
        said = got.body.decode() + json.dumps(dict(got.headers))
        assert all(word in said for word in shown)
        assert not any(word in said for word in [*hidden, "evidence", "samples"])

    asyncio.run(run())


def test_what_fails_is_tried_again_with_growing_patience_and_the_same_key(bench: Bench, sinks: Any) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            sink.answers = [503, 500, 200]
            settings = to(sink.url)
            relay = bench.relay(settings)
            alarm = bench.raise_alarm()
            assert await step(relay) == 1
            assert await step(relay) == 0, "not at once"
            (waiting,) = bench.room.of_alarm(alarm.alarm_id)
            assert (waiting.attempts, waiting.error, waiting.delivered_us) == (1, "answered 503", None)
            bench.clock.advance(backoff_s(waiting.key, 1, settings) - 0.1)
            assert await step(relay) == 0
            bench.clock.advance(0.2)
            assert await step(relay) == 1
            bench.clock.advance(60)
            assert await step(relay) == 1
            assert len(sink.got) == 3
            assert len({got.headers["Idempotency-Key"] for got in sink.got}) == 1
        (done,) = bench.room.of_alarm(alarm.alarm_id)
        assert done.delivered_us is not None
        assert done.late, "a minute later than it should have been"
        assert sink.got[-1].told["late"] is True

    asyncio.run(run())


def test_after_so_many_attempts_it_is_a_dead_letter_with_its_reason(bench: Bench, sinks: Any) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            sink.answers = [503]
            relay = bench.relay(to(sink.url, attempts=3))
            bench.raise_alarm()
            for _ in range(8):
                await step(relay)
                bench.clock.advance(400)
            assert len(sink.got) == 3
        (dead,) = bench.room.latest(failed_only=True)
        assert (dead.attempts, dead.error) == (3, "answered 503")

    asyncio.run(run())


def test_what_can_never_be_taken_is_not_tried_again(bench: Bench, sinks: Any) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            sink.answers = [422]
            relay = bench.relay(to(sink.url))
            bench.raise_alarm()
            await step(relay)
            bench.clock.advance(900)
            assert await step(relay) == 0
        (dead,) = bench.room.latest(failed_only=True)
        assert (dead.attempts, dead.error) == (1, "answered 422")

    asyncio.run(run())


def test_two_notifiers_send_each_notice_once(bench: Bench, sinks: Any) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            relays = [bench.relay(to(sink.url, at_once=8)) for _ in range(2)]
            for i in range(24):
                bench.raise_alarm(f"p{i}")
            for _ in range(4):
                await asyncio.gather(*(step(relay) for relay in relays))
            keys = [got.headers["Idempotency-Key"] for got in sink.got]
        assert len(keys) == len(set(keys)) == 24

    asyncio.run(run())


def test_a_notifier_that_dies_with_a_notice_in_its_hand_is_followed_by_another(bench: Bench, sinks: Any) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            sink.delay_s = 1.0
            settings = to(sink.url)
            alarm = bench.raise_alarm()
            dying = bench.relay(settings)
            assert await dying.step() == 1
            while not sink.got:  # noqa: ASYNC110 - the server offers nothing to wait for
                await asyncio.sleep(0.01)
            await dying.cancel()  # the receiver has it, nobody wrote that down
            sink.delay_s = 0.0
            heir = bench.relay(settings)
            assert await step(heir) == 0, "it may still be at work"
            bench.clock.advance(settings.lease_s)
            assert await step(heir) == 1
            first, second = sink.got
        assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
        (record,) = bench.room.of_alarm(alarm.alarm_id)
        assert record.delivered_us is not None

    asyncio.run(run())


def test_a_slow_target_keeps_nobody_else_waiting(bench: Bench, sinks: Any) -> None:
    async def run() -> None:
        async with sinks.http() as slow, sinks.http() as quick:
            slow.delay_s = 1.5
            both = (to(slow.url, name="slow").webhook[0], to(quick.url, name="quick").webhook[0])
            relay = bench.relay(replace(to(quick.url, at_once=1), webhook=both))
            for i in range(3):
                bench.raise_alarm(f"p{i}")
            for _ in range(6):
                await relay.step()
                await asyncio.sleep(0.05)
            assert (len(slow.got), len(quick.got)) == (1, 3)
            await relay.cancel()

    asyncio.run(run())


def test_a_storm_goes_out_in_one_go_and_hangs_on_nobody(bench: Bench, sinks: Any) -> None:
    async def run() -> None:
        async with sinks.http() as slow, sinks.http() as quick:
            slow.delay_s = 30.0
            both = (to(slow.url, name="slow").webhook[0], to(quick.url, name="quick").webhook[0])
            relay = bench.relay(replace(to(quick.url, poll_s=0.05), webhook=both, timeout_s=20.0))
            for i in range(30):
                bench.raise_alarm(f"p{i}")
            draining = asyncio.create_task(relay.drain())
            async with asyncio.timeout(15):
                while len(quick.got) < 30:  # noqa: ASYNC110 - the server offers nothing to wait for
                    await asyncio.sleep(0.02)
            assert len(slow.got) == 4
            draining.cancel()
            await relay.cancel()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("wanted", "labels"),
    [
        ({}, {"VF", "NO_DATA_LONG"}),
        ({"minimum": "medium"}, {"VF", "NO_DATA_LONG", "AFIB"}),
        ({"kinds": ("technical",)}, {"NO_DATA_LONG"}),
        ({"steps": (1,)}, set()),
        ({"steps": (0, 1), "minimum": "low"}, {"VF", "NO_DATA_LONG", "AFIB", "LEAD_OFF"}),
    ],
)
def test_a_target_is_told_of_what_it_asked_for(
    bench: Bench, sinks: Any, wanted: dict[str, Any], labels: set[str]
) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            relay = bench.relay(to(sink.url, **wanted))
            bench.raise_alarm("p1", "VF")
            bench.raise_alarm("p2", "AFIB", priority=Priority.MEDIUM)
            bench.raise_alarm("p3", "LEAD_OFF", priority=Priority.LOW, kind=Kind.TECHNICAL)
            bench.raise_alarm("p4", "NO_DATA_LONG", kind=Kind.TECHNICAL)
            bench.raise_alarm("p5", "VT", retrospective=True)
            await step(relay)
            await step(relay)
            assert {got.told["condition"] for got in sink.got} == labels

    asyncio.run(run())


def test_old_news_is_recorded_and_not_told(bench: Bench, sinks: Any) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            alarm = bench.raise_alarm()
            bench.clock.advance(3700)
            await step(bench.relay(to(sink.url)))
            assert sink.got == []
        (record,) = bench.room.of_alarm(alarm.alarm_id)
        assert (record.error, record.delivered_us) == ("too old to tell", None)

    asyncio.run(run())


def test_a_delivery_whose_record_fails_is_written_down_when_storage_is_back(
    bench: Bench, sinks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with sinks.http() as sink:
            relay = bench.relay(to(sink.url))
            alarm = bench.raise_alarm()
            real, refusals = bench.room.delivered, [1, 1]

            def flaky(*args: Any, **values: Any) -> None:
                if refusals:
                    refusals.pop()
                    raise Retryable("away", delay_s=0.01)
                real(*args, **values)

            monkeypatch.setattr(bench.room, "delivered", flaky)
            await step(relay)
            assert len(sink.got) == 1
        (record,) = bench.room.of_alarm(alarm.alarm_id)
        assert record.delivered_us is not None

    asyncio.run(run())


def test_patience_doubles_up_to_a_limit_and_is_everybodys_own() -> None:
    settings = NotifySettings(first_s=2.0, longest_s=300.0)
    waits = [backoff_s("k1", n, settings) for n in range(1, 12)]
    for n, wait in enumerate(waits):
        whole = min(300.0, 2.0 * 2**n)
        assert 0.75 * whole <= wait <= whole
    assert backoff_s("k1", 3, settings) == waits[2]
    assert len({backoff_s(f"k{i}", 3, settings) for i in range(50)}) > 40
    assert backoff_s("k1", 10**6, settings) <= 300.0
