"""The bounds beside the champion, as the shipped plan has them: who is silent, broken or too loud does not pass."""

from dataclasses import replace

import pytest

from deploy.refresh.beside import Burden, Compared
from deploy.refresh.judging import shadow_reason
from inference.refresh.plan import load_plan

WINDOWS = 250
HONEST = Compared(WINDOWS, 0.944 * WINDOWS, 244, {"SARRH": 41, "PAC": 20}, {"QWAVE": 38}, Burden(10, 10, 0, 0.5))


def test_who_has_learned_a_device_may_differ_from_who_has_not() -> None:
    assert shadow_reason(HONEST, load_plan()) == ""


def test_a_student_gone_silent_is_refused() -> None:
    """The champion finds five of 36 conditions in a window."""
    silent = replace(HONEST, alike=(1 - 5.14 / 36) * WINDOWS)
    words = "agreement 0.857 beside the champion, bound 0.9 (250 windows; found anew: SARRH 41, PAC 20; no longer: "
    assert shadow_reason(silent, load_plan()) == words + "QWAVE 38)"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"alarming_alike": 195}, "agreement on what alarms 0.780 beside the champion, bound 0.8"),
        ({"burden": Burden(10, 12, 0, 0.5)}, "alarm burden ratio 1.18"),
        ({"burden": Burden(10, 10, 1, 0.5)}, "1 lethal alarms missed"),
        ({"windows": 0}, "agreement nan"),
    ],
)
def test_each_bound_refuses(changed: dict[str, object], why: str) -> None:
    assert why in shadow_reason(replace(HONEST, **changed), load_plan())  # type: ignore[arg-type] # fields by name
