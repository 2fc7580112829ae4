"""Few labels, one loop, resumable runs, a table: on synthetic hearts that two leads tell apart."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.distill import benchmark
from inference.distill.benchmark import BenchmarkSettings, load_scored, make_material, run_benchmark, run_path
from inference.distill.figures import Scored, difference, fbeta, gap_closed, groups, measure, thresholds
from inference.distill.guide import Ensemble, calibrated
from inference.distill.loop import Budget, distil
from inference.distill.objective import arm
from inference.distill.plots import by_condition, plot_gap
from inference.distill.scarce import scarce, together
from inference.distill.table import make_table, markdown
from inference.distill.teachers import TeacherSettings, load_ensemble, save_ensemble, teach
from inference.model.student import Student, StudentShape
from inference.model.teacher import Teacher, TeacherShape
from inference.preprocess import SAMPLES
from inference.train.data import Examples, unlabelled
from inference.train.evaluate import macro_auroc
from inference.train.measure import predict
from inference.train.views import STRONG, WEAK, ViewSettings, disturb, move

CLASSES = ("NORM", "AFIB")  # a superclass and a statement; what the figures group by
SHAPE = StudentShape(2, channels=(8, 12, 12))
TEACHERS = TeacherSettings(
    count=2,
    generations=2,
    channels=(8, 12, 12),
    depths=(1, 1, 1),
    dropout=0.0,
    first=Budget(steps=40, batch=16),
    later=Budget(steps=10, batch=8, unlabelled_batch=8),
)


def _hearts(n: int = 320, leads: int = 12, seed: int = 0) -> Examples:
    """Fast or slow, tall or not, in all leads; patients of two windows each, folds 1 to 8."""
    rng = np.random.default_rng(seed)
    y = rng.random((n, 2)) < 0.5
    t = np.arange(SAMPLES) / 100
    period = np.where(y[:, :1], 0.5, 0.9) + 0.05 * rng.random((n, 1))
    beat = (t + rng.random((n, 1))) % period - period / 2
    x = np.where(y[:, 1:], 1.6, 0.8) * np.exp(-((beat / 0.03) ** 2))
    x = x[:, None] + 0.03 * rng.standard_normal((n, leads, SAMPLES))
    owner = np.arange(n) // 2
    return Examples(
        CLASSES, x.astype(np.float32), y, np.ones_like(y), np.array([f"p{i}" for i in owner]), owner % 8 + 1
    )


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5, 1.0])
def test_few_labels_are_those_of_whole_patients_and_keep_the_mix(share: float) -> None:
    data = _hearts(800, leads=1)
    few, rest = scarce(data, share, seed=3)
    assert len(few) + len(rest) == len(data)
    assert not set(few.patients) & set(rest.patients)
    assert abs(len(few) - share * len(data)) <= 2
    assert np.allclose(few.y.mean(axis=0), data.y.mean(axis=0), atol=0.12)
    assert not rest.known.any()
    assert not rest.y.any()
    assert set(scarce(data, share, seed=3)[0].patients) == set(few.patients)


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="outside 0 to 1"):
        scarce(_hearts(20), 0.0, seed=0)


def test_what_moves_moves_in_all_leads_and_what_disturbs_does_not_move() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(4, 1, SAMPLES).repeat(1, 3, 1)
    for settings in (WEAK, STRONG):
        moved = move(x, settings, g)
        assert torch.equal(moved[:, 0], moved[:, 2])
        assert not torch.equal(moved, x)
    quiet = ViewSettings(gain_sd=0.0, noise_mv=0.0, wander_mv=0.0)
    assert torch.equal(disturb(x, quiet, g), x)
    holes = disturb(torch.ones(64, 2, SAMPLES), ViewSettings(gain_sd=0.0, noise_mv=0, wander_mv=0, cutout_s=2.0), g)
    assert 0 < (holes == 0).float().mean() < 0.2
    lost = disturb(torch.ones(64, 4, SAMPLES), ViewSettings(gain_sd=0.0, noise_mv=0, wander_mv=0, lead_loss=0.5), g)
    assert (lost[:, 0] == 1).all()
    assert 0.3 < (lost[:, 1:] == 0).float().mean() < 0.7


def test_a_student_learns_and_the_same_seed_repeats_it() -> None:
    data = _hearts()
    train, test = data.take(data.folds < 7), data.take(data.folds == 8)
    one, two = (distil(Student(_seeded()), train, arm("scratch"), Budget(steps=40, batch=16), seed=1) for _ in range(2))
    assert macro_auroc(predict(one, test.x), test.y) > 0.95
    assert np.array_equal(predict(one, test.x), predict(two, test.x))


def _seeded() -> StudentShape:
    torch.manual_seed(5)
    return SHAPE


@pytest.mark.parametrize("word", ["liteheart", "liteheart:grad", "crd+u", "mean-teacher", "fixmatch"])
def test_unlabelled_hearts_are_learned_from(word: str) -> None:
    data = _hearts(96)
    few, rest = scarce(data, 0.25, seed=0)
    teacher = calibrated(
        [distil(Teacher(TEACHERS.shape(2)), data, arm("scratch"), Budget(steps=8, batch=16), seed=0)], data
    )
    budget = Budget(steps=12, batch=8, unlabelled_batch=16)
    with_pool = distil(Student(_seeded()), few, arm(word), budget, seed=0, pool=rest, guide=teacher.guide(few, rest))
    without = distil(Student(_seeded()), few, arm("scratch"), budget, seed=0)
    assert not np.array_equal(predict(with_pool, data.x), predict(without, data.x))
    assert np.isfinite(predict(with_pool, data.x)).all()


def test_a_pool_never_teaches_a_label() -> None:
    """Whatever is written in the labels of the pool, the result is the same."""
    data = _hearts(64)
    few, rest = scarce(data, 0.25, seed=0)
    lying = Examples(rest.classes, rest.x, ~rest.y, ~rest.known, rest.patients, rest.folds)
    teacher = calibrated([Teacher(TEACHERS.shape(2))], data)
    budget = Budget(steps=6, batch=8, unlabelled_batch=16)
    found = [
        predict(
            distil(Student(_seeded()), few, arm("kd+u"), budget, seed=0, pool=p, guide=teacher.guide(few, p)), data.x
        )
        for p in (rest, lying)
    ]
    assert np.array_equal(found[0], found[1])


def test_a_student_that_is_there_goes_on_from_unlabelled_windows_alone() -> None:
    """What a refresh rests on: no label at all, the weights that serve, and a teacher's word of new windows."""
    data, test = _hearts(128), _hearts(64, seed=3)
    budget = Budget(steps=40, batch=16, unlabelled_batch=16)
    teacher = calibrated([distil(Teacher(TEACHERS.shape(2)), data, arm("scratch"), budget, seed=0)], data)
    student = distil(Student(_seeded()), data.take(np.arange(8)), arm("scratch"), Budget(steps=2, batch=8), seed=0)
    axes, said = student.state_dict()["beats.axes"].clone(), teacher.probabilities(test.x)
    nothing, new = data.take(np.zeros(0, np.int64)), unlabelled(data)

    def apart() -> float:
        return float(np.abs(1 / (1 + np.exp(-predict(student, test.x))) - said).mean())

    before = apart()
    same = distil(student, nothing, arm("liteheart"), budget, seed=1, pool=new, guide=teacher.guide(nothing, new))
    assert same is student
    assert torch.equal(student.state_dict()["beats.axes"], axes)  # what was fitted once is not fitted anew
    assert apart() < 0.6 * before


