"""What the monitor relies on: whole batches, once each, and its own past back after a crash."""

from dataclasses import replace

import numpy as np
import pytest

from liteheart.signal import Frame
from storage.monitor_store import Batch, Committed, Superseded

S = 1_000_000


def test_what_was_committed_comes_back_as_it_was(stores, make):
    odd = make.frame(2, samples=np.array([-32768, 32767, 0, -1, 1] * 50, np.int16), battery_pct=None, lead_off=True)
    noise = make.frame(3, samples=np.random.default_rng(0).integers(-32768, 32767, 250, endpoint=True, dtype=np.int16))
    frames = [make.frame(1), odd, noise, make.frame(4, boot=2**63 - 1)]
    frames.append(make.frame(5, device="other", boot=0, t0_us=frames[-1].t1_us))
    frames = [replace(f, sequence=2**63 - 1) if f.sequence == 5 else f for f in frames]
    assert stores.monitor.commit(Batch(frames=frames)).new_frames == 5
    assert stores.board.strip("p1", make.t0_us, make.t0_us + 60 * S) == frames


def test_a_batch_committed_twice_changes_nothing(stores, make):
    batch = Batch(
        frames=[make.frame(i) for i in range(5)],
        findings=[make.finding(0), make.finding(5)],
        states=[make.state(5)],
        alarms=[make.event(make.alarm(), "raised", 4)],
        checkpoints={"p1": {"processed_until_us": 5, "alarms": {"VF": [1, 2]}}},
    )
    first = stores.monitor.commit(batch)
    assert (first.new_frames, first.new_findings, first.new_alarms) == (5, 2, tuple(batch.alarms))
    before = _everything(stores, make)
    assert stores.monitor.commit(batch) == Committed(0, 0, ())
    assert _everything(stores, make) == before
    assert stores.outbox.depth() == 3


def _everything(stores, make):
    return (
        stores.board.strip("p1", 0, make.t0_us * 2),
        stores.board.findings("p1"),
        stores.monitor.states(),
        stores.board.alarms(open_only=False),
        stores.monitor.restore(["p1"])["p1"].checkpoint,
        stores.outbox.depth(),
    )


def test_only_what_is_new_of_an_overlapping_batch_is_counted_and_posted(stores, make):
    stores.monitor.commit(Batch(frames=[make.frame(1), make.frame(2)], findings=[make.finding(0)]))
    again = Batch(frames=[make.frame(2), make.frame(3), make.frame(3)], findings=[make.finding(0), make.finding(5)] * 2)
    assert stores.monitor.commit(again) == Committed(1, 1, ())
    assert len(stores.board.strip("p1", 0, make.t0_us * 2)) == 3
    assert [letter.topic for letter in stores.outbox.claim(10, make.t0_us)] == ["ecg.findings"] * 2


def test_the_same_window_by_another_model_is_another_finding(stores, make):
    stores.monitor.commit(Batch(findings=[make.finding(0)]))
    assert stores.monitor.commit(Batch(findings=[make.finding(0, model="m2")])).new_findings == 1
    assert [f.model for f in stores.board.findings("p1")] == ["m1", "m2"]


def test_findings_keep_their_scores_to_half_precision(stores, make):
    abstained = make.finding(5, abstained=True, scores={}, codes=(), heart_rate_bpm=None)
    other = make.finding(10, scores={"VF": 0.25, "AF": 1.0, "LBBB": 0.0, "Q": 0.1234})
    stores.monitor.commit(Batch(findings=[make.finding(0), abstained, other]))
    newest, middle, oldest = stores.board.findings("p1")
    assert middle == abstained
    for stored, given in ((newest, other), (oldest, make.finding(0))):
        assert list(stored.scores) == list(given.scores)
        assert stored.scores == pytest.approx(given.scores, abs=5e-4)
        assert replace(stored, scores=given.scores) == given


def test_an_older_state_does_not_replace_a_newer_one(stores, make):
    stores.monitor.commit(Batch(states=[make.state(9), make.state(9, "p2", heart_rate_bpm=None, sqi=None)]))
    stores.monitor.commit(Batch(states=[make.state(4), make.state(10, "p2")]))
    assert stores.monitor.states() == [make.state(9), make.state(10, "p2")]


def test_the_last_state_of_a_patient_in_a_batch_counts(stores, make):
    stores.monitor.commit(Batch(states=[make.state(1), make.state(2)]))
    assert stores.board.patients() == [make.state(2)]


def test_restore_gives_the_ring_in_time_order_and_the_checkpoint(stores, make):
    frames = [make.frame(i) for i in range(100)]
    stores.monitor.commit(Batch(frames=frames[::-1], checkpoints={"p1": {"n": 1}, "p2": {"n": 2}}))
    stores.monitor.commit(Batch(checkpoints={"p1": {"n": 3, "deep": [{"x": None}]}}))
    restored = stores.monitor.restore(["p1", "p2", "stranger"])
    assert restored["p1"].frames == frames[-30:]
    assert restored["p1"].checkpoint == {"n": 3, "deep": [{"x": None}]}
    assert (restored["p2"].frames, restored["p2"].checkpoint) == ([], {"n": 2})
    assert (restored["stranger"].frames, restored["stranger"].checkpoint) == ([], None)


