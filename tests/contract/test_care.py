"""Pauses, limits, the ladder, notices, heartbeats: facts that survive restarts and that two processes do not double."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from liteheart.alarm import Priority
from liteheart.care import Delivery, Escalation, sound_key
from liteheart.ids import PatientId
from storage.audit import Audit
from storage.board import Board
from storage.escalations import Escalations
from storage.limits import Limits
from storage.monitor_store import HEARTBEAT_GAP_S, Batch, MonitorStore, unbroken_since
from storage.notifications import Notifications
from storage.outbox import Outbox
from storage.pauses import Pauses
from storage.settings import StorageSettings

S = 1_000_000


class Ward:
    """Everything on one database."""

    def __init__(self, engine: Engine, settings: StorageSettings, make: Any) -> None:
        self.monitor, self.board = MonitorStore(engine, settings), Board(engine)
        self.pauses, self.limits = Pauses(engine), Limits(engine)
        self.ladder, self.room = Escalations(engine), Notifications(engine)
        self.outbox, self.audit = Outbox(engine), Audit(engine)
        self.make, self.t0_us = make, make.t0_us

    def raised(self, condition: str = "VF", patient: str = "p1", second: int = 0, **changes: Any) -> Any:
        """Raise an alarm at `second`."""
        alarm = self.make.alarm(condition, patient, onset_s=second, **changes)
        self.monitor.commit(Batch(alarms=[self.make.event(alarm, "raised", second)]))
        return alarm

    def told(self) -> list[dict[str, Any]]:
        """The letters that wait for the notifier."""
        return [json.loads(letter.payload) for letter in self.room.letters(100)]


@pytest.fixture
def ward(engine: Engine, sql_settings: StorageSettings, make: Any) -> Ward:
    return Ward(engine, sql_settings, make)


def race(step: Callable[[], Any], runners: int = 4) -> list[Any]:
    """The results of doing the same at once."""
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(step())) for _ in range(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == runners
    return results


# pauses


def test_a_pause_silences_what_was_heard_and_ends_by_itself(ward: Ward) -> None:
    heard, other = ward.raised("VF", "p1", 0), ward.raised("VF", "p2", 0)
    now = ward.t0_us + 30 * S
    ward.raised("VT", "p1", 30)  # in the very moment of the press
    pause = ward.pauses.pause("ines", 120, now, patient=PatientId("p1"), unheard_s=1.0)
    assert pause.silenced == (sound_key(heard),)
    assert (pause.priority, pause.until_us, pause.by) == (Priority.HIGH, now + 120 * S, "ines")
    assert ward.pauses.pauses(now) == ward.pauses.pauses(now + 119 * S) == [pause]
    assert ward.pauses.pauses(now + 120 * S) == []
    assert sound_key(other) not in pause.silenced
    assert len(ward.board.alarms()) == 3, "nothing is hidden"


def test_a_pause_of_a_station_silences_everyone_once(ward: Ward) -> None:
    alarms = [ward.raised("VF", f"p{i}", 0) for i in range(3)]
    first = ward.pauses.pause("ines", 60, ward.t0_us + 10 * S, station="ward")
    assert sorted(first.silenced) == sorted(sound_key(a) for a in alarms)
    own = ward.pauses.pause("ines", 60, ward.t0_us + 11 * S, patient=PatientId("p1"))
    again = ward.pauses.pause("paul", 120, ward.t0_us + 12 * S, station="ward")
    assert ward.pauses.pauses(ward.t0_us + 13 * S) == [own, again], "a newer one takes the older one's place"


def test_a_returning_alarm_is_not_what_was_silenced(ward: Ward) -> None:
    alarm = ward.raised("VF", "p1", 0)
    pause = ward.pauses.pause("ines", 120, ward.t0_us + 10 * S, station="ward")
    over = replace(alarm, active=False, ended_us=ward.t0_us + 20 * S)
    back = replace(alarm, episodes=2)
    events = [ward.make.event(over, "ended", 20), ward.make.event(back, "reactivated", 30)]
    ward.monitor.commit(Batch(alarms=events))
    (now_open,) = ward.board.alarms()
    assert sound_key(now_open) not in pause.silenced


def test_ending_a_pause_and_who_did_what(ward: Ward) -> None:
    pause = ward.pauses.pause("ines", 120, ward.t0_us, station="ward")
    assert ward.pauses.resume(pause.pause_id, "paul", ward.t0_us + S)
    assert not ward.pauses.resume(pause.pause_id, "paul", ward.t0_us + S)
    assert not ward.pauses.resume(999, "paul", ward.t0_us)
    assert ward.pauses.pauses(ward.t0_us + 2 * S) == []
    deeds = [(d.by, d.action, d.subject, d.at_us - ward.t0_us) for d in ward.audit.latest()]
    assert deeds == [("paul", "audio-resumed", "ward", S), ("ines", "audio-paused", "ward", 0)]


def test_a_pause_is_of_one_thing(ward: Ward) -> None:
    with pytest.raises(ValueError, match=r"^patient:"):
        ward.pauses.pause("ines", 60, 1)
    with pytest.raises(ValueError, match=r"^patient:"):
        ward.pauses.pause("ines", 60, 1, patient=PatientId("p1"), station="ward")


# limits


def test_the_newest_limits_hold_and_the_older_ones_are_remembered(ward: Ward) -> None:
    p1, p2 = PatientId("p1"), PatientId("p2")
    assert ward.limits.limits(p1) is None
    ward.limits.set(p1, {"tachy_bpm": 150.0}, "ines", 1)
    ward.limits.set(p2, {"brady_bpm": 35.0}, "ines", 2)
    ward.limits.set(p1, {"tachy_bpm": 160.0, "brady_bpm": 30.0}, "paul", 3)
    assert ward.limits.all() == {p1: {"brady_bpm": 30.0, "tachy_bpm": 160.0}, p2: {"brady_bpm": 35.0}}
    assert [(h.by, h.at_us) for h in ward.limits.history(p1)] == [("paul", 3), ("ines", 1)]
    ward.limits.set(p1, {}, "ines", 4)
    assert ward.limits.all()[p1] == {}
    assert [d.action for d in ward.audit.latest(subject="p1")] == ["limits-set"] * 3


def test_a_monitor_that_restores_a_patient_gets_the_limits(ward: Ward) -> None:
    p1, p2 = PatientId("p1"), PatientId("p2")
    ward.limits.set(p1, {"tachy_bpm": 150.0}, "ines", 1)
    restored = ward.monitor.restore([p1, p2], claim=True)
    assert (restored[p1].limits, restored[p2].limits) == ({"tachy_bpm": 150.0}, {})


# the ladder


def test_only_what_waits_for_someone_is_on_the_ladder(ward: Ward) -> None:
    alarm = ward.raised("VF", "p1", 5)
    ward.raised("AFIB", "p1", 5, priority=Priority.MEDIUM)
    ward.raised("VT", "p2", 5, retrospective=True)
    seen = ward.raised("VT", "p3", 5)
    ward.board.acknowledge(seen.alarm_id, "ines", None, ward.t0_us + 6 * S)
    latched = ward.raised("VT", "p4", 5)
    over = replace(latched, active=False, ended_us=ward.t0_us + 8 * S)
    gone = ward.raised("NO_DATA_LONG", "p5", 5, latching=False)
    ended = replace(gone, active=False, ended_us=ward.t0_us + 8 * S)
    ward.monitor.commit(Batch(alarms=[ward.make.event(over, "ended", 8), ward.make.event(ended, "ended", 8)]))
    assert {u.alarm.alarm_id for u in ward.ladder.unattended()} == {alarm.alarm_id, latched.alarm_id}
    assert {u.activated_us for u in ward.ladder.unattended()} == {ward.t0_us + 5 * S + 500_000}


def step_of(alarm: Any, step: int = 1, episodes: int = 1) -> Escalation:
    return Escalation(alarm.alarm_id, episodes, step, "Charge nurse", 1, 2)


def test_a_step_is_taken_once_however_many_try(ward: Ward) -> None:
    alarm = ward.raised()
    taken = race(lambda: ward.ladder.take([step_of(alarm)]))
    assert sorted(map(len, taken)) == [0, 0, 0, 1]
    assert [(t["event"], t["step"], t["owner"]) for t in ward.told()] == [
        ("raised", 0, ""),
        ("escalated", 1, "Charge nurse"),
    ]
    (waiting,) = ward.ladder.unattended()
    assert waiting.steps == {1: 2}


def test_an_acknowledgement_stops_the_ladder(ward: Ward) -> None:
    alarm = ward.raised()
    ward.board.acknowledge(alarm.alarm_id, "ines", None, ward.t0_us + 5 * S)
    assert ward.ladder.unattended() == []
    assert ward.ladder.take([step_of(alarm)]) == []
    assert [t["event"] for t in ward.told()] == ["raised"]


def test_a_returning_alarm_begins_at_the_foot_of_the_ladder(ward: Ward) -> None:
    alarm = ward.raised()
    ward.ladder.take([step_of(alarm)])
    over, back = replace(alarm, active=False, ended_us=1), replace(alarm, episodes=2)
    ward.monitor.commit(Batch(alarms=[ward.make.event(over, "ended", 20), ward.make.event(back, "reactivated", 30)]))
    (waiting,) = ward.ladder.unattended()
    assert (waiting.steps, waiting.activated_us) == ({}, ward.t0_us + 30 * S + 500_000)
    assert ward.ladder.take([step_of(alarm, episodes=1, step=2)]) == [], "of an episode that is over"
    assert len(ward.ladder.take([step_of(alarm, episodes=2)])) == 1


# notices


def delivery(key: str, alarm: Any = None, **changes: Any) -> Delivery:
    alarm_id = alarm.alarm_id if alarm else None
    return replace(Delivery(key, "pager", alarm_id, 0, Priority.HIGH, {"label": "VF"}, 1), **changes)


def test_every_live_alarm_leaves_a_letter_and_nothing_else_does(ward: Ward, engine: Engine, make: Any) -> None:
    quiet = MonitorStore(engine, replace(StorageSettings("sqlite:///unused.db"), outbox=False))
    alarm = make.alarm()
    quiet.commit(Batch(alarms=[make.event(alarm, "raised", 4)]))
    quiet.commit(Batch(alarms=[make.event(alarm, "raised", 4)]))  # again
    back_fill = make.alarm("VT", retrospective=True)
    quiet.commit(Batch(alarms=[make.event(back_fill, "raised", 5)]))
    quiet.commit(Batch(alarms=[make.event(replace(alarm, active=False, ended_us=1), "ended", 9)]))
    quiet.commit(Batch(alarms=[make.event(replace(alarm, episodes=2), "reactivated", 12)]))
    assert [(t["event"], t["alarm"]["episodes"]) for t in ward.told()] == [("raised", 1), ("reactivated", 2)]
    assert ward.outbox.depth() == 0
    assert ward.outbox.claim(10, 10**18) == [], "they are not for the bus"


def test_letters_become_deliveries_once(ward: Ward) -> None:
    alarm = ward.raised()
    letters = [letter.letter_id for letter in ward.room.letters(10)]
    both = [delivery("k1", alarm), delivery("k2", alarm, target="desk")]
    new = race(lambda: ward.room.accept(letters, both, 5))
    assert sorted(new) == [0, 0, 0, 2]
    assert ward.room.letters(10) == []
    assert [d.target for d in ward.room.of_alarm(alarm.alarm_id)] == ["pager", "desk"]


def test_a_delivery_is_claimed_by_one_until_the_lease_is_over(ward: Ward) -> None:
    ward.room.accept([], [delivery(f"k{i:02d}") for i in range(20)], 0)
    claimed = race(lambda: ward.room.claim(["pager"], 5, 10 * S, 60))
    keys = [d.key for some in claimed for d in some]
    assert len(keys) == len(set(keys)) == 20
    assert ward.room.claim(["pager"], 50, 69 * S, 60) == []
    assert len(ward.room.claim(["pager"], 50, 70 * S, 60)) == 20, "whoever had them died"


def test_the_most_urgent_is_told_first_and_only_by_who_knows_the_target(ward: Ward) -> None:
    low = delivery("k1", priority=Priority.LOW)
    ward.room.accept([], [low, delivery("k2"), delivery("k3", target="desk")], 0)
    assert ward.room.claim([], 10, S, 60) == []
    assert [d.key for d in ward.room.claim(["pager"], 1, S, 60)] == ["k2"]
    assert [d.key for d in ward.room.claim(["pager"], 5, S, 60)] == ["k1"]


def test_what_becomes_of_a_delivery_is_recorded(ward: Ward) -> None:
    ward.room.accept([], [delivery("k1"), delivery("k2"), delivery("k3")], 0)
    ward.room.claim(["pager"], 10, S, 60)
    ward.room.delivered("k1", 2 * S, late=True)
    ward.room.retry("k2", 1, 9 * S, "answered 503")
    ward.room.give_up("k3", 10, 3 * S, "answered 400")
    by_key = {d.key: d for d in ward.room.latest()}
    assert (by_key["k1"].delivered_us, by_key["k1"].late) == (2 * S, True)
    assert (by_key["k2"].attempts, by_key["k2"].error, by_key["k2"].failed_us) == (1, "answered 503", None)
    assert (by_key["k3"].failed_us, by_key["k3"].error) == (3 * S, "answered 400")
    assert [d.key for d in ward.room.latest(failed_only=True)] == ["k3"]
    assert ward.room.claim(["pager"], 10, 8 * S, 60) == []
    assert [d.key for d in ward.room.claim(["pager"], 10, 9 * S, 60)] == ["k2"]
    ward.room.give_up("k1", 1, 5 * S, "a slower sender of the same")
    assert ward.room.latest(failed_only=True)[0].key == "k3", "delivered stays delivered"


def test_an_acknowledgement_spares_those_who_were_not_told_yet(ward: Ward) -> None:
    alarm = ward.raised()
    ward.room.accept([], [delivery("k0", alarm), delivery("k1", alarm, step=1)], 0)
    ward.board.acknowledge(alarm.alarm_id, "ines", None, 7 * S)
    assert [d.key for d in ward.room.claim(["pager"], 10, 8 * S, 60)] == ["k0"], "step 0 is news all the same"
    (spared,) = ward.room.latest(failed_only=True)
    assert (spared.key, spared.failed_us, spared.error) == ("k1", 7 * S, "acknowledged before it was told")


def test_what_nobody_takes_does_not_stay_for_ever(ward: Ward) -> None:
    ward.raised()
    ward.room.accept([], [delivery("k1", target="gone", created_us=5)], 0)
    assert ward.outbox.purge(10**18, notify_before_us=ward.t0_us) == 0
    assert len(ward.told()) == 1
    assert ward.outbox.purge(0, notify_before_us=10**18) == 1
    assert ward.told() == []
    assert ward.room.expire(5, 6) == 0
    assert ward.room.expire(6, 7) == 1
    assert ward.room.latest(failed_only=True)[0].error == "nobody delivered it in time"


def test_beds_are_known_where_there_are_any(ward: Ward, make: Any) -> None:
    ward.monitor.commit(Batch(states=[make.state(0, "p1", bed="Bed 7"), make.state(0, "p2")]))
    assert ward.room.beds({PatientId("p1"), PatientId("p2"), PatientId("p3")}) == {"p1": "Bed 7"}


# heartbeats


def test_a_run_is_broken_by_a_silence_and_not_by_a_hand_over(ward: Ward) -> None:
    def heard(at_s: float) -> float | None:
        since = ward.monitor.heard_since_us("monitor", round(at_s * S))
        return None if since is None else since / S

    assert heard(0) is None
    for second in range(0, 20, 2):
        ward.monitor.heartbeat("monitor", "a", second * S)
    assert (heard(18), heard(18 + HEARTBEAT_GAP_S), heard(19 + HEARTBEAT_GAP_S)) == (0, 0, None)
    for second in range(16, 40, 2):
        ward.monitor.heartbeat("monitor", "b", second * S)
    assert heard(38) == 0, "b came before a left"
    ward.monitor.heartbeat("monitor", "b", 60 * S)
    assert heard(60) == 60, "nobody listened meanwhile"
    assert ward.board.last_heartbeat_us("monitor") == 60 * S


def test_runs_that_overlap_are_one() -> None:
    gap = 10
    assert unbroken_since([], 100, gap) is None
    assert unbroken_since([(0, 80)], 100, gap) is None
    assert unbroken_since([(50, 95)], 100, gap) == 50
    assert unbroken_since([(50, 95), (20, 60)], 100, gap) == 20
    assert unbroken_since([(50, 95), (20, 49)], 100, gap) == 50
    assert unbroken_since([(90, 99), (40, 95), (0, 50)], 100, gap) == 0


# answers of the student


def test_the_last_answer_is_not_an_abstention_in_good_signal(ward: Ward, make: Any) -> None:
    none = {"abstained": True, "scores": {}, "codes": ()}
    findings = [make.finding(0), make.finding(5), make.finding(10, **none), make.finding(0, "p2", **none)]
    ward.monitor.commit(Batch(findings=findings))
    names = [PatientId("p1"), PatientId("p2"), PatientId("p3")]
    assert ward.monitor.last_answers(names, 0) == {"p1": make.t0_us + 15 * S}
    assert ward.monitor.last_answers(names, make.t0_us + 6 * S) == {}
