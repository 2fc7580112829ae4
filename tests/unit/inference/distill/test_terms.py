"""Each term of the objective: what it rewards, what it ignores, and where it must not send gradients."""

import math
from dataclasses import replace

import pytest
import torch

from inference.distill.mutual import (
    Layers,
    MutualInformation,
    MutualSettings,
    VariationalInformation,
    info_nce,
    mutual,
    same_reading,
)
from inference.distill.objective import ARMS, Objective, arm
from inference.distill.regions import Regions, RegionSettings, Source, delineated, energy, importance, temperature
from inference.distill.semi import (
    FixMatch,
    MeanTeacher,
    PseudoLabels,
    SoftSettings,
    SoftTargets,
    binary_kl,
    confidence,
)
from inference.distill.step import Step
from inference.distill.transfer import AttentionTransfer, Contrast, FitNet, Relations
from inference.model.reading import Reading
from inference.model.student import Student, StudentShape
from inference.model.teacher import Teacher, TeacherShape

CLASSES, LABELLED, B = 3, 4, 10


@pytest.fixture
def teacher() -> Teacher:
    torch.manual_seed(0)
    shape = TeacherShape(CLASSES, leads=2, channels=(8, 12, 16), depths=(1, 1, 1))
    return Teacher(shape).eval().requires_grad_(False)


@pytest.fixture
def student() -> Student:
    torch.manual_seed(1)
    return Student(StudentShape(CLASSES, channels=(6, 8, 10)))


@pytest.fixture
def step(teacher: Teacher, student: Student) -> Step:
    torch.manual_seed(2)
    x = torch.randn(B, 2, 1000).requires_grad_()
    live = teacher.read(x)
    live = replace(live, logits=live.logits * 400)  # an untrained teacher reads all windows alike
    y = (torch.rand(LABELLED, CLASSES) < 0.5).float()
    views = torch.randn(B - LABELLED, CLASSES)
    return Step(
        y=y,
        known=torch.ones_like(y),
        student=student.read(x[:, :1].detach()),
        live=live,
        seen=x.detach(),
        soft=live.logits.detach() / 80,
        own=views,
        ema=views,
    )


def _map(x: torch.Tensor) -> Reading:
    return Reading((x,), x.mean(dim=2), torch.zeros(len(x), CLASSES))