def test_restore_of_a_whole_ward(stores, make):
    names = [f"p{i:04d}" for i in range(1200)]
    stores.monitor.commit(Batch(frames=[make.frame(1, name) for name in names]))
    restored = stores.monitor.restore(names)
    assert {name: len(found.frames) for name, found in restored.items()} == dict.fromkeys(names, 1)
    assert all(found.frames[0].patient == name for name, found in restored.items())


def test_after_a_reboot_frames_of_both_boots_are_kept_apart(stores, make):
    old = make.frame(1)
    new = make.frame(1, boot=2, t0_us=old.t1_us)
    assert stores.monitor.commit(Batch(frames=[old, new])).new_frames == 2
    assert stores.monitor.restore(["p1"])["p1"].frames == [old, new]


def test_a_batch_that_cannot_be_stored_leaves_nothing_behind(stores, make):
    bad = make.event(make.alarm(), "acknowledged", 1)
    with pytest.raises(ValueError, match="does not acknowledge"):
        stores.monitor.commit(Batch(frames=[make.frame(1)], findings=[make.finding(0)], alarms=[bad]))
    assert stores.board.strip("p1", 0, make.t0_us * 2) == []
    assert stores.board.findings("p1") == []
    assert stores.outbox.depth() == 0


def test_an_empty_batch_is_nothing(stores):
    assert stores.monitor.commit(Batch()) == Committed(0, 0, ())


def test_whoever_claims_a_patient_keeps_others_from_writing(stores, make):
    first = stores.monitor.restore(["p1", "p2"], claim=True)
    assert (first["p1"].frames, first["p1"].checkpoint) == ([], None)
    mine = Batch(frames=[make.frame(1)], checkpoints={"p1": {"n": 1}}, epochs={"p1": first["p1"].epoch})
    stores.monitor.commit(mine)
    second = stores.monitor.restore(["p1"], claim=True)["p1"]
    assert (second.frames, second.checkpoint) == ([make.frame(1)], {"n": 1})
    assert second.epoch > first["p1"].epoch
    stale = Batch(
        frames=[make.frame(2), make.frame(2, "p2")],
        findings=[make.finding(0)],
        alarms=[make.event(make.alarm(), "raised", 4)],
        checkpoints={"p1": {"n": 2}, "p2": {"n": 2}},
        epochs={name: past.epoch for name, past in first.items()},
    )
    for batch in (stale, mine):
        with pytest.raises(Superseded):
            stores.monitor.commit(batch)
    assert stores.board.strip("p2", 0, make.t0_us * 2) == []
    assert stores.board.findings("p1") == stores.board.alarms(open_only=False) == []
    stores.monitor.commit(replace(mine, checkpoints={"p1": {"n": 3}}, epochs={"p1": second.epoch}))
    assert stores.monitor.restore(["p1"])["p1"].checkpoint == {"n": 3}
    assert stores.monitor.restore(["p1"])["p1"].epoch == second.epoch  # reading claims nothing


def test_a_batch_and_the_next_in_one_are_what_both_would_be_one_by_one(stores, make):
    alarm = make.alarm()
    first = Batch(
        [make.frame(1)], [make.finding(0)], [make.state(1)], [make.event(alarm, "raised", 4)], {"p1": {"n": 1}}
    )
    ended = replace(alarm, active=False, ended_us=make.t0_us)
    second = Batch(
        [make.frame(2)], [make.finding(5)], [make.state(2)], [make.event(ended, "ended", 9)], {"p1": {"n": 2}}
    )
    stores.monitor.commit(first.then(second))
    both = _everything(stores, make)
    stores.monitor.commit(first)
    stores.monitor.commit(second)
    assert stores.monitor.restore(["p1"])["p1"].checkpoint == {"n": 2}
    assert _everything(stores, make) == both
    assert (len(both[0]), len(both[1]), both[2], both[3][0].active) == (2, 2, [make.state(2)], False)


def test_heartbeats_are_as_old_as_the_newest_of_their_role(stores, make):
    assert stores.board.heartbeat_age_s("monitor", make.t0_us) is None
    stores.monitor.heartbeat("monitor", "a", make.t0_us)
    stores.monitor.heartbeat("monitor", "b", make.t0_us + 5 * S)
    stores.monitor.heartbeat("monitor", "b", make.t0_us + 3 * S)  # late, tells nothing new
    assert stores.board.heartbeat_age_s("monitor", make.t0_us + 8 * S) == 3.0
    assert stores.board.heartbeat_age_s("gateway", make.t0_us) is None


def test_beds_are_known_from_the_first_state_that_names_one(stores, make):
    stores.monitor.commit(Batch(frames=[make.frame(1)], states=[make.state(1)]))
    assert stores.board.patients()[0].bed == ""
    stores.monitor.commit(Batch(states=[make.state(2, bed="12")]))
    stores.monitor.commit(Batch(states=[make.state(3)]))
    assert stores.board.patients() == [make.state(3, bed="12")]


def test_frames_are_values_the_tests_can_tell_apart(make):
    assert isinstance(make.frame(1), Frame)
    assert make.frame(1) != make.frame(2)