def test_an_arm_that_needs_a_teacher_says_so() -> None:
    with pytest.raises(ValueError, match="needs a teacher"):
        distil(Student(SHAPE), _hearts(16), arm("kd"), Budget(steps=1), seed=0)


def test_one_lead_windows_of_another_set_teach_what_they_know() -> None:
    data, extra = _hearts(64), _hearts(64, leads=1, seed=9)
    extra.known[:, 1] = False
    nothing = unlabelled(data)
    budget = Budget(steps=40, batch=2, extra_batch=24, extra_weight=1.0)
    student = distil(Student(_seeded()), nothing, arm("scratch"), budget, seed=0, extra=extra)
    test = _hearts(200, seed=4)
    assert macro_auroc(predict(student, test.x)[:, :1], test.y[:, :1]) > 0.9


def test_teachers_are_calibrated_saved_and_read_back(tmp_path: Path) -> None:
    data = _hearts()
    material = make_material((data, unlabelled(_hearts(64, seed=1))), BenchmarkSettings("10"), seed=0)
    longer = Budget(steps=40, batch=16, unlabelled_batch=16)
    ensemble = teach(material, replace(TEACHERS, first=longer, later=longer), seed=0)
    assert macro_auroc(ensemble.probabilities(material.test.x), material.test.y) > 0.8
    save_ensemble(tmp_path / "t.npz", ensemble)
    again = load_ensemble(tmp_path / "t.npz", TEACHERS, 2)
    assert np.allclose(again.probabilities(material.test.x), ensemble.probabilities(material.test.x), atol=1e-6)
    assert all(0.25 <= t <= 4 for t in ensemble.temperatures)


