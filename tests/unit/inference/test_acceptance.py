"""Whether a diagnosis can be read: twelve good leads, and what spoils them."""

import numpy as np
import numpy.typing as npt
import pytest

from inference.acceptance import accept, flat_share

FS = 100
Floats = npt.NDArray[np.float64]


def leads(count: int = 12) -> list[Floats]:
    """One heart seen from `count` sides, with a little noise of each side's own."""
    t, rng = np.arange(10 * FS) / FS, np.random.default_rng(0)
    x = np.zeros_like(t)
    for at in np.arange(0.4, 10, 0.85):
        x += np.exp(-((t - at) ** 2) / (2 * 0.015**2)) + 0.25 * np.exp(-((t - at - 0.26) ** 2) / (2 * 0.05**2))
    return [size * x + 0.005 * rng.standard_normal(len(t)) for size in np.linspace(0.6, 1.5, count)]


@pytest.mark.parametrize("count", [1, 3, 12])
def test_good_leads_are_acceptable(count: int) -> None:
    said = accept(leads(count), FS)
    assert said.acceptable
    assert said.score > 0.5


def test_one_flat_lead_spoils_twelve() -> None:
    spoilt = leads()
    spoilt[4] = np.full(10 * FS, 0.3)
    assert accept(spoilt, FS).reasons == ("flat",)


def test_one_wild_lead_spoils_twelve_that_are_not_of_the_best() -> None:
    noise = np.random.default_rng(9).standard_normal((12, 10 * FS))
    spoilt = [x + 0.04 * y for x, y in zip(leads(), noise, strict=True)]
    assert accept(spoilt, FS).acceptable
    spoilt[7] = spoilt[7] + np.where(np.arange(10 * FS) > 5 * FS, 80.0, 0.0)
    assert accept(spoilt, FS).reasons == ("excursion",)


def test_noise_on_one_lead_is_borne_and_on_most_it_is_not() -> None:
    noise = np.random.default_rng(1).standard_normal((12, 10 * FS))
    one, most = leads(), leads()
    one[3] = one[3] + 0.3 * noise[3]
    for k in range(8):
        most[k] = most[k] + 0.5 * noise[k]
    assert accept(one, FS).acceptable
    assert accept(most, FS).reasons == ("noise",)


def test_missing_samples_forbid_use() -> None:
    spoilt = leads()
    valid = [np.ones(10 * FS, bool) for _ in spoilt]
    valid[2][:300] = False
    assert accept(spoilt, FS, valid).reasons == ("gap",)
    assert accept(leads(), FS).score > accept(spoilt, FS, valid).score


def test_no_lead_is_an_error() -> None:
    with pytest.raises(ValueError, match="leads"):
        accept([], FS)


def test_flat_share_counts_half_seconds() -> None:
    x = np.tile([0.0, 1.0], 500)
    x[:250] = 2.0
    assert flat_share(x, FS) == pytest.approx(0.25)
    assert flat_share(np.zeros(10), FS) == 1.0
