"""What the dashboard reads."""

import json

import numpy as np
from sqlalchemy import text

from storage.engine import reading
from storage.extent import EXTENT
from storage.monitor_store import Batch

S = 1_000_000


def test_a_strip_holds_the_frames_that_overlap_it(stores, make):
    frames = [make.frame(i) for i in range(20)]
    stores.monitor.commit(Batch(frames=[*frames, make.frame(5, "p2")]))
    at = make.t0_us
    assert stores.board.strip("p1", at + 5 * S, at + 8 * S) == frames[5:8]
    assert stores.board.strip("p1", at + 5 * S - 1, at + 8 * S + 1) == frames[4:9]
    assert stores.board.strip("p1", at + 5_500_000, at + 5_600_000) == [frames[5]]
    assert stores.board.strip("p1", at + 20 * S, at + 99 * S) == []
    assert stores.board.strip("p1", at - 99 * S, at) == []
    assert stores.board.strip("nobody", at, at + 99 * S) == []


def test_a_long_frame_is_found_by_its_end(stores, make):
    long = make.frame(0, samples=np.zeros(60_000, np.int16))  # 240 s
    stores.monitor.commit(Batch(frames=[long, make.frame(1)]))
    assert stores.board.strip("p1", make.t0_us + 239 * S, make.t0_us + 241 * S) == [long]


def test_the_extent_is_from_the_first_sample_to_the_last_of_one_patient(stores, make):
    assert stores.board.extent("p1") is None
    long = make.frame(3, samples=np.zeros(60_000, np.int16))  # 240 s: what begins after it ends before
    frames = [make.frame(i) for i in (7, 5, 9)]
    stores.monitor.commit(Batch(frames=[*frames, long, make.frame(0, "p2"), make.frame(900, "p2")]))
    assert stores.board.extent("p1") == (make.t0_us + 3 * S, make.t0_us + 243 * S)
    assert stores.board.extent("p2") == (make.t0_us, make.t0_us + 901 * S)
    assert stores.board.extent("nobody") is None


def test_findings_come_newest_first_from_a_time_on(stores, make):
    findings = [make.finding(i, scores={"AF": 0.5}) for i in range(0, 50, 5)]
    stores.monitor.commit(Batch(findings=[*findings, make.finding(0, "p2")]))
    newest_first = findings[::-1]
    assert stores.board.findings("p1", limit=3) == newest_first[:3]
    assert stores.board.findings("p1", since_us=make.t0_us + 40 * S) == newest_first[:2]
    assert stores.board.findings("nobody") == []


def test_a_finding_on_the_bus_is_plain_json_without_a_name(stores, make):
    stores.monitor.commit(Batch(findings=[make.finding(0)]))
    (letter,) = stores.outbox.claim(10, make.t0_us)
    told = json.loads(letter.payload)
    assert (letter.key, letter.created_us) == ("p1", make.finding(0).arrival_us)
    assert told["scores"] == {"AF": 0.9312, "SB": 0.002, "NSR": 0.05}
    assert told["quality"] == {"sqi": 0.93, "usable": True, "reasons": ["noise"]}
    assert (told["t0_us"], told["model"], told["codes"]) == (make.t0_us, "m1", ["AF"])


def test_letters_are_claimed_once_within_a_lease_and_never_after_they_were_sent(stores, make):
    now = make.t0_us
    stores.monitor.commit(Batch(findings=[make.finding(i) for i in range(5)]))
    mine = stores.outbox.claim(3, now)
    theirs = stores.outbox.claim(10, now + S)
    assert [len(mine), len(theirs)] == [3, 2]
    assert [x.letter_id for x in mine + theirs] == sorted({x.letter_id for x in mine + theirs})
    stores.outbox.mark_sent([x.letter_id for x in mine], now + S)
    stores.outbox.mark_sent([], now + S)
    assert stores.outbox.depth() == 2
    assert stores.outbox.claim(10, now + 2 * S) == []
    assert stores.outbox.claim(10, now + 40 * S) == theirs  # that relay died


def test_open_alarms_are_found_through_their_index(engine):
    """The dashboard asks for them all the time, among years of alarms that are over."""
    asked = "SELECT * FROM alarms WHERE (active OR (latching AND acknowledged_us IS NULL)) ORDER BY priority DESC"
    with reading(engine) as connection:
        if engine.dialect.name == "sqlite":
            plan = connection.execute(text(f"EXPLAIN QUERY PLAN {asked}")).all()
        else:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = connection.execute(text(f"EXPLAIN {asked}")).all()
    assert "ix_alarms_open" in str(plan)


def test_the_extent_is_read_from_the_ends_of_indexes(engine):
    """A page that opens must not walk through months of signal."""
    asked = EXTENT.params(whose="p1").compile(engine, compile_kwargs={"literal_binds": True})
    with reading(engine) as connection:
        if engine.dialect.name == "sqlite":
            plan = str(connection.execute(text(f"EXPLAIN QUERY PLAN {asked}")).all())
            assert "SCAN" not in plan.replace("SCAN CONSTANT ROW", "")
        else:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = str(connection.execute(text(f"EXPLAIN {asked}")).all())
            assert "Seq Scan" not in plan
    assert "ix_frames_patient_t0_us" in plan
    assert "ix_blocks_patient_t0_us" in plan
