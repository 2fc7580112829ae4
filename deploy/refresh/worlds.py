"""The world of a candidate, made when it is grown: the original recordings where they are at hand, and the ward.

    harvest --some windows of everybody, by salted names--> looks.npz --the candidate's eyes--> student.world.npz

The windows that it learns from will not do: they are the open and the odd ones, and the ward is like neither.
"""

import io
import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from deploy.refresh.house import House
from deploy.students import write_whole
from inference.preprocess import SAMPLES
from inference.refresh.known import Look, learn_known, looks_of, save_known
from inference.serve.engine import load_engine
from liteheart.errors import Misconfigured

log = logging.getLogger(__name__)
_FOLDER: Final = "looks"
_FILE: Final = "looks.npz"
_LOOKS: Final = 1000  # windows of the ward: 4 kB each
_ORIGINAL: Final = 400  # recordings of the original data, each by two leads


def keep_looks(work: Path, looks: Sequence[Look]) -> None:
    """Some of them, not chosen for anything. Raises Misconfigured where nothing can be written."""
    some = _some(looks)
    names = sorted({name for look in some for name in look.features})
    values = [[look.features.get(name) for name in names] for look in some]
    blank = np.zeros(SAMPLES, np.float32)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        x=np.array([look.x if len(look.x) else blank for look in some], np.float32).reshape(-1, SAMPLES),
        asked=np.array([bool(len(look.x)) for look in some], np.bool_),
        groups=np.array([look.group for look in some], np.str_),
        patients=np.array([look.patient for look in some], np.str_),
        names=np.array(names, np.str_),
        values=np.array(values, np.float64).reshape(len(some), len(names)),  # None becomes NaN
    )
    write_whole(work / _FOLDER, {_FILE: buffer.getvalue()})


def kept_looks(work: Path) -> list[Look]:
    """None where none are kept. Raises Misconfigured for a file that is damaged."""
    path = work / _FOLDER / _FILE
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as found:
            names, values = found["names"].tolist(), found["values"].tolist()
            rows = zip(found["groups"].tolist(), found["patients"].tolist(), found["x"], found["asked"], strict=True)
            return [
                Look(group, patient, x if asked else x[:0], dict(zip(names, of, strict=True)))
                for (group, patient, x, asked), of in zip(rows, values, strict=True)
            ]
    except FileNotFoundError:
        return []
    except (OSError, EOFError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise Misconfigured("refresh", f"{path} is damaged ({error})") from None


def give_world(house: House, work: Path, candidate: Path) -> None:
    """Beside the candidate's weights; one that has no numbers gets none, and the gate finds that out."""
    looks, packs = kept_looks(work), house.settings.rehearsal
    made_of = f"{len(looks)} windows of {len({look.patient for look in looks})} patients of the ward"
    if packs is not None:
        # first, for what else sends in this house is compared with them
        looks = [*looks_of(packs, load_engine(house.serving), most=_ORIGINAL), *looks]
        made_of = f"recordings of PTB-XL, folds 1 to 6, and {made_of}"
    try:
        save_known(candidate, learn_known(candidate, looks, made_of, house.settings.threads))
    except Misconfigured as error:
        log.warning("the candidate has no world: %s", error)


def _some(looks: Sequence[Look]) -> list[Look]:
    """At most so many, drawn: of each patient as many as there is room for."""
    of: dict[str, list[Look]] = {}
    for i in np.random.default_rng(0).permutation(len(looks)).tolist():
        of.setdefault(looks[i].patient, []).append(looks[i])
    each = max(1, _LOOKS // max(len(of), 1))
    return [look for mine in of.values() for look in mine[:each]][:_LOOKS]
