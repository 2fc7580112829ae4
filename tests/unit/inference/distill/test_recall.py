"""What a student remembers: solved for exactly, from who is allowed to speak, and weighed with its layers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from inference.distill.guide import Guide
from inference.distill.recall import RecallSettings, remember
from inference.model.beats import BeatBranch, BeatShape
from inference.model.memory import GAMMA, likeness
from inference.preprocess import Batch
from inference.train.data import Examples
from inference.train.evaluate import macro_auroc

SMALL = BeatShape(components=6, hidden=8, memory=40)


def _hearts(n: int, seed: int = 0) -> Examples:
    """One lead of beats, tall or not, wide or not; the labels say which."""
    rng, t = np.random.default_rng(seed), np.arange(1000)
    y = rng.random((n, 2)) < 0.5
    x: Batch = np.zeros((n, 1, 1000), np.float32)
    for i in range(n):
        width = 9.0 if y[i, 1] else 3.0
        for at in np.arange(rng.uniform(30, 60), 1000, rng.uniform(60, 100)):
            x[i] += ((1.6 if y[i, 0] else 0.9) * np.exp(-((t - at) ** 2) / width)).astype(np.float32)
    x += rng.normal(scale=0.03, size=x.shape).astype(np.float32)
    return Examples(
        ("A", "B"), x, y, np.ones_like(y), np.array([f"p{seed}{i}" for i in range(n)]), np.ones(n, np.int64)
    )


def _branch(shown: Examples, shape: BeatShape = SMALL) -> BeatBranch:
    torch.manual_seed(0)
    branch = BeatBranch(1, 2, shape)
    branch.look(shown.x)
    return branch.eval()


def _recalled(branch: BeatBranch, x: Batch) -> np.ndarray:
    assert branch.memory is not None
    with torch.inference_mode():
        return branch.memory(branch.features(torch.from_numpy(x))).double().numpy()


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 0.01, 0.99)
    return np.asarray(np.log(p / (1 - p)))


def test_labels_alone_are_remembered_for_unseen_recordings() -> None:
    taught, test = _hearts(80), _hearts(80, seed=1)
    branch = _branch(taught)
    remember(branch, taught, pool=None, guide=None, extra=None, seed=0)
    assert macro_auroc(_recalled(branch, test.x), test.y) > 0.9


def test_the_answers_are_the_least_weighted_squares() -> None:
    taught, ridge = _hearts(30), 0.7
    taught.known[::3, 1] = False
    branch = _branch(taught)
    remember(branch, taught, pool=None, guide=None, extra=None, seed=0, settings=RecallSettings(ridge=ridge))
    memory = branch.memory
    assert memory is not None
    with torch.inference_mode():
        read = branch.features(torch.from_numpy(taught.x)).double()
    beats = memory.beats.double()
    kernel, among = likeness(read, beats).numpy(), likeness(beats, beats).numpy()
    for i in (0, 1):
        known = taught.known[:, i]
        error = kernel[known] @ memory.answers[:, i].double().numpy() + memory.prior[i].item() - taught.y[known, i]
        slope = kernel[known].T @ error + ridge * among @ memory.answers[:, i].double().numpy()
        assert np.abs(slope).max() < 1e-3  # float32 answers: nowhere downhill from here


def test_a_teacher_is_heard_of_both_sets_and_the_second_set_of_what_it_knows() -> None:
    truth, blank = _hearts(80), np.zeros((80, 2), np.bool_)
    labelled = replace(truth.take(np.arange(10)), y=blank[:10], known=blank[:10])
    pool = replace(truth, y=blank, known=blank)
    guide = Guide(labelled=_logit(labelled.y), pool=_logit(truth.y))
    test, branch = _hearts(80, seed=1), _branch(truth)
    remember(branch, labelled, pool=pool, guide=guide, extra=None, seed=0)
    taught = _recalled(branch, test.x)
    assert macro_auroc(taught, test.y) > 0.85
    wrong = replace(_hearts(200, seed=2), known=np.tile([True, False], (200, 1)))
    wrong.y[:] = ~wrong.y
    remember(branch, labelled, pool=pool, guide=guide, extra=wrong, seed=0, settings=RecallSettings(extra_weight=5.0))
    misled = _recalled(branch, test.x)
    assert macro_auroc(misled[:, :1], test.y[:, :1]) < 0.3  # what it knows is believed
    assert macro_auroc(misled[:, 1:], test.y[:, 1:]) > 0.8  # what it does not know is not


def test_half_of_the_answer_is_the_memorys_once_it_is_full() -> None:
    taught = _hearts(40)
    branch, x = _branch(taught), torch.from_numpy(_hearts(5, seed=3).x)
    with torch.inference_mode():
        before = branch(x)[1]
        remember(branch, taught, pool=None, guide=None, extra=None, seed=0)
        after = branch(x)[1]
        assert torch.allclose(after, (before + torch.from_numpy(_recalled(branch, x.numpy())).float()) / 2, atol=1e-4)
    assert not torch.allclose(before, after, atol=0.05)


def test_nothing_is_remembered_without_room_or_without_recordings() -> None:
    taught = _hearts(12)
    remember(_branch(taught, replace(SMALL, memory=0)), taught, pool=None, guide=None, extra=None, seed=0)
    branch = _branch(taught)
    remember(branch, taught.take(np.zeros(0, np.int64)), pool=None, guide=None, extra=None, seed=0)
    assert branch.memory is not None
    assert not branch.memory.full


def test_likeness_is_one_at_home_and_falls_with_distance() -> None:
    a = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert likeness(a, a)[0].tolist() == pytest.approx([1.0, np.exp(-GAMMA * 25)])


def test_it_is_asked_of_form_and_not_of_rhythm() -> None:
    taught = replace(_hearts(40), classes=("AFIB", "CLBBB"))
    branch, x = _branch(taught), torch.from_numpy(_hearts(5, seed=3).x)
    with torch.inference_mode():
        before = branch(x)[1]
        remember(branch, taught, pool=None, guide=None, extra=None, seed=0)
        after = branch(x)[1]
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.allclose(before[:, 1], after[:, 1], atol=0.05)
