"""Tables beside the recordings: PTB-XL's `ptbxl_database.csv` and CinC-2017's `REFERENCE.csv`."""

import ast
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.datasets.header import age_of
from inference.datasets.labels import from_rhythm, from_statements
from inference.datasets.record import Sex
from liteheart.errors import Unreadable

PTBXL: Final = "ptbxl_database.csv"
REFERENCES: Final = ("REFERENCE-v3.csv", "REFERENCE.csv")  # the later one has corrections
_COLUMNS: Final = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold")
_SEX: Final[dict[str, Sex]] = {"0": "M", "1": "F"}


@dataclass(frozen=True, slots=True)
class Stated:
    """What tables and header say of one recording."""

    labels: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()
    labelled: bool = True  # False: it says nothing of a diagnosis
    patient: str | None = None
    fold: int | None = None
    age: float | None = None
    sex: Sex | None = None


def read_ptbxl_table(path: Path) -> dict[str, Stated]:
    """Rows of PTB-XL's table by five-digit record name. Raises Unreadable."""
    rows = {}
    for number, row in _rows(path, _COLUMNS):
        try:
            statements = ast.literal_eval(row["scp_codes"])
            labels, unknown = from_statements(dict(statements))
            rows[f"{int(row['ecg_id']):05d}"] = Stated(
                labels=labels,
                unknown=unknown,
                patient=str(int(float(row["patient_id"]))),
                fold=int(float(row["strat_fold"])),
                age=age_of(row["age"]),
                sex=ptbxl_sex(row["sex"]),
            )
        except (ValueError, SyntaxError, TypeError) as error:
            raise Unreadable(path, f"line {number} cannot be understood ({error})") from None
    return rows


def read_reference(path: Path) -> dict[str, Stated]:
    """Classes of CinC-2017 by record name. Raises Unreadable."""
    rows = {}
    try:
        with path.open(newline="", encoding="ascii") as file:
            for number, row in enumerate(csv.reader(file), start=1):
                if not row:
                    continue
                if len(row) != 2:
                    raise Unreadable(path, f"line {number} is not RECORD,CLASS")
                rows[row[0].strip()] = by_rhythm(row[1].strip())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(path, f"cannot be read ({error})") from error
    return rows


def ptbxl_sex(text: str) -> Sex | None:
    """PTB-XL writes 0 for male and 1 for female."""
    return _SEX.get(text.strip().removesuffix(".0"))


def by_rhythm(rhythm: str) -> Stated:
    """What a class of CinC-2017 states."""
    return Stated(*from_rhythm(rhythm))


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lacking = [c for c in columns if c not in (reader.fieldnames or ())]
            if lacking:
                raise Unreadable(path, f"has no column {', '.join(lacking)}")
            for row in reader:
                yield reader.line_num, {c: row[c] or "" for c in columns}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(path, f"cannot be read ({error})") from error
