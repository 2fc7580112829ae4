"""The registry of students: what may follow what, who serves, and that nobody can slip other weights in."""

import hashlib
import threading
from dataclasses import replace

import pytest
from sqlalchemy import Engine, update

from liteheart.errors import Conflict, Poison
from liteheart.ids import ModelVersion
from storage.audit import Audit
from storage.engine import writing
from storage.models import Made, Models
from storage.schema import model_files

NOW = 1_790_000_000_000_000


def made(name: str, weights: bytes = b"", parent: str | None = None) -> Made:
    return Made(
        version=ModelVersion(name),
        parent=None if parent is None else ModelVersion(parent),
        files={"student.npz": weights or name.encode(), "student.json": b"{}"},
        data_digest=hashlib.sha256(b"windows").digest(),
        code_version="0.1.0",
        card={"made": "for a test"},
        metrics={"auroc": 0.8},
    )


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def judged(models: Models, name: str) -> None:
    """Registered, through the gate, beside the champion."""
    models.register(made(name, parent="shipped"), "refresh", NOW)
    for step in ("passed", "shadowed"):
        models.take_step(ModelVersion(name), step, "refresh", "", NOW)


def promoted(models: Models, name: str) -> None:
    judged(models, name)
    models.approve(ModelVersion(name), digest(name), "dr", "", NOW)
    models.promote(ModelVersion(name), "dr", NOW)


@pytest.fixture
def models(engine: Engine) -> Models:
    found = Models(engine)
    found.ship(made("shipped"), NOW)
    return found


def test_the_shipped_student_serves_and_shipping_again_changes_nothing(models: Models) -> None:
    models.ship(made("shipped"), NOW + 1)
    assert models.champion() == "shipped"
    (only,) = models.latest()
    assert [s.step for s in only.steps] == ["registered", "passed", "shadowed", "approved", "promoted"]


def test_a_newer_program_adds_files_to_its_student_and_changes_none(models: Models) -> None:
    before = made("shipped")
    more = replace(before, files={**before.files, "student.json": b"changed", "student.world.npz": b"world"})
    models.ship(more, NOW + 1)
    models.ship(more, NOW + 2)
    assert models.files(before.version) == {**before.files, "student.world.npz": b"world"}


def test_a_newer_program_brings_its_student_but_not_over_a_refreshed_one(models: Models) -> None:
    models.ship(made("shipped-2"), NOW)
    assert models.champion() == "shipped-2"
    promoted(models, "fresh")
    models.ship(made("shipped-3"), NOW)
    assert models.champion() == "fresh"
    assert models.get(ModelVersion("shipped-3")).status == "approved"  # type: ignore[union-attr]  # it is there


def test_the_whole_way_and_back(models: Models, engine: Engine) -> None:
    promoted(models, "fresh")
    promoted(models, "fresher")
    assert models.champion() == "fresher"
    assert models.roll_back("dr", "too many calls", NOW) == "fresh"
    assert models.roll_back("dr", "worse still", NOW) == "shipped"
    assert models.champion() == "shipped"
    with pytest.raises(Conflict, match="no other version"):
        models.roll_back("dr", "again", NOW)
    assert models.get(ModelVersion("fresher")).status == "rolled-back"  # type: ignore[union-attr]  # it is there
    with pytest.raises(Conflict, match="rolled-back"):
        models.promote(ModelVersion("fresher"), "dr", NOW)
    models.approve(ModelVersion("fresher"), digest("fresher"), "dr", "it was the cable", NOW)
    models.promote(ModelVersion("fresher"), "dr", NOW)
    assert models.champion() == "fresher"
    deeds = [d.action for d in Audit(engine).latest(100, subject="fresher")]
    assert deeds[:3] == ["model-promoted", "model-approved", "model-rolled-back"]
    assert Audit(engine).verify().broken is None


