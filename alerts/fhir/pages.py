"""A page of resources, and where the next one begins; who is asked about."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alerts.fhir import ids
from alerts.fhir.elements import Json
from alerts.fhir.ports import Records
from alerts.fhir.search import Query
from liteheart.errors import Poison
from liteheart.ids import PatientId

WALK: Final = 500  # names looked at at once for one that is known by its digest
Whose = Collection[PatientId] | None  # None: everybody


@dataclass(frozen=True, slots=True)
class Found:
    """A resource, and whose it is; None: nobody's in particular."""

    resource: Json
    patient: PatientId | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some resources, and where the next ones begin; None: there are none."""

    resources: list[Json]
    cursor: list[Any] | None


class Names:
    """Whose tag is whose. A digest is looked for among all names, and remembered."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._digests: dict[str, PatientId] = {}

    def patient(self, tag: str) -> PatientId | None:
        """The pseudonym; None for a digest that stands for nobody. Raises Retryable."""
        if not ids.is_digest(tag):
            return PatientId(tag)
        if tag not in self._digests:
            after = ""
            while some := self._records.patients(after, WALK):
                self._digests |= {ids.tag(who): who for who, _ in some if ids.is_digest(ids.tag(who))}
                after = some[-1][0]
        return self._digests.get(tag)


def page(rows: Sequence[Any], query: Query, make: Callable[[Any], Json], place: Callable[[Any], list[Any]]) -> Page:
    """The rows but the one too many, which says that more follow."""
    kept = rows[: query.count]
    return Page([make(row) for row in kept], place(kept[-1]) if len(rows) > query.count else None)


def only(whose: Whose) -> PatientId:
    """The one patient of a search that must name one."""
    if whose is None or len(whose) != 1:
        raise Poison("patient", "must be given")
    return next(iter(whose))


def after_name(query: Query) -> str:
    """The name that the page before ended with."""
    return str(query.cursor[0]) if query.cursor is not None else ""


def before_number(query: Query, otherwise: int) -> int:
    """The number that the page before ended with."""
    if query.cursor is None:
        return otherwise
    if not isinstance(query.cursor[0], int):
        raise Poison("_cursor", "is none that was given here")
    return query.cursor[0]


def before_place(query: Query) -> tuple[int, str] | None:
    """The time and the name that the page before ended with."""
    if query.cursor is None:
        return None
    if len(query.cursor) != 2 or not isinstance(query.cursor[0], int) or not isinstance(query.cursor[1], str):
        raise Poison("_cursor", "is none that was given here")
    return query.cursor[0], query.cursor[1]
