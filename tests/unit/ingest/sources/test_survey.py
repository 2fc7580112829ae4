"""Piece by piece a file gives what it gives whole; and what its header says is read for what it is."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.settings import IngestSettings
from ingest.sources import survey as surveys
from ingest.sources.facts import Facts, age_of, instant_us, of_edf, of_wfdb, sex_of, somebody
from ingest.sources.recording import open_signals, read_recording
from ingest.sources.survey import frames_of_file, survey
from liteheart.errors import Unreadable
from liteheart.ids import DeviceId, PatientId

RNG = np.random.default_rng(9)
SETTINGS = IngestSettings()


def record(folder: Path, adc: np.ndarray, *, fmt: str = "16", gain: str = "200(7)/mV", fs: str = "250") -> Path:
    data = adc.astype("<i2" if fmt != "32" else "<i4").tobytes()
    if fmt == "212":
        u = (adc.astype(np.int64) & 0xFFF).reshape(-1, 2)
        three = np.stack([u[:, 0] & 0xFF, (u[:, 0] >> 8) | ((u[:, 1] >> 8) << 4), u[:, 1] & 0xFF], axis=1)
        data = three.astype(np.uint8).tobytes()
    (folder / "r.dat").write_bytes(data)
    (folder / "r.hea").write_text(f"r 1 {fs} {len(adc)}\nr.dat {fmt} {gain} 12 0 0 0 0 II\n")
    return folder / "r.hea"


def played(path: Path) -> tuple[surveys.Survey, np.ndarray, list[int]]:
    found = survey(path, None, SETTINGS)
    frames = list(frames_of_file(found, PatientId("p"), DeviceId("d"), 0, 0))
    assert [f.sequence for f in frames] == list(range(len(frames)))
    starts = [round(f.t0_us * found.fs_hz / 1e6) for f in frames]
    return found, np.concatenate([f.samples for f in frames]), starts


@pytest.mark.parametrize("piece", [1, 2500, 5000, 1 << 19])
@pytest.mark.parametrize("fmt", ["16", "212", "32", "8"])
def test_frames_are_the_zero_based_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, fmt: str
) -> None:
    monkeypatch.setattr(surveys, "_PIECE", piece)
    adc = RNG.integers(-900, 900, 12_346)
    if fmt == "8":
        steps = RNG.integers(-100, 100, len(adc))
        path = record(tmp_path, adc)
        (tmp_path / "r.dat").write_bytes(steps.astype("i1").tobytes())
        path.write_text(path.read_text().replace(" 16 200", " 8 200"))
    else:
        adc[3000:3007] = {"16": -32768, "212": -2048, "32": -(1 << 31)}[fmt]
        path = record(tmp_path, adc, fmt=fmt)
    whole = read_recording(path)
    expected, gain = whole.zero_based(0)
    found, samples, starts = played(path)
    np.testing.assert_array_equal(samples, expected[~whole.invalid[0]])
    assert (found.gain, found.dropped_bits, found.n, found.valid) == (gain, 0, len(adc), len(samples))
    assert (3007 in starts) == (fmt != "8")


def test_the_digest_is_that_of_signal_and_header(tmp_path: Path) -> None:
    adc = RNG.integers(-900, 900, 3000)
    one = survey(record(tmp_path, adc), None, SETTINGS).digest
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert survey(record(other, adc), None, SETTINGS).digest == one
    assert survey(record(other, adc, fs="360"), None, SETTINGS).digest != one
    assert survey(record(other, adc, gain="100(7)/mV"), None, SETTINGS).digest != one
    adc[2999] += 1
    assert survey(record(other, adc), None, SETTINGS).digest != one


def test_what_leaves_16_bits_is_halved_and_says_so(tmp_path: Path) -> None:
    adc = RNG.integers(-(1 << 19), 1 << 19, 3000)
    found, samples, _ = played(record(tmp_path, adc, fmt="32", gain="100000(0)/mV"))
    assert found.dropped_bits == 4
    np.testing.assert_allclose(samples / found.gain, adc / 1e5, atol=0.51 / found.gain)


@pytest.mark.parametrize(("change", "field"), [({"fs": "5000"}, "fs_hz"), ({"gain": "0.5(0)/mV"}, "gain")])
def test_what_no_device_may_send_is_not_imported(tmp_path: Path, change: dict[str, str], field: str) -> None:
    path = record(tmp_path, RNG.integers(-900, 900, 3000), **change)
    with pytest.raises(Unreadable, match=f"r.hea: {field}: "):
        survey(path, None, SETTINGS)


def test_a_lead_without_a_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="has no sample of lead II"):
        survey(record(tmp_path, np.full(3000, -32768)), None, SETTINGS)
    with pytest.raises(Unreadable, match="has no lead V9, only II"):
        survey(record(tmp_path, np.zeros(3000, np.int64)), "V9", SETTINGS)


def us(*parts: int) -> int | None:
    return instant_us(datetime(*parts, tzinfo=UTC))  # type: ignore[arg-type, misc]


def test_facts_of_wfdb_comments(tmp_path: Path) -> None:
    header = tmp_path / "r.hea"
    assert of_wfdb(header, ["Age: 92", "Sex: Female"], None) == Facts(sex="female", age=92)
    assert of_wfdb(header, ["43 M 1878 356 x1", "Coumadin"], None) == Facts(sex="male", age=43)
    assert of_wfdb(header, ["<age>: 57  <sex>: M  <diagnoses>: none"], None) == Facts(sex="male", age=57)
    assert of_wfdb(header, ["patient: 0815"], None).patient == "0815"
    assert of_wfdb(header, ["Subject ID: s-3"], None).patient == "s-3"
    assert of_wfdb(header, ["patient: unknown", "age: 300"], None) == Facts()
    mine = tmp_path / "patient042" / "r.hea"
    assert of_wfdb(mine, [], None).folder == str(mine.parent)
    assert of_wfdb(tmp_path / "mitdb" / "r.hea", [], None).folder == ""


def test_facts_of_edf_identifications() -> None:
    plus = of_edf("MCH-02 F 02-MAY-1951 Jane_Doe", "Startdate 02-MAR-2002 X X X", "02.03.02", "10.20.30", plus=True)
    assert plus == Facts(us(2002, 3, 2, 10, 20, 30), "MCH-02", "", "Jane Doe", "1951-05-02", "female")
    assert plus.birth_year == 1951
    unset = of_edf("X X X X", "Startdate X X X X", "01.01.85", "00.00.00", plus=True)
    assert unset == Facts()
    plain = of_edf("Doe, Jane 4711", "", "29.02.99", "10.20.30", plus=False)
    assert (plain.start_us, plain.patient) == (None, "Doe, Jane 4711")  # 1999 had no such day
    assert of_edf("", "", "31.12.84", "23.59.59", plus=False).start_us == us(2084, 12, 31, 23, 59, 59)


def test_edf_subseconds_of_the_start_count(tmp_path: Path) -> None:
    import edfio

    one = edfio.EdfSignal(np.zeros(2500), 250, label="ECG", physical_dimension="mV", physical_range=(-5, 5))
    start = datetime(2020, 1, 2, 3, 4, 5, 250_000)
    notes = [edfio.EdfAnnotation(1.5, None, "x")]
    edf = edfio.Edf(
        [one],
        annotations=notes,
        data_record_duration=1,
        starttime=start.time(),
        recording=edfio.Recording(startdate=start.date()),
    )
    edf.write(tmp_path / "a.edf")
    with open_signals(tmp_path / "a.edf") as signals:
        assert signals.facts.start_us == us(2020, 1, 2, 3, 4, 5, 250_000)


def test_an_age_needs_a_time_to_give_a_year() -> None:
    assert Facts(age=40).birth_year is None
    assert Facts(start_us=us(2020, 6, 1), age=40).birth_year == 1980
    assert instant_us(datetime(1601, 1, 1)) is None


@pytest.mark.parametrize("text", ["", "X", "x x", "0", "000", "ANONYMOUS", "n/a", "  ", "--", "\0\0"])
def test_nobody_is_nobody(text: str) -> None:
    assert somebody(text) == ""


@given(st.text(max_size=200))
def test_whatever_a_field_holds_is_one_short_printable_line(text: str) -> None:
    said = somebody(text)
    assert said.isprintable()
    assert len(said) <= 64
    assert sex_of(text) in ("female", "male", "other", "unknown")
    age = age_of(text)
    assert age is None or 0 <= age <= 120
    of_edf(text, text, text[:8], text[8:16], plus=True)
    of_wfdb(Path("/x/r.hea"), [text, text], None)
