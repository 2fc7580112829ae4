"""Out of pseudonyms and dates into numbers that mean nothing outside of one export.

A patient gets a random number; all times of the patient move by the same random number of whole days, so that the
time of day and every distance stay; devices and sites become hashes under a salt that is forgotten; who is older than
89 is 90. Nothing that people typed is passed on. What ties a number to a patient is kept nowhere.
"""

import hashlib
import hmac
import random
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from liteheart.clock import US_PER_S
from liteheart.conditions import BY_CODE
from liteheart.ids import PatientId
from storage.cohort import age_at
from storage.subjects import Subject

DAY_US: Final = 86_400 * US_PER_S
OLDEST_TOLD: Final = 90  # everybody older than 89
_FIRST_DAY, _LAST_DAY = date(1990, 1, 1), date(2069, 12, 31)  # EDF knows 1985 to 2084 and no other year
_EPOCH: Final = date(1970, 1, 1)
_LEADS: Final = re.compile(
    r"I{1,3}|aV[RLF]|V[1-9]R?|ML?I{1,3}|MCL[1-6]|ML[1-6]|C[MCSRB]\d|E[SC]|A[SI]|X|Y|Z", re.IGNORECASE
)
_CODE: Final = re.compile(r"[A-Z0-9_/]{1,32}")


@dataclass(frozen=True, slots=True)
class Mask:
    """What stands for one patient in one export."""

    subject: str
    shift_us: int  # whole days
    origin_us: int  # true time of the first that is exported
    relative: bool  # no date at all, seconds since the first
    sex: str
    site: str  # hashed; empty where nobody said
    age: Callable[[int], int | None]  # at a true time

    def begin(self, t_us: int) -> datetime | None:
        """The moved time, UTC; None where times are relative."""
        if self.relative:
            return None
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=t_us + self.shift_us)

    def told_us(self, t_us: int) -> int:
        """The moved time in microseconds since the epoch, or since the patient's first where times are relative."""
        return t_us - self.origin_us if self.relative else t_us + self.shift_us


class Disguise:
    """Of one export. The salt and the numbers are drawn anew for each."""

    def __init__(self, *, relative: bool = False, draw: random.Random | None = None, salt: bytes | None = None) -> None:
        """`draw` and `salt` are for tests: an export takes both from the system."""
        self._relative = relative
        self._draw = draw or random.SystemRandom()
        self._salt = salt or secrets.token_bytes(32)
        self._masks: dict[PatientId, Mask] = {}
        self._taken: set[str] = set()

    def of(self, patient: PatientId, subject: Subject | None, first_us: int) -> Mask:
        """The same every time; `first_us`, the patient's first exported sample, counts at the first."""
        if patient not in self._masks:
            said = subject or Subject(patient)
            self._masks[patient] = Mask(
                subject=self._number(),
                shift_us=self._shift_us(first_us),
                origin_us=first_us,
                relative=self._relative,
                sex=said.sex,
                site=self.hashed("site", said.site) if said.site else "",
                age=lambda t_us: _told_age(age_at(subject, t_us)),
            )
        return self._masks[patient]

    def hashed(self, what: str, name: str) -> str:
        """12 hex digits that stand for a device or a site within this export."""
        return hmac.new(self._salt, f"{what} {name}".encode(), hashlib.sha256).hexdigest()[:12]

    def mapping(self) -> dict[str, dict[str, str | int]]:
        """By number, whom it stands for and how many days were added. For whoever asks to keep it, apart."""
        return {
            mask.subject: {"patient": patient, "days": mask.shift_us // DAY_US} for patient, mask in self._masks.items()
        }

    def _number(self) -> str:
        while True:
            number = f"s{self._draw.randrange(10**8):08d}"
            if number not in self._taken:
                self._taken.add(number)
                return number

    def _shift_us(self, first_us: int) -> int:
        """To a day that says nothing of the true one, wherever that was."""
        today = first_us // DAY_US
        while True:
            days = self._draw.randint((_FIRST_DAY - _EPOCH).days, (_LAST_DAY - _EPOCH).days) - today
            if abs(days) > 1:
                return days * DAY_US


def lead_name(lead: str) -> str:
    """A lead by its usual name; whatever else a device called it might be anything, and is only an ECG."""
    return lead if _LEADS.fullmatch(lead) else "ECG"


def condition_code(code: str) -> str:
    """A condition's code, or OTHER for what does not look like one."""
    return code if code in BY_CODE or _CODE.fullmatch(code) else "OTHER"


def _told_age(age: int | None) -> int | None:
    return None if age is None else min(max(age, 0), OLDEST_TOLD)
