"""Alarms: facts by the monitor, acknowledgements by the dashboard, neither undoing the other."""

import json
import random
from dataclasses import replace

import pytest

from liteheart.alarm import Presence, Priority
from liteheart.errors import Poison
from storage.monitor_store import Batch

S = 1_000_000


def _commit(stores, *events):
    return stores.monitor.commit(Batch(alarms=list(events))).new_alarms


def test_an_alarm_is_raised_acknowledged_and_ends(stores, make):
    alarm = make.alarm()
    _commit(stores, make.event(alarm, "raised", 4))
    assert stores.board.alarm(alarm.alarm_id) == alarm
    assert stores.monitor.open_alarms("VF") == [alarm]

    seen = stores.board.acknowledge(alarm.alarm_id, "nurse1", "true-actioned", make.t0_us + 9 * S)
    assert seen == replace(alarm, acknowledged_us=make.t0_us + 9 * S, acknowledged_by="nurse1", reason="true-actioned")
    assert seen.presence is Presence.ACK

    ended = replace(alarm, active=False, ended_us=make.t0_us + 20 * S, message="it is over")
    (told,) = _commit(stores, make.event(ended, "ended", 20))
    assert told.alarm.presence is Presence.OFF
    assert told.alarm == stores.board.alarm(alarm.alarm_id)
    assert told.alarm == replace(seen, active=False, ended_us=make.t0_us + 20 * S, message="it is over")
    assert stores.board.alarms() == []
    assert stores.board.alarms(open_only=False) == [told.alarm]


def test_a_latching_alarm_stays_open_until_someone_looks(stores, make):
    alarm = make.alarm()
    ended = replace(alarm, active=False, ended_us=make.t0_us + 9 * S)
    _commit(stores, make.event(alarm, "raised", 4), make.event(ended, "ended", 9))
    (shown,) = stores.board.alarms()
    assert shown.presence is Presence.LATCHED
    stores.board.acknowledge(alarm.alarm_id, "nurse1", None, make.t0_us + 30 * S)
    assert stores.board.alarms() == []
    assert stores.monitor.open_alarms() == []


def test_an_alarm_that_does_not_latch_closes_by_itself(stores, make):
    alarm = make.alarm(latching=False)
    ended = replace(alarm, active=False, ended_us=make.t0_us + 9 * S)
    _commit(stores, make.event(alarm, "raised", 4), make.event(ended, "ended", 9))
    assert stores.board.alarms() == []


def test_a_reactivation_takes_the_acknowledgement_back(stores, make):
    alarm = make.alarm()
    ended = replace(alarm, active=False, ended_us=make.t0_us + 9 * S)
    again = replace(alarm, episodes=2, message="again")
    _commit(stores, make.event(alarm, "raised", 4))
    stores.board.acknowledge(alarm.alarm_id, "nurse1", "false-artefact", make.t0_us + 5 * S)
    _commit(stores, make.event(ended, "ended", 9))
    (told,) = _commit(stores, make.event(again, "reactivated", 12))
    assert told.alarm == again == stores.board.alarm(alarm.alarm_id)
    assert again.presence is Presence.ON


def test_a_replayed_reactivation_leaves_a_newer_acknowledgement_alone(stores, make):
    alarm = make.alarm()
    ended = replace(alarm, active=False, ended_us=make.t0_us + 9 * S)
    story = [
        make.event(alarm, "raised", 4),
        make.event(ended, "ended", 9),
        make.event(replace(alarm, episodes=2), "reactivated", 12),
    ]
    _commit(stores, *story)
    seen = stores.board.acknowledge(alarm.alarm_id, "nurse1", "true-actioned", make.t0_us + 15 * S)
    assert _commit(stores, *story) == ()
    assert _commit(stores, story[2]) == ()
    assert stores.board.alarm(alarm.alarm_id) == seen


def test_a_replayed_end_does_not_end_what_came_back(stores, make):
    alarm = make.alarm()
    ended = make.event(replace(alarm, active=False, ended_us=make.t0_us + 9 * S), "ended", 9)
    _commit(stores, make.event(alarm, "raised", 4), ended)
    _commit(stores, make.event(replace(alarm, episodes=2), "reactivated", 12))
    _commit(stores, ended)
    assert stores.board.alarm(alarm.alarm_id).active


def test_the_monitor_cannot_write_an_acknowledgement(stores, make):
    forged = make.alarm(acknowledged_us=1, acknowledged_by="nobody", reason="care-activity")
    (told,) = _commit(stores, make.event(forged, "raised", 4))
    assert stores.board.alarm(forged.alarm_id).acknowledged_us is None
    assert told.alarm.acknowledged_us is None


