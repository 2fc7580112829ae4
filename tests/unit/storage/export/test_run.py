"""Whole exports: every sample, nobody's name, whole or not at all, and a line in the audit."""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liteheart.errors import Conflict, Misconfigured, Poison
from liteheart.history import Note
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Stretch
from storage.audit import Audit
from storage.cohort_query import Query
from storage.export.bundle import LEFT_OUT, Bundles, of_patient
from storage.export.deidentify import Disguise, condition_code, lead_name
from storage.export.folder import new_folder
from storage.export.run import FORMATS, Exports, Order
from storage.export.signal import LONGEST_US, Readable, cut, recordings
from storage.queries import insert_ignoring
from storage.schema import metadata, patients
from storage.subjects import Subject

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import edfio
    import pyarrow.parquet as pq
    import pydicom
    import wfdb

NAMES = ("p-anna", "p-berta")


@pytest.fixture
def ward(house: Any) -> Any:
    for patient in (*NAMES, "p-no-consent"):
        house.record(patient, 0, 61.2)
        house.record(patient, 100, 30, gain=1000 / 3, lead="Anna Beispiel")
        for second in range(0, 50, 5):
            house.find(patient, second, ("AFIB",) if second >= 30 else ())
        house.alarm(patient, 12, 5)
    house.agree("p-anna")
    house.agree("p-berta")
    house.describe("p-anna", "north-clinic", "female", 1930)
    return house


def order(house: Any, out: Path, **changes: Any) -> Order:
    values: dict[str, Any] = {
        "query": Query(),
        "format": "wfdb",
        "out": out,
        "by": "ada",
        "now_us": house.T0 + 86_400 * house.S * 30,
        "version": "9",
    }
    return Order(**values | changes)


def export(house: Any, out: Path, **changes: Any) -> dict[str, Any]:
    return Exports(house.engine, house.signal).run(order(house, out, **changes)).to_json()


def read_back(folder: Path) -> Iterator[tuple[str, float, np.ndarray]]:
    """Subject, gain, samples of every recording, by others' readers."""
    for path in sorted(folder.rglob("*")):
        subject = path.name.partition("-")[0]
        if path.suffix == ".hea":
            record = wfdb.rdrecord(str(path.with_suffix("")), physical=False)
            yield subject, record.adc_gain[0], record.d_signal[:, 0]
        elif path.suffix == ".edf":
            edf = edfio.read_edf(path)
            yield subject, float(edf.recording.additional[0].removeprefix("gain=")), edf.signals[0].digital
        elif path.suffix == ".dcm":
            group = pydicom.dcmread(path).WaveformSequence[0]
            gain = 1 / float(group.ChannelDefinitionSequence[0].ChannelSensitivity)
            yield subject, gain, np.frombuffer(group.WaveformData, "<i2")
        elif path.suffix == ".parquet":
            for row in pq.read_table(path).to_pylist():
                yield row["subject"], row["gain"], np.array(row["samples"], np.int16)


@pytest.mark.parametrize("form", FORMATS)
def test_every_sample_of_who_agreed_and_no_other(ward: Any, tmp_path: Path, form: str) -> None:
    told = export(ward, tmp_path / "out", format=form)
    found: dict[str, dict[float, list[np.ndarray]]] = {}
    for subject, gain, samples in read_back(tmp_path / "out"):
        found.setdefault(subject, {}).setdefault(round(gain, 6), []).append(samples)
    got = sorted(tuple(tuple(np.concatenate(f[g]).tolist()) for g in sorted(f)) for f in found.values())
    held: dict[str, list[Stretch]] = {}
    for stretch in ward.signal.held:
        held.setdefault(stretch.patient, []).append(stretch)
    wanted = sorted(tuple(tuple(s.samples.tolist()) for s in held[name]) for name in NAMES)
    assert got == wanted
    assert (told["patients"], told["left_out"]) == (2, {"consent": 1})
    assert told["samples"] == 2 * (15_300 + 7_500)
    assert told["hours"] == pytest.approx(2 * 91.2 / 3600, abs=1e-3)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("form", FORMATS)
