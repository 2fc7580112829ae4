"""Recordings are read exactly, and whatever is wrong with a file becomes one line."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ingest.sources.recording import Recording, find_recordings, read_recording
from liteheart.errors import Unreadable

RNG = np.random.default_rng(7)


def pack(values: np.ndarray, fmt: str) -> bytes:
    """Bytes of interleaved samples in a WFDB format, written from the format's description."""
    flat = values.T.ravel()
    if fmt == "16":
        return flat.astype("<i2").tobytes()
    if fmt == "32":
        return flat.astype("<i4").tobytes()
    if fmt == "24":
        return flat.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    u = (flat.astype(np.int64) & 0xFFF).reshape(-1, 2)  # 212: two samples in three bytes
    three = np.stack([u[:, 0] & 0xFF, (u[:, 0] >> 8) | ((u[:, 1] >> 8) << 4), u[:, 1] & 0xFF], axis=1)
    return three.astype(np.uint8).tobytes()


def write_wfdb(
    folder: Path,
    adc: np.ndarray,
    *,
    name: str = "rec",
    fmt: str = "16",
    fs: str = "250",
    gain: str = "200(0)/mV",
    leads: tuple[str, ...] = ("V1", "II"),
    offset: int = 0,
) -> Path:
    suffix = ".mat" if offset else ".dat"
    (folder / f"{name}{suffix}").write_bytes(b"\0" * offset + pack(adc, fmt))
    spec = f"{fmt}+{offset}" if offset else fmt
    lines = [f"{name} {len(leads)} {fs} {adc.shape[1]}"]
    lines += [f"{name}{suffix} {spec} {gain} 16 0 {row[0]} 0 0 {lead}" for row, lead in zip(adc, leads, strict=True)]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    return folder / name


@pytest.fixture
def adc() -> np.ndarray:
    return RNG.integers(-900, 900, (2, 1000))


@pytest.mark.parametrize(("fmt", "offset"), [("16", 0), ("16", 24), ("212", 0), ("24", 0), ("32", 0)])
def test_integers_are_the_files_own(tmp_path: Path, adc: np.ndarray, fmt: str, offset: int) -> None:
    base = write_wfdb(tmp_path, adc, fmt=fmt, offset=offset)
    for path in (base, base.with_suffix(".hea"), base.with_suffix(".mat" if offset else ".dat")):
        recording = read_recording(path)
        np.testing.assert_array_equal(recording.adc, adc)
        assert recording.adc.dtype == np.int16
        assert (recording.name, recording.fs_hz, recording.leads) == ("rec", 250.0, ("V1", "II"))
        assert not recording.invalid.any()
        assert recording.duration_s == 4.0


def test_millivolts_follow_gain_baseline_and_unit(tmp_path: Path, adc: np.ndarray) -> None:
    mv = (adc - 1024) / 200
    base = write_wfdb(tmp_path, adc, gain="200(1024)/mV")
    np.testing.assert_allclose(read_recording(base).millivolts(0), mv[0], atol=1e-6)
    base = write_wfdb(tmp_path, adc, name="micro", gain="0.2(1024)/uV")
    recording = read_recording(base)
    assert recording.gain[0] == pytest.approx(200)
    np.testing.assert_allclose(recording.millivolts(0), mv[0], atol=1e-5)
    base = write_wfdb(tmp_path, adc, name="volt", gain="200000(1024)/V")
    np.testing.assert_allclose(read_recording(base).millivolts(1), mv[1], atol=1e-5)


def test_zero_based_integers_are_exact(tmp_path: Path, adc: np.ndarray) -> None:
    samples, gain = read_recording(write_wfdb(tmp_path, adc, gain="200(1024)/mV")).zero_based(1)
    np.testing.assert_array_equal(samples, adc[1] - 1024)
    assert gain == 200.0
    samples, gain = read_recording(write_wfdb(tmp_path, adc, gain="-200(10)/mV")).zero_based(1)
    np.testing.assert_array_equal(samples, 10 - adc[1])
    assert gain == 200.0


