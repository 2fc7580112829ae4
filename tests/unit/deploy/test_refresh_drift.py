"""Drift at a harvest: told in words and as one technical notice an attempt, against the student's world from the first
day, and against what was seen before; and the sample of windows of which a candidate's world is made.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from deploy import wiring
from deploy.refresh.drifting import against, look_for_drift
from deploy.refresh.worlds import keep_looks, kept_looks
from deploy.settings import Settings, load
from inference.refresh.drift import Profile
from inference.refresh.known import Known, Look
from inference.refresh.pool import World
from liteheart.care import Delivery
from liteheart.errors import Misconfigured
from liteheart.ids import ModelVersion

NOW, LEASE = 1_790_000_000_000_000, 60_000_000
OURS, OTHER = ModelVersion("student-1"), ModelVersion("student-2")
NORTH, SOUTH = "north, lead I, 250 Hz, 200/mV", "south, lead I, 250 Hz, 200/mV"


def profile(seed: int, *, rate: float = 70.0, distance: float = 1.0, patients: int = 20) -> Profile:
    rng, found = np.random.default_rng(seed), Profile()
    for p in range(patients):
        for _ in range(5):
            found.add(
                f"{seed}-{p}",
                {"heart_rate_bpm": rng.normal(rate, 5), "distance": distance * rng.uniform(0.8, 1.2), "abstained": 0.0},
            )
    return found


def world() -> Known:
    space = World(np.zeros(2), np.eye(2), 1.0, 0.1)
    return Known("recordings of a test", space, {"lead I": profile(0, patients=200).spreads()})


@dataclass
class House:
    """A database, settings with two targets that take technical notices and one that does not, and attempts."""

    settings: Settings
    storage: wiring.Storage
    attempts: int = 0

    def attempt(self, known: Known | None, student: ModelVersion = OURS, **profiles: Profile) -> list[str]:
        """What one attempt finds, which looks twice as one that was broken off would."""
        self.attempts += 1
        at_us = NOW + self.attempts
        refresh = self.storage.refreshes.begin("host", at_us, LEASE)
        named = {{"north": NORTH, "south": SOUTH}[name]: found for name, found in profiles.items()}
        first = look_for_drift(self.settings, self.storage, refresh, student, known, named, at_us)
        again = look_for_drift(self.settings, self.storage, refresh, student, known, named, at_us + 1)
        assert first == again
        self.storage.refreshes.end(refresh, "refused", "", at_us + 2)
        return first

    def notices(self) -> list[Delivery]:
        """Those that nobody has fetched yet."""
        return self.storage.notifications.claim(["pager", "desk", "calls"], 100, NOW + 100 * self.attempts, 3600)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    hooks = [{"name": name, "url": "http://127.0.0.1:1/hook"} for name in ("pager", "desk")]
    hooks.append({"name": "calls", "url": "http://127.0.0.1:1/hook", "kinds": ["physiological"]})
    environ = {f"LITEHEART_SECRET_{name}": "correct horse battery" for name in ("PAGER", "DESK", "CALLS")}
    environ |= {"LITEHEART_NOTIFY_WEBHOOK": json.dumps(hooks), "LITEHEART_NOTIFY_LINK": "https://ward.example"}
    settings = load(environ=environ, data_dir=tmp_path)
    storage = wiring.open_storage(settings)
    yield House(settings, storage)
    storage.close()


def test_a_ward_that_is_new_from_the_first_day_is_told_once_an_attempt_to_whoever_takes_technical_notices(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    (words,) = house.attempt(world(), north=profile(1, distance=2.0))
    assert words.startswith(f"{NORTH}: distance is not what the student learned from")
    assert "MODEL_DRIFT" in caplog.text
    told = house.notices()
    assert sorted(d.target for d in told) == ["desk", "pager"], "once each, though the attempt looked twice"
    notice = told[0].notice
    assert (notice["condition"], notice["kind"], notice["value"]) == ("MODEL_DRIFT", "technical", words)
    assert notice["link"] == "https://ward.example/#/models"
    assert told[0].alarm_id is None
    house.attempt(world(), north=profile(1, distance=2.0))
    assert len(house.notices()) == 2, "the next attempt tells it again"


def test_a_ward_as_the_student_learned_from_is_not_told(house: House) -> None:
    assert house.attempt(world(), north=profile(1)) == []
    assert house.notices() == []


def test_each_site_and_kind_of_device_stands_for_itself(house: House) -> None:
    (words,) = house.attempt(world(), north=profile(1), south=profile(2, rate=120.0))
    assert words.startswith(SOUTH)
    assert "heart_rate_bpm" in words
    nearer, farther = profile(3, rate=85.0), profile(4, rate=130.0)
    found = [one for one in house.attempt(world(), north=nearer, south=farther) if "learned from" in one]
    assert [one[:5] for one in found] == ["south", "north"], "the largest first"


def test_without_a_world_the_first_day_is_the_reference_and_that_is_said(house: House) -> None:
    assert "without what it learned from" in against(None)
    assert against(world()) == "recordings of a test"
    assert house.attempt(None, north=profile(1, distance=2.0)) == []
    (words,) = house.attempt(None, north=profile(2, distance=2.0, rate=120.0))
    assert words.startswith(f"{NORTH}: heart_rate_bpm has shifted")


def test_what_changes_after_the_first_day_is_told_beside_what_was_foreign_from_it(house: House) -> None:
    assert len(house.attempt(world(), north=profile(1, rate=95.0))) == 1
    found = house.attempt(world(), north=profile(2, rate=130.0))
    assert len(found) == 2
    for words in ("is not what the student learned from", "has shifted"):
        assert any(f"heart_rate_bpm {words}" in one for one in found)


def test_distances_that_another_student_measured_are_not_compared(house: House) -> None:
    assert house.attempt(None, OTHER, north=profile(1)) == []
    assert house.attempt(None, OURS, north=profile(2, distance=2.0)) == []
    (words,) = house.attempt(None, OTHER, north=profile(3, distance=2.0))
    assert "distance has shifted" in words, "the same student is"


def test_what_earlier_versions_kept_is_still_a_reference(house: House) -> None:
    refresh = house.storage.refreshes.begin("host", NOW, LEASE)
    house.storage.refreshes.keep_profiles(refresh, {NORTH: profile(1).to_json()})
    house.storage.refreshes.end(refresh, "refused", "", NOW)
    (words,) = house.attempt(None, north=profile(2, rate=120.0))
    assert "heart_rate_bpm has shifted" in words


def test_a_candidate_that_learned_from_the_ward_does_not_call_it_foreign(house: House) -> None:
    ward = profile(1, distance=2.0)
    own = Known("the ward", world().space, {"lead I": world().groups["lead I"], NORTH: ward.spreads()})
    assert house.attempt(own, north=profile(2, distance=2.0)) == []
    (words,) = house.attempt(own, south=profile(3, distance=2.0))
    assert words.startswith(SOUTH), "the other site was not learned from"


def looks(n: int, patient: str = "p", group: str = NORTH) -> list[Look]:
    x = np.random.default_rng(0).normal(0, 1, (n, 1000)).astype(np.float32)
    return [Look(group, patient, x[i, : 1000 * (i % 2)], {"sqi": 0.1 * i, "heart_rate_bpm": None}) for i in range(n)]


def test_looks_are_kept_as_they_are(tmp_path: Path) -> None:
    assert kept_looks(tmp_path) == []
    given = looks(4)
    keep_looks(tmp_path, given)
    found = {look.features["sqi"]: look for look in kept_looks(tmp_path)}
    assert len(found) == 4
    for look in given:
        again = found[look.features["sqi"]]
        assert (again.group, again.patient) == (look.group, look.patient)
        assert np.array_equal(again.x, look.x)
        assert np.isnan(float(again.features["heart_rate_bpm"] or 0)), "what is not known stays so"
    keep_looks(tmp_path, [])
    assert kept_looks(tmp_path) == []


def test_many_looks_are_drawn_from_and_nobody_is_left_out(tmp_path: Path) -> None:
    keep_looks(tmp_path, [*looks(1500, "loud"), *looks(5, "quiet")])
    names = [look.patient for look in kept_looks(tmp_path)]
    assert len(names) <= 1000
    assert names.count("quiet") == 5


def test_looks_that_are_damaged_are_one_clear_error(tmp_path: Path) -> None:
    keep_looks(tmp_path, looks(3))
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(Misconfigured, match="is damaged"):
        kept_looks(tmp_path)
