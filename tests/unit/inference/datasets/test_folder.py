"""Folders in each published layout, read by the reader that the command line passes in; and real samples of them."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from inference.datasets.examine import Examined, examine, read_folder
from inference.datasets.folder import open_folder
from inference.datasets.record import TWELVE, LabelledRecord, Verdict
from ingest.sources.recording import read_recording
from liteheart.errors import Unreadable

Hearts = list[npt.NDArray[np.float64]]


def _read(folder: Path) -> dict[str, LabelledRecord]:
    return {r.key: r for r in read_folder(folder, read_recording)}


def _examined(folder: Path) -> list[Examined]:
    return [found for entry in open_folder(folder).entries for found in examine(entry, read_recording)]


def test_the_challenge_layout(bench: Any, hearts: Hearts) -> None:
    bench.write("A0001", hearts[0], dx="RBBB", under="cpsc_2018/g1", age="NaN")
    bench.write("E00001", hearts[1], dx="427084000,13640000", spaced=True, sex="Female", under="georgia/g1")
    bench.write("JS00001", hearts[2], dx="164890007", under="chapman_shaoxing/g1")
    bench.write("JS20000", hearts[3], dx="164890007,59931005", under="ningbo/g1")
    records = _read(bench.folder)
    assert list(records) == ["chapman/JS00001", "cpsc2018/A0001", "g12ec/E00001", "ningbo/JS20000"]
    cpsc, georgia = records["cpsc2018/A0001"], records["g12ec/E00001"]
    assert (cpsc.labels, cpsc.age, cpsc.sex, cpsc.group) == ({"RBBB", "CD"}, None, "M", "cpsc2018/A0001")
    assert (georgia.labels, georgia.unknown, georgia.age, georgia.sex) == ({"STACH"}, ("13640000",), 57.0, "F")
    for record, heart in zip((cpsc, georgia), hearts, strict=False):
        assert (record.leads, record.fs_hz, record.mv.dtype) == (TWELVE, 500, np.float32)
        np.testing.assert_allclose(record.mv, heart, atol=6e-4)
    np.testing.assert_array_equal(cpsc.lead("V1"), cpsc.mv[6])
    with pytest.raises(KeyError, match="cpsc2018/A0001 has no lead V7"):
        cpsc.lead("V7")


def _ptbxl(bench: Any, hearts: Hearts) -> None:
    rows = [
        (1, 15709, 3, "{'NORM': 100.0, 'SR': 0.0}"),
        (2, 15709, 3, "{'AFLT': 0.0}"),
        (3, 8, 10, "{'IMI': 15.0}"),
    ]
    bench.ptbxl_table(rows)
    for ecg, *_ in rows:
        bench.write(f"{ecg:05d}_hr", hearts[ecg], dx=None, under="records500/00000")
        bench.write(f"{ecg:05d}_lr", hearts[ecg][:, ::5], fs_hz=100, dx=None, under="records100/00000")


def test_ptbxl_layout(bench: Any, hearts: Hearts) -> None:
    _ptbxl(bench, hearts)
    records = _read(bench.folder)
    assert {k: (r.labels, r.group, r.listed.fold, r.fs_hz) for k, r in records.items()} == {
        "ptbxl/00001": ({"NORM", "SR"}, "ptbxl/patient 15709", 3, 500),
        "ptbxl/00002": ({"AFLT"}, "ptbxl/patient 15709", 3, 500),
        "ptbxl/00003": ({"IMI", "MI"}, "ptbxl/patient 8", 10, 500),
    }
    assert records["ptbxl/00001"].age == 90.0
    low = list(read_folder(bench.folder, read_recording, low_rate=True))
    assert [(r.key, r.fs_hz, r.mv.shape) for r in low] == [(k, 100, (12, 1000)) for k in records]
    below = list(read_folder(bench.folder / "records100" / "00000", read_recording))
    assert [(r.key, r.group) for r in below] == [(k, r.group) for k, r in records.items()], "the table is found above"


def test_challenge_files_of_ptbxl_take_patients_from_its_table(bench: Any, hearts: Hearts) -> None:
    bench.write("HR00001", hearts[0], dx="39732003")
    bench.write("HR00002", hearts[1], dx="426783006")
    assert {r.group for r in _read(bench.folder).values()} == {"ptbxl/unknown patients"}, "each may be the other's"
    (remark,) = (r for _, r in open_folder(bench.folder).remarks)
    assert (
        remark.reason == "2 records of PTB-XL have no ptbxl_database.csv: patients, folds and statements are not known"
    )
    bench.ptbxl_table([(1, 5, 1, "{'LAFB': 100.0}")])
    records = _read(bench.folder)
    assert (records["ptbxl/00001"].labels, records["ptbxl/00001"].group) == ({"LAD", "LAFB", "CD"}, "ptbxl/patient 5")
    assert [(p.name, r.reason) for p, r in open_folder(bench.folder).remarks] == [
        ("HR00002.hea", "is not in ptbxl_database.csv")
    ]


def test_cinc2017_layout(bench: Any, hearts: Hearts) -> None:
    for name, mv in zip(("A00001", "A00002", "A00003"), hearts, strict=False):
        bench.write(name, mv[:1], fs_hz=300, leads=["ECG"], dx=None, under="training2017")
    table = bench.folder / "training2017" / "REFERENCE.csv"
    table.write_text("A00001,N\nA00002,A\n")
    records = _read(bench.folder)
    assert {k: (r.leads, r.labels, r.listed.labelled) for k, r in records.items()} == {
        "cinc2017/A00001": (("I",), {"SR"}, True),
        "cinc2017/A00002": (("I",), {"AFIB"}, True),
        "cinc2017/A00003": (("I",), frozenset(), False),
    }
    (table.parent / "REFERENCE-v3.csv").write_text("A00001,A\nA00002,A\nA00003,~\n")
    assert _read(bench.folder)["cinc2017/A00001"].labels == {"AFIB"}, "the corrected table wins"
    assert not open_folder(bench.folder).remarks


def test_a_broken_table_is_a_remark(bench: Any, hearts: Hearts) -> None:
    bench.write("00001_hr", hearts[0], dx=None)
    (bench.folder / "ptbxl_database.csv").write_text("ecg_id,age\n1,3\n")
    remarks = [r for _, r in open_folder(bench.folder).remarks]
    assert remarks[0].verdict is Verdict.UNREADABLE
    assert "no column patient_id" in remarks[0].reason


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("A0001 12 500 5000", "A0001 12 500 50000", "ends after"),
        ("A0001 12 500", "A0001 13 500", "announces 13 signals"),
        ("A0001 12 500", "A0001 12 0.5", "no sampling rate"),
        ("1000/mV", "0/mV", "gain 0"),
        ("1000/mV", "1000/mmHg", "holds no voltage"),
        ("A0001.mat", "../A0001.mat", "not a file beside it"),
        ("A0001.mat", "B0001.mat", "is missing"),
        ("16+24", "77+24", "is not supported"),
    ],
)
def test_a_corrupted_header_is_a_remark_and_the_others_are_read(
    bench: Any,
    hearts: Hearts,
    old: str,
    new: str,
    reason: str,
) -> None:
    header = bench.write("A0001", hearts[0])
    bench.write("A0002", hearts[1])
    header.write_text(header.read_text().replace(old, new))
    bad, good = _examined(bench.folder)
    assert bad.record is None
    assert [r.verdict for r in bad.remarks] == [Verdict.UNREADABLE]
    assert reason in bad.remarks[0].reason
    assert good.record is not None
    assert list(_read(bench.folder)) == ["cpsc2018/A0002"]


def test_truncated_signals_and_empty_headers(bench: Any, hearts: Hearts) -> None:
    cut = bench.write("A0001", hearts[0]).with_suffix(".mat")
    cut.write_bytes(cut.read_bytes()[:50_000])
    bench.write("A0002", hearts[1]).write_text("")
    bench.write("A0003", hearts[2]).unlink()
    assert [f.remarks[0].verdict for f in _examined(bench.folder)] == [Verdict.UNREADABLE] * 2
    ((path, remark),) = open_folder(bench.folder).remarks
    assert (path.name, remark.reason) == ("A0003.mat", "has no WFDB header beside it")


def test_missing_samples_stay_missing(bench: Any, hearts: Hearts) -> None:
    mv = hearts[0].copy()
    mv[2, 10:20] = np.nan
    bench.write("A0001", mv)
    (found,) = _examined(bench.folder)
    assert found.record is not None
    assert np.argwhere(np.isnan(found.record.mv)).tolist() == [[2, i] for i in range(10, 20)]
    assert [r.guard for r in found.remarks] == ["missing"]


def test_what_teaches_nothing_is_not_read_twice_nor_at_all(bench: Any, hearts: Hearts) -> None:
    bench.write("E00001", hearts[0])
    bench.write("E00002", hearts[0])
    bench.write("E00003", hearts[1], under="again")
    bench.write("E00003", hearts[2])
    bench.write("E00004", np.where(np.arange(12)[:, None] < 3, hearts[3], hearts[1]))
    assert list(_read(bench.folder)) == ["g12ec/E00001", "g12ec/E00003"]


def test_a_header_without_diagnosis_is_unlabelled_not_healthy(bench: Any, hearts: Hearts) -> None:
    bench.write("E00001", hearts[0], dx=None)
    (found,) = _examined(bench.folder)
    assert found.record is not None
    assert not found.record.listed.labelled
    assert [r.guard for r in found.remarks] == ["labels"]


def test_folders_without_recordings_are_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="holds no recording"):
        open_folder(tmp_path)
    with pytest.raises(Unreadable, match="no such folder"):
        open_folder(tmp_path / "none")
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(Unreadable, match="is no folder"):
        open_folder(tmp_path / "x.txt")


def test_a_broken_pack_is_a_remark(tmp_path: Path) -> None:
    (tmp_path / "x.ecg.xz").write_bytes(b"nothing")
    (found,) = _examined(tmp_path)
    assert found.remarks[0].verdict is Verdict.UNREADABLE


@pytest.mark.ecg
def test_real_samples_of_the_published_files(ecg_folder: Path) -> None:
    records = _read(ecg_folder / "wfdb_samples")
    by_database: dict[str, int] = {}
    for record in records.values():
        by_database[record.database] = by_database.get(record.database, 0) + 1
    assert by_database == {
        "cpsc2018": 4, "g12ec": 4, "ptbxl": 4, "ningbo": 4, "cpsc_extra": 3, "ptb": 1, "other": 2
    }  # fmt: skip
    expected = {
        "cpsc2018/A0018": ({"LBBB", "CD"}, 90.0, "F"),
        "g12ec/E07503": ({"LAO/LAE", "HYP", "STACH"}, 77.0, "F"),
        "g12ec/E07514": ({"STACH", "ISCAN", "INVT", "STTC"}, 29.0, "M"),  # its header names the record E07514.mat
        "ptbxl/00008": ({"MI", "ABQRS", "LAD", "SR"}, 48.0, "M"),
        "ningbo/JS20006": ({"PAC", "STACH", "LVHV", "TAB_", "PVC"}, 61.0, "M"),
        "ptb/S0003": ({"MI"}, 81.0, "F"),
    }
    assert {k: (r.labels, r.age, r.sex) for k, r in records.items() if k in expected} == expected
    twelve = [r for r in records.values() if r.database != "other"]
    assert all(r.leads == TWELVE and r.fs_hz == (1000 if r.database == "ptb" else 500) for r in twelve)
    assert all(0.1 < float(np.ptp(r.lead("I"))) < 10 for r in twelve)


@pytest.mark.ecg
def test_real_samples_trip_no_guard_and_real_damage_trips_them(ecg_folder: Path, tmp_path: Path) -> None:
    for found in _examined(ecg_folder / "wfdb_samples"):
        assert found.remarks == (), found.path
    for suffix in (".hea", ".mat"):
        (tmp_path / f"E07503{suffix}").write_bytes((ecg_folder / "wfdb_samples" / f"E07503{suffix}").read_bytes())
    header = tmp_path / "E07503.hea"
    sound = header.read_text()
    (whole,) = _examined(tmp_path)
    header.write_text(sound.replace("1000.0(0)/mV", "4880(0)/mV"))
    (found,) = _examined(tmp_path)
    assert [(r.guard, r.verdict) for r in found.remarks] == [("gain", Verdict.CORRECTED)]
    assert found.record is not None
    assert whole.record is not None
    np.testing.assert_allclose(found.record.mv, whole.record.mv, atol=1e-5)
    header.write_text(sound.replace("28459 0 V6", "28459 0 V1").replace("-1286 0 V1", "-1286 0 V6"))
    assert [r.guard for r in _examined(tmp_path)[0].remarks] == ["leads"]
    header.write_text(sound.replace("32047 0 aVR", "32047 0 aVL").replace("-511 0 aVL", "-511 0 aVR"))
    (found,) = _examined(tmp_path)
    assert ("limbs", Verdict.CORRECTED) in [(r.guard, r.verdict) for r in found.remarks]
    assert found.record is not None
    np.testing.assert_array_equal(found.record.mv, whole.record.mv)


@pytest.mark.ecg
def test_a_pack_is_a_database_too(ecg_folder: Path) -> None:
    """The quality set of 2011 carries aVL and aVF under each other's names, which nobody told the guard."""
    (entry,) = (e for e in open_folder(ecg_folder).entries if e.path.name.startswith("cinc2011"))
    found = list(examine(entry, read_recording))
    exchanged = [f for f in found if any("aVL and aVF exchanged" in r.reason for r in f.remarks)]
    assert len(found) == 743
    assert len(exchanged) == 691
