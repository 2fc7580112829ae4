"""Every student there ever was, its files and what became of it; which one serves is the last word of its steps.

    registered --> passed | refused        the gate
    passed     --> shadowed | refused      beside the champion, on what comes in
    shadowed   --> approved | refused      by a person, or by the plan where it allows that
    approved   --> promoted                serves from now on
    promoted   --> rolled-back             and the one before is `restored`: it serves again

Steps are only ever added. What was refused stays so; what was rolled back serves again only after a new approval.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine, insert, select

from liteheart.errors import Conflict, Poison
from liteheart.ids import ModelVersion
from storage.audit import Deed, note
from storage.engine import reading, writing
from storage.queries import insert_ignoring
from storage.schema import model_files, model_steps, models

WEIGHTS: Final = "student.npz"
SYSTEM: Final = "system"
_AFTER: Final = {  # which steps may follow which
    "registered": ("passed", "refused"),
    "passed": ("shadowed", "refused"),
    "shadowed": ("approved", "refused"),
    "approved": ("promoted", "refused"),
    "promoted": (),
    "restored": (),
    "refused": (),
    "rolled-back": ("approved",),
}


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to a version."""

    step: str
    by: str
    reason: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Version:
    """A student, what it was made of, and what became of it."""

    version: ModelVersion
    parent: ModelVersion | None
    weights_digest: bytes  # SHA-256 of its weights
    data_digest: bytes  # of what it was made of
    code_version: str
    card: Mapping[str, Any]
    metrics: Mapping[str, Any]
    made_us: int
    steps: tuple[Step, ...] = ()  # in the order in which they happened

    @property
    def status(self) -> str:
        """Its last step."""
        return self.steps[-1].step if self.steps else "unknown"


@dataclass(frozen=True, slots=True)
class Made:
    """A student to register; `files` by name, the weights among them."""

    version: ModelVersion
    parent: ModelVersion | None
    files: Mapping[str, bytes]
    data_digest: bytes
    code_version: str
    card: Mapping[str, Any]
    metrics: Mapping[str, Any] = field(default_factory=dict)


