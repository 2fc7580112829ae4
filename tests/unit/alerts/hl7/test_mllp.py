"""The MLLP sender against a real receiver over TCP and TLS, and the follower of alarms."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from alerts.hl7.follow import Follower
from alerts.hl7.mllp import MllpSender
from alerts.notify import notice
from alerts.notify.ports import Undelivered
from alerts.notify.settings import MllpTarget, NotifySettings, WebhookTarget
from liteheart.alarm import Alarm, Kind, Priority
from liteheart.board import alarm_json
from liteheart.care import Delivery
from liteheart.clock import ManualClock
from liteheart.errors import Misconfigured
from liteheart.ids import AlarmId, PatientId

S = 1_000_000
T0 = 1_790_000_000 * S
ALARM = Alarm(
    AlarmId("a" * 32), PatientId("p-7"), "VF", "Ventricular fibrillation", Kind.PHYSIOLOGICAL, Priority.HIGH, True,
    T0, T0 + S, "4.2 s > 4 s", True,
)  # fmt: skip
SAID = {"event": "raised", "condition": "VF", "label": "VF", "priority": "high", "kind": "physiological"}
DELIVERY = Delivery("k" * 32, "emr", ALARM.alarm_id, 0, Priority.HIGH, SAID, T0)


def sender(port: int, timeout_s: float = 5.0, **changes: Any) -> MllpSender:
    values = {"name": "emr", "url": f"mllp://127.0.0.1:{port}"} | changes
    return MllpSender(MllpTarget(**values), timeout_s)


def test_a_message_is_taken_and_repeated_under_the_same_id(mllp: Any) -> None:
    async def run() -> None:
        async with mllp.listening() as receiver:
            for now_us in (T0, T0 + 60 * S):
                await sender(receiver.port).send(DELIVERY, SAID, now_us)
            first, again = (text.split("\r")[0].split("|") for text in receiver.got)
        assert first[9] == again[9] == "k" * 20
        assert first[8] == "ORU^R40^ORU_R40"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "hopeless"), [("AE", False), ("CE", False), ("AR", True), ("CR", True), ("XX", False)]
)
def test_an_answer_other_than_yes(mllp: Any, answer: str, hopeless: bool) -> None:
    async def run() -> None:
        async with mllp.listening() as receiver:
            receiver.answers = [answer]
            with pytest.raises(Undelivered, match=rf"^answered {answer}: said \| so$") as failed:
                await sender(receiver.port).send(DELIVERY, SAID, T0)
        assert failed.value.hopeless is hopeless

    asyncio.run(run())


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x0bhello\x1c\r", "another message"),
        (b"\x1c\r", "another message"),
        (b"\x0b\xff\xfe\x00MSA\x1c\r", "another message"),
        (b"x" * 200_000, "no acknowledgement"),
    ],
)
def test_an_answer_that_is_none(mllp: Any, raw: bytes, reason: str) -> None:
    async def run() -> None:
        async with mllp.listening() as receiver:
            receiver.raw = raw
            with pytest.raises(Undelivered, match=reason) as failed:
                await sender(receiver.port).send(DELIVERY, SAID, T0)
        assert not failed.value.hopeless

    asyncio.run(run())


def test_an_answer_for_another_message_silence_and_a_closed_door(mllp: Any) -> None:
    async def run() -> None:
        async with mllp.listening() as receiver:
            receiver.about = "somebody else"
            with pytest.raises(Undelivered, match="another message"):
                await sender(receiver.port).send(DELIVERY, SAID, T0)
            receiver.answers = [None]
            with pytest.raises(Undelivered, match=r"no answer within 0\.2 s"):
                await sender(receiver.port, 0.2).send(DELIVERY, SAID, T0)
            receiver.answers = [""]
            with pytest.raises(Undelivered, match="cannot be reached: IncompleteReadError"):
                await sender(receiver.port).send(DELIVERY, SAID, T0)
            port = receiver.port
        with pytest.raises(Undelivered, match="cannot be reached"):
            await sender(port).send(DELIVERY, SAID, T0)

    asyncio.run(run())


def test_many_messages_go_over_one_link(mllp: Any) -> None:
    async def run() -> None:
        async with mllp.listening() as receiver:
            one = "MSH|^~\\&|||||||x|{}|P|2.6\r"
            await sender(receiver.port).exchange([one.format(n) for n in range(20)])
            await sender(receiver.port).exchange([])
            assert (len(receiver.got), receiver.links) == (20, 1)

    asyncio.run(run())


def test_tls_is_checked(mllp: Any, certificate: Any) -> None:
    async def run() -> None:
        async with mllp.listening(certificate.context) as receiver:
            url = f"mllps://127.0.0.1:{receiver.port}"
            await sender(0, url=url, ca_file=certificate.ca_file).send(DELIVERY, SAID, T0)
            with pytest.raises(Undelivered, match="cannot be reached: SSLCertVerificationError"):
                await sender(0, url=url).send(DELIVERY, SAID, T0)
            assert len(receiver.got) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"url": "http://127.0.0.1:1"}, "url"),
        ({"url": "mllp://127.0.0.1"}, "url"),
        ({"url": "mllp://127.0.0.1:99999"}, "url"),
        ({"url": "mllp://127.0.0.1:2575/x"}, "url"),
        ({"url": "mllp://emr.example:2575"}, "url"),
        ({"url": "mllp://127.0.0.1:1", "vitals_s": -1.0}, "vitals_s"),
    ],
)
def test_a_target_that_cannot_be(wrong: dict[str, Any], key: str) -> None:
    with pytest.raises(Misconfigured, match=rf"^notify\.emr\.{key}:"):
        MllpTarget(name="emr", **wrong)


def test_a_target_elsewhere_needs_tls_or_a_word() -> None:
    assert MllpTarget(name="emr", url="mllps://emr.example:2575").tls
    assert not MllpTarget(name="emr", url="mllp://emr.example:2575", plain=True).tls


# what became of alarms

SETTINGS = NotifySettings(
    mllp=(MllpTarget(name="emr", url="mllp://127.0.0.1:2575"),),
    webhook=(WebhookTarget(name="pager", url="https://x.example/", secret="correct horse battery"),),
)


class Room:
    """The board and the post room, in memory."""

    def __init__(self) -> None:
        self.all: dict[str, Alarm] = {}
        self.made: dict[str, Delivery] = {}

    def alarms(self, *, open_only: bool, limit: int, patient: Any = None) -> list[Alarm]:
        found = [a for a in self.all.values() if a.presence != "off" or not open_only]
        return sorted(found, key=lambda a: -a.raised_us)[:limit]

    def alarm(self, alarm_id: str) -> Alarm | None:
        return self.all.get(alarm_id)

    def beds(self, names: Any) -> dict[Any, str]:
        return dict.fromkeys(names, "Bed 7")

    def accept(self, letters: Any, deliveries: list[Delivery], now_us: int) -> int:
        new = {d.key: d for d in deliveries if d.key not in self.made}
        self.made |= new
        return len(new)

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return [(d.target, d.notice["event"], d.notice["presence"]) for d in self.made.values()]


def test_the_follower_tells_each_change_once() -> None:
    room, clock = Room(), ManualClock(T0 + 2 * S)

    def look(**changes: Any) -> int:
        room.all[ALARM.alarm_id] = replace(room.all.get(ALARM.alarm_id, ALARM), **changes)
        clock.advance(1)
        new = follower.step()
        assert follower.step() == 0
        return new

    follower = Follower(room, room, SETTINGS, clock)  # type: ignore[arg-type]  # as much of the ports as it asks
    assert look() == 0, "a letter tells of the beginning"
    assert look(acknowledged_us=clock.now_us(), acknowledged_by="ada") == 1
    assert look(active=False, ended_us=clock.now_us()) == 1
    assert look(active=True, ended_us=None, acknowledged_us=None, episodes=2) == 0
    assert look(active=False, ended_us=clock.now_us()) == 1
    assert look(acknowledged_us=clock.now_us()) == 1
    assert room.told == [
        ("emr", "acknowledged", "ack"),
        ("emr", "ended", "off"),
        ("emr", "latched", "latched"),
        ("emr", "ended", "off"),
    ]
    again = Follower(room, room, SETTINGS, clock)  # type: ignore[arg-type]  # as above
    assert again.step() == 0, "a notifier that starts anew makes nothing twice"
    assert {d.notice["patient"] for d in room.made.values()} == {"p-7"}


def test_the_follower_tells_no_old_news_and_no_backfill() -> None:
    room, clock = Room(), ManualClock(T0 + 7200 * S)
    over = replace(ALARM, active=False, ended_us=T0 + 9 * S, acknowledged_us=T0 + 8 * S)
    room.all = {"1": over, "2": replace(over, alarm_id=AlarmId("2"), retrospective=True, ended_us=T0 + 7199 * S)}
    assert Follower(room, room, SETTINGS, clock).step() == 0  # type: ignore[arg-type]  # as above


def test_an_alarm_that_is_over_before_it_was_seen_is_told() -> None:
    room, clock = Room(), ManualClock(T0 + 10 * S)
    follower = Follower(room, room, SETTINGS, clock)  # type: ignore[arg-type]  # as above
    follower.step()
    room.all["1"] = replace(ALARM, latching=False, active=False, ended_us=T0 + 9 * S)
    assert follower.step() == 1


def test_only_who_follows_is_told_the_pseudonym_and_the_value() -> None:
    letter = {"event": "raised", "step": 0, "owner": "", "due_us": T0, "alarm": alarm_json(ALARM)}
    made = {d.target: d for d in notice.deliveries(json.dumps(letter).encode(), {}, T0, SETTINGS)}
    assert made["emr"].notice.keys() - made["pager"].notice.keys() == {"patient", "value", "presence"}
    assert "p-7" not in json.dumps(made["pager"].notice)
