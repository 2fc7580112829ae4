"""The comments of a WFDB header of the PhysioNet Challenges 2020 and 2021: `# Dx: 426783006,164889003`."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.datasets.record import Sex
from liteheart.errors import Unreadable

_MAX_HEADER: Final = 1_000_000  # bytes
_COMMENT = re.compile(r"#\s*(age|sex|dx)\s*:\s*(.*)", re.IGNORECASE)
_SEX: Final[dict[str, Sex]] = {"f": "F", "female": "F", "m": "M", "male": "M"}
_NOTHING: Final = ("", "unknown", "nan", "none")


@dataclass(frozen=True, slots=True)
class Comments:
    """What a header says of the patient. `dx` is None when it says nothing of the diagnosis."""

    dx: tuple[str, ...] | None = None
    age: float | None = None
    sex: Sex | None = None


def read_comments(header: Path) -> Comments:
    """Diagnoses, age and sex of a header. Raises Unreadable."""
    try:
        with header.open("rb") as file:
            text = file.read(_MAX_HEADER).decode("utf-8", errors="replace")
    except OSError as error:
        raise Unreadable(header, error.strerror or "cannot be read") from error
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _COMMENT.match(line.strip())
        if match:
            found.setdefault(match[1].lower(), match[2].strip())
    dx = tuple(code for code in (part.strip() for part in found.get("dx", "").split(",")) if not _nothing(code))
    return Comments(dx or None, age_of(found.get("age", "")), sex_of(found.get("sex", "")))


def age_of(text: str) -> float | None:
    """Years; 90 for anything above, since the databases write 300 or 89+ for the very old."""
    try:
        years = float(text)
    except ValueError:
        return None
    return min(years, 90.0) if math.isfinite(years) and years >= 0 else None


def sex_of(text: str) -> Sex | None:
    """F, M, or None."""
    return _SEX.get(text.strip().casefold())


def _nothing(code: str) -> bool:
    return code.casefold() in _NOTHING
