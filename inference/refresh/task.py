"""What a refresh is asked: how much is learned, and from which windows."""

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from inference.preprocess import Batch
from inference.refresh.device import DeviceSettings
from inference.train.calibrate import Floats
from liteheart.errors import LiteHeartError

Own = Literal["none", "agree", "hard", "mean"]


class Diverged(LiteHeartError):
    """A refresh led nowhere: its loss or its answers are no numbers. The champion is as it was; nothing is kept."""


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """How much is learned, and from what. What was tried beside these values: docs/notebook.md."""

    steps: int = 800
    batch: int = 24  # windows a step: so many of rehearsal as it was, as many through devices
    pool_batch: int = 24  # windows a step that nobody labelled
    said_batch: int = 8  # windows a step of which somebody said something
    handheld_batch: int = 8
    handheld_weight: float = 0.3
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warm: float = 0.1  # of the steps
    translate: bool = True  # rehearsal through the guessed devices
    # What unlabelled windows say of their conditions: agree with the slow average (which stands in for none where there
    # is no rehearsal), the champion's hard yes and no, or the mean teacher of Tarvainen & Valpola.
    own: Own = "agree"
    own_weight: float = 1.0
    said_weight: float = 0.02  # of the mean over what was said: a word is one label, not a window of 36
    average: float = 0.99  # decay of the slow average
    other_lead_share: float = 0.2  # of rehearsal as it was, read by its second lead: what is known of it is kept
    anchor: float = 1.0  # without rehearsal: weight of the champion's answers
    memory_share: float = 0.35  # of the remembered beats that come from the new devices
    old_weight: float = 2.0  # in the memory, of a window as it was beside one through a device
    most_devices: int = 4  # that are guessed, those with most windows first
    most_distance: float = 2.0  # of a guess: .1 to .4 is usual, 1 lies between two leads, beyond no lead explains beats
    device: DeviceSettings = field(default_factory=DeviceSettings)
    state_every: int = 50  # steps
    threads: int = 1
    bf16: bool = True


REFRESH: Final = RefreshSettings()


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Windows that wards sent. x float32 [n, 1, 1000], preprocessed; devices [n], a name for each kind of device.

    said float64 [n, classes]: probability that a condition was there by what people said, NaN where nobody did.
    """

    x: Batch
    devices: npt.NDArray[np.str_]
    said: Floats | None = None