def test_no_byte_tells_who_it_was(ward: Any, tmp_path: Path, form: str, relative: bool) -> None:
    out = tmp_path / "out"
    export(ward, out, format=form, relative_times=relative)
    said = [b"anna", b"berta", b"consent-p", b"wearable", b"beispiel", b"north-clinic"]
    true = datetime.fromtimestamp(ward.T0 / ward.S, UTC)
    said += [f"{true:{shape}}".encode() for shape in ("%d/%m/%Y", "%d.%m.%y", "%d-%b-%Y", "%Y%m%d")]
    said += [w.lower() for w in said]
    whole = b""
    for path in out.rglob("*"):
        assert not any(word in str(path.relative_to(tmp_path)).lower().encode() for word in said), path
        if path.is_file():
            data = path.read_bytes()
            if path.suffix == ".parquet":  # what is packed, opened
                data += json.dumps(pq.read_table(path).drop_columns("samples").to_pylist()).encode()
            if path.name == "manifest.json":  # the day of the export is no secret
                data = data.replace(json.loads(data)["made"].encode(), b"")
            whole += data
    assert len(whole) > 1000
    assert [word for word in said if word in whole.lower()] == []
    assert not re.search(rb"(?<![0-9a-f.])1930(?![0-9a-f])", whole), "the year of birth, but for digits within others"
    moved = [int(text) for text in _numbers(whole) if abs(int(text) - ward.T0) < 86_400 * ward.S]
    assert moved == [], "no true time in microseconds either"
    assert [p for p in NAMES if p.encode() in b"".join(sorted(s.encode() for s in os.listdir(out)))] == []


def _numbers(data: bytes) -> list[str]:
    return [m.decode() for m in re.findall(rb"\d{16}", data)]


