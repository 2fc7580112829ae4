"""Drift is looked for at each harvest; the page tells what is found, and a technical notice.

profiles by site and device -- against what the student learned from (its world) --> is not what it learned from
                            -- against what was seen here first, or when it was made --> has shifted
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from alerts.notify.notice import model_drift
from deploy.settings import Settings
from deploy.wiring import Storage
from inference.refresh.drift import EDGES, Drift, Profile, drifts
from inference.refresh.known import Known
from liteheart.ids import ModelVersion
from storage.refreshes import Refresh

log = logging.getLogger(__name__)
_NO_WORLD: Final = "what was seen here first: the student came without what it learned from"
_ITS_OWN: Final = frozenset({*EDGES, "abstained", "unusable"}) - {"distance"}  # in which no student has a say


def look_for_drift(
    settings: Settings,
    storage: Storage,
    refresh: Refresh,
    champion: ModelVersion,
    known: Known | None,
    profiles: Mapping[str, Profile],
    now_us: int,
) -> list[str]:
    """Keep what was seen, and compare it, for each site and kind of device; the shifts in words, the largest first.

    A technical notice MODEL_DRIFT goes out once for each attempt; it belongs to the ward, not to a patient.
    """
    kept = {name: {"student": champion, "counts": profile.to_json()} for name, profile in profiles.items()}
    storage.refreshes.keep_profiles(refresh, kept)
    before = {name: _counts(told, champion) for name, told in storage.refreshes.reference(champion, refresh).items()}
    drifted = [d for name, profile in profiles.items() for d in _of(name, profile, known, before.get(name))]
    found = [str(drift) for drift in sorted(drifted, key=lambda drift: (-drift.index, drift.group))]
    if found:
        log.warning("MODEL_DRIFT: %s", "; ".join(found))
        storage.notifications.accept([], list(model_drift(refresh.refresh_id, found, now_us, settings.notify)), now_us)
    return found


def against(known: Known | None) -> str:
    """What a ward is compared with, for people."""
    return _NO_WORLD if known is None else known.made_of


def _of(name: str, profile: Profile, known: Known | None, before: Profile | None) -> Iterator[Drift]:
    told = set()
    if known is not None:
        like = known.like(name)
        made = drifts(name, known.groups[like], profile, since="made")
        told = {drift.feature for drift in made if like == name}  # here both references are of the same days
        yield from made
    if before is not None:
        yield from (drift for drift in drifts(name, before, profile) if drift.feature not in told)


def _counts(told: Mapping[str, Any], champion: ModelVersion) -> Profile:
    """As it was kept; without what another student made of it. Earlier ones do not say which one."""
    if "counts" not in told:
        return Profile.of_json(told)
    same = told["student"] == champion
    return Profile.of_json({name: of for name, of in told["counts"].items() if same or name in _ITS_OWN})
