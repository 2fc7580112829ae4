"""Files into the archive: looked through in any process, stored by one, so that the database has one writer.

    file --survey--> digest --enrol--> pseudonym --place--> t0 --store--> frames --score--> findings --> finished

Every step may be repeated: a run that was killed is taken up where it stopped.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from deploy.settings import load
from ingest.sources.facts import Facts
from ingest.sources.survey import Survey, frames_of_file, survey
from liteheart.clock import US_PER_S
from liteheart.errors import LiteHeartError
from liteheart.ids import DeviceId, PatientId
from storage.archive.archive import Archive
from storage.imports import Imports, Whose

PLACEHOLDER_US: Final = 946_684_800 * US_PER_S  # 2000-01-01T00:00:00Z: where a recording stands whose time is not known
_YEAR_US: Final = 366 * 86_400 * US_PER_S
_MINUTE_US: Final = 60 * US_PER_S
_AGAIN_US: Final = 60 * US_PER_S  # of what is there is offered again: the archive knows it


@dataclass(frozen=True, slots=True)
class Plan:
    """What every process needs to know."""

    config: Path | None = None
    lead: str | None = None
    site: str | None = None
    with_identity: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a recording stands in the archive."""

    patient: PatientId
    device: DeviceId
    t0_us: int
    stored_until_us: int  # what begins before is there already


@functools.cache
def settings_of(config: Path | None) -> Any:
    return load(config)


def look(path: Path, plan: Plan) -> Survey | str:
    """The survey of a file, or why there is none. Runs in any process."""
    try:
        return survey(path, plan.lead, settings_of(plan.config).ingest)
    except LiteHeartError as error:
        return str(error)


def whose(known: Survey, plan: Plan) -> Whose:
    """Who belongs together: the same id at the same site, or a folder of one patient."""
    facts = known.facts
    site = _identifier(plan.site if plan.site is not None else facts.site)
    group = f"id|{site}|{facts.patient}" if facts.patient else f"folder|{facts.folder}" if facts.folder else ""
    return Whose(group, site, facts.sex, _birth_year(facts), _identity(facts) if plan.with_identity else None)


def _birth_year(facts: Facts) -> int | None:
    """An age without a time of recording is that at the time where the recording is put."""
    return (facts if facts.start_us is not None else replace(facts, start_us=PLACEHOLDER_US)).birth_year


def _identity(facts: Facts) -> Mapping[str, Any] | None:
    said = {"name": facts.name, "born": facts.born, "record_number": facts.patient}
    return said if any(said.values()) else None


def _identifier(text: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "._:-") else "-" for c in text).strip("._:-")[:64]


def place(imports: Imports, known: Survey, patient: PatientId) -> Place:
    """When the recording begins: as its header says, else after what the patient has at the placeholder."""
    device = DeviceId(f"import-{known.digest.hex()[:24]}")
    begun = imports.begun(patient, device)
    if begun is not None:
        return Place(patient, device, begun.t0_us - _first_us(known), begun.t1_us)
    if known.facts.start_us is not None:
        return Place(patient, device, known.facts.start_us, 0)
    end_us = imports.end_us(patient, PLACEHOLDER_US, PLACEHOLDER_US + _YEAR_US)
    t0_us = PLACEHOLDER_US if end_us is None else -(-end_us // _MINUTE_US) * _MINUTE_US + _MINUTE_US
    return Place(patient, device, t0_us, 0)


def _first_us(known: Survey) -> int:
    """From the begin of the recording to its first sample that is not missing."""
    return next(frames_of_file(known, PatientId("p"), DeviceId("d"), 0, 0)).t0_us


def store(archive: Archive, known: Survey, at: Place, now_us: int) -> None:
    """Keep the frames that are not there yet. Raises Unreadable when the file has changed, Retryable."""
    frames = frames_of_file(known, at.patient, at.device, at.t0_us, now_us)
    archive.keep((f for f in frames if f.t0_us >= at.stored_until_us - _AGAIN_US), now_us)