def test_the_pool_holds_no_recording_of_a_validation_or_test_fold() -> None:
    labelled, others = _hearts(), unlabelled(_hearts(64, seed=1))
    for rotate, seed, test in ((False, 1, 8), (True, 1, 6), (True, 3, 2)):
        material = make_material((labelled, others), BenchmarkSettings("10", rotate), seed=seed)
        assert set(material.test.folds) == {test}
        assert not {test, test - 1} & set(material.pool.folds)
        assert not material.pool.known.any()
        assert not set(material.pool.patients[: -len(others)]) & set(material.labelled.patients)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> BenchmarkSettings:
    everything = _hearts(), unlabelled(_hearts(64, seed=1))
    monkeypatch.setattr(benchmark, "read_ptbxl_all", lambda *_: everything)
    short = Budget(steps=4, batch=8, unlabelled_batch=8)
    teachers = replace(TEACHERS, count=1, first=short, later=short)
    return BenchmarkSettings("10", teachers=teachers, budget=short)


def test_a_benchmark_does_each_run_once_and_tells_a_table(tmp_path: Path, quick: BenchmarkSettings) -> None:
    said: list[str] = []
    arms = ["teacher", "scratch", "student12", "kd+u", "liteheart:no-mutual"]
    for words in (arms[:2], arms, arms):
        run_benchmark(tmp_path, tmp_path / "out", quick, seeds=[0, 1], arms=words, progress=said.append)
    assert len([s for s in said if "AUROC" in s]) == 2 * len(arms)
    assert len([s for s in said if "generations" in s]) == 2
    table = make_table(tmp_path / "out", [*arms, "kd"], [0, 1], against=["scratch"], draws=20)
    assert table["missing"] == ["kd"]
    assert set(table["arms"]) == set(arms)
    row = table["arms"]["kd+u"]
    assert row["gap_closed"].keys() == {"superclasses auroc", "superclasses f1", "statements auroc"}
    low_high = row["against"]["scratch"]["statements auroc"]
    assert low_high[1] <= low_high[0] <= low_high[2]
    assert "kd+u" in markdown(table)
    assert 1e7 < row["macs"] < table["arms"]["student12"]["macs"]  # eleven leads more in the stem
    assert row["latency_ms"] > 0
    classes, found = by_condition(tmp_path / "out", [*arms, "kd"], [0, 1])
    assert set(found) == set(arms)
    assert plot_gap(tmp_path / "gap.svg", classes, found)
    assert all(word in (tmp_path / "gap.svg").read_text() for word in ("<svg", "kd+u", *classes))
    assert not plot_gap(tmp_path / "none.svg", classes, {"kd+u": found["kd+u"]})
    assert not (tmp_path / "none.svg").exists()
    assert json.loads(run_path(tmp_path / "out", "kd+u", 0).read_text())["labelled"] == 24
    assert load_scored(run_path(tmp_path / "out", "scratch", 0).with_suffix(".npz")).p.shape == (40, 2)