def test_any_cutting_of_a_story_into_batches_and_any_repetition_ends_the_same(stores, make):
    """At-least-once delivery: whatever the batches were, the alarm tells the same story."""
    rng = random.Random(4)
    for round_ in range(6):
        alarm = make.alarm(onset_s=1000 * round_)
        story, episodes, second = [make.event(alarm, "raised", 1000 * round_ + 4)], 1, 1000 * round_ + 5
        for _ in range(rng.randint(1, 4)):
            over = replace(alarm, episodes=episodes, active=False, ended_us=make.t0_us + second * S)
            story.append(make.event(over, "ended", second))
            episodes += 1
            story.append(make.event(replace(alarm, episodes=episodes), "reactivated", second + 1))
            second += 2
        at = told = 0
        while at < len(story):
            end = rng.randint(at + 1, len(story))
            told += len(_commit(stores, *story[rng.randint(0, at) : end]))
            at = end
        assert told == len(story)
        assert stores.board.alarm(alarm.alarm_id) == story[-1].alarm


def test_acknowledging_is_for_once_and_by_the_first(stores, make):
    alarm = make.alarm()
    _commit(stores, make.event(alarm, "raised", 4))
    first = stores.board.acknowledge(alarm.alarm_id, "nurse1", None, make.t0_us + 5 * S)
    assert stores.board.acknowledge(alarm.alarm_id, "nurse1", None, make.t0_us + 5 * S) == first
    assert stores.board.acknowledge(alarm.alarm_id, "nurse2", None, make.t0_us + 6 * S) == first
    reasoned = stores.board.acknowledge(alarm.alarm_id, "nurse2", "false-artefact", make.t0_us + 7 * S)
    assert reasoned == replace(first, reason="false-artefact")
    late = stores.board.acknowledge(alarm.alarm_id, "nurse3", "true-actioned", make.t0_us + 8 * S)
    assert late == reasoned == stores.board.alarm(alarm.alarm_id)


def test_what_cannot_be_acknowledged(stores, make):
    assert stores.board.alarm("unknown") is None
    assert stores.board.acknowledge("unknown", "nurse1", None, 1) is None
    alarm = make.alarm()
    _commit(stores, make.event(alarm, "raised", 4))
    with pytest.raises(Poison, match="reason: must be one of true-actioned"):
        stores.board.acknowledge(alarm.alarm_id, "nurse1", "because", 1)
    assert stores.board.alarm(alarm.alarm_id) == alarm


def test_open_alarms_come_most_urgent_first_and_all_of_them_newest_first(stores, make):
    low = make.alarm("LEAD_OFF", onset_s=50, priority=Priority.LOW)
    old, new = make.alarm("VF", onset_s=10), make.alarm("VF", "p2", onset_s=20)
    _commit(stores, *(make.event(a, "raised", 60) for a in (low, old, new)))
    assert stores.board.alarms() == [new, old, low]
    assert stores.board.alarms(limit=2) == [new, old]
    assert stores.board.alarms(open_only=False, limit=2) == [low, new]
    assert stores.board.alarms(patient="p2") == [new]
    assert stores.monitor.open_alarms("LEAD_OFF") == [low]
    assert stores.monitor.open_alarms("none such") == []


def test_letters_tell_the_bus_each_transition_once(stores, make):
    alarm = make.alarm()
    raised = make.event(alarm, "raised", 4)
    _commit(stores, raised)
    stores.board.acknowledge(alarm.alarm_id, "nurse1", None, make.t0_us + 5 * S)
    stores.board.acknowledge(alarm.alarm_id, "nurse1", None, make.t0_us + 5 * S)
    ended = make.event(replace(alarm, active=False, ended_us=make.t0_us + 9 * S), "ended", 9)
    _commit(stores, raised, ended)
    letters = stores.outbox.claim(10, make.t0_us)
    assert [(letter.topic, letter.key) for letter in letters] == [("ecg.alarms", "p1")] * 3
    told = [json.loads(letter.payload) for letter in letters]
    assert [(t["action"], t["presence"], t["acknowledged_by"]) for t in told] == [
        ("raised", "on", None),
        ("acknowledged", "ack", "nurse1"),
        ("ended", "off", "nurse1"),
    ]
    assert told[0]["priority"] == "high"
    assert told[0]["evidence"] == {"since_beat_s": 4.2, "rule": "asystole"}


def test_a_storm_of_a_whole_ward_in_one_batch(stores, make):
    alarms = [make.alarm("LEAD_OFF", f"p{i:04d}", latching=False) for i in range(1000)]
    told = _commit(stores, *(make.event(a, "raised", 4) for a in alarms))
    assert len(told) == 1000
    over = [replace(a, active=False, ended_us=make.t0_us + 9 * S) for a in alarms]
    assert len(_commit(stores, *(make.event(a, "ended", 9) for a in over))) == 1000
    assert stores.board.alarms(limit=5000) == []
