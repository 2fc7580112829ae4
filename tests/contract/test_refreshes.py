"""Attempts to refresh: one at a time, gone on with after a crash, forgotten by name when over. On both databases."""

import threading

import pytest
from sqlalchemy import Engine

from liteheart.errors import Conflict
from liteheart.ids import ModelVersion, PatientId
from storage.audit import Audit
from storage.harvest import bare
from storage.refreshes import Refresh, Refreshes

NOW, LEASE = 1_790_000_000_000_000, 60_000_000


@pytest.fixture
def refreshes(engine: Engine) -> Refreshes:
    return Refreshes(engine)


def test_told_and_ended_and_its_salt_forgotten(refreshes: Refreshes, engine: Engine) -> None:
    first = refreshes.begin("a", NOW, LEASE)
    assert (first.phase, first.share, first.outcome) == ("harvest", 0.0, None)
    assert first.salt is not None
    told = refreshes.tell(first, "grow", 0.5, NOW + 1, LEASE, windows=3)
    told = refreshes.tell(told, "gate", 1.5, NOW + 2, LEASE, candidate="v1")
    assert (told.phase, told.share, told.candidate) == ("gate", 1.0, "v1")
    assert dict(told.detail) == {"windows": 3, "candidate": "v1"}
    ended = refreshes.end(told, "refused", "AFIB -.05", NOW + 3)
    assert (ended.outcome, ended.reason, ended.salt) == ("refused", "AFIB -.05", None)
    assert [d.action for d in Audit(engine).latest(5)][:2] == ["refresh-refused", "refresh-began"]
    assert Audit(engine).verify().broken is None
    with pytest.raises(Conflict, match="over"):
        refreshes.tell(told, "gate", 0.0, NOW, LEASE)
    assert refreshes.begin("a", NOW + 4, LEASE).refresh_id > ended.refresh_id


def test_of_many_who_begin_at_once_one_does(refreshes: Refreshes) -> None:
    held: list[Refresh] = []
    refused: list[str] = []

    def begin(name: str) -> None:
        try:
            held.append(refreshes.begin(name, NOW, LEASE))
        except Conflict as conflict:
            refused.append(conflict.reason)

    threads = [threading.Thread(target=begin, args=(f"host-{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 1
    assert refused == [f"{held[0].holder} is at it (harvest, 0%)"] * 5


def test_a_lease_that_is_over_is_taken_and_the_first_one_is_told(refreshes: Refreshes) -> None:
    first = refreshes.begin("a", NOW, LEASE)
    first = refreshes.tell(first, "grow", 0.5, NOW, LEASE)
    with pytest.raises(Conflict, match=r"a is at it \(grow, 50%\)"):
        refreshes.begin("b", NOW + LEASE - 1, LEASE)
    second = refreshes.begin("b", NOW + LEASE, LEASE)
    assert (second.refresh_id, second.phase, second.salt) == (first.refresh_id, "grow", first.salt)
    with pytest.raises(Conflict, match="b has gone on"):
        refreshes.renew(first, NOW + LEASE, LEASE)
    refreshes.release(first, NOW + LEASE)  # too late: b holds it
    with pytest.raises(Conflict, match="b is at it"):
        refreshes.begin("c", NOW + LEASE + 1, LEASE)
    refreshes.release(second, NOW + LEASE)
    assert refreshes.begin("c", NOW + LEASE + 1, LEASE).holder == "c"


def test_the_reference_is_what_was_seen_when_the_champion_was_made(refreshes: Refreshes) -> None:
    attempts = []
    for i, candidate in enumerate(["v1", "v2", "v3"]):
        attempt = refreshes.begin("a", NOW + i, LEASE)
        refreshes.keep_profiles(attempt, {"ward": {"sqi": {"p": [i]}}})
        attempt = refreshes.tell(attempt, "gate", 0.0, NOW + i, LEASE, candidate=candidate)
        attempts.append(refreshes.end(attempt, "candidate", "", NOW + i))
    assert refreshes.reference(ModelVersion("v2"), attempts[2]) == {"ward": {"sqi": {"p": [1]}}}
    assert refreshes.reference(ModelVersion("shipped"), attempts[2]) == {"ward": {"sqi": {"p": [0]}}}
    assert refreshes.reference(ModelVersion("shipped"), attempts[0]) == {}


def test_a_bare_name_says_nothing_without_its_salt() -> None:
    one, other = bare(PatientId("p-1"), b"a" * 16), bare(PatientId("p-1"), b"b" * 16)
    assert one != other
    assert one == bare(PatientId("p-1"), b"a" * 16)
    assert "p-1" not in one
