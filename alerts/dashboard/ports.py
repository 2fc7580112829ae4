"""What the office of the ward needs: sessions, accounts, stays, identities, devices, the audit. As `alerts.ports`."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from alerts.ports import Person
from liteheart.ids import DeviceId, PatientId


class SignedIn(Protocol):
    """One sign-in of one person."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of the token."""
        ...

    @property
    def person(self) -> Person:
        """With the role that they have now."""
        ...

    @property
    def began_us(self) -> int:
        """When they signed in."""
        ...

    @property
    def seen_us(self) -> int:
        """When it was last used, to the minute."""
        ...

    @property
    def peer(self) -> str:
        """The network address that signed in."""
        ...


class SessionStore(Protocol):
    """Sessions that outlive a process. May block; every method raises Retryable when storage does not answer."""

    def begin(self, digest: bytes, person: Person, now_us: int, peer: str) -> None:
        """Keep a new session."""
        ...

    def refused(self, username: str, now_us: int, peer: str) -> None:
        """Note a sign-in that failed."""
        ...

    def find(self, digest: bytes) -> SignedIn | None:
        """The session; None when it has ended or the person is gone."""
        ...

    def touch(self, digest: bytes, now_us: int) -> None:
        """It was used."""
        ...

    def end(self, digest: bytes, now_us: int) -> None:
        """Someone signs out here."""
        ...

    def end_all(self, username: str, by: str, now_us: int) -> int:
        """Sign a person out everywhere; how many sessions that were."""
        ...

    def of(self, username: str | None = None) -> Sequence[SignedIn]:
        """The sessions of a person, or of everybody; the newest first."""
        ...

    def forget(self, seen_before_us: int, began_before_us: int, keep: int) -> None:
        """Clear away what has expired, and of the rest all but the `keep` that began last."""
        ...


class Accounts(Protocol):
    """People as an administrator sees them. Poison names what cannot be, Conflict the last administrator."""

    def all(self) -> Sequence[Person]:
        """Every account, by name."""
        ...

    def verify(self, username: str, password: str) -> Person | None:
        """The person, None when name or password is wrong."""
        ...

    def add(self, username: str, role: str, password: str, *, by: str, now_us: int) -> Person:
        """Make an account."""
        ...

    def change(self, username: str, role: str | None, password: str | None, *, by: str, now_us: int) -> Person | None:
        """Another role, another password, or both; a new password ends the sessions. None: no such account."""
        ...

    def remove(self, username: str, *, by: str, now_us: int) -> bool:
        """Delete an account and its sessions; False when there was none."""
        ...


class Stay(Protocol):
    """A patient who is here."""

    @property
    def patient(self) -> PatientId:
        """The pseudonym."""
        ...

    @property
    def bed(self) -> str:
        """Where; empty when nobody said."""
        ...

    @property
    def since_us(self) -> int | None:
        """Since when."""
        ...

    @property
    def devices(self) -> Sequence[str]:
        """Whose tokens are valid."""
        ...

    @property
    def identified(self) -> bool:
        """Whether somebody said who that is."""
        ...


class Stays(Protocol):
    """Admit, transfer, discharge. Conflict names the bed that is taken or the alarm that is on."""

    def present(self) -> Sequence[Stay]:
        """Everybody who is here."""
        ...

    def admit(self, bed: str, identity: Mapping[str, Any] | None, by: str, now_us: int) -> PatientId:
        """A fresh pseudonym in a free bed."""
        ...

    def transfer(self, patient: PatientId, bed: str, by: str, now_us: int) -> bool:
        """To another bed; False for a patient who is not here."""
        ...

    def discharge(self, patient: PatientId, by: str, now_us: int) -> bool:
        """End the stay, the devices' tokens and open codes; False for a patient who is not here."""
        ...


