"""The engine on the shipped weights: order, company, abstention, and real hearts."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.signal import resample_poly

from inference.model.checkpoint import load_card
from inference.preprocess import Batch
from inference.serve.engine import Engine, load_engine
from inference.settings import SHIPPED, InferenceSettings
from inference.train.data import Recording, read_pack
from inference.train.evaluate import auroc, macro
from liteheart.conditions import SCORED, SUPERCLASSES
from liteheart.errors import Misconfigured
from liteheart.finding import Finding
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Window

ECG = Path(os.environ.get("LITEHEART_ECG", Path(__file__).parents[4] / "shared" / "ecg"))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load_engine(device="cpu")


def _heart(fs_hz: float = 250.0, rate_bpm: float = 75.0, seconds: float = 10.0) -> npt.NDArray[np.float32]:
    """P, QRS and T of a plain sinus rhythm with a little noise, always the same."""
    t = np.arange(round(seconds * fs_hz)) / fs_hz
    period = 60.0 / rate_bpm
    beat = (t - 0.3) % period - period / 2
    waves = ((0.12, -0.17, 0.025), (-0.1, -0.03, 0.01), (1.1, 0.0, 0.011), (-0.2, 0.03, 0.01), (0.3, 0.22, 0.05))
    clean = sum(a * np.exp(-(((beat - at) / width) ** 2)) for a, at, width in waves)
    return (clean + 0.005 * np.random.default_rng(7).standard_normal(len(t))).astype(np.float32)


def _window(mv: npt.NDArray[np.float32], fs_hz: float = 250.0, patient: str = "p1") -> Window:
    return Window(
        patient=PatientId(patient),
        device=DeviceId("d1"),
        lead="I",
        t0_us=1_000_000,
        fs_hz=fs_hz,
        mv=mv,
        valid=np.ones(len(mv), np.bool_),
        arrival_us=99,
    )


def test_a_finding_says_whose_window_it_read_and_with_what(engine: Engine) -> None:
    (finding,) = engine.score([_window(_heart())])
    assert (finding.patient, finding.device, finding.lead) == ("p1", "d1", "I")
    assert (finding.t0_us, finding.t1_us, finding.arrival_us) == (1_000_000, 11_000_000, 99)
    assert finding.model == engine.model == load_card(SHIPPED).version
    assert not finding.abstained
    assert set(finding.scores) == set(SCORED) >= set(SUPERCLASSES)
    assert all(0 <= p <= 1 for p in finding.scores.values())
    assert finding.heart_rate_bpm == pytest.approx(75, abs=1)


PINNED = {
    "NORM": 0.793,
    "SR": 0.923,
    "CD": 0.17,
    "MI": 0.08,
    "HYP": 0.036,
    "STTC": 0.028,
    "LVH": 0.039,
    "AFIB": 0.004,
}


def test_the_shipped_weights_read_a_known_window_as_they_always_did(engine: Engine) -> None:
    first, again = (engine.score([_window(_heart())])[0] for _ in range(2))
    assert first.scores == again.scores
    for code, p in PINNED.items():
        assert first.scores[code] == pytest.approx(p, abs=0.005), code


def test_what_is_undecided_is_neither_found_nor_far_from_it(engine: Engine) -> None:
    findings = engine.score([_window(_heart(rate_bpm=r)) for r in (45, 60, 75, 100, 130)])
    found = [(f, engine.undecided(f)) for f in findings]
    assert any(codes for _, codes in found)
    for finding, codes in found:
        assert not set(codes) & set(finding.codes)
        assert all(engine.card.undecided_from[c] <= finding.scores[c] < engine.thresholds[c] for c in codes)


def test_codes_are_what_reaches_its_threshold_most_likely_first(engine: Engine) -> None:
    for finding in engine.score([_window(_heart(rate_bpm=r)) for r in (45, 75, 130)]):
        assert set(finding.codes) == {c for c, p in finding.scores.items() if p >= engine.thresholds[c]}
        p = [finding.scores[c] for c in finding.codes]
        assert p == sorted(p, reverse=True)


def test_a_fast_and_a_slow_sinus_rhythm_are_told_apart(engine: Engine) -> None:
    slow, normal, fast = engine.score([_window(_heart(rate_bpm=r)) for r in (45, 75, 130)])
    assert fast.scores["STACH"] > 10 * normal.scores["STACH"]
    assert slow.scores["SBRAD"] > 10 * normal.scores["SBRAD"]
    assert normal.scores["SR"] > fast.scores["SR"]


def test_order_batch_and_company_do_not_matter(engine: Engine) -> None:
    windows = [
        _window(_heart(fs, rate), fs, f"p{i}")
        for i, (fs, rate) in enumerate((f, r) for r in (50, 80, 120) for f in (100.0, 250.0, 360.0, 500.0))
    ] * 7
    together = engine.score(windows)
    assert [f.patient for f in together] == [w.patient for w in windows]
    for window, finding in list(zip(windows, together, strict=True))[:12]:
        (alone,) = engine.score([window])
        assert alone.codes == finding.codes
        for code in SCORED:
            assert alone.scores[code] == pytest.approx(finding.scores[code], abs=1e-5)


def test_rate_hardly_matters(engine: Engine) -> None:
    mv = _heart(500.0)
    low = resample_poly(mv, 1, 5, padtype="line").astype(np.float32)
    a, b = engine.score([_window(mv, 500.0), _window(low, 100.0)])
    assert max(abs(a.scores[c] - b.scores[c]) for c in SCORED) < 0.05


def test_abstains_and_says_why(engine: Engine) -> None:
    good = _window(_heart())
    holed = replace(good, valid=np.arange(2500) >= 300)
    short = _window(_heart(seconds=6.0))
    noise = _window(np.random.default_rng(0).standard_normal(2500).astype(np.float32))
    cases = {
        "lead_off": replace(good, lead_off=True),
        "gap": holed,
        "flat": _window(np.zeros(2500, np.float32)),
        "noise": noise,
    }
    for reason, finding in zip(cases, engine.score(list(cases.values())), strict=True):
        assert finding.abstained, reason
        assert reason in finding.quality.reasons
        assert not finding.scores
        assert not finding.codes
    empty = replace(good, mv=np.empty(0, np.float32), valid=np.empty(0, np.bool_))
    unreadable = [short, empty, replace(good, valid=np.zeros(2500, np.bool_)), replace(good, fs_hz=10.0)]
    assert all(f.abstained and f.heart_rate_bpm is None for f in engine.score(unreadable)[1:])
    assert engine.score(unreadable)[0].abstained


def test_one_bad_window_does_not_spoil_its_neighbours(engine: Engine) -> None:
    good = _window(_heart())
    bad = _window(np.full(2500, np.nan, np.float32))
    first, second, third = engine.score([good, bad, good])
    assert second.abstained
    assert first.scores == third.scores
    assert engine.score([good])[0].scores["SR"] == pytest.approx(first.scores["SR"], abs=1e-5)


class _Broken:
    """A network whose second answer is not a number."""

    def __call__(self, x: Batch) -> Batch:
        out = np.zeros((len(x), len(SCORED)), np.float32)
        out[1] = np.nan
        return out


def test_an_answer_that_is_not_a_number_is_an_abstention() -> None:
    engine = Engine(_Broken(), load_card(SHIPPED), InferenceSettings())
    first, second = engine.score([_window(_heart())] * 2)
    assert not first.abstained
    assert second.abstained
    assert "no_answer" in second.quality.reasons
    assert not second.scores


def test_passes_are_no_larger_than_the_micro_batch() -> None:
    sizes: list[int] = []

    def network(x: Batch) -> Batch:
        sizes.append(len(x))
        return np.zeros((len(x), len(SCORED)), np.float32)

    engine = Engine(network, load_card(SHIPPED), InferenceSettings(micro_batch=4))
    assert len(engine.score([_window(_heart())] * 10)) == 10
    assert sizes == [4, 4, 2]
    assert engine.score([]) == []


def test_settings_are_checked_at_birth(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"inference\.micro_batch"):
        InferenceSettings(micro_batch=0)
    with pytest.raises(Misconfigured, match=r"inference\.model_dir"):
        load_engine(model_dir=tmp_path)


@pytest.mark.ecg
def test_reads_real_windows_of_patients_it_never_saw(engine: Engine) -> None:
    pack = ECG / "ptbxl_folds5to8.ecg.xz"
    if not pack.exists():
        pytest.skip(f"no ECG packs at {ECG}")
    rows = [r for r in read_pack(pack) if r.labels["fold"] == 8 and r.labels["label_source"] == "ptbxl_metadata"][:300]
    findings = engine.score([_window(r.mv[0], r.fs_hz, f"p{i}") for i, r in enumerate(rows)])
    kept = [(r, f) for r, f in zip(rows, findings, strict=True) if not f.abstained]
    assert len(kept) > 0.9 * len(rows)
    assert _auroc(kept, SUPERCLASSES, "superclasses") > 0.77
    assert _auroc(kept, ("AFIB", "STACH", "SBRAD"), "scp") > 0.93


def _auroc(kept: Sequence[tuple[Recording, Finding]], codes: Sequence[str], key: str) -> float:
    scores = np.array([[f.scores[c] for c in codes] for _, f in kept])
    return macro(auroc(scores, np.array([[c in r.labels[key] for c in codes] for r, _ in kept])))


def test_the_reasons_of_a_refused_setting_name_the_key() -> None:
    for setting in ({"device": "tpu"}, {"threads": 0}, {"max_delay_s": -1}, {"capacity": 3}, {"min_valid_share": 0}):
        with pytest.raises(Misconfigured, match=f"inference.{next(iter(setting))}"):
            InferenceSettings(**setting)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_that_is_asked_for_and_absent_is_an_error() -> None:
    with pytest.raises(Misconfigured, match=r"inference\.device: cuda"):
        load_engine(device="cuda")
