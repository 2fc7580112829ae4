"""Whose a record is by its name, what labels mean, what tables and headers say."""

from pathlib import Path

import numpy as np
import pytest

from inference.datasets.databases import identify
from inference.datasets.header import age_of, read_comments
from inference.datasets.labels import from_rhythm, from_snomed, from_statements, targets
from inference.datasets.record import Listed
from inference.datasets.sidecars import read_ptbxl_table, read_reference
from liteheart.conditions import BY_CODE, BY_SNOMED, CHALLENGE_EQUIVALENT, CONDITIONS, SCORED, merged
from liteheart.errors import Unreadable

# The codes with more than 200 records in Georgia, PTB-XL, Ningbo or Chapman, and the two others the Challenge scores.
UNION = (
    *("164889003", "164890007", "6374002", "733534002", "713427006", "270492004", "713426002", "39732003"),
    *("445118002", "164909002", "251146004", "698252002", "426783006", "284470004", "10370003", "365413008"),
    *("427172004", "164947007", "111975006", "164917005", "47665007", "59118001", "427393009", "426177001"),
    *("427084000", "164934002", "59931005", "17338001", "426627000", "63593006"),
)
CPSC = (
    "164889003",
    "270492004",
    "164909002",
    "59118001",
    "426783006",
    "284470004",
    "164884008",
    "429622005",
    "164931005",
)


@pytest.mark.parametrize(
    ("record", "database", "name"),
    [
        ("A0018", "cpsc2018", "A0018"),
        ("A00018", "cinc2017", "A00018"),
        ("Q0050", "cpsc_extra", "Q0050"),
        ("E07503", "g12ec", "E07503"),
        ("HR00032", "ptbxl", "00032"),
        ("00032_lr", "ptbxl", "00032"),
        ("ptbxl-00032", "ptbxl", "00032"),
        ("S0003", "ptb", "S0003"),
        ("I0001", "stpetersburg", "I0001"),
        ("JS00001", "chapman", "JS00001"),
        ("JS10646", "chapman", "JS10646"),
        ("JS10647", "ningbo", "JS10647"),
        ("JS45551", "ningbo", "JS45551"),
        ("cinc2017-A00008", "cinc2017", "A00008"),
        ("203", "other", "203"),
    ],
)
def test_a_record_is_known_by_its_name(record: str, database: str, name: str) -> None:
    found, canonical = identify(record)
    assert (found.code, canonical) == (database, name)


def test_the_table_names_every_class_of_the_five_databases() -> None:
    codes = [BY_SNOMED[snomed] for snomed in (*UNION, *CPSC)]
    assert len({BY_SNOMED[u] for u in UNION}) == len(UNION) == 30
    assert {"AFLT", "LAD", "RAD", "LVOLT", "PACE", "PRWP", "LNGQT", "TAB_", "RBBB", "VPB", "STE_", "VEB"} <= set(codes)
    assert all(BY_CODE[c].snomed == s for c, s in zip(codes, (*UNION, *CPSC), strict=True))


def test_what_the_shipped_student_scores_has_not_changed() -> None:
    assert len(SCORED) == 36
    assert not {"AFLT", "RBBB", "LAD", "VEB"} & set(SCORED)
    assert tuple(c.code for c in CONDITIONS[: len(SCORED)]) == SCORED


def test_a_broad_code_is_read_as_the_broad_row() -> None:
    assert from_snomed(["164865005"]) == ({"MI"}, ())
    assert from_snomed(["164934002"]) == ({"TAB_"}, ())


def test_equivalent_codes_are_one_when_merged_and_two_before() -> None:
    labels, _ = from_snomed(["59118001", "713427006", "164909002", "63593006", "17338001", "164884008"])
    assert {"RBBB", "CRBBB", "LBBB", "SVPB", "VPB", "VEB"} <= labels
    assert merged(labels) == {"CRBBB", "CLBBB", "PAC", "PVC", "CD"}
    assert CHALLENGE_EQUIVALENT == {"RBBB": "CRBBB", "LBBB": "CLBBB", "SVPB": "PAC", "VPB": "PVC"}


def test_labels_without_a_condition_are_kept_and_superclasses_implied() -> None:
    assert from_snomed(["270492004", "13640000", "270492004", ""]) == ({"1AVB", "CD"}, ("13640000",))
    assert from_snomed(["Normal"]) == ({"SR"}, ())
    assert from_snomed(["I-AVB", "nonsense"]) == ({"1AVB", "CD"}, ("nonsense",))


