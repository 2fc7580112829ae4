"""A refresh on synthetic hearts: repeatable, resumable, stopped by what is no number, and better on a new device."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.distill.kernel import KernelSettings
from inference.distill.loop import Budget, distil
from inference.distill.objective import arm
from inference.model.beats import BeatShape
from inference.model.student import Student, StudentShape
from inference.preprocess import SAMPLES
from inference.refresh.adapt import renormalise
from inference.refresh.baselines import BASELINES, adapt
from inference.refresh.device import DeviceSettings
from inference.refresh.grow import Diverged, Paused, RefreshSettings, Stored, refresh
from inference.refresh.rehearsal import Rehearsal, make_rehearsal
from inference.train.data import Examples, unlabelled
from inference.train.evaluate import macro_auroc
from inference.train.measure import predict
from inference.train.split import PatientLeak

CLASSES = ("LVH", "LAFB")
SHAPE = StudentShape(2, channels=(8, 12, 12), beats=BeatShape(components=8, hidden=16, memory=24))
LEAD = 2  # of the new device
SETTINGS = RefreshSettings(
    steps=30,
    batch=12,
    pool_batch=6,
    state_every=10,
    bf16=False,
    device=DeviceSettings(windows=80, upper_hz=(40.0, 20.0), lower_hz=(0.05, 1.0), rounds=1),
)


def hearts(n: int = 160, seed: int = 0, first: int = 0) -> Examples:
    """Three leads that see the same two things differently: how tall the R wave is, and which way the T wave goes."""
    rng = np.random.default_rng(seed)
    y = rng.random((n, 2)) < 0.5
    t = np.arange(SAMPLES) / 100
    at = (t + rng.random((n, 1))) % (0.7 + 0.2 * rng.random((n, 1))) - 0.3
    tall = np.where(y[:, :1], 1.6, 0.9) + 0.1 * rng.standard_normal((n, 1))
    turned = np.where(y[:, 1:], -0.3, 0.3) + 0.05 * rng.standard_normal((n, 1))
    r, s, wave = (np.exp(-(((at - m) / w) ** 2)) for m, w in ((0, 0.02), (0.05, 0.02), (0.22, 0.05)))
    leads = (tall * r + turned * wave, 0.8 * tall * r - 0.4 * s + turned * wave, 0.3 * r - tall * s - turned * wave)
    x = np.stack(leads, axis=1) + 0.02 * rng.standard_normal((n, 3, SAMPLES))
    owner = np.array([f"p{first + i // 2}" for i in range(n)])
    return Examples(CLASSES, x.astype(np.float32), y, np.ones_like(y), owner, np.ones(n, np.int64))


@pytest.fixture(scope="module")
def known() -> Rehearsal:
    labelled, others = hearts(160, 1), unlabelled(hearts(40, 2, 1000))
    return make_rehearsal(labelled, others, hearts(80, 3, 2000), kernel=KernelSettings(components=12))


@pytest.fixture(scope="module")
def champion(known: Rehearsal) -> Student:
    torch.manual_seed(0)
    return distil(Student(SHAPE), known.train, arm("scratch"), Budget(steps=60, batch=16, bf16=False), seed=0).eval()


def seen(examples: Examples) -> np.ndarray:
    return (0.6 * examples.x[:, LEAD : LEAD + 1]).astype(np.float32)


def pool(n: int = 120) -> Stored:
    x = seen(hearts(n, 4, 3000))
    return Stored(x, np.full(n, "new"))


def weights(student: Student) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in student.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[k], b[k]) for k in a)


def test_a_refresh_reads_the_new_device_better_and_the_old_one_as_well(champion: Student, known: Rehearsal) -> None:
    test, before = hearts(160, 5, 4000), weights(champion)
    grown = refresh(champion, pool(), known, replace(SETTINGS, steps=60))
    old, new = (macro_auroc(predict(s, seen(test)), test.y) for s in (champion, grown.student))
    assert old < 0.9 < new
    assert macro_auroc(predict(grown.student, test.x), test.y) > macro_auroc(predict(champion, test.x), test.y) - 0.005
    assert same(before, weights(champion))
    assert grown.facts["devices"][0].startswith("lead III, gain 0.")
    assert grown.calibration is not None
    assert set(grown.calibration.thresholds) == set(CLASSES)


def test_the_same_call_gives_the_same_weights_and_another_seed_others(champion: Student, known: Rehearsal) -> None:
    one, two, other = (weights(refresh(champion, pool(), known, SETTINGS, seed=s).student) for s in (1, 1, 2))
    assert same(one, two)
    assert not same(one, other)


class _Killed(BaseException):
    """Like a process that is gone: nothing is tidied up."""


@pytest.mark.parametrize("at", [1, 2])
def test_a_refresh_that_was_killed_goes_on_to_the_same_weights(
    champion: Student, known: Rehearsal, tmp_path: Path, at: int
) -> None:
    state, heard = tmp_path / "work" / "state.pt", list[str]()

    def until(share: float, text: str) -> None:
        heard.append(text)
        if text == f"step {10 * (at + 1)} of 30":
            raise _Killed

    with pytest.raises(_Killed):
        refresh(champion, pool(), known, SETTINGS, state=state, progress=until)
    assert state.is_file()
    steps = list[str]()
    resumed = refresh(champion, pool(), known, SETTINGS, state=state, progress=lambda s, t: steps.append(t))
    assert f"step {10 * at} of 30" not in steps
    assert same(weights(resumed.student), weights(refresh(champion, pool(), known, SETTINGS).student))
    assert not state.exists()


def test_seconds_are_a_bound_and_the_rest_is_done_later(champion: Student, known: Rehearsal, tmp_path: Path) -> None:
    ticks = iter(range(1000))
    state = tmp_path / "state.pt"
    calls = 0
    while True:
        calls += 1
        try:
            grown = refresh(
                champion, pool(), known, SETTINGS, state=state, clock=lambda: float(next(ticks)), seconds=12.0
            )
            break
        except Paused:
            assert state.is_file()
    assert calls == 3
    assert same(weights(grown.student), weights(refresh(champion, pool(), known, SETTINGS).student))


@pytest.mark.parametrize("damage", [b"", b"not a state", None])
def test_a_damaged_or_foreign_state_is_started_anew(
    champion: Student, known: Rehearsal, tmp_path: Path, damage: bytes | None
) -> None:
    state, ticks = tmp_path / "state.pt", iter(range(1000))
    if damage is None:  # of another seed
        with pytest.raises(Paused):
            refresh(
                champion, pool(), known, SETTINGS, seed=5, state=state, clock=lambda: float(next(ticks)), seconds=9.0
            )
    else:
        state.write_bytes(damage)
    found = refresh(champion, pool(), known, SETTINGS, state=state)
    assert same(weights(found.student), weights(refresh(champion, pool(), known, SETTINGS).student))


def test_numbers_that_are_none_stop_it_with_one_error(champion: Student, known: Rehearsal) -> None:
    before = weights(champion)
    broken = pool()
    broken.x[3, 0, 5] = np.nan
    with pytest.raises(Diverged, match="no numbers"):
        refresh(champion, broken, known, SETTINGS)
    with pytest.raises(Diverged, match=r"the loss is .* at step \d+"):
        refresh(champion, pool(), known, replace(SETTINGS, learning_rate=1e20))
    mad = copy.deepcopy(champion)
    with torch.no_grad():
        mad.head.weight[0, 0] = torch.nan
    with pytest.raises(Diverged, match="at step 0"):
        refresh(mad, pool(), known, SETTINGS)
    assert same(before, weights(champion))


def test_without_rehearsal_it_stays_near_the_champion(champion: Student) -> None:
    test = hearts(160, 5, 4000)
    grown = refresh(champion, pool(), None, SETTINGS)
    assert grown.calibration is None
    assert grown.facts["devices"] == []
    assert not same(weights(grown.student), weights(champion))
    apart = np.abs(predict(grown.student, test.x) - predict(champion, test.x)).mean()
    assert apart < 0.5 * np.abs(predict(champion, test.x)).mean()


def test_what_people_said_is_learned(champion: Student, known: Rehearsal) -> None:
    stored, truth = pool(), hearts(120, 4, 3000).y
    said = np.where(np.arange(120)[:, None] % 2 == 0, np.where(truth, 0.95, 0.05), np.nan)
    wrong = replace(stored, said=1 - said)
    told, fooled = (
        predict(refresh(champion, s, known, SETTINGS).student, stored.x) for s in (replace(stored, said=said), wrong)
    )
    assert macro_auroc(told, truth) > macro_auroc(fooled, truth)


def test_no_patient_is_rehearsed_and_calibrated_on() -> None:
    with pytest.raises(PatientLeak):
        make_rehearsal(hearts(40), None, hearts(20))


def test_a_device_that_no_lead_explains_is_not_made_up(champion: Student, known: Rehearsal) -> None:
    grown = refresh(champion, pool(), known, replace(SETTINGS, steps=1, most_distance=0.0))
    assert grown.facts["devices"] == []
    assert refresh(champion, pool(), known, replace(SETTINGS, steps=1)).facts["devices"] != []


def test_a_pool_that_does_not_fit_is_refused(champion: Student) -> None:
    for stored in (Stored(np.zeros((3, 1000), np.float32), np.full(3, "a")), replace(pool(), devices=np.full(2, "a"))):
        with pytest.raises(ValueError, match="no pool"):
            refresh(champion, stored, None, SETTINGS)


@pytest.fixture(scope="module")
def adapted(champion: Student, known: Rehearsal) -> dict[str, Student]:
    return {name: adapt(name, champion, pool(), known, SETTINGS) for name in BASELINES}


def test_each_baseline_is_another_student_and_the_champion_none_of_them(
    champion: Student, adapted: dict[str, Student]
) -> None:
    said = {name: predict(student, pool().x) for name, student in adapted.items()}
    assert np.array_equal(said.pop("none"), predict(champion, pool().x))
    assert len({v.tobytes() for v in said.values()}) == len(said) == 3
    assert all(np.isfinite(v).all() for v in said.values())


def test_norms_are_measured_and_weights_stay(champion: Student) -> None:
    own, x = copy.deepcopy(champion), pool().x
    renormalise(own, x)
    before, after = (s.state_dict()["stem.1.running_mean"] for s in (champion, own))
    assert not torch.equal(before, after)
    assert torch.equal(own.head.weight, champion.head.weight)
    assert not any(m.training for m in own.modules())
    twice = copy.deepcopy(own)
    renormalise(twice, x)
    assert same(weights(own), weights(twice))