def test_a_baseline_that_would_overflow_costs_one_bit_and_no_more(tmp_path: Path) -> None:
    adc = np.array([[-32000, 0, 32000, 31999] * 100] * 2)
    recording = read_recording(write_wfdb(tmp_path, adc, gain="1000(-20000)/mV"))
    samples, gain = recording.zero_based(0)
    assert gain == 500.0
    np.testing.assert_allclose(samples / gain, recording.millivolts(0), atol=0.5 / gain + 1e-6)


def test_wide_samples_are_scaled_with_their_gain(tmp_path: Path) -> None:
    adc = RNG.integers(-(1 << 22), 1 << 22, (2, 500))
    recording = read_recording(write_wfdb(tmp_path, adc, fmt="24", gain="1000000(5)/mV"))
    assert recording.gain[0] == 1_000_000 / 128
    np.testing.assert_allclose(recording.millivolts(0), (adc[0] - 5) / 1e6, atol=0.51 / recording.gain[0])


@pytest.mark.parametrize(("fmt", "mark"), [("16", -32768), ("212", -2048), ("24", -(1 << 23)), ("32", -(1 << 31))])
def test_marked_samples_are_invalid_not_voltage(tmp_path: Path, adc: np.ndarray, fmt: str, mark: int) -> None:
    adc[1, 100:120] = mark
    recording = read_recording(write_wfdb(tmp_path, adc, fmt=fmt))
    assert recording.invalid[1].nonzero()[0].tolist() == list(range(100, 120))
    assert np.isnan(recording.millivolts(1)[100:120]).all()
    samples, gain = recording.zero_based(1)
    assert (samples[100:120].tolist(), gain) == ([0] * 20, 200.0)  # a mark of 24 bits costs the others nothing
    np.testing.assert_array_equal(np.delete(recording.adc[1], range(100, 120)), np.delete(adc[1], range(100, 120)))


@pytest.mark.parametrize(
    ("leads", "index"),
    [
        (("V1", "I"), 1),
        (("II", "I"), 1),
        (("V5", "MLII"), 1),
        (("V5", "V1"), 0),
        (("V2", "ECG I"), 1),
        (("x", "ii"), 1),
    ],
)
def test_default_lead(tmp_path: Path, adc: np.ndarray, leads: tuple[str, ...], index: int) -> None:
    assert read_recording(write_wfdb(tmp_path, adc, leads=leads)).lead_index() == index


def test_lead_by_name(tmp_path: Path, adc: np.ndarray) -> None:
    recording = read_recording(write_wfdb(tmp_path, adc))
    assert recording.lead_index("II") == 1
    assert recording.lead_index("v1") == 0
    with pytest.raises(Unreadable, match="has no lead aVR, only V1, II"):
        recording.lead_index("aVR")


def test_untidy_but_public_headers_are_read(tmp_path: Path, adc: np.ndarray) -> None:
    base = write_wfdb(tmp_path, adc)
    header = base.with_suffix(".hea")
    text = header.read_text()
    for first in ("rec.dat 2 250 1000 05-May-2020 09:49:17", "rec 2 250 1000 99:99:99 31/02/2020", "my rec 2 250 1000"):
        header.write_text("\n".join([first, *text.splitlines()[1:], "#Dx: 426783006"]))
        if first.startswith("my"):
            with pytest.raises(Unreadable):
                read_recording(base)
        else:
            np.testing.assert_array_equal(read_recording(base).adc, adc)


def test_faster_company_is_left_out_and_the_ecg_kept(tmp_path: Path) -> None:
    frames = RNG.integers(-99, 99, (300, 5))  # per frame one breath, four of the ECG
    (tmp_path / "m.dat").write_bytes(frames.astype("<i2").tobytes())
    (tmp_path / "m.hea").write_text("m 2 62.5 300\nm.dat 16 100/mV 16 0 0 0 0 RESP\nm.dat 16x4 100/mV 16 0 0 0 0 II\n")
    recording = read_recording(tmp_path / "m")
    assert (recording.leads, recording.fs_hz) == (("II",), 250.0)
    np.testing.assert_array_equal(recording.adc[0], frames[:, 1:].ravel())