@pytest.mark.parametrize("skipped", ["passed", "shadowed", "approved"])
def test_no_step_can_be_left_out(models: Models, skipped: str) -> None:
    name = ModelVersion("fresh")
    models.register(made("fresh"), "refresh", NOW)
    steps = {
        "passed": lambda: models.take_step(name, "passed", "refresh", "", NOW),
        "shadowed": lambda: models.take_step(name, "shadowed", "refresh", "", NOW),
        "approved": lambda: models.approve(name, digest("fresh"), "dr", "", NOW),
        "promoted": lambda: models.promote(name, "dr", NOW),
    }
    order = [*steps]
    for step in order[: order.index(skipped)]:
        steps[step]()
    with pytest.raises(Conflict, match="cannot be"):
        steps[order[order.index(skipped) + 1]]()
    assert models.champion() == "shipped"


def test_what_was_refused_stays_so_with_its_reason(models: Models) -> None:
    models.register(made("fresh"), "refresh", NOW)
    with pytest.raises(Poison, match="why"):
        models.take_step(ModelVersion("fresh"), "refused", "gate", "", NOW)
    models.take_step(ModelVersion("fresh"), "refused", "gate", "AFIB -.02 beyond .01", NOW)
    for again in (
        lambda: models.take_step(ModelVersion("fresh"), "passed", "gate", "", NOW),
        lambda: models.approve(ModelVersion("fresh"), digest("fresh"), "dr", "", NOW),
        lambda: models.promote(ModelVersion("fresh"), "dr", NOW),
    ):
        with pytest.raises(Conflict, match="refused"):
            again()
    found = models.get(ModelVersion("fresh"))
    assert found is not None
    assert found.steps[-1].reason == "AFIB -.02 beyond .01"


def test_the_approval_names_the_weights_it_is_for(models: Models) -> None:
    judged(models, "fresh")
    for wrong in ("", digest("fresh")[:11], digest("other")):
        with pytest.raises(Conflict, match="digest"):
            models.approve(ModelVersion("fresh"), wrong, "dr", "", NOW)
    models.approve(ModelVersion("fresh"), digest("fresh")[:12].upper(), "dr", "", NOW)


def test_weights_that_were_changed_are_neither_promoted_nor_handed_out(models: Models, engine: Engine) -> None:
    judged(models, "fresh")
    models.approve(ModelVersion("fresh"), digest("fresh"), "dr", "", NOW)
    with writing(engine) as connection:
        mine = (model_files.c.version == "fresh") & (model_files.c.file == "student.npz")
        connection.execute(update(model_files).where(mine).values(content=b"others"))
    with pytest.raises(Conflict, match="not what was registered"):
        models.promote(ModelVersion("fresh"), "dr", NOW)
    with pytest.raises(Conflict, match="not what was registered"):
        models.files(ModelVersion("fresh"))
    assert models.champion() == "shipped"


def test_a_name_stands_for_one_set_of_weights(models: Models) -> None:
    assert models.register(made("fresh"), "refresh", NOW)
    assert not models.register(made("fresh"), "refresh", NOW)
    with pytest.raises(Conflict, match="other weights"):
        models.register(made("fresh", b"others"), "refresh", NOW)
    with pytest.raises(Poison, match="hold no"):
        models.register(replace(made("bare"), files={}), "refresh", NOW)


def test_two_who_promote_at_once_leave_one_champion_and_the_other_one_before_it(models: Models) -> None:
    for name in ("left", "right"):
        judged(models, name)
        models.approve(ModelVersion(name), digest(name), "dr", "", NOW)
    threads = [
        threading.Thread(target=models.promote, args=(ModelVersion(name), "dr", NOW)) for name in ("left", "right")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = models.champion()
    assert {first, models.roll_back("dr", "one of them", NOW)} == {"left", "right"}


def test_many_who_ship_at_once_register_one(engine: Engine) -> None:
    """As monitors that start together do."""
    models, came = Models(engine), list[bool]()

    def register() -> None:
        came.append(models.register(made("shipped"), "system", NOW))

    threads = [threading.Thread(target=register) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came) == [False] * 5 + [True]
    (only,) = models.latest()
    assert [s.step for s in only.steps] == ["registered"]
