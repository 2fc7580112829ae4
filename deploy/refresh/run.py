"""One attempt after the other, phase by phase; every phase may break off at any moment and is gone on with.

harvest --material--> grow --registered--> gate --passed--> shadow --shadowed--> a signature, or the plan's leave
   |                   |                    |                  |
   +------ too little -+--- nothing came ---+---- a bound -----+----> refused, with the reason; the champion serves
"""

import contextlib
import logging
import shutil
from pathlib import Path
from typing import Any

from deploy.refresh.harvest import harvest
from deploy.refresh.held import Held, Refused, Waiting
from deploy.refresh.house import BY, House
from deploy.refresh.learn import grow_phase, harvest_phase, too_little
from deploy.refresh.ports import Lacking, Method
from deploy.refresh.trial import gate_phase, shadow_phase
from deploy.settings import Settings
from deploy.wiring import Storage
from inference.refresh.plan import Plan, load_plan
from liteheart.clock import US_PER_S, Clock
from liteheart.errors import Conflict, LiteHeartError, Misconfigured, Retryable
from storage.refreshes import Outcome, Refresh

log = logging.getLogger(__name__)
_FAULTS = (MemoryError, OSError, ValueError, ArithmeticError, RuntimeError)


class Refresher:
    """Runs attempts on one host. Of any number of them one is at it."""

    def __init__(self, settings: Settings, storage: Storage, method: Method, clock: Clock, holder: str) -> None:
        self._house, self._holder = House(settings, storage, method, clock), holder
        self._settings, self._clock, self._refreshes = settings.refresh, clock, storage.refreshes
        self._lease_us = round(settings.refresh.lease_s * US_PER_S)

    def due(self) -> bool:
        """Whether one is going on that may be taken up, or it is time to begin one."""
        last = next(iter(self._refreshes.latest()), None)
        if last is None or last.ended_us is None:
            return True
        since_us = self._clock.now_us() - last.began_us
        begun = last.phase != "harvest" or last.outcome == "failed"
        hours = self._settings.every_h if begun else min(self._settings.again_h, self._settings.every_h)
        return not 0 <= since_us < hours * 3600 * US_PER_S  # below 0: the clock was wrong then

    def step(self) -> Refresh:
        """Begin an attempt or go on with one, as far as it goes now.

        Raises Conflict when another host is at it, Retryable when storage does not answer: both leave all as it is.
        """
        refresh = self._refreshes.begin(self._holder, self._clock.now_us(), self._lease_us)
        held = Held(refresh, self._refreshes, self._clock, self._lease_us)
        try:
            with held.renewing():
                reason = self._phases(held)
        except Waiting as waiting:
            held.now(held.refresh.phase, held.refresh.share, waiting=str(waiting))
            self._refreshes.release(held.refresh, self._clock.now_us())
            return held.refresh
        except (Refused, Misconfigured) as refused:
            return self._over(held, "refused", str(refused))
        except (Conflict, Retryable):
            raise
        except LiteHeartError as error:
            return self._over(held, "failed", str(error))
        except _FAULTS as error:
            log.exception("the refresh failed")
            return self._over(held, "failed", f"{held.refresh.phase}: {type(error).__name__}: {error}")
        return self._over(held, "candidate", reason)

    def _phases(self, held: Held) -> str:
        plan = self._unchanged(held)
        while True:
            match held.refresh.phase:
                case "harvest":
                    harvest_phase(self._house, held)
                case "grow":
                    grow_phase(self._house, held)
                case "gate":
                    gate_phase(self._house, held, plan)
                case _:
                    return shadow_phase(self._house, held, plan)

    def _unchanged(self, held: Held) -> Plan:
        """The plan, and that it and the test set are those with which the attempt began. Raises Misconfigured."""
        plan, began = _agreed_plan(self._house), held.refresh.detail
        try:
            exam = self._house.method.check(plan)
        except Lacking as lacking:
            if "exam" not in began:
                raise
            found = held.refresh
            self._refreshes.release(found, self._clock.now_us())
            raise Conflict("refresh", f"not for this host to go on with ({found.phase}): {lacking}") from None
        for what, key, now in (("plan", "plan", plan.digest), ("test set", "exam", exam)):
            if began.get(key, now) != now:
                raise Refused(f"the {what} was changed while the refresh went on")
        held.now(held.refresh.phase, held.refresh.share, plan=plan.digest, exam=exam)
        return plan

    def _over(self, held: Held, outcome: Outcome, reason: str) -> Refresh:
        candidate, now_us = held.refresh.candidate, self._clock.now_us()
        if outcome != "candidate" and candidate is not None:
            with contextlib.suppress(Conflict):  # refused already, or a person was quicker
                self._house.storage.models.take_step(candidate, "refused", BY, reason, now_us)
        shutil.rmtree(self._house.work(held), ignore_errors=True)
        log.warning("refresh %s: %s", outcome, reason, extra={"candidate": candidate})
        return self._refreshes.end(held.refresh, outcome, reason, now_us)


def dry_run(settings: Settings, storage: Storage, method: Method, clock: Clock) -> dict[str, Any]:
    """What an attempt would learn from now, and whether it could begin; nothing is kept."""
    house = House(settings, storage, method, clock)
    told: dict[str, Any] = {"champion": storage.models.champion()}
    try:
        plan = _agreed_plan(house)
        told |= {"plan": plan.digest, "exam": method.check(plan)}
    except Misconfigured as error:
        told["refused"] = str(error)
    folder: Path = settings.inference.model_dir if told["champion"] is None else house.fetched(told["champion"])
    found = harvest(storage, folder, method.world(folder), settings.refresh, b"", clock.now_us(), lambda _: None)
    reason = told.get("refused") or too_little(found, settings.refresh)
    return told | dict(found.told) | ({"refused": reason} if reason else {})


def _agreed_plan(house: House) -> Plan:
    plan, agreed = load_plan(house.settings.plan), house.settings.plan_sha256
    if agreed and plan.digest != agreed:
        raise Misconfigured("refresh.plan_sha256", f"{house.settings.plan} is not the plan that was agreed on")
    return plan
