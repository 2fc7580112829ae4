"""What the bridge makes of messages, before it has met a broker; the rest is shown on a real one."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.door import Door
from ingest.mqtt import Bridge, Standing
from ingest.mqtt_link import Message
from ingest.mqtt_topics import device_of, subscription, user_of
from ingest.ports import Record
from ingest.settings import IngestSettings, MqttSettings, mqtt_address
from liteheart.clock import US_PER_S, ManualClock
from liteheart.errors import Misconfigured, Retryable
from liteheart.ids import ID_PATTERN, DeviceId, PatientId
from liteheart.metrics import NullMetrics
from liteheart.signal import Frame
from liteheart.topics import DEAD_LETTERS, FRAMES
from liteheart.wire import decode_frame, encode_frame

NOW = 1_700_000_000 * US_PER_S
LIMIT = 1 << 16


@dataclass(frozen=True)
class Given:
    device: DeviceId
    patient: PatientId


@dataclass
class Kept:
    records: list[Record] = field(default_factory=list)

    async def publish(self, records: Sequence[Record]) -> None:
        self.records += records

    async def close(self) -> None:
        pass


@dataclass
class Registry:
    of: dict[DeviceId, Given]
    away: bool = False
    asked: int = 0

    def grants_of(self, devices_asked: Collection[DeviceId], /) -> dict[DeviceId, Given]:
        self.asked += 1
        if self.away:
            raise Retryable("the database is away")
        return {d: self.of[d] for d in devices_asked if d in self.of}


def given_to(device: str = "d1", patient: str = "p1") -> Given:
    return Given(DeviceId(device), PatientId(patient))


def frame(sequence: int = 0, **other: Any) -> Frame:
    base = Frame(
        patient=PatientId("p1"),
        device=DeviceId("d1"),
        boot=1,
        sequence=sequence,
        t0_us=NOW,
        fs_hz=250.0,
        gain=1000.0,
        lead="I",
        samples=np.arange(250, dtype=np.int16),
    )
    return replace(base, **other)


def message(body: bytes, user: str = "d1", mid: int = 1) -> Message:
    return Message(f"liteheart/v1/frames/{user}", body, mid, 1)


@pytest.fixture
def bridge() -> Bridge:
    kept = Kept()
    door = Door(IngestSettings(), kept, ManualClock(NOW), NullMetrics())
    settings = MqttSettings(url="mqtt://broker", max_message_bytes=LIMIT)
    return Bridge(door, Registry({}), kept, settings, NullMetrics())


def reason(record: Record) -> tuple[str, str]:
    headers = dict(record.headers)
    assert record.topic is DEAD_LETTERS
    return headers["field"].decode(), headers["reason"].decode()


def judge(bridge: Bridge, *messages: Message, grant: Given | None = given_to()) -> list[Record]:  # noqa: B008
    return bridge.judge(messages, {DeviceId("d1"): grant, DeviceId("aa:bb"): given_to("aa:bb")})


def test_frames_are_published_in_their_order_under_their_patient_with_their_arrival(bridge: Bridge) -> None:
    bodies = [encode_frame(frame(i)) for i in range(5)]
    records = judge(bridge, message(bodies[0] + bodies[1]), message(bodies[2]), message(bodies[3] + bodies[4]))
    assert [decode_frame(r.value).sequence for r in records] == [0, 1, 2, 3, 4]
    assert {(r.topic, r.key, r.timestamp_us) for r in records} == {(FRAMES, b"p1", NOW)}
    assert decode_frame(records[0].value).arrival_us == NOW


def test_the_json_of_simple_devices_is_taken_as_by_the_gateway(bridge: Bridge) -> None:
    one = {"patient": "p1", "device": "d1", "boot": 1, "sequence": 7, "t0_us": NOW, "fs_hz": 250, "lead": "I"}
    body = json.dumps({"frames": [one | {"mv": [0.1, -0.2]}, one | {"sequence": 8, "gain": 200, "samples": [1, 2]}]})
    records = judge(bridge, message(b" \n" + body.encode()))
    assert [decode_frame(r.value).sequence for r in records] == [7, 8]
    assert decode_frame(records[0].value).samples.tolist() == [100, -200]


@pytest.mark.parametrize(
    ("sent", "grant", "field_"),
    [
        (message(encode_frame(frame(device=DeviceId("d2")))), given_to(), "device"),
        (message(encode_frame(frame(patient=PatientId("p2")))), given_to(), "patient"),
        (message(encode_frame(frame())), None, "token"),
        (message(encode_frame(frame()), "d1/more"), given_to(), "topic"),
        (message(b""), given_to(), "body"),
        (message(b"LH" + bytes(90)), given_to(), "version"),
        (message(b"x" * (LIMIT + 1)), given_to(), "body"),
        (message(b'{"frames": 7}'), given_to(), "frames"),
        (message(b"{" + b'"a":[' * 20_000), given_to(), "body"),
        (message(encode_frame(frame()) + encode_frame(frame(1, t0_us=NOW + 10**15))), given_to(), "t0_us"),
    ],
)
def test_what_will_never_get_better_is_a_dead_letter_and_the_next_message_goes_on(
    bridge: Bridge, sent: Message, grant: Given | None, field_: str
) -> None:
    letter, *rest = judge(bridge, sent, message(encode_frame(frame(9))), grant=grant)
    assert reason(letter)[0] == field_
    assert letter.value == sent.payload
    if grant is not None:
        assert [decode_frame(r.value).sequence for r in rest] == [9]


def test_ten_thousand_hostile_messages_are_ten_thousand_dead_letters(bridge: Bridge) -> None:
    dice = random.Random(6)
    good = encode_frame(frame())

    def hostile() -> bytes:
        kind = dice.randrange(5)
        if kind == 0:
            return dice.randbytes(dice.randrange(400))
        if kind == 1:
            return good[: dice.randrange(len(good))]
        if kind == 2:
            broken = bytearray(good)
            broken[dice.randrange(len(good))] ^= 1 << dice.randrange(8)
            return bytes(broken)
        if kind == 3:
            opening = dice.choice(
                [b'{"frames":[', b'{"a":{', b'{"mv":[1e999,', b'{"samples":"', b'{"boot":' + b"9" * 5000]
            )
            return opening * dice.randrange(1, 60)
        junk: Any = dice.choice([None, [], {}, -1, 1e300, "x" * 300, True, [[]], {"mv": []}])
        keys = ("patient", "device", "boot", "sequence", "t0_us", "fs_hz", "lead", "mv", "gain")
        return json.dumps({k: dice.choice([junk, 1, "p1", [1, 2]]) for k in keys}).encode()

    bodies = [hostile() for _ in range(10_000)]
    records = judge(bridge, *(message(b) for b in bodies))
    assert len(records) == len(bodies)
    fields = Counter(reason(r)[0] for r in records)
    assert sum(fields.values()) == 10_000
    assert len(fields) > 5


def test_a_fault_of_ours_is_a_dead_letter_too(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(bridge._door, "decode", fails)
    (letter,) = judge(bridge, message(b"x"))
    assert reason(letter) == ("body", "could not be judged: MemoryError")


@given(st.from_regex(ID_PATTERN, fullmatch=True))
def test_a_device_and_its_topic_are_one_to_one(name: str) -> None:
    user = user_of(DeviceId(name))
    assert not set(user) & set(":/+#")
    assert device_of(f"liteheart/v1/frames/{user}") == name


@pytest.mark.parametrize(
    "topic", ["liteheart/v1/frames/", "liteheart/v1/frames/a:b", "liteheart/v1/frames/a/b", "x/d1", "", "liteheart/v1"]
)
def test_other_topics_are_nobodys(topic: str) -> None:
    assert device_of(topic) is None


def test_the_subscription_is_our_own_or_shared() -> None:
    assert subscription("") == "liteheart/v1/frames/+"
    assert subscription("ward") == "$share/ward/liteheart/v1/frames/+"


def test_a_revoked_device_is_refused_at_once_and_the_known_go_on_while_storage_is_away() -> None:
    a, b, c = DeviceId("a"), DeviceId("b"), DeviceId("c")
    registry = Registry({a: given_to("a"), b: given_to("b")})

    async def run() -> None:
        standing = Standing(registry)
        assert await standing.of({a, b, c}) == {a: given_to("a"), b: given_to("b"), c: None}
        del registry.of[b]
        assert await standing.of({b}) == {b: None}
        registry.away = True
        assert await standing.of({a, b, c}) == {a: given_to("a")}, "of the others nobody knows"
        asked = registry.asked
        assert await standing.of({a}) == {a: given_to("a")}
        assert registry.asked == asked, "who does not answer is left in peace for a while"

    asyncio.run(run())


def test_addresses() -> None:
    assert mqtt_address("mqtt://broker") == ("broker", 1883, False)
    assert mqtt_address("mqtts://[::1]:9") == ("::1", 9, True)


@pytest.mark.parametrize(
    "url", ["http://broker", "broker:1883", "mqtt://", "mqtt://u:p@broker", "mqtt://b:x", "mqtt://b/topic", "mqtt://["]
)
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(Misconfigured, match="url"):
        MqttSettings(url=url)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"receive_maximum": 0}, "receive_maximum"),
        ({"receive_maximum": 70_000}, "receive_maximum"),
        ({"name": "a/b"}, "name"),
        ({"group": "a/b"}, "group"),
        ({"username": ""}, "username"),
        ({"accounts_s": 0.0}, "accounts_s"),
        ({"password": "x", "password_file": "y"}, "password_file"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, Any], key: str) -> None:
    with pytest.raises(Misconfigured, match=key):
        MqttSettings(**wrong)


def test_a_password_is_told_to_nobody() -> None:
    assert "hidden" not in repr(MqttSettings(password="hidden"))
