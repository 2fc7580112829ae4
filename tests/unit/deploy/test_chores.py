"""What is done by the clock, over a real database: the watch, the ladder, clearing away, the notify role as a whole."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from alerts.settings import AlarmSettings
from deploy import chores, wiring
from deploy.settings import load
from deploy.system import running
from liteheart.alarm import Alarm, AlarmEvent, Kind, Priority
from liteheart.board import PatientState
from liteheart.clock import ManualClock, SystemClock
from liteheart.errors import Misconfigured
from liteheart.ids import DeviceId, PatientId, alarm_id
from liteheart.metrics import NullMetrics
from storage.log import DiskLog, LogSettings
from storage.monitor_store import Batch

S = 1_000_000
T0 = 1_700_000_000 * S
P = PatientId("p1")
SECRET = "correct horse battery staple"


class Nobody:
    """A feed that nobody watches."""

    def subscribe(self) -> Any:
        """Nothing."""
        raise AssertionError

    def publish(self, messages: Any) -> None:
        """Forget."""


class Bench:
    """A database, a clock, and what the chores work on."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.settings = load(environ=environ, data_dir=folder)
        self.storage = wiring.open_storage(self.settings)
        self.clock = ManualClock(T0)
        self.around = chores.Around(self.settings, self.storage, Nobody(), self.clock, NullMetrics())

    def heard(self, seconds: float = 0.0) -> None:
        """The patient's signal came at second `seconds`."""
        at = T0 + round(seconds * S)
        state = PatientState(P, DeviceId("d"), "I", 250.0, at, at, bed="Bed 7", usable=True)
        self.storage.monitor.commit(Batch(states=[state]))

    def beats(self, first: int, last: int) -> None:
        """The monitor was alive from second `first` to `last`."""
        for second in range(first, last + 1, 2):
            self.storage.monitor.heartbeat("monitor", "m1", T0 + second * S)

    def watch(self, second: float) -> list[tuple[str, str]]:
        """What the watch says at that second."""
        now_us = T0 + round(second * S)
        events = chores.silences(self.storage.monitor, AlarmSettings(), NullMetrics(), now_us)
        return [(e.alarm.condition, e.action) for e in events]

    def raise_alarm(self, now_us: int) -> Alarm:
        """A fibrillation that begins now."""
        event = alarm_of(now_us)
        self.storage.monitor.commit(Batch(alarms=[event]))
        return event.alarm


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.storage.close()


def test_who_never_sent_is_told_where_one_process_does_everything(bench: Bench) -> None:
    bench.storage.devices.register(DeviceId("d"), P, now_us=T0, bed="Bed 7")
    bench.beats(-20, 61)
    assert bench.watch(60) == []
    assert bench.watch(61) == [("NO_DATA", "raised")]
    bench.heard(62)
    bench.beats(62, 64)
    assert bench.watch(64) == [("NO_DATA", "ended")]


def test_a_silent_patient_is_told_while_a_monitor_runs(bench: Bench) -> None:
    bench.heard()
    bench.beats(-20, 16)
    assert bench.watch(14) == []
    assert bench.watch(16) == [("NO_DATA", "raised")]
    assert bench.watch(17) == []


@pytest.mark.parametrize("outage_s", [16, 90, 3600])
def test_after_an_outage_of_the_monitor_no_alarm_flashes(bench: Bench, outage_s: int) -> None:
    bench.heard()
    bench.beats(-20, 0)
    assert bench.watch(outage_s - 1) == [], "nobody listens: the monitor's own heartbeat is missed"
    bench.beats(outage_s, outage_s + 4)
    assert bench.watch(outage_s + 4) == []
    bench.heard(outage_s + 5)
    bench.beats(outage_s + 6, outage_s + 24)
    assert bench.watch(outage_s + 16) == [], "the patient was there all the time"
    assert bench.watch(outage_s + 21) == [("NO_DATA", "raised")], "and then really fell silent"


def test_who_stays_silent_after_an_outage_is_told(bench: Bench) -> None:
    bench.heard()
    bench.beats(-20, 0)
    bench.beats(100, 116)
    assert bench.watch(114.9) == []
    assert bench.watch(115.1) == [("NO_DATA", "raised")]


def test_a_process_that_was_frozen_judges_nobody_when_it_wakes(bench: Bench) -> None:
    bench.heard()
    bench.beats(-20, 0)
    assert bench.watch(60) == [], "the watch woke before the heartbeat"
    bench.beats(60, 60)
    assert bench.watch(61) == []


def test_the_ladder_is_climbed_once_by_however_many(bench: Bench) -> None:
    bench.raise_alarm(T0)
    climbs = [chores.escalation(bench.around) for _ in range(3)]

    async def climb() -> None:
        await asyncio.gather(*(c.step() for c in climbs))

    for seconds, steps in ((59, set()), (2, {1}), (100, {1}), (20, {1, 2}), (900, {1, 2})):
        bench.clock.advance(seconds)
        asyncio.run(climb())
        (waiting,) = bench.storage.escalations.unattended()
        assert set(waiting.steps) == steps
    letters = [json.loads(x.payload) for x in bench.storage.notifications.letters(10)]
    assert [(x["event"], x["step"], x["owner"]) for x in letters] == [
        ("raised", 0, ""),
        ("escalated", 1, "Charge nurse"),
        ("escalated", 2, "Physician"),
    ]