def test_importance_finds_the_region_and_its_temperature_the_asked_width() -> None:
    x = 0.1 * torch.randn(5, 8, 60)
    x[:, :, 20:24] += 3.0
    z = importance(_map(x), 0, "act")
    assert (z.argmax(dim=1) // 4 == 5).all()
    a = torch.softmax(z / temperature(z, 1 / 3), dim=1)
    perplexity = torch.exp(-(a * a.log()).sum(dim=1))
    assert torch.allclose(perplexity, torch.full((5,), 20.0), rtol=0.05)
    assert torch.equal(importance(_map(x), 0, "uniform"), torch.zeros(5, 60))
    attended = importance(_map(x), 0, "attn")
    assert (attended.argmax(dim=1) // 4 == 5).all()


def test_the_gradient_map_points_at_what_moves_the_logits() -> None:
    x = torch.rand(2, 4, 30).requires_grad_()
    window = torch.zeros(30)
    window[10:15] = 1.0
    reading = Reading((x * 1.0,), x.mean(dim=2), torch.zeros(2, CLASSES))
    logits = (reading.maps[0] * window).sum(dim=(1, 2))[:, None].repeat(1, CLASSES) / 10
    x.data[:, :, 10:15] += 2.0
    z = importance(replace(reading, maps=reading.maps, logits=logits), 0, "grad")
    assert z.shape == (2, 30)
    assert not z.requires_grad


@pytest.mark.parametrize("source", ["act", "grad", "attn", "delin", "uniform", "shuffled"])
def test_regions_teach_the_student_and_leave_the_teacher_alone(
    source: Source, step: Step, student: Student, teacher: Teacher
) -> None:
    term = Regions(RegionSettings(source), student, teacher)
    loss = term(step)
    torch.autograd.backward(loss)
    assert torch.isfinite(loss)
    assert loss > 0
    assert student.stem[0].weight.grad is not None
    assert all(p.grad is None for p in teacher.parameters())


@pytest.mark.parametrize("fs_hz", [100, 500])
def test_regions_by_waves_lie_on_the_beats_and_not_between_them(fs_hz: int) -> None:
    t = torch.arange(10 * fs_hz) / fs_hz
    x = torch.exp(-(((t % 1.2 - 0.6) / 0.02) ** 2))[None, None]  # QRS complexes at 0.6, 1.8, 3.0 ... s
    z = delineated(x, fs_hz, 100)[0]  # tenths of a second
    assert (z[[6, 18, 30, 42]] > 0).all()  # QRS
    assert (z[[8, 20, 32, 44]] > 0).all()  # T
    assert (z[[0, 12, 24, 36]] < 0).all()  # between T and P
    assert torch.equal(delineated(torch.zeros(1, 1, 1000), 100, 50), torch.zeros(1, 50))


def test_a_student_that_looks_where_the_teacher_looks_pays_no_map_loss(step: Step, teacher: Teacher) -> None:
    same = replace(step, student=step.teacher())
    only_map = RegionSettings(feature_weight=0.0)
    assert Regions(only_map, teacher, teacher)(same).item() == pytest.approx(0.0, abs=1e-5)
    turned = tuple(m.flip(2) for m in step.teacher().maps)
    elsewhere = replace(step, student=replace(step.teacher(), maps=turned))
    assert Regions(only_map, teacher, teacher)(elsewhere).item() > 0.01


def test_energy_is_standardised_over_time() -> None:
    z = energy(torch.randn(3, 5, 40))
    assert torch.allclose(z.mean(dim=1), torch.zeros(3), atol=1e-5)
    assert torch.allclose(z.std(dim=1), torch.ones(3), atol=1e-3)


def test_info_nce_is_small_for_partners_and_log_n_for_strangers() -> None:
    a = torch.eye(8)
    nobody = torch.zeros(8, 8, dtype=torch.bool)
    tau = torch.tensor(0.1)
    assert info_nce(a, a, tau, nobody) < 0.01
    assert info_nce(a, torch.ones(8, 8) / math.sqrt(8), tau, nobody).item() == pytest.approx(math.log(8), abs=1e-4)
    twins = a.clone()
    twins[1] = twins[0]
    alike = nobody.clone()
    alike[0, 1] = alike[1, 0] = True
    assert info_nce(twins, twins, tau, alike) < info_nce(twins, twins, tau, nobody)


def test_windows_read_alike_are_no_negatives() -> None:
    alike = same_reading(torch.tensor([[5.0, -5, -5], [5.0, -5, -5], [-5.0, 5, 5]]), 0.95)
    assert alike.tolist() == [[False, True, False], [True, False, False], [False, False, False]]


@pytest.mark.parametrize("layers", ["learned", "all", "diag", "last", "vid"])
def test_every_reading_of_mutual_information_can_be_learned(
    layers: Layers, step: Step, student: Student, teacher: Teacher
) -> None:
    torch.manual_seed(0)
    term = mutual(MutualSettings(layers), student, teacher)
    optimiser = torch.optim.Adam([*term.parameters(), *student.parameters()], lr=1e-2)
    x = torch.randn(B, 1, 1000)
    first = last = 0.0
    for i in range(15):
        loss = term(replace(step, student=student.read(x)))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        first, last = first if i else loss.item(), loss.item()
    assert last < first
    assert isinstance(term, VariationalInformation if layers == "vid" else MutualInformation)


def test_layer_weights_are_shares_and_stand_still_while_the_ramp_lasts(
    step: Step, student: Student, teacher: Teacher
) -> None:
    term = MutualInformation(MutualSettings(entropy=0.0), student, teacher)
    g = [torch.randn(B, 64) for _ in range(3)]
    alpha = term.weights(g, g)
    assert alpha.shape == (3, 3)
    assert torch.allclose(alpha.sum(dim=1), torch.ones(3))
    for ramp, moves in ((0.5, False), (1.0, True)):
        term.zero_grad()
        torch.autograd.backward(term(replace(step, student=student.read(torch.randn(B, 1, 1000)), ramp=ramp)))
        slope = term.query[0].weight.grad
        assert (slope is not None and bool(slope.abs().sum() > 0)) == moves


def test_soft_targets_vanish_for_one_mind_and_weigh_what_is_sure(step: Step) -> None:
    logits = torch.randn(6, CLASSES)
    assert torch.allclose(binary_kl(logits, logits), torch.zeros(6, CLASSES), atol=1e-6)
    assert (binary_kl(logits, -logits, 2.0) >= 0).all()
    assert confidence(torch.tensor([0.0, 20.0]), 1.0).tolist() == pytest.approx([0.0, 1.0])
    assert confidence(torch.tensor([0.0]), 0.0).item() == 1.0
    one, half = SoftTargets(SoftSettings()), SoftTargets(SoftSettings(summed=True))
    assert half(step).item() == pytest.approx(CLASSES * one(step).item(), rel=1e-4)
    at_start = one(replace(step, ramp=0.0))
    only_labelled = binary_kl(step.student.logits[:LABELLED], step.softened()[:LABELLED]).mean()
    assert at_start.item() == pytest.approx(only_labelled.item(), rel=1e-5)


def test_hard_labels_ask_only_where_someone_is_sure(step: Step) -> None:
    unsure = replace(step, soft=torch.zeros(B, CLASSES), own=torch.zeros(B - LABELLED, CLASSES))
    assert PseudoLabels()(unsure).item() == 0.0
    assert FixMatch()(unsure).item() == 0.0
    sure = replace(step, soft=torch.full((B, CLASSES), 9.0), own=torch.full((B - LABELLED, CLASSES), -9.0))
    assert PseudoLabels()(sure) > 0
    assert FixMatch()(sure) > 0
    agreed = replace(step, ema=step.student.logits[LABELLED:].detach())
    assert MeanTeacher()(agreed).item() == pytest.approx(0.0, abs=1e-9)


def test_transfer_terms_are_nothing_for_the_teacher_itself(step: Step, teacher: Teacher, student: Student) -> None:
    same = replace(step, student=step.teacher())
    assert AttentionTransfer()(same).item() == pytest.approx(0.0, abs=1e-6)
    assert Relations()(same).item() == pytest.approx(0.0, abs=1e-6)
    for term in (AttentionTransfer(), Relations(), FitNet(student, teacher), Contrast(student, teacher, aware=True)):
        value = term(step)
        assert torch.isfinite(value)
        assert value > 0


@pytest.mark.parametrize("word", sorted(ARMS))
def test_every_arm_names_its_parts_and_they_add_up(word: str, step: Step, student: Student, teacher: Teacher) -> None:
    objective = Objective(arm(word), student, teacher)
    outcome = objective(step)
    assert set(outcome.parts) == {"supervised", *arm(word).terms}
    assert outcome.loss.item() == pytest.approx(sum(v.item() for v in outcome.parts.values()), rel=1e-5)
    torch.autograd.backward(outcome.loss)
    assert student.head.weight.grad is not None


def test_options_are_one_word_away() -> None:
    found = arm("liteheart:grad:diag:sure:region=0.5")
    assert (found.region.source, found.mutual.layers, found.soft.power) == ("grad", "diag", 1.0)
    assert found.terms["region"] == 0.5
    assert "mutual" not in arm("liteheart:no-mutual").terms
    assert arm("liteheart:vid-layers").mutual.layers == "vid"
    assert arm("liteheart:delin").region.source == "delin"
    assert arm("liteheart:thirds").learner == "thirds"
    assert arm("kd+u:t=2").soft.temperature == 2.0
    assert not arm("kd").unlabelled
    assert arm("kd+u").unlabelled
    assert arm("liteheart").unlabelled


@pytest.mark.parametrize(
    "word", ["nothing", "kd:nonsense", "kd:soft=x", "kd:region=1", "kd:t=0", "scratch:t=2", "kd:soft=-1"]
)
def test_a_word_that_means_nothing_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"no (arm|option) is called"):
        arm(word)


def test_terms_that_read_layers_need_a_teacher(student: Student) -> None:
    with pytest.raises(ValueError, match="no teacher is given"):
        Objective(arm("liteheart"), student, None)
    assert "graph" in Objective(arm("liteheart:grad"), student, Teacher(TeacherShape(CLASSES))).needs
