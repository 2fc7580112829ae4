"""The ladder: what is due, what stands, and that nothing is remembered but what storage holds."""

from dataclasses import replace

import pytest

from alerts.escalation import EscalationSettings, due, standing
from liteheart.alarm import Alarm, Kind, Priority
from liteheart.care import Unattended
from liteheart.errors import Misconfigured
from liteheart.ids import AlarmId, PatientId

S = 1_000_000
T0 = 1_700_000_000 * S
LADDER = EscalationSettings(("primary", "charge", "physician"), (60.0, 180.0))
ALARM = Alarm(
    AlarmId("a"), PatientId("p"), "VF", "VF", Kind.PHYSIOLOGICAL, Priority.HIGH, True, T0, T0, "m", active=True
)


def waiting(**steps_at: int) -> Unattended:
    return Unattended(ALARM, T0, {int(k[1:]): v for k, v in steps_at.items()})


@pytest.mark.parametrize(
    ("after_s", "steps"), [(0, []), (59.9, []), (60, [1]), (179, [1]), (180, [1, 2]), (9999, [1, 2])]
)
def test_steps_are_due_by_the_clock_alone(after_s: float, steps: list[int]) -> None:
    found = due([waiting()], T0 + round(after_s * S), LADDER)
    assert [e.step for e in found] == steps
    assert [e.owner for e in found] == [LADDER.owners[s] for s in steps]
    assert [e.due_us - T0 for e in found] == [round(LADDER.after_s[s - 1] * S) for s in steps]


def test_a_step_that_was_taken_is_not_due_again() -> None:
    assert [e.step for e in due([waiting(_1=T0)], T0 + 200 * S, LADDER)] == [2]
    assert due([waiting(_1=T0, _2=T0)], T0 + 900 * S, LADDER) == []


def test_a_new_episode_climbs_its_own_ladder() -> None:
    again = Unattended(replace(ALARM, episodes=2), T0 + 500 * S)
    assert due([again], T0 + 559 * S, LADDER) == []
    (step,) = due([again], T0 + 560 * S, LADDER)
    assert (step.episodes, step.step) == (2, 1)


def test_where_it_stands_is_what_was_taken_not_what_ought_to_have_been() -> None:
    first = standing(waiting(), T0 + 10 * S, LADDER)
    assert (first["step"], first["owner"], first["next_owner"]) == (0, "primary", "charge")
    assert (first["next_us"], first["overdue"]) == (T0 + 60 * S, False)
    late = standing(waiting(), T0 + 100 * S, LADDER)
    assert (late["owner"], late["overdue"]) == ("primary", True)
    second = standing(waiting(_1=T0 + 61 * S), T0 + 100 * S, LADDER)
    assert (second["owner"], second["since_us"], second["next_owner"]) == ("charge", T0 + 61 * S, "physician")
    last = standing(waiting(_1=T0, _2=T0), T0 + 999 * S, LADDER)
    assert (last["owner"], last["next_us"], last["overdue"]) == ("physician", None, False)


def test_a_ladder_that_became_shorter_still_has_an_owner() -> None:
    short = EscalationSettings(("primary",), ())
    assert standing(waiting(_1=T0, _2=T0), T0 + 999 * S, short)["owner"] == "primary"
    assert due([waiting()], T0 + 9999 * S, short) == []


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"owners": ()}, "escalation.owners"),
        ({"owners": ("a", " ")}, "escalation.owners"),
        ({"after_s": (60.0,)}, "escalation.after_s"),
        ({"after_s": (60.0, 60.0)}, "escalation.after_s"),
        ({"after_s": (0.0, 60.0)}, "escalation.after_s"),
        ({"after_s": (60.0, float("inf"))}, "escalation.after_s"),
    ],
)
def test_a_ladder_that_cannot_be_is_named(values: dict, key: str) -> None:
    with pytest.raises(Misconfigured) as wrong:
        EscalationSettings(**values)
    assert wrong.value.key == key
