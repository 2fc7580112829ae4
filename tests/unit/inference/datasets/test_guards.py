"""Each guard sees what it is for, corrects only what is proven, and leaves a healthy record alone."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from inference.datasets.databases import BY_CODE, OTHER
from inference.datasets.guards import Signal, amplitude, guard
from inference.datasets.limbs import LIMBS, check_limbs
from inference.datasets.record import TWELVE, Remark, Verdict

Hearts = list[npt.NDArray[np.float64]]
GEORGIA, CPSC, PTBXL, HANDHELD = (BY_CODE[c] for c in ("g12ec", "cpsc2018", "ptbxl", "cinc2017"))


def _signal(mv: npt.NDArray[np.float64], fs_hz: float = 500, gain: float = 1000) -> Signal:
    return Signal(fs_hz, TWELVE, mv.astype(np.float32), np.full(len(mv), gain))


def _told(remarks: list[Remark]) -> list[tuple[str, Verdict]]:
    return [(r.guard, r.verdict) for r in remarks]


def test_a_healthy_record_passes_unchanged(hearts: Hearts) -> None:
    for mv in hearts:
        out, remarks = guard(_signal(mv), GEORGIA)
        assert remarks == []
        np.testing.assert_array_equal(out.mv, mv.astype(np.float32))


def test_leads_are_put_in_order_by_name(hearts: Hearts) -> None:
    order = np.random.default_rng(0).permutation(12)
    given = replace(_signal(hearts[0][order]), leads=tuple(TWELVE[i].upper() for i in order))
    out, remarks = guard(given, GEORGIA)
    assert out.leads == TWELVE
    assert _told(remarks) == [("leads", Verdict.CORRECTED)]
    np.testing.assert_array_equal(out.mv, hearts[0].astype(np.float32))


def test_lacking_and_doubled_leads_are_rejected(hearts: Hearts) -> None:
    _, remarks = guard(Signal(500, TWELVE[:11], hearts[0][:11].astype(np.float32)), GEORGIA)
    assert remarks == [Remark("leads", Verdict.REJECTED, "lacks V6")]
    _, remarks = guard(replace(_signal(hearts[0]), leads=(*TWELVE[:11], "v5")), GEORGIA)
    assert _told(remarks) == [("leads", Verdict.REJECTED)]


def test_the_handheld_lead_is_lead_i(hearts: Hearts) -> None:
    mv = hearts[0][:1, ::2].astype(np.float32)
    out, remarks = guard(Signal(300, ("ECG",), np.tile(mv, 2)), HANDHELD)
    assert (out.leads, remarks) == (("I",), [])
    assert guard(Signal(360, ("MLII", "V1"), np.tile(mv, (2, 2))), OTHER)[0].leads == ("MLII", "V1")


# --- gain -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [-3, -2, -1, 1, 2, 3])
def test_a_header_off_by_a_power_of_ten_is_corrected(hearts: Hearts, power: int) -> None:
    wrong = 10.0**power
    out, remarks = guard(_signal(hearts[0] * wrong, gain=1000 / wrong), CPSC)
    assert _told(remarks) == [("gain", Verdict.CORRECTED)]
    np.testing.assert_allclose(out.mv, hearts[0], rtol=1e-5)


def test_a_gain_that_the_publishers_took_back_is_corrected(hearts: Hearts) -> None:
    out, remarks = guard(_signal(hearts[0] / 4.88, gain=4880), GEORGIA)
    assert _told(remarks) == [("gain", Verdict.CORRECTED)]
    np.testing.assert_allclose(out.mv, hearts[0], rtol=1e-5)
    out, remarks = guard(_signal(hearts[0] / 4.88, gain=4880), CPSC)
    assert _told(remarks) == [("gain", Verdict.NOTED)], "nobody took it back there"
    np.testing.assert_allclose(out.mv, hearts[0] / 4.88, rtol=1e-5)


@pytest.mark.parametrize("factor", [1e-3, 0.03, 12.0, 1e3])
def test_an_amplitude_no_heart_has_is_rejected_where_the_header_proves_nothing(hearts: Hearts, factor: float) -> None:
    out, remarks = guard(_signal(hearts[0] * factor), CPSC)
    assert ("gain", Verdict.REJECTED) in _told(remarks) or ("flat", Verdict.REJECTED) in _told(remarks)
    np.testing.assert_allclose(out.mv, hearts[0] * factor, rtol=1e-5)


def test_another_gain_with_a_usual_amplitude_is_somebodys_own_encoding(hearts: Hearts) -> None:
    out, remarks = guard(_signal(hearts[0], gain=100), CPSC)
    assert _told(remarks) == [("gain", Verdict.NOTED)]
    np.testing.assert_array_equal(out.mv, hearts[0].astype(np.float32))


def test_a_low_voltage_heart_is_not_blown_up(hearts: Hearts) -> None:
    out, remarks = guard(_signal(hearts[0] * 0.15), CPSC)
    assert remarks == []
    assert amplitude(out) < 0.3


def test_one_lead_with_a_wrong_gain_is_corrected_alone(hearts: Hearts) -> None:
    mv, gain = hearts[0].copy(), np.full(12, 1000.0)
    mv[7], gain[7] = mv[7] * 10, 100
    out, remarks = guard(Signal(500, TWELVE, mv.astype(np.float32), gain), CPSC)
    assert _told(remarks) == [("gain", Verdict.CORRECTED)]
    np.testing.assert_allclose(out.mv, hearts[0], rtol=1e-5)


# --- missing, flat, length, rate ------------------------------------------------------------------------------------


def test_missing_samples_are_noted_and_many_rejected(hearts: Hearts) -> None:
    mv = hearts[0].copy()
    mv[1, 100:150] = np.nan
    mv[3, 7] = np.inf
    out, remarks = guard(_signal(mv), GEORGIA)
    assert remarks == [Remark("missing", Verdict.NOTED, "51 samples are missing in II, aVR")]
    assert int(np.isnan(out.mv).sum()) == 51
    mv[:, 3000:] = np.nan
    assert ("missing", Verdict.REJECTED) in _told(guard(_signal(mv), GEORGIA)[1])


def test_flat_leads(hearts: Hearts) -> None:
    mv = hearts[0].copy()
    mv[10] = 0.7
    assert guard(_signal(mv), GEORGIA)[1] == [Remark("flat", Verdict.NOTED, "flat: V5")]
    mv[:7] = 0.0
    assert ("flat", Verdict.REJECTED) in _told(guard(_signal(mv), GEORGIA)[1])


def test_a_truncated_record_is_rejected(hearts: Hearts) -> None:
    _, remarks = guard(_signal(hearts[0][:, :1600]), PTBXL)
    assert remarks == [Remark("length", Verdict.REJECTED, "only 3.2 s; PTB-XL has 9 s at least")]
    assert _told(guard(_signal(np.tile(hearts[0], 2)), PTBXL)[1]) == [("length", Verdict.NOTED)]


def test_a_rate_that_contradicts_the_length_is_rejected(hearts: Hearts) -> None:
    for fs_hz in (250, 2000):
        _, remarks = guard(_signal(hearts[0], fs_hz=fs_hz), PTBXL)
        assert ("rate", Verdict.REJECTED) in _told(remarks)
    assert ("rate", Verdict.REJECTED) in _told(guard(_signal(np.tile(hearts[0], 2), fs_hz=20), PTBXL)[1])


def test_a_record_resampled_by_its_owner_is_noted(hearts: Hearts) -> None:
    _, remarks = guard(_signal(hearts[0][:, ::2], fs_hz=250), PTBXL)
    assert remarks == [Remark("rate", Verdict.NOTED, "250 Hz; PTB-XL was published at 100, 500 Hz")]


# --- limb leads -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lead", range(6))
def test_one_negated_limb_lead_is_put_right(hearts: Hearts, lead: int) -> None:
    mv = hearts[1].copy()
    mv[lead] *= -1
    out, remarks = guard(_signal(mv), GEORGIA)
    assert _told(remarks) == [("limbs", Verdict.CORRECTED)]
    assert f"{LIMBS[lead]} negated" in remarks[0].reason
    np.testing.assert_array_equal(out.mv, hearts[1].astype(np.float32))


@pytest.mark.parametrize(("a", "b"), [(0, 1), (4, 5), (0, 3), (2, 5), (1, 2)])
def test_an_exchanged_pair_is_put_right(hearts: Hearts, a: int, b: int) -> None:
    mv = hearts[1].copy()
    mv[[a, b]] = mv[[b, a]]
    out, remarks = guard(_signal(mv), GEORGIA)
    assert _told(remarks) == [("limbs", Verdict.CORRECTED)]
    np.testing.assert_array_equal(out.mv, hearts[1].astype(np.float32))


def test_what_no_single_change_explains_is_rejected(hearts: Hearts) -> None:
    mv = hearts[1].copy()
    mv[:3] = hearts[2][:3]
    assert _told(guard(_signal(mv), GEORGIA)[1]) == [("limbs", Verdict.REJECTED)]
    mv = hearts[1].copy()
    mv[[1, 4]] *= -1
    out, remarks = guard(_signal(mv), GEORGIA)
    assert _told(remarks) == [("limbs", Verdict.REJECTED)]
    assert "perhaps" in remarks[0].reason
    np.testing.assert_array_equal(out.mv, mv.astype(np.float32))


def test_mending_keeps_what_is_missing_where_it_is(hearts: Hearts) -> None:
    mv = hearts[1].copy()
    mv[3] *= -1
    mv[0, 40:60] = np.nan
    out, _ = guard(_signal(mv), GEORGIA)
    assert np.isnan(out.mv).sum() == 20
    np.testing.assert_array_equal(out.mv[3], hearts[1][3].astype(np.float32))


def test_arm_electrodes_exchanged_break_no_relation_and_are_noted(hearts: Hearts) -> None:
    one, two, three, right, left, foot, *chest = hearts[3]
    mv = np.stack([-one, three, two, left, right, foot, *chest])
    out, remarks = guard(_signal(mv), GEORGIA)
    assert _told(remarks) == [("limbs", Verdict.NOTED)]
    assert "lead I mirrors V6" in remarks[0].reason
    np.testing.assert_array_equal(out.mv, mv.astype(np.float32))


def test_limbs_need_all_six(hearts: Hearts) -> None:
    mv = -hearts[0][:5].astype(np.float32)
    assert check_limbs(mv, TWELVE[:5], 500) == (mv, [])
    nothing = np.full((6, 100), np.nan, np.float32)
    assert check_limbs(nothing, LIMBS, 500)[1] == []
