"""What every phase asks for: who serves, the files of a version as the registry has them, what became of it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from deploy.refresh.beside import Rules
from deploy.refresh.held import Held, Refused
from deploy.refresh.ports import Method
from deploy.refresh.settings import RefreshSettings
from deploy.settings import Settings
from deploy.students import write_whole
from deploy.succession import made_of, probe
from deploy.wiring import Storage
from inference.model.card import load_card
from inference.serve.network import load_network
from inference.settings import InferenceSettings
from liteheart.clock import Clock
from liteheart.errors import Conflict
from liteheart.ids import ModelVersion

BY: Final = "refresh"


@dataclass(frozen=True, slots=True)
class House:
    """One host's."""

    all: Settings
    storage: Storage
    method: Method
    clock: Clock

    @property
    def settings(self) -> RefreshSettings:
        """Of the refresh."""
        return self.all.refresh

    @property
    def serving(self) -> InferenceSettings:
        """How windows are scored here."""
        return self.all.inference

    @property
    def folder(self) -> Path:
        """Where attempts keep what they need to go on."""
        return self.all.data_dir / "refresh"

    def work(self, held: Held) -> Path:
        """Of one attempt; gone when it is over."""
        return self.folder / str(held.refresh.refresh_id)

    def rules(self) -> Rules:
        """By which alarms are judged."""
        return Rules(self.all, self.storage.limits.all())

    def champion(self) -> ModelVersion:
        """Who serves; the student of the settings where none was ever registered."""
        champion = self.storage.models.champion()
        if champion is None:
            self.storage.models.ship(made_of(self.serving.model_dir), self.clock.now_us())
            champion = self.storage.models.champion()
        if champion is None:
            raise Refused("no student serves")
        return champion

    def same_champion(self, held: Held) -> ModelVersion:
        """Who serves, as long as it is the one that the candidate was grown from."""
        champion = self.champion()
        if held.refresh.detail.get("champion", champion) != champion:
            raise Refused(f"{champion} serves by now, the candidate was grown from another one")
        return champion

    def candidate(self, held: Held) -> ModelVersion:
        """Of this attempt."""
        if held.refresh.candidate is None:
            raise Refused("there is no candidate")
        return held.refresh.candidate

    def status(self, version: ModelVersion) -> str:
        """Its last step."""
        found = self.storage.models.get(version)
        return "gone" if found is None else found.status

    def step(self, version: ModelVersion, step: str, reason: str) -> None:
        """It comes further."""
        self.storage.models.take_step(version, step, BY, reason, self.clock.now_us())

    def fetched(self, version: ModelVersion) -> Path:
        """Its files as the registry has them. Raises Refused when they are not what was registered."""
        folder = self.folder / "students" / version
        try:
            write_whole(folder, self.storage.models.files(version))
        except Conflict as changed:
            raise Refused(str(changed)) from None
        return folder

    def sound(self, candidate: ModelVersion) -> Path:
        """The same, and it answers with numbers. Raises Misconfigured."""
        folder = self.fetched(candidate)
        if load_card(folder).version != candidate:
            raise Refused(f"the card of {candidate} names another student")
        probe(load_network(replace(self.serving, model_dir=folder)))
        return folder