def test_segments_are_read_as_one_and_listed_once(tmp_path: Path, adc: np.ndarray) -> None:
    write_wfdb(tmp_path, adc[:, :400], name="a_1")
    write_wfdb(tmp_path, adc[:, 400:], name="a_2")
    (tmp_path / "a.hea").write_text("a/3 2 250 1250\na_1 400\n~ 250\na_2 600\n")
    assert find_recordings(tmp_path) == [tmp_path / "a.hea"]
    recording = read_recording(tmp_path / "a")
    assert recording.invalid[0].nonzero()[0].tolist() == list(range(400, 650))
    np.testing.assert_array_equal(recording.adc[:, ~recording.invalid[0]], adc)
    write_wfdb(tmp_path, adc[:, 400:], name="a_2", gain="400(100)/mV")
    louder = read_recording(tmp_path / "a")
    np.testing.assert_allclose(louder.millivolts(0)[650:], (adc[0, 400:] - 100) / 400, atol=0.5 / 200 + 1e-6)
    (tmp_path / "a.hea").write_text("a/2 2 250 400\nlayout 0\na_1 400\n")
    (tmp_path / "layout.hea").write_text("layout 2 250 0\n~ 0 200/mV 16 0 0 0 0 V1\n~ 0 200/mV 16 0 0 0 0 II\n")
    np.testing.assert_array_equal(read_recording(tmp_path / "a").adc, adc[:, :400])
    (tmp_path / "a.hea").write_text("a/2 2 250 800\na 400\na 400\n")
    with pytest.raises(Unreadable, match="segment a has segments itself"):
        read_recording(tmp_path / "a")
    (tmp_path / "a.hea").write_text("a/3 2 250 1250\na_1 400\n~ 250\na_2 600\n")
    (tmp_path / "a_2.hea").unlink()
    with pytest.raises(Unreadable, match="segment a_2 is missing"):
        read_recording(tmp_path / "a")


