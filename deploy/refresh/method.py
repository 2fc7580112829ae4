"""The method as the refresh calls it: growing and examining as `inference.refresh` does, from the folders of settings.

The frozen test set lies in the folder `refresh.exam` and is pinned by the plan: packs of PTB-XL, of which fold 8 is
taken, or a house's own as one file, `exam.npz`: x float32 [n, 1000], y bool [n, classes], classes, patients, and
`group_NAME` [n] for each kind of subgroup. No student ever learns from it.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from deploy.refresh.growing import grow
from deploy.refresh.ports import Lacking, Material, Progress
from deploy.refresh.settings import RefreshSettings
from inference.model.checkpoint import load_student
from inference.refresh.embed import Embedder
from inference.refresh.exam import examine, read_test_set
from inference.refresh.gate import Exam
from inference.refresh.known import Known, load_known
from inference.refresh.plan import Plan
from liteheart.errors import Misconfigured, Unreadable

SHEET: Final = "exam.npz"
_GROUP: Final = "group_"


class RefreshMethod:
    """A `Method` over folders."""

    def __init__(self, settings: RefreshSettings) -> None:
        self._settings = settings

    def check(self, plan: Plan) -> str:
        """The test set's digest as the plan has it; of packs, it is compared when they are read."""
        folder = self._folder
        if not folder.is_dir():
            raise Lacking("refresh.exam", f"{folder} is no folder: nothing that is grown could be judged")
        if (folder / SHEET).exists() and _digest(folder / SHEET) != plan.exam.sha256:
            raise Misconfigured("refresh.exam", f"{folder / SHEET} is not the test set that the plan names")
        return plan.exam.sha256

    def world(self, champion: Path) -> Known | None:
        """Of the file beside its weights; those of older versions have none."""
        return load_known(champion)

    def grow(self, champion: Path, material: Material, state: Path, progress: Progress) -> Mapping[str, Any]:
        """Bounded in steps and minutes; what was done is not done again."""
        return grow(champion, material, state, progress, self._settings)

    def examine(self, champion: Path, candidate: Path, plan: Plan) -> Exam:
        """What both say of the test set. Raises Misconfigured for one that is another, or does not fit them."""
        if (self._folder / SHEET).exists():
            return _of_sheet(self._folder / SHEET, champion, candidate, plan, self._settings.threads)
        ours, theirs = load_student(champion), load_student(candidate)
        try:
            test = read_test_set(self._folder, ours[1].classes, plan)
        except Unreadable as error:
            raise Misconfigured("refresh.exam", str(error)) from None
        return examine(test, ours, theirs)

    @property
    def _folder(self) -> Path:
        if self._settings.exam is None:
            raise Lacking("refresh.exam", "names no test set: nothing that is grown could be judged")
        return self._settings.exam


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise Misconfigured("refresh.exam", f"{path} cannot be read ({error.strerror})") from None


def _of_sheet(path: Path, champion: Path, candidate: Path, plan: Plan, threads: int) -> Exam:
    """Of some of the conditions that the students know."""
    if _digest(path) != plan.exam.sha256:
        raise Misconfigured("refresh.exam", f"{path} is not the test set that the plan names")
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        classes = tuple(str(c) for c in arrays["classes"])
        x, y = arrays["x"].astype(np.float32), arrays["y"].astype(np.bool_)
        patients = arrays["patients"].astype(np.str_)
    except (OSError, ValueError, KeyError) as error:
        raise Misconfigured("refresh.exam", f"{path} is damaged ({error})") from None
    groups = {n.removeprefix(_GROUP): a.astype(np.str_) for n, a in arrays.items() if n.startswith(_GROUP)}
    said = []
    for folder in (champion, candidate):
        embedder = Embedder(folder, threads)
        if strange := [c for c in classes if c not in embedder.card.classes]:
            raise Misconfigured("refresh.exam", f"asks for {strange[0]}, which the student does not know")
        said.append(embedder(x)[1][:, [embedder.card.classes.index(c) for c in classes]])
    return Exam(classes, y, said[0], said[1], patients, groups)
