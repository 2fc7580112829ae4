"""What a rule may answer."""

from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True)
class Assertion:
    """A condition holds now."""

    code: str
    onset_us: int  # event time at which it began, as far as this second can tell
    message: str  # value and limit: "HR 152 > 140 over 13 beats"
    evidence: dict[str, str | float] = field(default_factory=dict)
    immediate: bool = False  # alarms without the rule's persistence
    doubt: str = ""  # code of what contradicts it: it is told as a technical alarm that names it, never dropped


class Absent(Enum):
    """A condition is seen not to hold. One member, because "nothing can be said" is no answer at all."""

    ABSENT = "absent"


Verdict = Assertion | Absent