def spoil(edit: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(base: Path) -> None:
        header = base.with_suffix(".hea")
        header.write_text(edit(header.read_text()))

    return apply


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (
            lambda b: b.with_suffix(".dat").write_bytes(b.with_suffix(".dat").read_bytes()[:-10]),
            "ends after 3990 of 4000",
        ),
        (lambda b: b.with_suffix(".dat").write_bytes(b""), "empty"),
        (lambda b: b.with_suffix(".dat").unlink(), "signal file rec.dat is missing"),
        (lambda b: b.with_suffix(".hea").unlink(), "has no WFDB header"),
        (lambda b: b.with_suffix(".hea").write_bytes(b"\xff\x00\x10" * 99), "not a readable WFDB record"),
        (lambda b: b.with_suffix(".hea").write_text(""), "empty header"),
        (lambda b: b.with_suffix(".hea").write_text("rec 0 250 1000\n"), "holds no signal"),
        (spoil(lambda t: t.replace("200(0)", "0(0)")), "gain 0"),
        (spoil(lambda t: t.replace("200(0)", "0.00")), "gain 0"),
        (spoil(lambda t: t.replace(" 16 200", " 99 200")), "format 99 is not supported"),
        (spoil(lambda t: t.replace("2 250 1000", "2 250 99999999999")), "claims 99999999999 samples"),
        (spoil(lambda t: t.replace("2 250 1000", "2 250 100000")), "ends after 4000 of 400000 bytes"),
        (spoil(lambda t: t.replace("2 250 1000", "2 0 1000")), "0 Hz is no sampling rate"),
        (spoil(lambda t: t.replace("2 250", "3 250")), "announces 3 signals"),
        (spoil(lambda t: t.replace("rec.dat 16", "../rec.dat 16")), "not a file beside it"),
        (spoil(lambda t: t.replace("rec.dat 16", "s3://rec.dat 16")), "not a file beside it"),
        (spoil(lambda t: t.replace("/mV", "/mmHg")), "no voltage, only mmHg"),
    ],
)
def test_every_damage_is_named(tmp_path: Path, adc: np.ndarray, damage: Callable[[Path], object], reason: str) -> None:
    base = write_wfdb(tmp_path, adc)
    damage(base)
    with pytest.raises(Unreadable, match=reason) as caught:
        read_recording(base if base.with_suffix(".hea").exists() else base.with_suffix(".dat"))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_what_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file"):
        read_recording(tmp_path / "nothing")
    with pytest.raises(Unreadable, match="is a folder"):
        read_recording(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(Unreadable, match="neither a WFDB record nor an EDF file"):
        read_recording(tmp_path / "notes.txt")
    with pytest.raises(Unreadable, match="holds no recording"):
        find_recordings(tmp_path)
    assert find_recordings(tmp_path / "nothing") == [tmp_path / "nothing"]


def test_folders_are_searched_below_and_sorted(tmp_path: Path, adc: np.ndarray) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    write_wfdb(tmp_path / "deep" / "er", adc, name="z")
    write_wfdb(tmp_path, adc, name="b")
    (tmp_path / "a.EDF").write_bytes(b"whatever")
    assert [p.name for p in find_recordings(tmp_path)] == ["a.EDF", "b.hea", "z.hea"]
    assert find_recordings(tmp_path / "b") == [tmp_path / "b"]


def test_three_hundred_mutations_give_a_recording_or_a_reason(tmp_path: Path) -> None:
    adc = RNG.integers(-900, 900, (2, 60))
    originals = [write_wfdb(tmp_path, adc, name=f"o{k}", fmt=f) for k, f in enumerate(("16", "212", "24"))]
    random_ = random.Random(11)
    outcomes = {"read": 0, "refused": 0}
    for k in range(300):
        base = originals[k % 3]
        target = tmp_path / "m"
        header = base.with_suffix(".hea").read_text().replace(base.name, "m").encode()
        data = base.with_suffix(".dat").read_bytes()
        target.with_suffix(".hea").write_bytes(mutated(header, random_) if k % 4 else header)
        target.with_suffix(".dat").write_bytes(data if k % 4 else mutated(data, random_))
        try:
            recording = read_recording(target)
        except Unreadable:
            outcomes["refused"] += 1
        else:
            check(recording)
            outcomes["read"] += 1
    assert min(outcomes.values()) > 40, outcomes


def mutated(data: bytes, random_: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(random_.choice((1, 1, 2, 5))):
        at = random_.randrange(len(out))
        what = random_.randrange(5)
        if what == 0:
            out[at] = random_.randrange(256)
        elif what == 1:
            out[at:at] = random_.choice((b"9", b"-", b" ", b"\n", b"0", b"/", b"e5", b"~", b"99999999"))
        elif what == 2:
            del out[at : at + random_.choice((1, 2, 9))]
        elif what == 3:
            out[at:] = out[at:][::-1]
        else:
            out = out[: max(1, at)]
        if not out:
            return b"\0"
    return bytes(out)


def check(recording: Recording) -> None:
    assert recording.adc.dtype == np.int16
    assert recording.adc.shape == recording.invalid.shape == (len(recording.leads), recording.adc.shape[1])
    assert recording.adc.shape[1] > 0
    assert np.isfinite(recording.gain).all()
    assert (recording.gain != 0).all()
    assert 20 <= recording.fs_hz <= 20_000
    samples, gain = recording.zero_based(recording.lead_index())
    assert samples.dtype == np.int16
    assert gain > 0
    assert np.isfinite(recording.millivolts(0)[~recording.invalid[0]]).all()