class Identities(Protocol):
    """Who a pseudonym is. Conflict where no key is set."""

    def set(self, patient: PatientId, identity: Mapping[str, Any], by: str, now_us: int) -> bool:
        """Keep or correct it; False for a patient who was never admitted."""
        ...

    def read(self, patient: PatientId, by: str, now_us: int, *, glass: bool) -> Mapping[str, Any] | None:
        """Who that is, None where nobody said. `glass`: it was broken for this."""
        ...

    def break_glass(self, patient: PatientId, by: str, reason: str, now_us: int, until_us: int) -> bool:
        """Let `by` read the identity until then; False for a patient whom nobody knows."""
        ...

    def is_open(self, patient: PatientId, by: str, now_us: int) -> bool:
        """Whether the glass is broken now, by this person, for this patient."""
        ...


class Codes(Protocol):
    """One-time codes for devices."""

    def offer(self, patient: PatientId, by: str, now_us: int, until_us: int) -> str | None:
        """A code, the only one of this patient that holds from now on; None for a patient who is not here."""
        ...


class Worn(Protocol):
    """Devices' tokens."""

    def revoke(self, device: DeviceId, now_us: int, *, by: str) -> bool:
        """End the device's token; False when it has none that is valid."""
        ...


class Consent(Protocol):
    """One word of one patient."""

    @property
    def scope(self) -> str:
        """On what."""
        ...

    @property
    def given(self) -> bool:
        """Or withdrawn."""
        ...

    @property
    def by(self) -> str:
        """Who wrote it down."""
        ...

    @property
    def at_us(self) -> int:
        """When."""
        ...


class Consents(Protocol):
    """What patients agreed to."""

    def of(self, patient: PatientId) -> Sequence[Consent]:
        """What holds now, one a scope."""
        ...

    def say(self, patient: PatientId, scope: str, given: bool, *, by: str, now_us: int) -> bool:
        """Write it down; False for a patient whom nobody knows. Raises Poison for a scope that there is not."""
        ...


class Subject(Protocol):
    """What cohorts are chosen by."""

    @property
    def site(self) -> str:
        """Where; empty: nobody said."""
        ...

    @property
    def sex(self) -> str:
        """female, male, other, unknown."""
        ...

    @property
    def birth_year(self) -> int | None:
        """None: nobody said."""
        ...


class Subjects(Protocol):
    """The same of everybody."""

    def of(self, patient: PatientId) -> Subject | None:
        """None where nobody said anything."""
        ...

    def knows(self, patient: PatientId) -> bool:
        """Whether anything at all is kept of that patient."""
        ...

    def say(self, patient: PatientId, site: str, sex: str, birth_year: int | None, *, by: str, now_us: int) -> bool:
        """Keep it; False for a patient whom nobody knows. Raises Poison naming what cannot be."""
        ...


class Deed(Protocol):
    """One line of the audit."""

    @property
    def deed_id(self) -> int:
        """Counts up."""
        ...

    @property
    def at_us(self) -> int:
        """When."""
        ...

    @property
    def by(self) -> str:
        """Who."""
        ...

    @property
    def action(self) -> str:
        """What, as one word."""
        ...

    @property
    def subject(self) -> str:
        """To whom or what."""
        ...

    @property
    def detail(self) -> Mapping[str, Any]:
        """The rest."""
        ...

    @property
    def flagged(self) -> bool:
        """Whether someone ought to look at it."""
        ...


class Chain(Protocol):
    """What a walk along the audit found."""

    @property
    def rows(self) -> int:
        """How many hold."""
        ...

    @property
    def head(self) -> bytes:
        """Digest of the last one that holds."""
        ...

    @property
    def broken(self) -> int | None:
        """Id of the first that does not."""
        ...

    @property
    def reason(self) -> str:
        """Why not."""
        ...


class Trail(Protocol):
    """The audit."""

    def verify(self) -> Chain:
        """Walk the whole chain."""
        ...

    def latest(self, limit: int, subject: str | None = None, by: str | None = None) -> Sequence[Deed]:
        """The newest first."""
        ...

    def seen(self, by: str, action: str, subject: str, now_us: int) -> None:
        """Note that `by` looked at `subject`, once in a quarter of an hour."""
        ...
