"""From an alarm in storage to a receiver of HL7 v2 over TCP: the outbox, the relay, and what becomes of the alarm."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from alerts.hl7.follow import Follower
from alerts.notify.relay import Relay, senders
from alerts.notify.settings import MllpTarget, NotifySettings
from liteheart.care import Escalation
from liteheart.clock import ManualClock
from liteheart.metrics import NullMetrics
from storage.board import Board
from storage.escalations import Escalations
from storage.monitor_store import Batch, MonitorStore
from storage.notifications import Notifications
from storage.settings import StorageSettings

S = 1_000_000


class Receiver:
    """Keeps what comes, and answers with `answers`, the last one for ever."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.got = list(answers), list[str]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        text = (await reader.readuntil(b"\x1c\r"))[1:-2].decode()
        self.got.append(text)
        code = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        writer.write(f"\x0bMSH|^~\\&|X\rMSA|{code}|{text.split('|')[9]}\r\x1c\r".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    @property
    def phases(self) -> list[tuple[str, str]]:
        """Phase and state of each message."""
        rows = [[line.split("|") for line in text.split("\r")] for text in self.got]
        values = [{row[3].split("^")[1]: row[5] for row in some if row[0] == "OBX"} for some in rows]
        return [(v["MDC_ATTR_EVENT_PHASE"], v["MDC_ATTR_ALARM_STATE"]) for v in values]


@pytest.mark.parametrize("first", ["AA", "AE", "AR"])
def test_the_whole_life_of_an_alarm(engine: Engine, sql_settings: StorageSettings, make: Any, first: str) -> None:
    monitor, board, room = MonitorStore(engine, sql_settings), Board(engine), Notifications(engine)
    clock = ManualClock(make.t0_us + 4 * S)
    alarm = make.alarm("VF")

    async def run() -> None:
        receiver = Receiver(first, "AA")
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings = NotifySettings(mllp=(MllpTarget(name="emr", url=f"mllp://127.0.0.1:{port}"),), first_s=2.0)
        relay = Relay(room, senders(settings), settings, clock, NullMetrics())
        follower = Follower(board, room, settings, clock)

        async def look() -> None:
            await asyncio.to_thread(follower.step)
            await relay.drain()
            clock.advance(3)
            await relay.drain()

        monitor.commit(Batch(alarms=[make.event(alarm, "raised", 4)]))
        await look()
        due_us = clock.now_us()
        ladder = Escalations(engine)
        assert ladder.take([Escalation(alarm.alarm_id, 1, 1, "Charge nurse", due_us, due_us)])
        await look()
        over = replace(alarm, active=False, ended_us=clock.now_us())
        monitor.commit(Batch(alarms=[make.event(over, "ended", 20)]))
        await look()
        board.acknowledge(alarm.alarm_id, "ada", None, clock.now_us())
        await look()
        await look()
        server.close()
        await server.wait_closed()
        story = [("escalate", "active"), ("continue", "latched"), ("end", "inactive")]
        assert receiver.phases == [("start", "active")] * (2 if first == "AE" else 1) + story
        assert {line for text in receiver.got for line in text.split("\r") if line.startswith("PID")} == {
            "PID|||p1^^^LITEHEART^PI||^^^^^^S"
        }
        if first == "AE":
            assert receiver.got[0].split("|")[9] == receiver.got[1].split("|")[9], "known as a repetition"

    asyncio.run(run())
    told = room.of_alarm(alarm.alarm_id)
    assert len(told) == 4
    assert sum(d.failed_us is not None for d in told) == (1 if first == "AR" else 0), "AR is not tried again"
