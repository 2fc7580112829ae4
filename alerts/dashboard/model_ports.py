"""What the page of models needs: the registry of students, and the refreshes. As `alerts.ports`."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from liteheart.ids import ModelVersion


class Step(Protocol):
    """What happened to a version."""

    @property
    def step(self) -> str:
        """Its name."""
        ...

    @property
    def by(self) -> str:
        """Who."""
        ...

    @property
    def reason(self) -> str:
        """Why."""
        ...

    @property
    def at_us(self) -> int:
        """When."""
        ...


class Version(Protocol):
    """A student."""

    @property
    def version(self) -> ModelVersion:
        """Its name."""
        ...

    @property
    def parent(self) -> ModelVersion | None:
        """What it was grown from."""
        ...

    @property
    def status(self) -> str:
        """Its last step."""
        ...

    @property
    def weights_digest(self) -> bytes:
        """SHA-256 of its weights."""
        ...

    @property
    def data_digest(self) -> bytes:
        """Of what it was made of."""
        ...

    @property
    def code_version(self) -> str:
        """Of the program that made it."""
        ...

    @property
    def metrics(self) -> Mapping[str, Any]:
        """What was kept of its making."""
        ...

    @property
    def made_us(self) -> int:
        """When it was registered."""
        ...

    @property
    def steps(self) -> Sequence[Step]:
        """In order."""
        ...


class Registry(Protocol):
    """All of them. Raises Conflict where something may not be done, Poison for what makes no sense."""

    def champion(self) -> ModelVersion | None:
        """Who serves."""
        ...

    def get(self, version: ModelVersion) -> Version | None:
        """One of them."""
        ...

    def latest(self, limit: int = 50) -> Sequence[Version]:
        """The newest first."""
        ...

    def approve(self, version: ModelVersion, weights: str, by: str, reason: str, now_us: int) -> None:
        """Sign for exactly these weights."""
        ...

    def promote(self, version: ModelVersion, by: str, now_us: int, reason: str = "") -> None:
        """It serves from now on."""
        ...

    def take_step(self, version: ModelVersion, step: str, by: str, reason: str, now_us: int) -> None:
        """Refused."""
        ...

    def roll_back(self, by: str, reason: str, now_us: int) -> ModelVersion:
        """The one before serves again."""
        ...


class Attempt(Protocol):
    """A refresh."""

    @property
    def refresh_id(self) -> int:
        """Counts up."""
        ...

    @property
    def phase(self) -> str:
        """harvest, grow, gate or shadow."""
        ...

    @property
    def share(self) -> float:
        """Of the phase, 0 to 1."""
        ...

    @property
    def detail(self) -> Mapping[str, Any]:
        """Counts, checks, drift; nothing of one patient."""
        ...

    @property
    def began_us(self) -> int:
        """When."""
        ...

    @property
    def told_us(self) -> int:
        """When it was last heard of."""
        ...

    @property
    def ended_us(self) -> int | None:
        """None: it goes on."""
        ...

    @property
    def outcome(self) -> str | None:
        """candidate, refused or failed."""
        ...

    @property
    def reason(self) -> str:
        """Why it ended so."""
        ...

    @property
    def candidate(self) -> ModelVersion | None:
        """What came of it."""
        ...


class Attempts(Protocol):
    """All of them."""

    def latest(self, limit: int = 1) -> Sequence[Attempt]:
        """The newest first."""
        ...
