"""The live feed and the live view."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from alerts.dashboard.feed import InProcessFeed
from alerts.dashboard.settings import DashboardSettings
from liteheart.board import Awaited, LiveMessage, alarm_json
from liteheart.clock import US_PER_S
from liteheart.ids import PatientId
from liteheart.wire import decode_frame, encode_frame

NOW_US = 1_790_000_000 * US_PER_S
LIVE = "ws://localhost/api/v1/live"
FRAME, STATE, ALARM, CONTROL = 0, 1, 2, 3


def message(kind: Any, patient: str, payload: bytes = b"x") -> LiveMessage:
    return LiveMessage(kind, PatientId(patient), payload)


async def take(messages: AsyncIterator[LiveMessage], n: int) -> list[LiveMessage]:
    return [await asyncio.wait_for(anext(messages), 2) for _ in range(n)]


def test_a_slow_screen_loses_the_oldest_frames_and_no_alarm() -> None:
    async def scene() -> None:
        feed = InProcessFeed(max_frames=3)
        async with feed.subscribe() as slow, feed.subscribe() as quick:
            for i in range(5):
                feed.publish([message("frame", f"p{i}"), message("alarm", f"p{i}"), message("state", "p", b"%d" % i)])
            assert feed.dropped == 4, "two frames for each of two subscribers"
            got = await take(slow, 9)
            assert [m.patient for m in got if m.kind == "alarm"] == ["p0", "p1", "p2", "p3", "p4"]
            assert [m.patient for m in got if m.kind == "frame"] == ["p2", "p3", "p4"]
            assert [m.payload for m in got if m.kind == "state"] == [b"4"], "only the latest state of a patient"
            assert len(await take(quick, 9)) == 9
        assert feed.subscribers == 0
        feed.publish([message("frame", "p")])

    asyncio.run(scene())


def test_publishing_from_other_threads_loses_nothing() -> None:
    async def scene() -> None:
        feed = InProcessFeed(max_frames=10_000)
        async with feed.subscribe() as messages:
            threads = [
                threading.Thread(target=lambda k=k: [feed.publish([message("frame", f"{k}-{i}")]) for i in range(500)])
                for k in range(4)
            ]
            for thread in threads:
                thread.start()
            got = await take(messages, 2000)
            for thread in threads:
                thread.join()
        for k in range(4):
            mine = [m.patient for m in got if m.patient.startswith(f"{k}-")]
            assert mine == [f"{k}-{i}" for i in range(500)]

    asyncio.run(scene())


def test_a_subscriber_whose_loop_has_died_harms_nobody() -> None:
    feed = InProcessFeed()
    loop = asyncio.new_event_loop()
    context = feed.subscribe()
    loop.run_until_complete(context.__aenter__())
    loop.close()
    feed.publish([message("alarm", "p")])


def test_a_screen_first_hears_how_things_stand(bench: Any, local: Any, until_ready: Any) -> None:
    state = bench.state("p-1", bed="Bed 1")
    bench.state("p-2")
    alarm = bench.alarm("a1")
    bench.alarm("over", active=False, latching=False)
    with local.websocket_connect(LIVE) as socket:
        told = until_ready(socket)
    assert told[0] == (CONTROL, "", {"type": "hello", "now_us": NOW_US})
    assert told[1] == (STATE, "p-1", state.to_json())
    assert told[2][:2] == (STATE, "p-2")
    assert told[3] == (ALARM, "p-1", json.loads(json.dumps(alarm_json(alarm))))
    assert len(told) == 5


def test_then_whatever_happens(bench: Any, local: Any, until_ready: Any, receive: Any) -> None:
    frame = bench.frame(0)
    wire = encode_frame(frame)
    with local.websocket_connect(LIVE) as socket:
        until_ready(socket)
        bench.feed.publish([LiveMessage("frame", frame.patient, wire), LiveMessage("state", frame.patient, b'{"a":1}')])
        got = {}
        while len(got) < 2:
            kind, patient, payload = receive(socket)
            if kind != CONTROL:
                got[kind] = (patient, payload)
    assert got[FRAME] == ("p-1", wire)
    assert decode_frame(got[FRAME][1]) == frame
    assert got[STATE] == ("p-1", b'{"a":1}')


def next_alarm(socket: Any, receive: Any) -> dict[str, Any]:
    while True:
        kind, _, payload = receive(socket)
        if kind == ALARM:
            return dict(json.loads(payload))


def test_an_alarm_is_told_as_the_board_has_it(bench: Any, local: Any, until_ready: Any, receive: Any) -> None:
    alarm = bench.alarm("a1")
    stale = json.dumps(alarm_json(alarm)).encode()
    with local.websocket_connect(LIVE) as socket:
        until_ready(socket)
        assert local.post("/api/v1/alarms/a1/acknowledge", json={"reason": "care-activity"}).status_code == 200
        told = next_alarm(socket, receive)
        assert (told["presence"], told["acknowledged_by"], told["reason"]) == ("ack", "nurse", "care-activity")
        bench.feed.publish([LiveMessage("alarm", alarm.patient, stale)])
        assert next_alarm(socket, receive)["presence"] == "ack", "the monitor does not know of acknowledgements"
        unknown = json.dumps(alarm_json(alarm) | {"alarm_id": "elsewhere"}).encode()
        bench.feed.publish([LiveMessage("alarm", alarm.patient, unknown)])
        assert next_alarm(socket, receive)["alarm_id"] == "elsewhere"


def test_what_returns_sounds_at_once_though_storage_lags(
    bench: Any, local: Any, until_ready: Any, receive: Any
) -> None:
    """The monitor tells before it stores: the board still has the episode as over and acknowledged."""
    over = bench.alarm("a1", active=False, ended_us=5, acknowledged_us=6, acknowledged_by="ada")
    back = replace(over, active=True, ended_us=None, episodes=2, acknowledged_us=None, acknowledged_by=None)
    with local.websocket_connect(LIVE) as socket:
        until_ready(socket)
        told = json.dumps(alarm_json(back) | {"action": "reactivated"}).encode()
        bench.feed.publish([LiveMessage("alarm", back.patient, told)])
        shown = next_alarm(socket, receive)
        assert (shown["presence"], shown["active"], shown["acknowledged_by"]) == ("on", True, None)
        bench.alarm("a1", episodes=2, acknowledged_us=9, acknowledged_by="ada")
        ended = json.dumps(alarm_json(replace(back, active=False, ended_us=8)) | {"action": "ended"}).encode()
        bench.feed.publish([LiveMessage("alarm", back.patient, ended)])
        shown = next_alarm(socket, receive)
        assert (shown["presence"], shown["acknowledged_by"]) == ("off", "ada")


def test_what_the_feed_lost_is_told_all_the_same(make_bench: Any, until_ready: Any, receive: Any) -> None:
    bench = make_bench(settings=DashboardSettings(resync_s=0.1))
    client = bench.client()
    bench.alarm("a1", latching=False)
    with client.websocket_connect(LIVE) as socket:
        assert [m[2]["alarm_id"] for m in until_ready(socket) if m[0] == ALARM] == ["a1"]
        bench.alarm("a1", latching=False, active=False)
        bench.alarm("a2")
        assert next_alarm(socket, receive)["alarm_id"] == "a2"
        assert [m[2]["alarm_id"] for m in until_ready(socket) if m[0] == ALARM] == []
        assert [m[2]["alarm_id"] for m in until_ready(socket) if m[0] == ALARM] == ["a2"]


def test_a_patient_who_comes_later_is_told_with_the_bed(bench: Any, local: Any, until_ready: Any, receive: Any) -> None:
    bench.state("p-1", bed="Bed 1")
    with local.websocket_connect(LIVE) as socket:
        assert [m[1] for m in until_ready(socket) if m[0] == STATE] == ["p-1"]
        late = bench.state("p-2", bed="Bed 2")
        for _ in range(3):
            bench.feed.publish([LiveMessage("state", PatientId("p-2"), b'{"bed":""}')])
            assert receive(socket)[0] in (STATE, CONTROL)
        told = until_ready(socket)
        assert [m[2]["bed"] for m in told if m[0] == STATE and m[2].get("device")] == ["Bed 1", late.bed]
        bench.feed.publish([LiveMessage("frame", PatientId("nobody"), b"{}")])  # whom the board does not know at all
        until_ready(socket)
        seen = [receive(socket)[0] for _ in range(30)]
        assert set(seen) == {CONTROL}, "is asked for once"


def test_who_is_here_and_not_heard_yet_is_told_and_who_left_does_not_come_back(
    bench: Any, local: Any, until_ready: Any, receive: Any
) -> None:
    bench.board.put_awaited(Awaited(PatientId("p-2"), NOW_US, "Bed 2"))
    bench.state("p-1", bed="Bed 1")
    with local.websocket_connect(LIVE) as socket:
        told = until_ready(socket)
        states = {m[1]: (m[2]["bed"], m[2]["last_arrival_us"]) for m in told if m[0] == STATE}
        assert states == {"p-1": ("Bed 1", NOW_US), "p-2": ("Bed 2", None)}
        assert told[-1][2]["patients"] == ["p-1", "p-2"]
        bench.feed.publish([LiveMessage("state", PatientId("p-9"), b'{"bed":"","discharged":true}')])
        assert next(m for m in iter(lambda: receive(socket), None) if m[0] == STATE)[1] == "p-9"
        seen = [receive(socket)[0] for _ in range(30)]
        assert set(seen) == {CONTROL}, "nothing needs to be told anew"
        bench.feed.publish([LiveMessage("state", PatientId("p-9"), b'{"bed":""}')])  # was under way
        assert next(m for m in iter(lambda: receive(socket), None) if m[0] == STATE)[1] == "p-9"
        assert until_ready(socket)[-1][2]["patients"] == ["p-1", "p-2"], "long before the next snapshot is due"


def test_the_heart_beats_with_the_monitors_age(bench: Any, local: Any, until_ready: Any, receive: Any) -> None:
    with local.websocket_connect(LIVE) as socket:
        until_ready(socket)
        first = json.loads(receive(socket)[2])
        assert first == {"type": "heartbeat", "now_us": NOW_US, "monitor_age_s": None}
        bench.board.beat("monitor", NOW_US)
        bench.clock.advance(3)
        ages = {json.loads(receive(socket)[2])["monitor_age_s"] for _ in range(4)}
        assert 3.0 in ages


def test_a_live_view_ends_with_the_session(guarded: Any, until_ready: Any, closing_code: Any) -> None:
    client = guarded.signed_in("ada")
    with client.websocket_connect(LIVE) as socket:
        until_ready(socket)
        client.delete("/api/v1/session")
        assert closing_code(socket) == 4401


def test_a_screen_that_speaks_is_shown_out(local: Any, until_ready: Any, closing_code: Any) -> None:
    with local.websocket_connect(LIVE) as socket:
        until_ready(socket)
        socket.send_text("hello")
        assert closing_code(socket) == 1008


def test_there_is_room_for_so_many_screens(make_bench: Any, until_ready: Any, denied: Any) -> None:
    bench = make_bench(settings=DashboardSettings(live_max=1))
    client = bench.client()
    with client.websocket_connect(LIVE) as socket:
        until_ready(socket)
        assert denied(client) == 503
    with client.websocket_connect(LIVE) as socket:
        until_ready(socket)
    assert bench.feed.subscribers == 0