def test_the_time_of_day_and_every_distance_stay(ward: Any, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.json"
    export(ward, tmp_path / "out", mapping=mapping)
    kept = json.loads(mapping.read_text())
    assert {v["patient"] for v in kept.values()} == set(NAMES)
    assert mapping.stat().st_mode & 0o077 == 0
    for subject, told in kept.items():
        records = [wfdb.rdheader(str(p.with_suffix(""))) for p in sorted((tmp_path / "out").rglob(f"{subject}*.hea"))]
        begins = [datetime.combine(r.base_date, r.base_time, UTC) for r in records]
        moved = [round(b.timestamp()) * ward.S - told["days"] * 86_400 * ward.S for b in begins]
        assert [abs(m - ward.T0 - at * ward.S) < ward.S for m, at in zip(moved, (0, 100), strict=True)] == [True, True]
        assert begins[0].microsecond == 123_457
        assert (begins[1] - begins[0]).total_seconds() == 100
        assert abs(told["days"]) > 1
    export(ward, tmp_path / "again", mapping=tmp_path / "mapping2.json")
    assert set(json.loads((tmp_path / "mapping2.json").read_text())) != set(kept), "other numbers every time"


def test_without_a_date(ward: Any, tmp_path: Path) -> None:
    export(ward, tmp_path / "out", relative_times=True)
    heads = [wfdb.rdheader(str(p.with_suffix(""))) for p in sorted((tmp_path / "out").rglob("*.hea"))]
    assert {(h.base_date, h.base_time) for h in heads} == {(None, None)}
    offsets = [next(c for c in h.comments if c.startswith("Offset_s")) for h in heads]
    assert offsets == ["Offset_s: 0.000000", "Offset_s: 100.000000"] * 2
    export(ward, tmp_path / "rows", relative_times=True, format="parquet")
    rows = pq.read_table(next((tmp_path / "rows").glob("*.parquet"))).to_pylist()
    assert {r["t0_us"] // ward.S for r in rows} == {0, 10, 20, 30, 40, 50, 60, 100, 110, 120}


def test_rows_of_chosen_windows_carry_what_was_said(ward: Any, tmp_path: Path) -> None:
    export(ward, tmp_path / "out", format="parquet", query=Query(conditions=("AFIB",)), relative_times=True)
    rows = pq.read_table(tmp_path / "out" / "windows-0001.parquet").to_pylist()
    assert len(rows) == 8
    assert [r["t0_us"] // ward.S for r in rows[:4]] == [0, 5, 10, 15], "relative to the first that is exported"
    assert {len(r["samples"]) for r in rows} == {2500}
    assert {tuple(r["codes"]) for r in rows} == {("AFIB",)}
    assert dict(rows[0]["scores"])["AFIB"] == pytest.approx(0.9, abs=1e-3)
    assert sorted({(r["age"], r["sex"]) for r in rows}, key=str) == [(90, "female"), (None, "unknown")]
    export(ward, tmp_path / "all", format="parquet", relative_times=True)
    rows = pq.read_table(tmp_path / "all" / "windows-0001.parquet").to_pylist()
    of_one = [r for r in rows if r["subject"] == rows[0]["subject"]]
    assert [r["alarms"] for r in of_one[:3]] == [[], ["VF"], []]
    assert [r["codes"] for r in of_one] == [[], [], [], *[["AFIB"]] * 3, None, None, None, None], "by half at least"
    assert {r["lead"] for r in rows} == {"II", "ECG"}, "what is no usual name of a lead might be anything"


def test_the_manifest_and_the_sums_tell_of_every_file(ward: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = export(ward, out)
    manifest = json.loads((out / "manifest.json").read_text())
    there = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert {f["path"] for f in manifest["files"]} == there - {"manifest.json", "SHA256SUMS"}
    assert manifest["consent"] == {"asked_for": ["export"], "patients_without": 1, "waived": False}
    assert (manifest["patients"], manifest["recordings"], manifest["export"]) == (2, 4, told["export"])
    for line in (out / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    assert told["manifest_sha256"] == hashlib.sha256((out / "manifest.json").read_bytes()).hexdigest()
    records = (out / "RECORDS").read_text().split()
    assert len(records) == 4
    assert all((out / f"{r}.hea").is_file() for r in records)


def test_the_audit_tells_who_what_and_whose(ward: Any, tmp_path: Path) -> None:
    told = export(ward, tmp_path / "out")
    deeds = Audit(ward.engine).latest(20)
    written = next(d for d in deeds if d.action == "export-written")
    assert (written.by, written.subject) == ("ada", told["export"])
    assert written.detail["manifest_sha256"] == told["manifest_sha256"]
    assert {d.subject for d in deeds if d.action == "exported"} == set(NAMES)
    begun = next(d for d in deeds if d.action == "export-begun")
    assert begun.detail["query"] == {"consent": ["export"], "seed": 0}
    assert Audit(ward.engine).verify().broken is None


def test_consent_is_waived_only_with_a_reason(ward: Any, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="reason"):
        export(ward, tmp_path / "out", query=Query(consent=()))
    told = export(ward, tmp_path / "out", query=Query(consent=()), waived="court order 7")
    assert told["patients"] == 3
    begun = next(d for d in Audit(ward.engine).latest(20) if d.action == "export-begun")
    assert begun.flagged
    assert begun.detail["consent_waived"] == "court order 7"
    assert "court" not in (tmp_path / "out" / "manifest.json").read_text()


def test_what_breaks_off_leaves_nothing(ward: Any, tmp_path: Path) -> None:
    class Broken:
        def stretches(self, patient: PatientId, t0_us: int, t1_us: int) -> Iterator[Stretch]:
            yield from list(ward.signal.stretches(patient, t0_us, t1_us))[:1]
            raise OSError("the cable")

    with pytest.raises(OSError, match="the cable"):
        Exports(ward.engine, Broken()).run(order(ward, tmp_path / "out"))
    assert [p.name for p in tmp_path.iterdir()] == ["house"]
    export(ward, tmp_path / "out")


KILLED = """
import sys, os, pathlib
from storage.export.folder import new_folder
with new_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder.path / "half.dat").write_bytes(b"x" * 100)
    os._exit(9)
"""


def test_what_was_killed_does_not_look_whole_and_is_done_anew(ward: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False, cwd=Path(__file__).parents[4])
    assert not out.exists()
    assert (tmp_path / "out.part" / "half.dat").is_file()
    export(ward, out)
    assert not list(out.rglob("half.dat"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["house", "out"]


def test_a_place_that_is_taken_is_refused(ward: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    export(ward, out)  # an empty folder is no harm
    with pytest.raises(Misconfigured, match="not empty"):
        export(ward, out)
    with new_folder(tmp_path / "other"), pytest.raises(Conflict, match="another export"):
        export(ward, tmp_path / "other")
    with pytest.raises(Misconfigured, match="handed out"):
        export(ward, tmp_path / "new", mapping=tmp_path / "new" / "map.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured):
        export(ward, tmp_path / "file" / "out")


def test_what_a_format_cannot_hold_is_told(ward: Any, tmp_path: Path) -> None:
    odd = ward.signal.held[0]
    ward.signal.held[0] = replace(odd, fs_hz=1200.0)
    told = export(ward, tmp_path / "out", format="dicom")
    assert told["left_out"] == {"consent": 1, "recordings: fs_hz": 1}
    assert told["recordings"] == 3
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_dir() and not any(p.iterdir())]


def test_what_cannot_be_read_is_told(ward: Any, tmp_path: Path) -> None:
    class Damaged:
        def stretches(self, patient: PatientId, t0_us: int, t1_us: int) -> Iterator[Stretch]:
            if patient == "p-anna":
                raise Poison("payload", "damaged")
            return ward.signal.stretches(patient, t0_us, t1_us)

    told = Exports(ward.engine, Damaged()).run(order(ward, tmp_path / "out")).to_json()
    assert (told["patients"], told["left_out"]) == (1, {"consent": 1, "unreadable stretches": 1})
    assert list(Readable(ward.signal).stretches(PatientId("p-anna"), 0, 1 << 60)) == ward.signal.held[:2]


def test_long_recordings_are_read_a_day_at_a_time() -> None:
    """Three days at a low rate: three recordings, each sample once."""
    samples = np.arange(3 * 86_400 * 2 + 7).astype(np.int16)
    whole = Stretch(PatientId("p"), DeviceId("d"), "II", 1_000_001, 2.0, 100.0, samples)

    class Source:
        def __init__(self) -> None:
            self.asked: list[int] = []

        def stretches(self, patient: PatientId, t0_us: int, t1_us: int) -> Iterator[Stretch]:
            self.asked.append(t1_us - t0_us)
            piece = cut(whole, t0_us, t1_us)
            if piece is not None:
                yield piece

    source = Source()
    parts = list(recordings(source, PatientId("p"), whole.t0_us, whole.t1_us))
    assert np.array_equal(np.concatenate([p.samples for p in parts]), samples)
    assert max(source.asked) == LONGEST_US
    assert len(parts) == 4


def test_a_disguise_says_nothing_of_the_day() -> None:
    """The moved day of an old and of a new recording are drawn from the same eighty years."""
    draw = random.Random(1)
    days = []
    for first_us in (0, 1_900_000_000_000_000):
        masks = [Disguise(draw=draw).of(PatientId("p"), None, first_us) for _ in range(400)]
        days.append(sorted((first_us + m.shift_us) // 86_400_000_000 for m in masks))
        assert all(m.shift_us % 86_400_000_000 == 0 for m in masks)
    assert all(7305 <= d <= 36_524 for one in days for d in (one[0], one[-1]))
    assert abs(days[0][200] - days[1][200]) < 5000, "medians of 400 draws over 29,220 days"


def test_ages_over_89_are_one() -> None:
    mask = Disguise().of(PatientId("p"), Subject(PatientId("p"), birth_year=1930), 0)
    year = 31_557_600_000_000
    assert [mask.age(round((y - 1970 + 0.5) * year)) for y in (1975, 2019, 2020, 2026)] == [45, 89, 90, 90]


def test_words_that_people_chose_do_not_pass() -> None:
    assert [lead_name(x) for x in ("II", "aVF", "MLII", "V5", "Anna", "room-7", "")] == [
        *("II", "aVF", "MLII", "V5", "ECG", "ECG", "ECG")
    ]
    assert [condition_code(x) for x in ("AFIB", "LAO/LAE", "NO_DATA", "Anna B.")] == [
        *("AFIB", "LAO/LAE", "NO_DATA", "OTHER")
    ]


class Written:
    def of_patient(self, patient: PatientId, limit: int) -> list[Note]:
        return [Note(1, patient, "slept well", "ada", 5)]


def test_a_bundle_holds_all_of_one_patient(ward: Any, tmp_path: Path) -> None:
    with ward.engine.begin() as connection:
        connection.execute(insert_ignoring(connection, patients), {"patient_id": "p-anna", "bed": "A-1"})
    identity = {"name": "Anna Beispiel", "born": "1930-01-02", "record_number": "7"}
    held = Bundles(ward.engine, ward.signal, Written()).write(
        PatientId("p-anna"), tmp_path / "anna.zip", by="ada", now_us=ward.T0, identity=identity
    )
    with zipfile.ZipFile(tmp_path / "anna.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "open")
    folder = tmp_path / "open"
    assert json.loads((folder / "identity.json").read_text()) == identity
    rows = {p.stem: [json.loads(x) for x in p.read_text().splitlines()] for p in (folder / "rows").iterdir()}
    assert {"patients", "findings", "alarms", "alarm_events", "subjects", "consents", "audit", "notes"} <= set(rows)
    assert len(rows["findings"]) == 10
    assert rows["findings"][0]["scores"]["AFIB"] == pytest.approx(0.05, abs=1e-3)
    assert rows["alarms"][0]["message"] == "Anna Beispiel fell", "it is the patient's own"
    assert rows["notes"][0]["text"] == "slept well"
    assert "berta" not in "".join(p.read_text() for p in (folder / "rows").iterdir())
    first = wfdb.rdrecord(str(folder / "signal" / "r0001"), physical=False)
    assert np.array_equal(first.d_signal[:, 0], ward.signal.held[0].samples)
    true = datetime.fromtimestamp(ward.T0 // ward.S, UTC)
    assert first.base_date == true.date()
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (held.recordings, held.samples, held.unreadable) == (2, 22_800, 0)
    assert held.rows == sum(map(len, rows.values()))
    assert "bundle-written" in {d.action for d in Audit(ward.engine).latest(5, subject="p-anna")}
    with pytest.raises(Poison, match="nobody knows"):
        Bundles(ward.engine, ward.signal, Written()).write(
            PatientId("p-none"), tmp_path / "none.zip", by="ada", now_us=ward.T0, identity=None
        )
    assert not list(tmp_path.glob("none*"))


def test_every_table_is_in_the_bundle_or_left_out_for_a_reason() -> None:
    """A table that is new: is it about a patient? Then it belongs to what the patient may see."""
    about = {t.name for t in metadata.sorted_tables if of_patient(t, PatientId("p")) is not None}
    others = {t.name for t in metadata.sorted_tables} - about
    assert set(LEFT_OUT) <= about
    assert others <= {
        *("score_layouts", "outbox", "people", "heartbeats", "audit_head", "sessions", "handovers"),
        *("clients", "models", "model_files", "model_steps", "refreshes", "refresh_profiles"),
    }, "a table that no rule of the bundle knows"
    for name in others:
        assert not [c for c in metadata.tables[name].c if "patient" in c.name]
