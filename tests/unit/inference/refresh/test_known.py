"""A student's world: kept beside its weights, without anybody's name, and a ward that is new from its first day."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from inference.model.card import load_card
from inference.preprocess import FS_HZ, SAMPLES
from inference.refresh.drift import Drift, drifts
from inference.refresh.embed import Embedder
from inference.refresh.known import (
    FILE,
    Known,
    Look,
    learn_known,
    load_known,
    look_at,
    profiles_of,
    save_known,
)
from inference.refresh.pool import Floats
from inference.refresh.scenario import Device, sent_by
from inference.serve.engine import load_engine
from inference.settings import SHIPPED
from inference.train.data import read_pack
from liteheart.errors import Misconfigured

ECG = Path(os.environ.get("LITEHEART_ECG", Path(__file__).parents[5] / "shared" / "ecg"))
PATIENTS = 40
WARD = "north, lead I, 100 Hz, 1000/mV"


def some_looks(n: int = 30) -> list[Look]:
    """Windows of noise of two groups, ten patients each, every fifth of which the student is not asked about."""
    rng = np.random.default_rng(0)
    looks = []
    for i in range(n):
        x = rng.normal(0, 0.3, SAMPLES).astype(np.float32)
        features = {"sqi": rng.uniform(), "heart_rate_bpm": None, "abstained": float(i % 5 == 0)}
        looks.append(Look("lead I" if i % 2 else "lead II", f"somebody-{i % 10}", x[:0] if i % 5 == 0 else x, features))
    return looks


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("student")
    for name in ("student.npz", "student.json"):
        shutil.copy(SHIPPED / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def known(student: Path) -> Known:
    return learn_known(student, some_looks(), "noise")


def test_it_outlives_its_process_and_holds_nobodys_name(student: Path, known: Known) -> None:
    save_known(student, known)
    written = (student / FILE).read_bytes()
    save_known(student, known)
    assert (student / FILE).read_bytes() == written
    with np.load(student / FILE) as arrays:
        assert not any(b"somebody" in arrays[name].tobytes() for name in arrays.files)
    again = load_known(student)
    assert again is not None
    assert (again.made_of, list(again.groups)) == ("noise", list(known.groups))
    for group, spreads in known.groups.items():
        assert spreads.keys() == again.groups[group].keys()
        for feature, spread in spreads.items():
            assert again.groups[group][feature].patients == spread.patients
            assert again.groups[group][feature].rows == pytest.approx(spread.rows)
    x = np.random.default_rng(1).normal(0, 1, (5, len(known.space.centre)))
    assert again.distance(x) == pytest.approx(known.distance(x), rel=1e-4)


def test_the_student_is_in_it_where_it_was_asked(known: Known) -> None:
    classes = set(load_card(SHIPPED).classes)
    first = known.groups["lead I"]
    assert classes < first.keys()
    assert first["distance"].patients < first["abstained"].patients + 1
    assert "heart_rate_bpm" not in first
    assert float(
        np.median(known.distance(Embedder(SHIPPED)(np.array([k.x for k in some_looks() if len(k.x)]))[0]))
    ) == (pytest.approx(1))


def test_a_student_without_one_has_none_and_a_strange_or_damaged_one_is_an_error(
    student: Path, known: Known, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(student, other)
    (other / FILE).unlink(missing_ok=True)
    assert load_known(other) is None
    save_known(other, known)
    whole = (other / FILE).read_bytes()
    for damaged in (whole[:1000], b"", b"nonsense"):
        (other / FILE).write_bytes(damaged)
        with pytest.raises(Misconfigured, match=r"student\.world\.npz is damaged"):
            load_known(other)
    (other / FILE).write_bytes(whole)
    card = (other / "student.json").read_text()
    (other / "student.json").write_text(card.replace(load_card(other).sha256, "0" * 64))
    with pytest.raises(Misconfigured, match="of another student"):
        load_known(other)


def test_no_world_is_made_of_nothing(student: Path) -> None:
    with pytest.raises(Misconfigured, match="no numbers"):
        learn_known(student, some_looks(1), "nothing")


def test_a_ward_is_compared_with_itself_else_with_its_lead_else_with_the_first(known: Known) -> None:
    one = known.groups["lead I"]
    world = Known("", known.space, {"lead I": one, "lead II": one, "north, lead V3, 250 Hz, 200/mV": one})
    assert world.like("north, lead V3, 250 Hz, 200/mV") == "north, lead V3, 250 Hz, 200/mV"
    assert world.like("south, lead II, 250 Hz, 200/mV") == "lead II"
    assert world.like("south, lead III, 250 Hz, 200/mV") == "lead I"


def test_what_is_no_number_is_at_no_distance(known: Known) -> None:
    x = np.full((2, len(known.space.centre)), 0.1)
    x[1, 0] = np.nan
    assert np.isnan(known.distance(x)).tolist() == [False, True]


def test_the_shipped_student_brings_its_own() -> None:
    known = load_known(SHIPPED)
    assert known is not None
    assert list(known.groups) == ["lead I", "lead II"]
    assert set(load_card(SHIPPED).classes) < known.groups["lead I"].keys()
    assert known.groups["lead I"]["distance"].patients > 2000
    assert (SHIPPED / FILE).stat().st_size < 100_000


@pytest.mark.ecg
def test_a_ward_all_on_a_new_device_drifts_from_its_first_day_and_the_same_ward_on_lead_i_does_not() -> None:
    """Patients of folds 7 and 8, none of whom is in the world (folds 1 to 6); all say that they send lead I."""
    pack = ECG / "ptbxl_folds5to8.ecg.xz"
    if not pack.exists():
        pytest.skip(f"no ECG packs at {ECG}")
    rows = {str(r.labels["patient"] or r.name): r for r in read_pack(pack) if int(r.labels["fold"]) in (7, 8)}
    names = sorted(rows)[:: max(1, len(rows) // PATIENTS)][:PATIENTS]
    mv = np.stack([rows[name].mv[:, :SAMPLES] for name in names])
    known = load_known(SHIPPED)
    assert known is not None
    assert told(known, mv, names, Device()) == []
    found = told(known, mv, names, Device("V3", band_hz=(0.67, 25.0)))
    assert {"distance", "amplitude_mv"} <= {drift.feature for drift in found}
    assert {drift.kind for drift in found} == {"input", "output"}
    assert "is not what the student learned from" in str(found[0])


def told(
    known: Known, mv: np.ndarray[tuple[int, ...], np.dtype[np.float32]], names: list[str], device: Device
) -> list[Drift]:
    engine = load_engine()
    sent = sent_by(mv, device, None, "measure", 0).astype(np.float32)
    looks = [look_at(x, FS_HZ, WARD, name, engine) for x, name in zip(sent, names, strict=True)]
    embedder = Embedder(SHIPPED)
    embedding, p = embedder(np.array([look.x for look in looks if len(look.x)]))
    away: Floats = known.distance(embedding)
    (profile,) = profiles_of(looks, away, p, embedder.card).values()
    return drifts(WARD, known.groups[known.like(WARD)], profile, since="made")
