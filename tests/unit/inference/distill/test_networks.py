"""Teachers and the parity backbone: counts of weights that are published, and readings that fit together."""

import pytest
import torch

from inference.model.backbone import Backbone, BackboneShape, base, medium, sine_positions
from inference.model.student import Student, StudentShape, parameters
from inference.model.teacher import Teacher, TeacherShape


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        (medium(18), 50_493_458),
        (base(18), 9_504_786),
        (BackboneShape(18, leads=12), 256_850),
        (BackboneShape(18, leads=3), 251_090),
        (BackboneShape(18), 249_810),
    ],
)
def test_the_parity_backbone_has_the_published_number_of_weights(shape: BackboneShape, count: int) -> None:
    with torch.device("meta"):
        assert parameters(Backbone(shape)) == count


def test_a_backbone_shows_its_convolutions_and_its_thirds() -> None:
    backbone = Backbone(BackboneShape(3, leads=2, width=32, layers=5)).eval()
    reading = backbone.read(torch.randn(2, 2, 6144))
    assert [tuple(m.shape[1:]) for m in reading.maps] == [(32, 1536), (32, 384), (32, 96), (32, 96), (32, 96), (32, 96)]
    assert tuple(m.shape[1] for m in reading.maps) == backbone.map_channels
    assert reading.logits.shape == (2, 3)


def test_causal_tokens_do_not_see_what_follows() -> None:
    x = torch.randn(1, 1, 6144)
    later = x.clone()
    later[:, :, 5000:] += 1.0
    for causal in (True, False):
        torch.manual_seed(0)
        backbone = Backbone(BackboneShape(3, width=32, causal=causal)).eval()
        before, after = (backbone.read(v).maps[-1][:, :, :70] for v in (x, later))
        assert torch.allclose(before, after, atol=1e-6) == causal


def test_positions_differ_and_have_the_width_asked_for() -> None:
    positions = sine_positions(96, 64)
    assert positions.shape == (96, 64)
    assert torch.cdist(positions, positions).fill_diagonal_(1.0).min() > 0.1


def test_the_teacher_has_about_a_million_weights_and_the_students_grid() -> None:
    teacher, student = Teacher(TeacherShape(36)).eval(), Student(StudentShape(36)).eval()
    assert 1_000_000 < parameters(teacher) < 1_120_000
    x = torch.randn(2, 12, 1000)
    theirs, own = teacher.read(x), student.read(x[:, :1])
    assert [m.shape[2] for m in theirs.maps] == [m.shape[2] for m in own.maps] == [200, 100, 50]
    assert tuple(m.shape[1] for m in theirs.maps) == teacher.map_channels
    assert theirs.pooled.shape[1] == teacher.pooled_size
    assert torch.equal(theirs.logits, teacher(x))
    assert torch.equal(own.logits, student(x[:, 0]))
