"""What ingest needs of others: somewhere durable to put frames, and someone who knows the devices."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from liteheart.ids import DeviceId, PatientId
from liteheart.topics import Topic


@dataclass(frozen=True, slots=True)
class Record:
    """One record for a topic. The key is the patient, so that one patient's records stay in order."""

    topic: Topic
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_us: int | None = None  # arrival; None lets the log stamp it


class FramePublisher(Protocol):
    """Keeps records for the workers."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Return only when every record is durable. Raises Retryable otherwise: some may be kept, none need be."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then let go."""
        ...


class DeviceGrant(Protocol):
    """What a token allows: one device to send the signal of one patient."""

    @property
    def device(self) -> DeviceId:
        """Whose frames it lets in."""
        ...

    @property
    def patient(self) -> PatientId:
        """For whom."""
        ...


class DeviceAuthenticator(Protocol):
    """Knows the devices' tokens. May block: it is called from a thread."""

    def authenticate(self, token: str) -> DeviceGrant | None:
        """The grant of a valid token, else None. Raises Retryable when it cannot know now."""
        ...


class DeviceRegistry(Protocol):
    """Knows which device is given to whom, where a broker has checked its token. May block: called from a thread."""

    def grants_of(self, devices_asked: Collection[DeviceId], /) -> Mapping[DeviceId, DeviceGrant]:
        """The grants of those devices whose token is valid now. Raises Retryable when it cannot know now."""
        ...


class PairingDesk(Protocol):
    """Gives a device its token for a one-time code. May block: it is called from a thread."""

    def redeem(self, code: str, device: DeviceId, now_us: int) -> str:
        """The token. Raises Poison, Conflict for a device that speaks for someone else, Retryable."""
        ...


class Departed(Protocol):
    """Knows who was discharged. Called for every frame, so it must not block for long."""

    def has_left(self, patient: PatientId, now_us: int) -> bool:
        """Whether nothing of the patient is to be taken any more."""
        ...