def test_a_missing_monitor_is_told_once_each_time(tmp_path: Path) -> None:
    hook = json.dumps([{"name": "pager", "url": "http://127.0.0.1:1/x"}])
    bench = Bench(tmp_path, LITEHEART_NOTIFY_WEBHOOK=hook, LITEHEART_SECRET_PAGER=SECRET)
    try:
        chores.tell_of_monitor(bench.around)
        assert bench.storage.notifications.latest() == [], "none has ever run"
        bench.beats(0, 10)
        for _ in range(2):
            bench.clock.advance(45)
            chores.tell_of_monitor(bench.around)
        (told,) = bench.storage.notifications.latest()
        assert (told.alarm_id, told.priority, told.notice["condition"]) == (None, Priority.HIGH, "MONITOR_DOWN")
        bench.beats(100, 110)
        bench.clock.advance(100)
        chores.tell_of_monitor(bench.around)
        assert len(bench.storage.notifications.latest()) == 2, "another time is news again"
    finally:
        bench.storage.close()


def test_what_was_sent_is_cleared_away(bench: Bench) -> None:
    bench.raise_alarm(T0)
    (letter,) = bench.storage.notifications.letters(10)
    bench.storage.notifications.accept([letter.letter_id], [], T0)
    bench.clock.advance(3500)
    chores.clear(bench.around, None)
    assert bench.storage.outbox.purge(0) == 0
    bench.clock.advance(200)
    chores.clear(bench.around, None)
    assert bench.storage.outbox.purge(10**18) == 0, "it was gone already"


def test_old_segments_of_the_embedded_log_are_cleared_away(bench: Bench, tmp_path: Path) -> None:
    log = DiskLog(tmp_path / "log", LogSettings(segment_bytes=64, retain_h=1.0, guarded=()))
    try:
        for i in range(4):
            log.append("t", 0, [(b"k", b"x" * 64, (), T0 + i)])
        assert log.start_offset("t", 0) == 0
        chores.clear(bench.around, log)
        assert log.start_offset("t", 0) == 0, "an hour is not over"
        bench.clock.advance(3700)
        chores.clear(bench.around, log)
        assert log.start_offset("t", 0) > 0
    finally:
        log.close()


def test_a_notifier_without_targets_does_not_start(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(load(environ={}, data_dir=tmp_path, http__port=0), {"notify"}):
            raise AssertionError

    with pytest.raises(Misconfigured, match="names no target"):
        asyncio.run(run())


def test_the_role_tells_then_escalates_until_someone_acknowledges(tmp_path: Path) -> None:
    got: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        got.append(await request.json())
        return web.Response()

    async def until(count: int) -> None:
        async with asyncio.timeout(20):
            while len(got) < count:  # noqa: ASYNC110 - the server offers nothing to wait for
                await asyncio.sleep(0.02)

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/hook", take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        environ = {
            "LITEHEART_NOTIFY_WEBHOOK": json.dumps([{"name": "pager", "url": url, "steps": [0, 1, 2]}]),
            "LITEHEART_SECRET_PAGER": SECRET,
            "LITEHEART_NOTIFY_POLL_S": "0.05",
            "LITEHEART_WORKER_ESCALATE_S": "0.1",
            "LITEHEART_ESCALATION_OWNERS": "Nurse,Charge nurse,Physician",
            "LITEHEART_ESCALATION_AFTER_S": "1,3",
        }
        settings = load(environ=environ, data_dir=tmp_path, http__port=0)
        async with running(settings, {"notify"}) as system:
            now_us = SystemClock().now_us()
            alarm = alarm_of(now_us)
            await asyncio.to_thread(system.storage.monitor.commit, Batch(alarms=[alarm]))
            await until(2)
            stored = await asyncio.to_thread(
                system.storage.board.acknowledge, alarm.alarm.alarm_id, "ines", None, SystemClock().now_us()
            )
            assert stored is not None
            await asyncio.sleep(2.5)
            told = await asyncio.to_thread(system.storage.notifications.of_alarm, alarm.alarm.alarm_id)
            assert [(d.step, d.delivered_us is not None, d.late) for d in told] == [(0, True, False), (1, True, False)]
            assert (told[0].delivered_us or 0) - now_us < 2 * S
        await runner.cleanup()

    asyncio.run(run())
    assert [(x["event"], x["owner"]) for x in got] == [("raised", ""), ("escalated", "Charge nurse")]


def alarm_of(now_us: int) -> AlarmEvent:
    """A fibrillation that begins now."""
    name = alarm_id(P, "VF", now_us)
    alarm = Alarm(name, P, "VF", "VF", Kind.PHYSIOLOGICAL, Priority.HIGH, True, now_us, now_us, "m", active=True)
    return AlarmEvent(alarm, "raised", now_us, now_us)
