"""Whole recordings told apart by readers that never saw them, and figures as the Challenge counted."""

import io
import json
import lzma
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from deploy.cli import main
from inference.train.beatline import BeatLine, read_beatline, rhythm
from inference.train.rhythm_folds import RHYTHMS, Strips, cross_validate, f1_by_class, figures, fold_of
from inference.train.rhythm_reader import RhythmSettings, Scale, fit_reader
from liteheart.wire import to_planes

FS = 300
LITTLE = RhythmSettings(hidden=16, blocks=1, epochs=8, batch=16, axes=8)


def _strip(label: str, seed: int, seconds: float = 15.0) -> npt.NDArray[np.float64]:
    """Made up: P waves and even intervals, neither, early wide beats among even ones, or noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * FS)) / FS
    x = rng.normal(0, 0.3 if label == "~" else 0.01, len(t))
    at, usual, number = rng.uniform(0.2, 0.6), rng.uniform(0.7, 0.9), 0
    while label != "~" and at < seconds:
        early = label == "O" and number % 6 == 4
        waves = [(0.9, 0.0, 0.05 if early else 0.012), (0.25, 0.28, 0.05)]
        if label != "A" and not early:
            waves.append((0.12, -0.16, 0.025))
        for size, after, width in waves:
            x += size * np.exp(-(((t - at - after) / width) ** 2))
        irregular = rng.uniform(0.6, 1.4) if label == "A" else rng.normal(1, 0.01)
        at += usual * (0.65 if label == "O" and number % 6 == 3 else irregular)
        number += 1
    return x


@pytest.fixture(scope="module")
def strips() -> Strips:
    labels = np.arange(160) % 4
    return Strips([read_beatline(_strip(RHYTHMS[c], i), FS) for i, c in enumerate(labels.tolist())], labels)


def test_beats_are_read_where_they_are() -> None:
    line = read_beatline(_strip("N", 3), FS)
    assert 15 <= len(line.waves) <= 22
    assert np.all(np.abs(line.waves.argmax(axis=1) - 40) <= 2)
    assert np.abs(line.figures[1:, 0]).max() < 0.08
    odd = read_beatline(_strip("O", 3), FS)
    assert odd.figures[:, 0].min() < -0.3
    early = np.flatnonzero(odd.figures[:, 0] < -0.3)
    assert (
        np.abs(early - odd.figures[:, 4].argmin()).min() <= 1
    )  # it, or a neighbour whose second holds it, is the oddest
    assert odd.figures[early, 4].max() < np.median(odd.figures[:, 4])


def test_upside_down_is_the_same_rhythm_with_other_signs() -> None:
    x = _strip("A", 1)
    one, other = read_beatline(x, FS), read_beatline(-x, FS)
    assert np.allclose(one.waves, -other.waves, atol=0.2)
    assert np.allclose(one.whole[:16], other.whole[:16], atol=0.1)


def test_a_flat_line_is_a_recording_without_beats() -> None:
    flat = read_beatline(np.zeros(3000), FS)
    assert flat.waves.shape == (0, 100)
    assert np.isfinite(flat.whole).all()
    reader = fit_reader([flat] * 16, np.zeros(16, np.int64), replace(LITTLE, epochs=1), seeds=[0])
    assert np.isfinite(reader.probabilities([flat])).all()


def test_rhythm_knows_a_pattern_from_none() -> None:
    rng = np.random.default_rng(0)
    bigeminy, chaos = rhythm(np.tile([-0.3, 0.3], 15)), rhythm(rng.normal(0, 0.3, 30))
    assert bigeminy[11] > 0.9 > 0.5 > chaos[11]  # memory at two beats
    assert bigeminy[14] < chaos[14]  # sample entropy
    assert not rhythm(np.zeros(2)).any()


def test_readers_tell_recordings_that_they_never_saw(strips: Strips) -> None:
    said: list[str] = []
    p = cross_validate(strips, 4, LITTLE, members=1, progress=said.append)
    assert len(said) == 4
    assert np.allclose(p.sum(axis=1), 1)
    assert np.nanmean(f1_by_class(p.argmax(axis=1), strips.labels)) > 0.9


def test_what_cannot_be_learned_is_not_known_across_folds(strips: Strips) -> None:
    names = np.random.default_rng(0).permutation(strips.labels)
    p = cross_validate(Strips(strips.lines, names), 4, LITTLE, members=1)
    assert np.mean(p.argmax(axis=1) == names) < 0.45  # a recording that its own reader saw would be known by heart


def test_a_fold_has_its_share_of_every_rhythm() -> None:
    labels = np.repeat([0, 1, 2, 3], [50, 10, 20, 5])
    place = fold_of(labels, 5, seed=0)
    for fold in range(5):
        assert np.bincount(labels[place == fold], minlength=4).tolist() == [10, 2, 4, 1]
    assert (fold_of(labels, 5, seed=1) != place).any()


def test_noisy_recordings_count_against_who_names_them() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    p = np.eye(4)[[0, 0, 1, 2, 2, 2, 1, 3]]
    told = figures(p, labels, draws=50)
    assert told["challenge"]["f1_A"][0] == pytest.approx(2 * 1 / (2 + 2))  # one right of two, and a noisy one called A
    assert told["without_noisy"]["f1_A"][0] == pytest.approx(2 * 1 / (1 + 2), abs=1e-4)
    assert told["challenge"]["f1_mean_N_A_O"][0] == pytest.approx((1 + 0.5 + 0.8) / 3, abs=1e-4)
    assert "f1_~" not in told["without_noisy"]
    assert told["confusion"][3] == [0, 1, 0, 1]
    assert told["recordings"] == {"N": 2, "A": 2, "O": 2, "~": 2}
    for value, low, high in told["challenge"].values():
        assert low <= value <= high


def test_axes_hold_what_waves_are_made_of(strips: Strips) -> None:
    scale = Scale.fitted(strips.lines, LITTLE)
    beats, there, whole = scale.padded(strips.lines[:5])
    assert beats.shape[:2] == there.shape
    assert there.sum(dim=1).tolist() == [len(line.waves) for line in strips.lines[:5]]
    assert whole.abs().max() <= 5
    turned = [BeatLine(-line.waves, line.figures, line.whole) for line in strips.lines[:5]]
    assert np.allclose(scale.padded(turned)[0][:, :, :8], -beats[:, :, :8], atol=1e-5)


def test_too_few_recordings_or_folds_are_refused(strips: Strips) -> None:
    with pytest.raises(ValueError, match="fewer than a batch"):
        fit_reader(strips.lines[:4], strips.labels[:4], LITTLE, seeds=[0])
    with pytest.raises(ValueError, match="at least two"):
        cross_validate(strips, 1, LITTLE)


def _pack(path: Path, rows: list[tuple[str, str, npt.NDArray[np.int16]]]) -> None:
    planes = np.concatenate([np.frombuffer(to_planes(adc), np.uint8).reshape(2, -1) for _, _, adc in rows], axis=1)
    meta = [
        {"name": n, "fs_hz": FS, "leads": ["I"], "samples": len(a), "gain": [1000], "baseline": [0]}
        | {"labels": {"rhythm": r}}
        for n, r, a in rows
    ]
    buffer = io.BytesIO()
    np.savez(buffer, planes=planes, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8))
    with lzma.open(path, "wb") as file:
        file.write(buffer.getvalue())


def test_the_command_prints_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part, name in enumerate(("parts01", "parts23", "parts45")):
        labels = [RHYTHMS[i % 4] for i in range(48)]
        adc = [np.rint(1000 * _strip(c, 100 * part + i, 10)).astype(np.int16) for i, c in enumerate(labels)]
        rows = [(f"{name}-{i}", c, a) for i, (c, a) in enumerate(zip(labels, adc, strict=True))]
        _pack(tmp_path / f"cinc2017_{name}.ecg.xz", rows)
    assert main(["evaluate", str(tmp_path), "--handheld-folds", "2"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["recordings"] == {"N": 36, "A": 36, "O": 36, "~": 36}
    assert told["challenge"]["f1_mean_N_A_O"][0] > 0.5
    assert err.count("fold ") == 2


def test_one_fold_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path), "--handheld-folds", "1"]) == 2
    assert "fewer than two" in capsys.readouterr().err