def test_a_folder_of_other_settings_and_a_word_of_no_arm_are_refused(tmp_path: Path, quick: BenchmarkSettings) -> None:
    with pytest.raises(ValueError, match="no arm is called"):
        run_benchmark(tmp_path, tmp_path / "out", quick, seeds=[0], arms=["magic"])
    run_benchmark(tmp_path, tmp_path / "out", quick, seeds=[], arms=["scratch"])
    with pytest.raises(ValueError, match="other settings"):
        run_benchmark(tmp_path, tmp_path / "out", BenchmarkSettings("5"), seeds=[], arms=["scratch"])


def _scored(
    p: np.ndarray[tuple[int, ...], np.dtype[np.float64]], y: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> Scored:
    half = np.full(p.shape[1], 0.5)
    return Scored(("NORM", "AFIB"), p, y, np.array([f"p{i // 2}" for i in range(len(p))]), half, half)


def test_a_difference_is_paired_and_its_interval_holds_it() -> None:
    rng = np.random.default_rng(0)
    y = rng.random((200, 2)) < 0.4
    good, bad = (_scored(np.clip(y * s + rng.random((200, 2)) * 0.7, 0, 1), y) for s in (0.3, 0.1))
    mean, low, high = difference([good, good], [bad, bad], "superclasses", "auroc", draws=100)
    assert 0 < low < mean < high
    assert difference([good], [good], "superclasses", "f1", draws=20) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="same windows"):
        difference([good], [_scored(bad.p[:100], y[:100])], "superclasses", "auroc")


def test_figures_are_right_by_hand() -> None:
    y = np.array([[True], [True], [False], [False]])
    said = np.array([[True], [False], [True], [False]])
    assert fbeta(said, y, 1.0)[0] == pytest.approx(0.5)
    assert fbeta(np.array([[True], [True], [True], [False]]), y, 2.0)[0] == pytest.approx(10 / 11)
    assert np.isnan(fbeta(said, np.zeros_like(y), 1.0)[0])
    p = np.array([[0.9], [0.8], [0.7], [0.1]])
    one, two = thresholds(p, y)
    assert ((p >= one) == y).all()
    assert ((p >= two) == y).all()
    assert thresholds(p, np.zeros_like(y))[1][0] == 0.5
    found = groups(("NORM", "AFIB", "LAFB"))
    assert found["visible"].tolist() == [False, True, False]
    assert found["hidden"].tolist() == [False, False, True]
    assert found["statements"].tolist() == [True, True, True]
    assert measure(_scored(np.repeat(p, 2, 1), np.repeat(y, 2, 1)))["superclasses"]["auroc"] == 1.0
    assert gap_closed(0.82, 0.80, 0.84) == 0.5
    assert gap_closed(0.82, 0.80, 0.79) is None


def test_an_ensemble_says_the_mean_of_its_members() -> None:
    a, b = Teacher(TeacherShape(2, channels=(4, 4, 4))).eval(), Teacher(TeacherShape(2, channels=(4, 4, 4))).eval()
    x = _hearts(8).x
    alone = [Ensemble((m,), (1.0,)).probabilities(x) for m in (a, b)]
    assert np.allclose(Ensemble((a, b), (1.0, 1.0)).probabilities(x), (alone[0] + alone[1]) / 2)
    assert len(together(_hearts(8), _hearts(4))) == 12
