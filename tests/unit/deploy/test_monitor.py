"""The monitor's step: whatever happens between two commits, storage ends up the same."""

import random
from typing import Any

import numpy as np
import pytest

from inference.rhythm import RhythmBank
from liteheart.clock import ManualClock
from liteheart.errors import Retryable
from liteheart.finding import Finding
from liteheart.signal import Chunk
from storage.monitor_store import Superseded


def test_samples_and_windows_come_out_as_they_went_in(lab: Any) -> None:
    rig, signal = lab.rig(), lab.heart(60)
    rig.play(lab.frames("p", signal))
    assert rig.samples("p") == signal.tolist()
    starts = [t for _, t in rig.scorer.asked]
    assert starts == sorted(set(starts))
    assert np.diff(starts).tolist() == [5_000_000] * (len(starts) - 1)
    assert len(rig.windows("p")) == len(starts) >= 9
    assert rig.alarms() == []


def test_asystole_is_raised_within_ten_seconds_and_goes_out_live(lab: Any) -> None:
    rig = lab.rig()
    rig.play(lab.frames("p", lab.heart(45, stop_s=30)))
    (alarm,) = [a for a in rig.board.alarms(open_only=False, limit=9) if a.condition == "ASYSTOLE"]
    assert alarm.active
    assert not alarm.retrospective
    assert 0 <= (alarm.raised_us - (lab.T0 + 30_000_000)) / 1e6 <= 10
    assert rig.feed.alarmed("ASYSTOLE")


def test_what_is_sent_again_changes_nothing(lab: Any) -> None:
    once, twice = lab.rig(), lab.rig()
    values = lab.frames("p", lab.heart(50, stop_s=30))
    once.play(values)
    for i in range(len(values)):
        twice.step([values[i], values[i]])
        twice.step(values[max(0, i - 3) : i + 1])
    assert twice.samples("p") == once.samples("p")
    assert [a[:2] for a in twice.alarms()] == [a[:2] for a in once.alarms()]
    assert sorted(set(twice.scorer.asked)) == sorted(set(once.scorer.asked))


@pytest.mark.parametrize("crash_at", [1, 7, 31, 33, 34, 36, 44])
def test_a_crash_between_commits_is_not_seen_in_storage(lab: Any, crash_at: int) -> None:
    values = lab.frames("p", np.r_[lab.heart(45, stop_s=30), lab.heart(15)])
    smooth, broken = lab.rig(), lab.rig()
    smooth.play(values)
    broken.play(values[:crash_at])
    broken.clock.advance(1)
    broken.monitor.process(values[crash_at : crash_at + 1])  # killed before its commit
    broken.clock = ManualClock(lab.T0 + crash_at * 1_000_000)
    broken.monitor = broken.fresh()
    broken.play(values[crash_at:])
    assert broken.everything() == smooth.everything()


def test_a_database_that_is_away_delays_storage_and_not_the_alarm(lab: Any) -> None:
    """It goes away before the heart stops, and comes back long after."""
    rig, smooth, values = lab.rig(), lab.rig(), lab.frames("p", lab.heart(60, stop_s=30))
    smooth.play(values)
    rig.play(values[:25])
    rig.store.away = True
    for value in values[25:50]:
        with pytest.raises(Retryable):
            rig.step([value])
    assert rig.feed.alarmed("ASYSTOLE")
    assert rig.alarms() == []
    rig.store.away = False
    rig.play(values[50:])
    assert rig.everything() == smooth.everything()


def test_a_patient_who_comes_while_the_database_is_away_holds_nobody_up(lab: Any) -> None:
    rig, smooth = lab.rig(), lab.rig()
    old, new = lab.frames("old", lab.heart(60, stop_s=30)), lab.frames("new", lab.heart(60))
    steps = [[old[i]] if i < 28 else [new[i], old[i]] for i in range(60)]
    for step in steps:
        smooth.clock.advance(1)
        smooth.monitor.process(step)
        smooth.monitor.commit()
    for i, step in enumerate(steps):
        rig.store.away = 25 <= i < 50
        rig.clock.advance(1)
        rig.monitor.process(step)
        if rig.store.away:
            with pytest.raises(Retryable):
                rig.monitor.commit()
        else:
            rig.monitor.commit()
    assert rig.everything() == smooth.everything()


def test_poison_is_set_aside_with_its_reason_and_the_rest_goes_on(lab: Any) -> None:
    rig, values = lab.rig(), lab.frames("p", lab.heart(3))
    broken = bytearray(values[1])
    broken[-6] ^= 0xFF
    dead = rig.monitor.process([values[0], bytes(broken), b"", values[2]])
    rig.monitor.commit()
    assert [d.field for d in dead] == ["crc", "body"]
    assert len(rig.samples("p")) == 500