class Models:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def register(self, made: Made, by: str, now_us: int, reason: str = "") -> bool:
        """Keep a student and its files; False when it is there already.

        Raises Conflict when another one of that name is, Poison when its weights are missing.
        """
        if WEIGHTS not in made.files:
            raise Poison("files", f"hold no {WEIGHTS}")
        digest = hashlib.sha256(made.files[WEIGHTS]).digest()
        row = {
            "version": made.version,
            "parent": made.parent,
            "weights_digest": digest,
            "data_digest": made.data_digest,
            "code_version": made.code_version,
            "card": json.dumps(dict(made.card), ensure_ascii=False, sort_keys=True),
            "metrics": json.dumps(dict(made.metrics), sort_keys=True),
            "made_us": now_us,
        }
        files = [{"version": made.version, "file": n, "content": c} for n, c in sorted(made.files.items())]
        with writing(self._engine) as connection:
            there = _alone(connection)
            # asked for what was written: a count of rows is not to be relied on here
            new = insert_ignoring(connection, models).returning(models.c.version)
            if made.version not in there and connection.execute(new, row).first() is not None:
                connection.execute(insert(model_files), files)
                _add(connection, made.version, Step("registered", by, reason, now_us))
                return True
            there = _alone(connection)  # another process was quicker
        if there[made.version] != digest:
            raise Conflict("version", f"{made.version} is there with other weights")
        return False

    def ship(self, made: Made, now_us: int) -> None:
        """The student that came with the program: registered, and it serves unless a refreshed one does.

        Of one that is there already, files that an earlier version of the program did not bring are added.
        """
        self.register(made, SYSTEM, now_us, "came with the program")
        with writing(self._engine) as connection:
            _alone(connection)
            _add_files(connection, made)
            if _steps(connection, made.version)[-1].step != "registered":
                return
            serving = _champion(connection)
            for step in ("passed", "shadowed", "approved"):
                _add(connection, made.version, Step(step, SYSTEM, "came with the program", now_us))
            if serving is None or _came_with_the_program(connection, serving):
                _add(connection, made.version, Step("promoted", SYSTEM, "came with the program", now_us))

    def take_step(self, version: ModelVersion, step: str, by: str, reason: str, now_us: int) -> None:
        """Passed, shadowed or refused. Raises Conflict where that may not follow, or there is no such version."""
        if step not in ("passed", "shadowed", "refused"):
            raise Poison("step", f"{step!r} is none of passed, shadowed, refused")
        if step == "refused" and not reason:
            raise Poison("reason", "must say why")
        with writing(self._engine) as connection:
            _alone(connection)
            _follow(connection, version, Step(step, by, reason, now_us))

    def approve(self, version: ModelVersion, weights: str, by: str, reason: str, now_us: int) -> None:
        """Sign for exactly these weights, `weights` being the first 12 or more hex digits of their SHA-256.

        Raises Conflict when they are others, or the version is not to be approved.
        """
        with writing(self._engine) as connection:
            there = _alone(connection)
            digest = there.get(version, b"").hex()
            if len(weights) < 12 or not digest.startswith(weights.lower()):
                raise Conflict("weights", f"{weights} is not the digest of the weights of {version}")
            _follow(connection, version, Step("approved", by, reason, now_us), {"weights": digest})

    def promote(self, version: ModelVersion, by: str, now_us: int, reason: str = "") -> None:
        """It serves from now on. Raises Conflict unless it was approved, and its files are what they were then."""
        with writing(self._engine) as connection:
            there = _alone(connection)
            weights = connection.scalar(
                select(model_files.c.content).where(model_files.c.version == version, model_files.c.file == WEIGHTS)
            )
            if weights is None or hashlib.sha256(bytes(weights)).digest() != there.get(version):
                raise Conflict("weights", f"those of {version} are not what was registered")
            _follow(connection, version, Step("promoted", by, reason, now_us))

    def roll_back(self, by: str, reason: str, now_us: int) -> ModelVersion:
        """The one that served before serves again; which one that is. Raises Conflict where there is none."""
        with writing(self._engine) as connection:
            _alone(connection)
            bad, good = _last_two(connection)
            if bad is None or good is None:
                raise Conflict("version", "no other version served before")
            _add(connection, bad, Step("rolled-back", by, reason, now_us))
            _add(connection, good, Step("restored", by, f"{bad} was rolled back", now_us))
        return good

    def champion(self) -> ModelVersion | None:
        """Which version serves; None before any was registered."""
        with reading(self._engine) as connection:
            return _champion(connection)

    def get(self, version: ModelVersion) -> Version | None:
        """One of them."""
        with reading(self._engine) as connection:
            row = connection.execute(select(models).where(models.c.version == version)).one_or_none()
            return None if row is None else _version(row, _steps(connection, version))

    def latest(self, limit: int = 50) -> list[Version]:
        """The newest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(models).order_by(models.c.made_us.desc(), models.c.version).limit(limit))
            return [_version(row, _steps(connection, ModelVersion(row.version))) for row in rows.all()]

    def files(self, version: ModelVersion) -> dict[str, bytes]:
        """Content by name; empty for a version that is not there. Raises Conflict when the weights were changed."""
        with reading(self._engine) as connection:
            digest = connection.scalar(select(models.c.weights_digest).where(models.c.version == version))
            rows = connection.execute(select(model_files).where(model_files.c.version == version)).all()
        found = {row.file: bytes(row.content) for row in rows}
        if digest is not None and hashlib.sha256(found.get(WEIGHTS, b"")).digest() != bytes(digest):
            raise Conflict("weights", f"those of {version} are not what was registered")
        return found


def _alone(connection: Connection) -> dict[str, bytes]:
    """Digests of all versions; their rows are locked, so that only one at a time decides who serves."""
    rows = connection.execute(select(models.c.version, models.c.weights_digest).with_for_update()).all()
    return {row.version: bytes(row.weights_digest) for row in rows}


def _follow(connection: Connection, version: ModelVersion, step: Step, detail: Mapping[str, Any] | None = None) -> None:
    before = _steps(connection, version)
    if not before:
        raise Conflict("version", f"there is no {version}")
    if step.step not in _AFTER[before[-1].step]:
        raise Conflict("version", f"{version} is {before[-1].step}: it cannot be {step.step}")
    _add(connection, version, step, detail)


def _add(connection: Connection, version: str, step: Step, detail: Mapping[str, Any] | None = None) -> None:
    row = {"version": version, "step": step.step, "by_whom": step.by, "reason": step.reason, "at_us": step.at_us}
    connection.execute(insert(model_steps), row)
    told = {"reason": step.reason} | dict(detail or {})
    note(connection, Deed(step.at_us, step.by, f"model-{step.step}", version, told))


def _add_files(connection: Connection, made: Made) -> None:
    """Those that are not there; what is there stays as it is."""
    there = set(connection.scalars(select(model_files.c.file).where(model_files.c.version == made.version)))
    if rows := [{"version": made.version, "file": n, "content": c} for n, c in made.files.items() if n not in there]:
        connection.execute(insert(model_files), rows)


def _steps(connection: Connection, version: str) -> tuple[Step, ...]:
    rows = connection.execute(select(model_steps).where(model_steps.c.version == version).order_by(model_steps.c.id))
    return tuple(Step(row.step, row.by_whom, row.reason, row.at_us) for row in rows)


def _champion(connection: Connection) -> ModelVersion | None:
    return _last_two(connection)[0]


def _last_two(connection: Connection) -> tuple[ModelVersion | None, ModelVersion | None]:
    """Who serves, and who did before: whoever was rolled back does not count."""
    rows: Sequence[Any] = connection.execute(select(model_steps).order_by(model_steps.c.id)).all()
    served: list[ModelVersion] = []
    for row in rows:
        if row.step == "promoted":
            served.append(ModelVersion(row.version))
        elif row.step == "rolled-back":
            served = [v for v in served if v != row.version]
    return (served[-1] if served else None), (served[-2] if len(served) > 1 else None)


def _came_with_the_program(connection: Connection, version: str) -> bool:
    return _steps(connection, version)[0].by == SYSTEM


def _version(row: Any, steps: tuple[Step, ...]) -> Version:
    return Version(
        ModelVersion(row.version),
        None if row.parent is None else ModelVersion(row.parent),
        bytes(row.weights_digest),
        bytes(row.data_digest),
        row.code_version,
        json.loads(row.card),
        json.loads(row.metrics),
        row.made_us,
        steps,
    )
