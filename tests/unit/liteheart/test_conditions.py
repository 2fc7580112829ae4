"""The table of conditions is complete, consistent, and counts what it says it counts."""

import re

import pytest

from liteheart.conditions import BY_CODE, CONDITIONS, SCORED, SUPERCLASSES


def test_names_more_than_38_conditions_once_each() -> None:
    assert len(CONDITIONS) >= 38
    assert len(BY_CODE) == len(CONDITIONS)
    assert len({c.name for c in CONDITIONS}) == len(CONDITIONS)


def test_superclasses_are_rows_with_the_statements_that_imply_them() -> None:
    for code in SUPERCLASSES:
        assert BY_CODE[code].superclass == code
        assert BY_CODE[code].scp
    for c in CONDITIONS:
        if c.superclass in SUPERCLASSES:
            assert set(c.scp) <= set(BY_CODE[c.superclass].scp), c.code


def test_a_statement_implies_at_most_one_superclass() -> None:
    statements = [s for code in SUPERCLASSES for s in BY_CODE[code].scp]
    assert len(statements) == len(set(statements))


def test_superclass_column_holds_known_values_only() -> None:
    assert {c.superclass for c in CONDITIONS} <= {*SUPERCLASSES, "RHYTHM", None}


def _verhoeff(number: str) -> bool:
    """The check digit that every SNOMED CT identifier ends with (Verhoeff 1969): the dihedral group of order ten."""
    multiply = [[(i + j) % 5 if j < 5 else 5 + (i + j) % 5 for j in range(10)] for i in range(5)]
    multiply += [[5 + (i - j) % 5 if j < 5 else (i - j) % 5 for j in range(10)] for i in range(5, 10)]
    permute = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
    for _ in range(6):
        permute.append([permute[-1][permute[1][j]] for j in range(10)])
    check = 0
    for i, digit in enumerate(reversed(number)):
        check = multiply[check][permute[i % 8][int(digit)]]
    return check == 0


@pytest.mark.parametrize("code", sorted({c.snomed for c in CONDITIONS if c.snomed}))
def test_snomed_codes_are_whole(code: str) -> None:
    assert re.fullmatch(r"\d{6,18}", code)
    assert _verhoeff(code)


def test_the_check_digit_finds_a_slip() -> None:
    assert not _verhoeff("164889004")
    assert not _verhoeff("164898003")


@pytest.mark.parametrize(
    ("code", "snomed"),
    [("AFIB", "164889003"), ("1AVB", "270492004"), ("CLBBB", "733534002"), ("ASYSTOLE", "397829000")],
)
def test_known_codes(code: str, snomed: str) -> None:
    assert BY_CODE[code].snomed == snomed


def test_the_student_scores_statements_and_never_the_lethal_rhythms() -> None:
    assert {"SR", "AFIB", "PVC", "LVH", *SUPERCLASSES} <= set(SCORED)
    assert not {"ASYSTOLE", "VF", "VT", "EXTREME_BRADY", "EXTREME_TACHY", "PAUSE"} & set(SCORED)


def test_what_lead_i_shows() -> None:
    assert BY_CODE["AFIB"].lead_i_visible
    assert not BY_CODE["LAFB"].lead_i_visible
    assert not BY_CODE["ASMI"].lead_i_visible
