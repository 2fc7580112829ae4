"""What a file says beside its signal: when it was recorded, and of whom. Ids and names go no further than its reader.

Files rarely name a time zone; what names none is read as UTC.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOBODY: Final = frozenset(
    ("anonymous", "anonymised", "anonymized", "anon", "unknown", "none", "na", "n/a", "null", "nn", "patient", "?")
)
_SEX: Final = {
    "f": "female", "female": "female", "w": "female", "m": "male", "male": "male", "o": "other", "other": "other",
}  # fmt: skip
_YEARS: Final = (1900, 2200)  # outside of them a clock was never set
_COMMENT: Final = re.compile(
    r"<?\b(age|sex|gender|patient|subject)(?:[ _-]?(?:id|no|number))?>?\s*[:=]\s*([^\s<;,]+)", re.I
)
_MIT: Final = re.compile(r"(\d{1,3}|-1) ([MF])\b")  # "43 M 1878 356 x1"
_FOLDER: Final = re.compile(r"(?:patient|subject|pat|sub|p)[-_]?\d+", re.I)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a header says. Nothing is guessed: what it leaves out, or what cannot be, is None or ""."""

    start_us: int | None = None  # of the first sample
    patient: str = ""  # the id that the file gives its patient; never stored as it is
    folder: str = ""  # of one patient alone, where the file has no id and its folder says so
    name: str = ""
    born: str = ""  # YYYY-MM-DD
    sex: str = "unknown"  # female, male, other, unknown
    age: int | None = None  # years, at the recording
    site: str = ""

    @property
    def birth_year(self) -> int | None:
        """From the date of birth; from the age where the file also says when it was recorded."""
        if self.born:
            return int(self.born[:4])
        if self.age is None or self.start_us is None:
            return None
        return (_EPOCH + timedelta(microseconds=self.start_us)).year - self.age


def instant_us(at: datetime | None) -> int | None:
    """Microseconds since the epoch; None of a time that no recorder had."""
    if at is None or not _YEARS[0] <= at.year < _YEARS[1]:
        return None
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def somebody(text: str) -> str:
    """An id, or "" where the field says in one of many ways that it does not tell."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:64]
    return "" if clean.casefold() in _NOBODY or not clean.strip("0xX-_. ") else clean


def sex_of(text: str) -> str:
    """female, male, other or unknown."""
    return _SEX.get(text.strip().casefold(), "unknown")


def age_of(text: str) -> int | None:
    """Whole years, None of what no human reaches."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 4 and int(digits) <= 120 else None


def born_on(day: date | None) -> str:
    """YYYY-MM-DD, or "" of a year that cannot be."""
    return day.isoformat() if day is not None and _YEARS[0] <= day.year < _YEARS[1] else ""


def of_wfdb(header: Path, comments: Sequence[str], start: datetime | None) -> Facts:
    """From the comments of a WFDB header, as PhysioNet's databases write them, and the name of the folder."""
    said: dict[str, str] = {}
    for comment in comments:
        for key, value in _COMMENT.findall(comment):
            said.setdefault({"gender": "sex", "subject": "patient"}.get(key.casefold(), key.casefold()), value)
    mit = _MIT.match(comments[0]) if comments else None
    age, sex = (mit[1], mit[2]) if mit and "age" not in said else (said.get("age", ""), said.get("sex", ""))
    patient = somebody(said.get("patient", ""))
    folder = header.absolute().parent
    return Facts(
        start_us=instant_us(start),
        patient=patient,
        folder="" if patient or not _FOLDER.fullmatch(folder.name) else str(folder),
        sex=sex_of(sex),
        age=age_of(age),
    )


def of_edf(patient: str, recording: str, day: str, time: str, *, plus: bool) -> Facts:
    """From the local identifications of an EDF header; those of EDF+ have subfields, a plain one is one text."""
    fields = (patient.split() + ["X"] * 4)[:4]
    code, sex, born, name = fields if plus else (patient, "X", "X", "X")
    words = recording.split()
    unset = plus and words[:2] == ["Startdate", "X"]
    began = _edf_time(words[1] if plus and len(words) > 1 and words[0] == "Startdate" else "", day, time)
    return Facts(
        start_us=None if unset else instant_us(began),
        patient=somebody(code),
        name=somebody(name.replace("_", " ")),
        born=born_on(_edf_day(born)),
        sex=sex_of(sex),
    )


_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def _edf_day(text: str) -> date | None:
    parts = text.upper().split("-")
    try:
        return date(int(parts[2]), _MONTHS.index(parts[1]) + 1, int(parts[0])) if len(parts) == 3 else None
    except ValueError:
        return None


def _edf_time(long: str, short: str, time: str) -> datetime | None:
    """The short date has two digits for the year and means 1985 to 2084."""
    try:
        day = _edf_day(long)
        if day is None:
            d, m, y = (int(x) for x in short.split("."))
            day = date((1900 if y >= 85 else 2000) + y, m, d)
        hour, minute, second = (int(x) for x in time.split("."))
        return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
