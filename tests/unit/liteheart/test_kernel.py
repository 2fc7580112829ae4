"""The vocabulary: what every room takes for granted."""

import io
import json
import logging
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from liteheart import metrics, topics
from liteheart.alarm import Alarm, Kind, Presence, Priority, presence
from liteheart.board import PatientState, alarm_json
from liteheart.clock import ManualClock, SystemClock
from liteheart.errors import LiteHeartError, Misconfigured, Poison, Retryable, Unreadable
from liteheart.ids import AlarmId, DeviceId, PatientId, alarm_id, is_identifier
from liteheart.logs import JsonFormatter
from liteheart.signal import Chunk, Frame, Window

S = 1_000_000
ALARM = Alarm(
    alarm_id=AlarmId("a"),
    patient=PatientId("p-1"),
    condition="asystole",
    label="Asystole",
    kind=Kind.PHYSIOLOGICAL,
    priority=Priority.HIGH,
    latching=True,
    onset_us=1,
    raised_us=2,
    message="no beat for 4.2 s > 4 s",
    active=True,
)


def frame(n: int = 250, fs_hz: float = 250.0) -> Frame:
    samples = np.arange(n, dtype=np.int16)
    return Frame(PatientId("p-1"), DeviceId("d-1"), 1, 2, 1_000 * S, fs_hz, 200.0, "I", samples)


def test_frame_ends_where_its_samples_end() -> None:
    assert frame().t1_us == 1_001 * S
    assert frame(257, 257.0).t1_us == 1_001 * S
    assert frame(1, 300.0).t1_us == 1_000 * S + 3_333
    assert frame().key == ("d-1", 1, 2)


def test_frame_in_millivolts() -> None:
    mv = frame().millivolts()
    assert mv.dtype == np.float32
    assert mv[200] == 1.0


def test_frames_are_equal_by_value_and_not_hashable() -> None:
    assert frame() == frame()
    assert frame() != replace(frame(), sequence=3)
    assert frame() != replace(frame(), samples=np.zeros(250, np.int16))
    assert frame() != "frame"
    assert frame().stamped(7) == replace(frame(), arrival_us=7)
    with pytest.raises(TypeError):
        hash(frame())


def test_chunk_and_window_end_where_their_samples_end() -> None:
    mv, valid = np.zeros(1285, np.float32), np.arange(1285) < 257
    assert Chunk(PatientId("p"), DeviceId("d"), "I", 0, 128.5, mv).t1_us == 10 * S
    window = Window(PatientId("p"), DeviceId("d"), "I", 0, 128.5, mv, valid)
    assert window.t1_us == 10 * S
    assert window.valid_share == pytest.approx(0.2)
    assert replace(window, mv=mv[:0], valid=valid[:0]).valid_share == 0.0


@pytest.mark.parametrize("text", ["p", "P-1", "a.b_c:d-e", "0" * 64])
def test_identifiers(text: str) -> None:
    assert is_identifier(text)


@pytest.mark.parametrize("text", ["", " p", "p ", "p\n", "-p", ".p", "ä", "a/b", "0" * 65, "٣"])
def test_what_is_no_identifier(text: str) -> None:
    assert not is_identifier(text)


def test_an_episode_has_one_name_on_every_worker() -> None:
    name = alarm_id(PatientId("p-1"), "asystole", 5)
    assert name == alarm_id(PatientId("p-1"), "asystole", 5) == "35fdb35ca9d35a128252a91e2b6f12be"
    others = {alarm_id(PatientId("p-2"), "asystole", 5), alarm_id(PatientId("p-1"), "asystole", 6), name}
    assert len(others) == 3


@pytest.mark.parametrize(
    ("active", "acknowledged", "latching", "expected"),
    [
        (True, False, True, Presence.ON),
        (True, True, True, Presence.ACK),
        (True, False, False, Presence.ON),
        (True, True, False, Presence.ACK),
        (False, False, True, Presence.LATCHED),
        (False, True, True, Presence.OFF),
        (False, False, False, Presence.OFF),
        (False, True, False, Presence.OFF),
    ],
)
def test_presence_follows_from_the_facts(active: bool, acknowledged: bool, latching: bool, expected: Presence) -> None:
    assert presence(active=active, acknowledged=acknowledged, latching=latching) is expected
    alarm = replace(ALARM, active=active, acknowledged_us=3 if acknowledged else None, latching=latching)
    assert alarm.presence is expected


def test_priorities_sort_by_urgency() -> None:
    assert sorted(Priority) == [Priority.INFO, Priority.LOW, Priority.MEDIUM, Priority.HIGH]


def test_alarm_and_state_are_plain_json() -> None:
    alarm = json.loads(json.dumps(alarm_json(ALARM)))
    assert (alarm["priority"], alarm["presence"], alarm["kind"]) == ("high", "on", "physiological")
    state = PatientState(PatientId("p"), DeviceId("d"), "I", 250.0, 2, 1, codes=("AFIB",))
    assert json.loads(json.dumps(state.to_json()))["codes"] == ["AFIB"]


def test_clock_that_is_cranked_never_turns_back() -> None:
    clock = ManualClock(5)
    clock.advance(1.5)
    assert clock.now_us() == 1_500_005
    with pytest.raises(ValueError, match="back"):
        clock.advance(-0.1)
    assert clock.now_us() == 1_500_005
    assert SystemClock().now_us() > 1_700_000_000 * S


def test_errors_say_what_to_do_and_where() -> None:
    assert Retryable("away", delay_s=3).delay_s == 3
    assert (Poison("gain", "is 0").field, str(Poison("gain", "is 0"))) == ("gain", "gain: is 0")
    assert str(Misconfigured("ring_s", "too short")) == "ring_s: too short"
    assert str(Unreadable("a.hea", "no header")) == "a.hea: no header"
    for error in (Retryable, Poison, Misconfigured, Unreadable):
        assert issubclass(error, LiteHeartError)
        assert error.__doc__


def test_topics_have_distinct_names_and_room_for_workers() -> None:
    assert len({t.name for t in topics.ALL}) == len(topics.ALL) == 4
    assert topics.FRAMES.partitions == topics.FINDINGS.partitions
    assert all(t.partitions >= 1 and t.retention_h >= 24 for t in topics.ALL)


def test_metric_names_are_distinct() -> None:
    names = [n for kind in (metrics.Counter, metrics.Gauge, metrics.Histogram) for n in get_args(kind)]
    assert len(set(names)) == len(names)


def test_log_lines_are_json_with_what_extra_held() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("liteheart.test")
    logger.addHandler(handler)
    logger.propagate = False
    logger.warning("frame of %s", "p-1", extra={"device": "d-1"})
    line = json.loads(stream.getvalue())
    assert (line["level"], line["message"], line["device"]) == ("warning", "frame of p-1", "d-1")
