"""Splits by patient, in the shapes that the field reports, saved as index files.

    folds    the database's own folds: the honest split of PTB-XL
    cessl    90 % train, 10 % test; a share of the 90 % keeps its labels (80/20 train, validation), the others lose them
    htuning  a share is labelled (80/20 train, validation), all the rest is the test set

The last two follow the shape of CE-SSL and H-Tuning (`docs/data.md`), whose own splits are by record. Ours keep groups
whole: where every record is a patient of its own that is the same, and elsewhere theirs leaks.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.datasets.record import Listed
from inference.datasets.stratify import deal
from inference.train.split import PatientLeak
from liteheart.errors import Unreadable

CESSL_TEST: Final = 0.1
VALIDATION: Final = 0.2  # of the labelled records
_LEARNED_FROM: Final = {"train", "unlabelled"}  # a patient may stand on both: neither is judged by
_TRAIN_FOLDS: Final = tuple(range(1, 9))


@dataclass(frozen=True, slots=True)
class Index:
    """Keys of the records on each side; the same records, plan, seed and ratio give the same index."""

    plan: str
    seed: int
    ratio: float | None
    sides: Mapping[str, tuple[str, ...]]
    of: str  # fingerprint of keys and groups that were split

    def check(self, listed: Iterable[Listed]) -> None:
        """Raises PatientLeak when a group stands on two sides, KeyError when a record of the index is not there."""
        group = {r.key: r.group for r in listed}
        seen: dict[str, str] = {}
        for side, keys in self.sides.items():
            for key in keys:
                if key not in group:
                    raise KeyError(f"{key} of side {side} is not among the records")
                other = seen.setdefault(group[key], side)
                if other != side and {other, side} != _LEARNED_FROM:
                    raise PatientLeak(f"{group[key]} is on side {other} and on side {side} of the split")

    def save(self, path: Path) -> None:
        """As JSON, one line a side."""
        sides = ",\n".join(f"  {json.dumps(side)}: {json.dumps(list(keys))}" for side, keys in self.sides.items())
        head = {"plan": self.plan, "seed": self.seed, "ratio": self.ratio, "of": self.of}
        text = json.dumps(head)[:-1] + ', "sides": {\n' + sides + "\n}}\n"
        path.write_text(text, encoding="utf-8")


def load_index(path: Path) -> Index:
    """A saved index. Raises Unreadable."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        sides = {str(side): tuple(str(k) for k in keys) for side, keys in data["sides"].items()}
        index = Index(str(data["plan"]), int(data["seed"]), data["ratio"], sides, str(data["of"]))
    except OSError as error:
        raise Unreadable(path, error.strerror or "cannot be read") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(path, f"not an index of a split ({error})") from None
    keys = [k for side in index.sides.values() for k in side]
    if len(set(keys)) < len(keys):
        raise Unreadable(path, "names a record twice")
    return index


def cessl(listed: Sequence[Listed], *, ratio: float, seed: int) -> Index:
    """train, validation, unlabelled, test. `ratio` of the training records keep their labels. Raises ValueError."""
    _check_ratio(ratio)
    pool = [r for r in listed if r.labelled]
    rest, test = deal(pool, (1 - CESSL_TEST, CESSL_TEST), seed=seed)
    labelled, unlabelled = deal(rest, (ratio, 1 - ratio), seed=seed)
    train, validation = deal(labelled, (1 - VALIDATION, VALIDATION), seed=seed)
    judged = {r.group for r in (*validation, *test)}
    never = [r for r in listed if not r.labelled and r.group not in judged]
    sides = {"train": train, "validation": validation, "unlabelled": [*unlabelled, *never], "test": test}
    return _index("cessl", listed, sides, seed, ratio)


def htuning(listed: Sequence[Listed], *, seed: int, ratio: float = 0.1) -> Index:
    """train, validation, test: `ratio` is labelled, all other labelled records are the test set. Raises ValueError."""
    _check_ratio(ratio)
    labelled, test = deal([r for r in listed if r.labelled], (ratio, 1 - ratio), seed=seed)
    train, validation = deal(labelled, (1 - VALIDATION, VALIDATION), seed=seed)
    return _index("htuning", listed, {"train": train, "validation": validation, "test": test}, seed, ratio)


def folds(
    listed: Sequence[Listed],
    train: Collection[int] = _TRAIN_FOLDS,
    validation: Collection[int] = (9,),
    test: Collection[int] = (10,),
) -> Index:
    """train, validation, test, unlabelled by the database's folds. Raises ValueError where a record has none."""
    without = next((r for r in listed if r.fold is None), None)
    if without is not None:
        raise ValueError(f"{without.key} has no fold")
    chosen = {"train": train, "validation": validation, "test": test}
    sides = {side: [r for r in listed if r.fold in numbers and r.labelled] for side, numbers in chosen.items()}
    if any(not r.labelled for r in listed):
        sides["unlabelled"] = [r for r in listed if r.fold in train and not r.labelled]
    return _index("folds", listed, sides, 0, None)


def _index(
    plan: str, listed: Sequence[Listed], sides: Mapping[str, Sequence[Listed]], seed: int, ratio: float | None
) -> Index:
    empty = [side for side, records in sides.items() if not records]
    if empty:
        groups = len({r.group for r in listed})
        raise ValueError(f"{plan}: nothing for {', '.join(empty)}: {len(listed)} records of {groups} known patients")
    identity = "\n".join(sorted(f"{r.key} {r.group}" for r in listed))
    index = Index(
        plan=plan,
        seed=seed,
        ratio=ratio,
        sides={side: tuple(sorted(r.key for r in records)) for side, records in sides.items()},
        of=hashlib.sha256(identity.encode()).hexdigest()[:16],
    )
    index.check(listed)
    return index


def _check_ratio(ratio: float) -> None:
    if not 0 < ratio < 1:
        raise ValueError(f"ratio: between 0 and 1 expected, got {ratio}")
