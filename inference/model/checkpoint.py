"""Weights and their card travel together: `student.npz` (plain arrays, no code) and `student.json`.

The card says what the weights are, what they were made of, how well they do, and the checksum that ties the two.
"""

import dataclasses
import hashlib
import io
from pathlib import Path
from typing import Final

import numpy as np
import torch

from inference.model.beats import BeatShape
from inference.model.card import CARD, Card, load_card, save_card
from inference.model.student import Student, StudentShape, fold
from liteheart.errors import Misconfigured

__all__ = ["CARD", "WEIGHTS", "Card", "load_card", "load_student", "save_checkpoint"]

WEIGHTS: Final = "student.npz"


def save_checkpoint(folder: Path, student: Student, card: Card) -> Card:
    """Write weights and card into `folder`; returns the card with its checksum. `student` must not be folded."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {k: v.detach().cpu().numpy() for k, v in student.state_dict().items() if "num_batches" not in k}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    beats = student.shape.beats
    card = dataclasses.replace(
        card,
        channels=student.shape.channels,
        beats=(beats.components, beats.hidden, beats.memory) if beats else None,
        window_share=beats.window_share if beats else 0.5,
        sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
        onnx={},  # graphs that lie about are of other weights, until `export_onnx` makes new ones
    )
    (folder / WEIGHTS).write_bytes(buffer.getvalue())
    save_card(folder, card)
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
    beats = None
    if card.beats:
        components, hidden, memory = card.beats
        beats = BeatShape(components, hidden=hidden, memory=memory, window_share=card.window_share)
    student = Student(StudentShape(classes=len(card.classes), channels=card.channels, beats=beats))
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    try:
        missing, unexpected = student.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise Misconfigured("inference.model_dir", f"{path} does not fit the network: {error}") from None
    if wrong := [k for k in missing if "num_batches" not in k] + unexpected:
        raise Misconfigured("inference.model_dir", f"{path} does not fit the network: {wrong[0]}")
    return (fold(student) if folded else student), card
