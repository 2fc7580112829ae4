"""How often a student is undecided, and how often it calls what is not there."""

import numpy as np
import pytest
import torch

from inference.model.card import Card
from inference.model.reading import Reader, Reading
from inference.train.data import Examples
from inference.train.measure import measure_false, measure_undecided


class _Mean(Reader):
    """Logits: the mean of the window, and its negative."""

    def __init__(self) -> None:
        super().__init__()
        self.leads, self.classes, self.beats = 1, 2, None
        self.none = torch.nn.Parameter(torch.zeros(1))

    def read(self, x: torch.Tensor) -> Reading:
        """No maps."""
        mean = x.mean(dim=(1, 2))
        return Reading((), mean[:, None], torch.stack([mean, -mean], dim=1))


def test_the_band_holds_what_lies_below_the_threshold_and_not_below_its_own_start() -> None:
    card = Card(
        name="little", classes=("NORM", "AFIB"), temperature={"NORM": 1.0, "AFIB": 1.0},
        thresholds={"NORM": 0.5, "AFIB": 0.4}, undecided_from={"NORM": 0.3, "AFIB": 0.2},
    )  # fmt: skip
    p = np.array([[0.3, 0.4], [0.49, 0.19], [0.5, 0.2], [0.1, 0.39]])
    y = np.array([[True, False], [False, False], [True, True], [False, False]])
    told = measure_undecided(p, y, card)
    assert told["by_condition"] == {"NORM": {"share": 0.5, "have_it": 0.5}, "AFIB": {"share": 0.5, "have_it": 0.5}}
    assert told["mean_share"] == 0.5
    empty = measure_undecided(np.full((3, 2), 0.9), np.ones((3, 2), np.bool_), card)
    assert empty["by_condition"]["NORM"] == {"share": 0.0, "have_it": None}


def test_only_windows_known_to_be_without_it_can_be_called_wrongly() -> None:
    level = np.array([2.0, 2.0, -2.0, -2.0, 2.0], np.float32)
    y, known = np.zeros((5, 2), np.bool_), np.ones((5, 2), np.bool_)
    y[0, 0], known[4, 0] = True, False
    x = np.repeat(level[:, None, None], 1000, axis=2)
    data = Examples(("NORM", "AFIB"), x, y, known, np.array(list("abcde")), np.ones(5, np.int64))
    assert measure_false(_Mean(), 1.0, data, "NORM", 0.5) == pytest.approx(1 / 3, abs=1e-4)
    assert measure_false(_Mean(), 1.0, data, "AFIB", 0.5) == pytest.approx(2 / 5, abs=1e-4)
