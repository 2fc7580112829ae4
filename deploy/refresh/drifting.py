"""Drift is looked for at each harvest; the model page tells what is found, and a technical notice."""

import logging
from collections.abc import Mapping

from alerts.notify.notice import model_drift
from deploy.settings import Settings
from deploy.wiring import Storage
from inference.refresh.drift import Profile, drifts
from liteheart.ids import ModelVersion
from storage.refreshes import Refresh

log = logging.getLogger(__name__)


def look_for_drift(
    settings: Settings,
    storage: Storage,
    refresh: Refresh,
    champion: ModelVersion,
    profiles: Mapping[str, Profile],
    now_us: int,
) -> list[str]:
    """Keep what was seen, and compare it with what was seen when the champion was made; the shifts in words.

    A technical notice MODEL_DRIFT goes out once for each attempt; it belongs to the ward, not to a patient.
    """
    storage.refreshes.keep_profiles(refresh, {name: profile.to_json() for name, profile in profiles.items()})
    reference = storage.refreshes.reference(champion, refresh)
    found = [
        str(drift)
        for name, profile in sorted(profiles.items())
        if name in reference
        for drift in drifts(name, Profile.of_json(reference[name]), profile)
    ]
    if found:
        log.warning("MODEL_DRIFT: %s", "; ".join(found))
        storage.notifications.accept([], list(model_drift(refresh.refresh_id, found, now_us, settings.notify)), now_us)
    return found