def test_statements_imply_superclasses_even_without_a_row_of_their_own() -> None:
    labels, unknown = from_statements({"INJIL": 50.0, "SR": 0.0, "PRC(S)": 100.0})
    assert (labels, unknown) == ({"MI", "SR"}, ("PRC(S)",))


def test_rhythms_of_2017() -> None:
    assert [from_rhythm(r) for r in "NAO~"] == [({"SR"}, ()), ({"AFIB"}, ()), (set(), ("O",)), (set(), ("~",))]


def test_a_label_that_a_database_never_gives_is_not_negative() -> None:
    listed = [Listed(str(i), "g12ec", str(i), frozenset({"RBBB"} if i < 20 else {"SR"})) for i in range(45)]
    listed += [Listed(str(i), "ningbo", f"n{i}", frozenset({"AFLT"})) for i in range(20)]
    listed += [Listed("hand", "cinc2017", "hand", frozenset({"SR"}))]
    listed += [Listed("new", "g12ec", "new", labelled=False)]
    y, known = targets(listed, ("CRBBB", "AFLT", "SR", "AFIB"))
    assert y.sum(axis=0).tolist() == [20, 20, 25, 0]
    assert known[:45].all(axis=0).tolist() == [True, False, True, False]
    assert known[45:65].all(axis=0).tolist() == [False, True, False, False]
    assert known[65].tolist() == [False, False, False, True], "other rhythms of 2017 may be sinus rhythm"
    assert not known[66].any()
    assert not targets(listed, ("AFLT",), minimum=21)[1].any()


@pytest.mark.parametrize(
    ("text", "dx", "age", "sex"),
    [
        ("#Age: 92\n#Sex: Female\n#Dx: LBBB\n", ("LBBB",), 90.0, "F"),
        ("# Age: 61\n# Sex: Male\n# Dx: 284470004, 427084000\n", ("284470004", "427084000"), 61.0, "M"),
        ("#Age: NaN\n#Sex: Unknown\n#Dx: Unknown\n", None, None, None),
        ("# 43 M 1878 356 x1\n", None, None, None),
    ],
)
def test_comments(tmp_path: Path, text: str, dx: object, age: float | None, sex: str | None) -> None:
    header = tmp_path / "x.hea"
    header.write_text("x 1 500 5000\nx.mat 16+24 1000/mV 16 0 0 0 0 I\n" + text)
    found = read_comments(header)
    assert (found.dx, found.age, found.sex) == (dx, age, sex)


def test_a_header_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file"):
        read_comments(tmp_path / "none.hea")


def test_ages() -> None:
    assert [age_of(a) for a in ("300.0", "-1", "", "inf", "0")] == [90.0, None, None, None, 0.0]


def test_ptbxl_table(tmp_path: Path) -> None:
    path = tmp_path / "ptbxl_database.csv"
    head = "ecg_id,patient_id,age,sex,height,scp_codes,strat_fold\n"
    path.write_text(head + "7,16193.0,300.0,1,,\"{'NORM': 100.0, 'SR': 0.0}\",9\n")
    (row,) = read_ptbxl_table(path).items()
    assert row[0] == "00007"
    assert (row[1].labels, row[1].patient, row[1].fold, row[1].age, row[1].sex) == (
        {"NORM", "SR"},
        "16193",
        9,
        90.0,
        "F",
    )
    path.write_text(head + "7,16193.0,300.0,1,,__import__('os'),9\n")
    with pytest.raises(Unreadable, match="line 2 cannot be understood"):
        read_ptbxl_table(path)
    path.write_text("ecg_id,age\n7,3\n")
    with pytest.raises(Unreadable, match="no column patient_id, sex, scp_codes, strat_fold"):
        read_ptbxl_table(path)


def test_reference_of_2017(tmp_path: Path) -> None:
    path = tmp_path / "REFERENCE.csv"
    path.write_text("A00001,N\nA00004,A\n\n")
    assert {name: row.labels for name, row in read_reference(path).items()} == {"A00001": {"SR"}, "A00004": {"AFIB"}}
    path.write_text("Recording,First_label,Second_label\nA0001,5,\n")
    with pytest.raises(Unreadable, match="line 1 is not RECORD,CLASS"):
        read_reference(path)


def test_targets_of_nothing_are_empty() -> None:
    y, known = targets([], ("SR",))
    assert y.shape == known.shape == (0, 1)
    assert y.dtype == np.bool_
