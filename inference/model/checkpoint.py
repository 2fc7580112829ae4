"""Weights and their card travel together: `student.npz` (plain arrays, no code) and `student.json`.

The card says what the weights are, what they were made of, how well they do, and the checksum that ties the two.
"""

import dataclasses
import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from inference.model.student import Student, StudentShape, fold
from inference.preprocess import VERSION
from liteheart.errors import Misconfigured
from liteheart.ids import ModelVersion

CARD: Final = "student.json"
WEIGHTS: Final = "student.npz"
ARCHITECTURE: Final = "fast"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Card:
    """What a reader, a nurse's board and the engine need to know of one set of weights."""

    name: str
    classes: tuple[str, ...]  # condition codes, in the order of the logits
    temperature: dict[str, float]  # logits are divided by it
    thresholds: dict[str, float]  # a probability at or above it is a finding
    channels: tuple[int, int, int] = (48, 96, 96)
    architecture: str = ARCHITECTURE
    preprocess: str = VERSION
    sha256: str = ""  # of the weights file
    about: dict[str, Any] = field(default_factory=dict)  # data, licences, splits, metrics, use, limits

    @property
    def version(self) -> ModelVersion:
        """Name and the first digits of the weights' checksum."""
        return ModelVersion(f"{self.name}-{self.sha256[:8]}")

    def shape(self) -> StudentShape:
        """Shape of the network that the weights fit."""
        return StudentShape(classes=len(self.classes), channels=self.channels)


def save_checkpoint(folder: Path, student: Student, card: Card) -> Card:
    """Write weights and card into `folder`; returns the card with its checksum. `student` must not be folded."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {k: v.detach().cpu().numpy() for k, v in student.state_dict().items() if "num_batches" not in k}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    card = dataclasses.replace(card, sha256=hashlib.sha256(buffer.getvalue()).hexdigest())
    (folder / WEIGHTS).write_bytes(buffer.getvalue())
    text = json.dumps({"format": _FORMAT} | dataclasses.asdict(card), indent=1, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")
    return card


def load_card(folder: Path) -> Card:
    """The card in `folder`. Raises Misconfigured when it is missing, broken, or of another preprocessing."""
    path = folder / CARD
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured("inference.model_dir", f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Misconfigured("inference.model_dir", f"{path} is not JSON: {error}") from None
    if not isinstance(raw, dict) or raw.pop("format", None) != _FORMAT:
        raise Misconfigured("inference.model_dir", f"{path} is not a card of format {_FORMAT}")
    try:
        card = Card(**raw | {"classes": tuple(raw["classes"]), "channels": tuple(raw["channels"])})
    except (KeyError, TypeError) as error:
        raise Misconfigured("inference.model_dir", f"{path} is not a card: {error}") from None
    _check(card, path)
    return card


def load_student(folder: Path, *, folded: bool = True) -> tuple[Student, Card]:
    """Network and card of `folder`, on the CPU, ready to read (`folded`) or to be trained on.

    Raises Misconfigured when the weights are missing, are not those of the card, or do not fit the network.
    """
    card = load_card(folder)
    path = folder / WEIGHTS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Misconfigured("inference.model_dir", f"{path} cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise Misconfigured("inference.model_dir", f"{path} is not the file that its card describes (sha256)")
    student = Student(card.shape())
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    try:
        missing, unexpected = student.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise Misconfigured("inference.model_dir", f"{path} does not fit the network: {error}") from None
    if wrong := [k for k in missing if "num_batches" not in k] + unexpected:
        raise Misconfigured("inference.model_dir", f"{path} does not fit the network: {wrong[0]}")
    return (fold(student) if folded else student), card


def _check(card: Card, path: Path) -> None:
    if card.preprocess != VERSION:
        raise Misconfigured(
            "inference.model_dir", f"{path} asks for preprocessing {card.preprocess!r}; this is {VERSION!r}"
        )
    if card.architecture != ARCHITECTURE:
        raise Misconfigured("inference.model_dir", f"{path} asks for the network {card.architecture!r}")
    for key in ("temperature", "thresholds"):
        values: dict[str, Any] = getattr(card, key)
        if absent := set(card.classes) - set(values):
            raise Misconfigured("inference.model_dir", f"{path} has no {key} for {sorted(absent)[0]}")
        if wrong := [c for c in card.classes if not isinstance(values[c], int | float) or not values[c] > 0]:
            raise Misconfigured("inference.model_dir", f"{path} has a {key} for {wrong[0]} that is not positive")
