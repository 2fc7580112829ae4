"""The card of a student: what it is, what it was made of, how well it does. Read without torch, slow to load."""

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from inference.preprocess import VERSION
from liteheart.errors import Misconfigured
from liteheart.ids import ModelVersion

CARD: Final = "student.json"
ONNX: Final = "student.onnx"  # the same function as the weights, for ONNX Runtime, in float32
ONNX_INT8: Final = "student.int8.onnx"  # and nearly the same, its convolutions in eight bits
ARCHITECTURE: Final = "fast"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Card:
    """What a reader, a nurse's board and the engine need to know of one set of weights."""

    name: str
    classes: tuple[str, ...]  # condition codes, in the order of the logits
    temperature: dict[str, float]  # logits are divided by it
    thresholds: dict[str, float]  # a probability at or above it is a finding
    undecided_from: dict[str, float] = field(default_factory=dict)  # from here to its threshold a condition is open
    channels: tuple[int, int, int] = (48, 96, 96)
    beats: tuple[int, int, int] | None = None  # of the half that reads median beats: components, hidden units, memory
    window_share: float = 0.5  # of the answer, the other half's
    architecture: str = ARCHITECTURE
    preprocess: str = VERSION
    sha256: str = ""  # of the weights file
    onnx: dict[str, str] = field(default_factory=dict)  # sha256 of the graphs made of these weights, by file name
    about: dict[str, Any] = field(default_factory=dict)  # data, licences, splits, metrics, use, limits

    @property
    def version(self) -> ModelVersion:
        """Name and the first digits of the weights' checksum."""
        return ModelVersion(f"{self.name}-{self.sha256[:8]}")


def load_card(folder: Path) -> Card:
    """The card in `folder`. Raises Misconfigured when it is missing, broken, or of another preprocessing."""
    path = folder / CARD
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured("inference.model_dir", f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Misconfigured("inference.model_dir", f"{path} is not JSON: {error}") from None
    if not isinstance(raw, dict) or raw.pop("format", None) != FORMAT:
        raise Misconfigured("inference.model_dir", f"{path} is not a card of format {FORMAT}")
    try:
        tuples = {key: tuple(raw[key]) for key in ("classes", "channels", "beats") if raw.get(key) is not None}
        card = Card(**raw | tuples)
    except (KeyError, TypeError) as error:
        raise Misconfigured("inference.model_dir", f"{path} is not a card: {error}") from None
    _check(card, path)
    return card


def save_card(folder: Path, card: Card) -> None:
    """Write `card` into `folder`."""
    text = json.dumps({"format": FORMAT} | dataclasses.asdict(card), indent=1, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")


def _check(card: Card, path: Path) -> None:
    if card.preprocess != VERSION:
        raise Misconfigured(
            "inference.model_dir", f"{path} asks for preprocessing {card.preprocess!r}; this is {VERSION!r}"
        )
    if card.architecture != ARCHITECTURE:
        raise Misconfigured("inference.model_dir", f"{path} asks for the network {card.architecture!r}")
    if not isinstance(card.window_share, float) or not 0 < card.window_share < 1:
        raise Misconfigured("inference.model_dir", f"{path} has a window_share of {card.window_share!r}")
    for key in ("temperature", "thresholds"):
        values: dict[str, Any] = getattr(card, key)
        if absent := set(card.classes) - set(values):
            raise Misconfigured("inference.model_dir", f"{path} has no {key} for {sorted(absent)[0]}")
        if wrong := [c for c in card.classes if not isinstance(values[c], int | float) or not values[c] > 0]:
            raise Misconfigured("inference.model_dir", f"{path} has a {key} for {wrong[0]} that is not positive")
    if wrong := [c for c, low in card.undecided_from.items() if not 0 < low <= card.thresholds.get(c, 0.0)]:
        raise Misconfigured("inference.model_dir", f"{path} has an undecided_from for {wrong[0]} above its threshold")
    if not isinstance(card.onnx, dict) or set(card.onnx) - {ONNX, ONNX_INT8}:
        raise Misconfigured("inference.model_dir", f"{path} has onnx graphs other than {ONNX} and {ONNX_INT8}")
    if wrong := [name for name, digest in card.onnx.items() if not re.fullmatch(r"[0-9a-f]{64}", str(digest))]:
        raise Misconfigured("inference.model_dir", f"{path} has no sha256 for {wrong[0]}")