def test_patients_do_not_touch_each_other(lab: Any) -> None:
    together, alone = lab.rig(), lab.rig()
    a, b = lab.frames("a", lab.heart(40, stop_s=20)), lab.frames("b", lab.heart(40))
    for x, y in zip(a, b, strict=True):
        together.clock.advance(1)
        together.monitor.process([y, x])
        together.monitor.commit()
    alone.play(a)
    assert [x[:2] for x in together.alarms()] == [x[:2] for x in alone.alarms()]


def test_frames_are_stored_although_their_analysis_fails(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds in which it fails, at the restore too; afterwards the alarm comes all the same."""
    rig, works = lab.rig(), RhythmBank._plan
    sick, well = lab.frames("sick", lab.heart(60, stop_s=25)), lab.frames("well", lab.heart(60))
    for i in range(0, 60, 2):

        def plan(bank: Any, k: int, chunk: Any, *rest: Any, broken: bool = 20 <= i < 30) -> Any:
            if broken and chunk.patient == "sick":
                raise ZeroDivisionError("a bug")
            return works(bank, k, chunk, *rest)

        monkeypatch.setattr(RhythmBank, "_plan", plan)
        rig.step([*sick[i : i + 2], *well[i : i + 2]])
    assert rig.samples("sick") == lab.heart(60, stop_s=25).tolist()
    assert rig.samples("well") == lab.heart(60).tolist()
    assert [a[0] for a in rig.alarms()] == ["ANALYSIS_FAILED", "ASYSTOLE"]


def test_an_owner_who_was_superseded_writes_nothing(lab: Any) -> None:
    """The old owner hangs before its commit while the new one goes on; then it wakes up."""
    rig, smooth, values = lab.rig(), lab.rig(), lab.frames("p", np.r_[lab.heart(45, stop_s=30), lab.heart(30)])
    smooth.play(values)
    rig.play(values[:33])
    old = rig.monitor
    rig.clock.advance(1)
    old.process(values[33:34])
    rig.clock = ManualClock(lab.T0 + 33_000_000)
    rig.monitor = rig.fresh()
    rig.play(values[33:60])
    before = rig.everything()
    with pytest.raises(Superseded):
        old.commit()
    old.commit()  # it has nothing left to say
    assert rig.everything() == before
    rig.play(values[60:])
    assert rig.everything() == smooth.everything()


@pytest.mark.parametrize("seed", range(3))
def test_two_who_both_think_they_own_a_patient_leave_one_truth(lab: Any, seed: int) -> None:
    """Each reads the same records at its own pace, from where it last stored, and now and then dies."""
    values = lab.frames("p", np.r_[lab.heart(22, stop_s=12), lab.heart(18)])
    smooth, rig, chance = lab.rig(), lab.rig(), random.Random(seed)
    smooth.play(values)
    monitors = [rig.fresh(), rig.fresh()]
    read, acknowledged, refusals = [0, 0], [0, 0], 0
    while min(acknowledged) < len(values):
        who = chance.randrange(2)
        what = chance.choice(
            ["read", "read", "commit", "commit", "die"] if chance.random() < 0.3 else ["read", "commit"]
        )
        if what == "read":
            size = chance.choice([1, 1, 2, 5])
            monitors[who].process(values[read[who] : read[who] + size])
            read[who] = min(read[who] + size, len(values))
            rig.clock.advance(max(0.0, lab.T0 / 1e6 + max(read) - rig.clock.now_us() / 1e6))
            continue
        if what == "commit":
            try:
                monitors[who].commit()
                acknowledged[who] = read[who]
                continue
            except Superseded:
                refusals += 1
        else:
            monitors[who] = rig.fresh()
        read[who] = acknowledged[who]
    assert refusals > 0
    assert rig.everything() == smooth.everything()


class Fragile(RhythmBank):
    """Cannot bear a sample of 20 mV."""

    def _plan(self, k: int, chunk: Chunk, *rest: Any) -> None:
        if chunk.mv.max() > 20:
            raise ZeroDivisionError
        super()._plan(k, chunk, *rest)


def test_failing_analysis_is_an_alarm_and_loses_no_sample(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.monitor.RhythmBank", Fragile)
    rig, signal = lab.rig(), lab.heart(70)
    signal[12 * 250 + 5] = 30_000
    rig.play(lab.frames("p", signal))
    rig.play(lab.frames("q", lab.heart(20)))
    assert rig.samples("p") == signal.tolist()
    (alarm,) = [a for a in rig.board.alarms(open_only=False, limit=9) if a.condition == "ANALYSIS_FAILED"]
    assert (alarm.patient, alarm.priority.name, alarm.kind.value) == ("p", "HIGH", "technical")
    assert alarm.onset_us == lab.T0 + 13_000_000
    assert not alarm.active  # the sample has left the ring
    assert rig.windows("q")


def test_a_student_that_fails_does_not_stop_the_rules(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = lab.rig()

    def broken(windows: object) -> list[Finding]:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(rig.scorer, "score", broken)
    rig.play(lab.frames("p", lab.heart(90, stop_s=80)))
    assert {a.condition for a in rig.board.alarms(open_only=True, limit=9)} == {"ASYSTOLE", "MODEL_UNAVAILABLE"}
