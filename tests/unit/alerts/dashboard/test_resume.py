"""A screen that comes back is told what it missed, in order, and only what is newer."""

import json
from typing import Any

import numpy as np
import pytest

from alerts.dashboard.settings import DashboardSettings
from liteheart.board import LiveMessage
from liteheart.clock import US_PER_S
from liteheart.errors import Retryable
from liteheart.ids import PatientId
from liteheart.wire import decode_frame, encode_frame

NOW_US = 1_790_000_000 * US_PER_S
FRAME, CONTROL = 0, 3


def back(seen_us: int) -> str:
    return f"ws://localhost/api/v1/live?seen_us={seen_us}"


def past(bench: Any, second: int, patient: str = "p-1") -> Any:
    """A frame that came `second` seconds after NOW_US, which may be before it."""
    arrival_us = NOW_US + (second + 1) * US_PER_S
    samples = np.zeros(250, np.int16)
    return bench.frame(second, patient, arrival_us=arrival_us, sequence=second + 100, samples=samples)


def until_resumed(socket: Any, receive: Any) -> tuple[list[Any], list[Any]]:
    """The frames and the control messages up to "resumed"."""
    frames, said = [], []
    while True:
        kind, _, payload = receive(socket)
        if kind == FRAME:
            frames.append(decode_frame(payload))
        elif kind == CONTROL:
            said.append(json.loads(payload))
            if said[-1]["type"] == "resumed":
                return frames, said


def test_the_frames_of_the_drop_come_once_and_before_the_live_ones(
    bench: Any, local: Any, until_ready: Any, receive: Any
) -> None:
    for patient in ("p-1", "p-2"):
        bench.state(patient)
        for second in range(-30, -1):
            past(bench, second, patient)
    live = past(bench, -1)
    with local.websocket_connect(back(NOW_US - 8 * US_PER_S)) as socket:
        until_ready(socket)
        bench.feed.publish([LiveMessage("frame", live.patient, encode_frame(live))])
        frames, said = until_resumed(socket, receive)
        later = past(bench, 0)
        bench.feed.publish([LiveMessage("frame", later.patient, encode_frame(later))])
        while (told := receive(socket))[0] != FRAME:
            pass
        assert decode_frame(told[2]).sequence == later.sequence
    first = -8 - 3  # three seconds more: what the gateway had and the screen did not
    mine = [f.sequence - 100 for f in frames if f.patient == "p-1"]
    assert mine == list(range(first, 0)), "each once, in order, the live one last"
    assert [f.sequence - 100 for f in frames if f.patient == "p-2"] == list(range(first, -1))
    assert [s for s in said if s["type"] == "missed"] == [{"type": "missed", "alarms": []}]


def test_frames_are_told_so_far_back_and_no_farther(make_bench: Any, until_ready: Any, receive: Any) -> None:
    bench = make_bench(settings=DashboardSettings(heartbeat_s=0.05, resume_s=5))
    bench.state("p-1")
    for second in range(-40, 0):
        past(bench, second)
    with bench.client().websocket_connect(back(0)) as socket:
        until_ready(socket)
        frames, _ = until_resumed(socket, receive)
    assert [f.sequence - 100 for f in frames] == list(range(-5, 0))


def test_alarms_that_came_and_went_meanwhile_are_told(bench: Any, local: Any, until_ready: Any, receive: Any) -> None:
    bench.state("p-1")
    ago = {name: NOW_US - s * US_PER_S for name, s in (("before", 60), ("gone", 6), ("old", 5), ("on", 4))}
    over = {"active": False, "latching": False}
    bench.alarm("before", raised_us=ago["before"], **over)
    bench.alarm("gone", raised_us=ago["gone"], **over)
    bench.alarm("old", raised_us=ago["old"], retrospective=True, **over)
    bench.alarm("on", raised_us=ago["on"])
    with local.websocket_connect(back(NOW_US - 10 * US_PER_S)) as socket:
        until_ready(socket)
        _, said = until_resumed(socket, receive)
    assert [[a["alarm_id"] for a in s["alarms"]] for s in said if s["type"] == "missed"] == [["gone"]]


def test_a_new_screen_is_told_of_no_past(bench: Any, local: Any, until_ready: Any, receive: Any) -> None:
    bench.state("p-1")
    with local.websocket_connect("ws://localhost/api/v1/live") as socket:
        until_ready(socket)
        said = [json.loads(receive(socket)[2])["type"] for _ in range(20)]
    assert set(said) == {"heartbeat"}


@pytest.mark.parametrize("seen", ["", "-1", "soon", "1e3", "9" * 19])
def test_what_is_no_time_is_refused(local: Any, seen: str) -> None:
    with pytest.raises(Exception) as denial, local.websocket_connect(f"ws://localhost/api/v1/live?seen_us={seen}"):  # noqa: PT011  # its class is starlette's own
        pass
    assert denial.value.status_code == 422
    assert denial.value.json()["error"]["field"] == "seen_us"


def test_storage_that_does_not_answer_leaves_a_hole_and_live_goes_on(
    bench: Any, local: Any, until_ready: Any, receive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.state("p-1")

    def refuses(*_: object) -> None:
        raise Retryable("storage")

    monkeypatch.setattr(bench.board, "strip", refuses)
    with local.websocket_connect(back(NOW_US - 8 * US_PER_S)) as socket:
        until_ready(socket)
        frames, _ = until_resumed(socket, receive)
        assert frames == []
        live = past(bench, 0)
        bench.feed.publish([LiveMessage("frame", PatientId("p-1"), encode_frame(live))])
        while receive(socket)[0] != FRAME:
            pass
