"""One attempt after the other, phase by phase; every phase may break off at any moment and is gone on with.

harvest --material--> grow --registered--> gate --passed--> shadow --shadowed--> a signature, or the plan's leave
   |                   |                    |                  |
   +------ too little -+--- nothing came ---+---- a bound -----+----> refused, with the reason; the champion serves
"""

import contextlib
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.refresh.beside import Beside, Part, Rules
from deploy.refresh.drifting import look_for_drift
from deploy.refresh.harvest import harvest
from deploy.refresh.held import Held, Refused, Waiting
from deploy.refresh.judging import judged, shadow_reason
from deploy.refresh.ports import Material, Method
from deploy.settings import Settings
from deploy.succession import made_of, probe, write_whole
from deploy.wiring import Storage
from inference.model.card import load_card
from inference.refresh.plan import Plan, load_plan
from inference.serve.network import load_network
from inference.settings import InferenceSettings
from liteheart.clock import US_PER_S, Clock
from liteheart.errors import Conflict, LiteHeartError, Misconfigured, Retryable
from liteheart.ids import ModelVersion
from storage.refreshes import Outcome, Refresh

log = logging.getLogger(__name__)
BY: Final = "refresh"


class Refresher:
    """Runs attempts on one host. Of any number of them one is at it."""

    def __init__(self, settings: Settings, storage: Storage, method: Method, clock: Clock, holder: str) -> None:
        self._all, self._settings, self._storage = settings, settings.refresh, storage
        self._method, self._clock, self._holder = method, clock, holder
        self._lease_us = round(self._settings.lease_s * US_PER_S)
        self.folder = settings.data_dir / "refresh"

    def due(self) -> bool:
        """Whether one is going on that may be taken up, or it is time to begin one."""
        last = next(iter(self._storage.refreshes.latest()), None)
        if last is None or last.ended_us is None:
            return True
        since_us = self._clock.now_us() - last.began_us
        return not 0 <= since_us < self._settings.every_h * 3600 * US_PER_S  # below 0: the clock was wrong then

    def step(self) -> Refresh:
        """Begin an attempt or go on with one, as far as it goes now.

        Raises Conflict when another host is at it, Retryable when storage does not answer: both leave all as it is.
        """
        refresh = self._storage.refreshes.begin(self._holder, self._clock.now_us(), self._lease_us)
        held = Held(refresh, self._storage.refreshes, self._clock, self._lease_us)
        try:
            with held.renewing():
                reason = self._phases(held)
        except Waiting as waiting:
            held.now(held.refresh.phase, held.refresh.share, waiting=str(waiting))
            self._storage.refreshes.release(held.refresh, self._clock.now_us())
            return held.refresh
        except (Refused, Misconfigured) as refused:
            return self._over(held, "refused", str(refused))
        except (Conflict, Retryable):
            raise
        except LiteHeartError as error:
            return self._over(held, "failed", str(error))
        except (MemoryError, OSError, ValueError, ArithmeticError, RuntimeError) as error:
            log.exception("the refresh failed")
            return self._over(held, "failed", f"{held.refresh.phase}: {type(error).__name__}: {error}")
        return self._over(held, "candidate", reason)

    def _phases(self, held: Held) -> str:
        plan = self._unchanged(held)
        while True:
            match held.refresh.phase:
                case "harvest":
                    self._harvest(held)
                case "grow":
                    self._grow(held)
                case "gate":
                    self._gate(held, plan)
                case _:
                    return self._shadow(held, plan)

    def _unchanged(self, held: Held) -> Plan:
        """The plan, and that it and the test set are those with which the attempt began. Raises Misconfigured."""
        plan, exam = load_plan(self._settings.plan), self._method.check()
        if self._settings.plan_sha256 and plan.digest != self._settings.plan_sha256:
            raise Misconfigured("refresh.plan_sha256", f"{self._settings.plan} is another plan")
        began = held.refresh.detail
        for what, key, now in (("plan", "plan", plan.digest), ("test set", "exam", exam)):
            if began.get(key, now) != now:
                raise Refused(f"the {what} was changed while the refresh went on")
        held.now(held.refresh.phase, held.refresh.share, plan=plan.digest, exam=exam)
        return plan

    def _harvest(self, held: Held) -> None:
        held.now("harvest")
        refresh, champion = held.refresh, self._champion()
        if refresh.salt is None:
            raise Refused("the attempt has no salt any more")
        folder = self._fetched(champion)
        world = self._method.world(folder)
        now_us = self._clock.now_us()
        found = harvest(self._storage, folder, world, self._settings, refresh.salt, now_us, held.progress)
        drift = look_for_drift(self._all, self._storage, held.refresh, champion, found.profiles, now_us)
        held.now("harvest", 1.0, drift=drift, **found.told)
        self._enough(found.material)
        people, ignored = found.told["people"], found.told["people_ignored"]
        if people and ignored / people > self._settings.most_ignored:
            raise Refused(f"the words of {ignored} of {people} people contradict the others and one another")
        found.material.save(self._work(refresh) / "material")
        held.now("grow", champion=champion)

    def _enough(self, material: Material) -> None:
        windows, patients = len(material.x), len(set(material.patients.tolist()))
        least = self._settings
        if windows < least.least_windows or patients < least.least_patients:
            raise Refused(
                f"{windows} windows of {patients} patients are left to learn from, "
                f"at least {least.least_windows} of {least.least_patients} are needed"
            )

    def _grow(self, held: Held) -> None:
        from storage.harvest import bare  # a pseudonym's last use

        work, salt = self._work(held.refresh), held.refresh.salt
        material = Material.load(work / "material")
        if material is None or salt is None:  # on another host, or before a crash
            held.now("harvest")
            return
        agreeing = {bare(p, salt) for p in self._storage.harvest.agreeing()}
        here = material.of(agreeing)
        if len(here.x) < len(material.x):  # somebody has changed their mind
            held.now("grow", withdrawn=held.refresh.detail.get("withdrawn", 0) + len(material.x) - len(here.x))
            shutil.rmtree(work, ignore_errors=True)
            here.save(work / "material")
        self._enough(here)
        champion = self._champion()
        facts = self._method.grow(self._fetched(champion), here, work / "state", held.progress)
        made = made_of(work / "state" / "candidate")
        if made.version == champion:
            raise Refused("nothing was learned: the candidate is the champion")
        made = type(made)(
            made.version,
            champion,
            made.files,
            here.digest,
            made.code_version,
            made.card,
            dict(made.metrics) | dict(facts),
        )
        self._storage.models.register(made, BY, self._clock.now_us(), f"refresh {held.refresh.refresh_id}")
        held.now("gate", candidate=made.version, champion=champion)
        shutil.rmtree(work, ignore_errors=True)  # what it was made of is not kept

    def _gate(self, held: Held, plan: Plan) -> None:
        candidate, champion = self._candidate(held), self._same_champion(held)
        status = self._status(candidate)
        if status == "registered":
            held.now("gate")
            ours, theirs = self._fetched(champion), self._sound(candidate)
            exam = self._method.examine(ours, theirs)
            held.progress(0.3)
            both = Beside(self._storage, ours, theirs, self._serving)
            patients = self._storage.harvest.agreeing()
            settings = self._settings
            parts = both.newest(sorted(patients), settings.backtest_patients, settings.backtest_h)
            burden = both.burden(parts, self._rules(), held.progress)
            verdict = judged(exam, burden, ours, theirs, self._serving, plan)
            checks = [
                {"name": c.name, "value": c.value, "bound": c.bound, "ok": c.ok, "judged": c.judged}
                for c in verdict.checks
            ]
            held.now("gate", 1.0, checks=_finite(checks))
            if not verdict.passed:
                raise Refused(verdict.reason)
            self._step(candidate, "passed", f"every bound of the plan {plan.digest[:12]}")
        elif status not in ("passed", "shadowed"):
            raise Refused(f"{candidate} is {status} already")
        held.now("shadow")

    def _shadow(self, held: Held, plan: Plan) -> str:
        candidate, champion = self._candidate(held), self._same_champion(held)
        if self._status(candidate) == "passed":
            found = self._storage.models.get(candidate)
            made_us, now_us = (found.made_us if found else 0), self._clock.now_us()
            both = Beside(self._storage, self._fetched(champion), self._sound(candidate), self._serving)
            most_us = round(self._settings.shadow_part_h * 3600 * US_PER_S)
            states = self._storage.board.patients()
            agreeing = self._storage.harvest.agreeing()
            parts = [
                Part(s.patient, max(made_us, s.last_sample_us - most_us), s.last_sample_us + 1)
                for s in states
                if s.patient in agreeing and s.last_sample_us > made_us
            ]
            compared = both.compare(parts, champion, self._rules(), lambda _: held.progress(held.refresh.share))
            share = min(1.0, compared.windows / max(plan.shadow.least_windows, 1))
            held.now("shadow", share, shadow=_told(compared))
            if compared.windows < plan.shadow.least_windows:
                if now_us - made_us > self._settings.shadow_h * 3600 * US_PER_S:
                    raise Refused(f"only {compared.windows} windows came in beside the champion")
                raise Waiting(f"{compared.windows} of {plan.shadow.least_windows} windows beside the champion")
            if reason := shadow_reason(compared, plan):
                raise Refused(reason)
            self._step(candidate, "shadowed", f"{compared.windows} windows, agreement {compared.agreement:.3f}")
        if not plan.approval.automatic:
            return "waits for a signature: " + " or ".join(plan.approval.roles)
        weights, now_us = load_card(self._sound(candidate)).sha256, self._clock.now_us()
        self._storage.models.approve(candidate, weights, BY, f"the plan {plan.digest[:12]} allows it", now_us)
        self._storage.models.promote(candidate, BY, now_us, "by the plan")
        return "serves, as the plan allows"

    def _over(self, held: Held, outcome: Outcome, reason: str) -> Refresh:
        candidate, now_us = held.refresh.candidate, self._clock.now_us()
        if outcome != "candidate" and candidate is not None:
            with contextlib.suppress(Conflict):  # refused already, or a person was quicker
                self._storage.models.take_step(candidate, "refused", BY, reason, now_us)
        shutil.rmtree(self._work(held.refresh), ignore_errors=True)
        log.warning("refresh %s: %s", outcome, reason, extra={"candidate": candidate})
        return self._storage.refreshes.end(held.refresh, outcome, reason, now_us)

    @property
    def _serving(self) -> InferenceSettings:
        return self._all.inference

    def _rules(self) -> Rules:
        return Rules(self._all, self._storage.limits.all())

    def _work(self, refresh: Refresh) -> Path:
        return self.folder / str(refresh.refresh_id)

    def _champion(self) -> ModelVersion:
        """Who serves; the student of the settings where none was ever registered."""
        champion = self._storage.models.champion()
        if champion is None:
            self._storage.models.ship(made_of(self._serving.model_dir), self._clock.now_us())
            champion = self._storage.models.champion()
        if champion is None:
            raise Refused("no student serves")
        return champion

    def _same_champion(self, held: Held) -> ModelVersion:
        champion = self._champion()
        if held.refresh.detail.get("champion", champion) != champion:
            raise Refused(f"{champion} serves by now, the candidate was grown from another one")
        return champion

    def _candidate(self, held: Held) -> ModelVersion:
        if held.refresh.candidate is None:
            raise Refused("there is no candidate")
        return held.refresh.candidate

    def _status(self, version: ModelVersion) -> str:
        found = self._storage.models.get(version)
        return "gone" if found is None else found.status

    def _step(self, version: ModelVersion, step: str, reason: str) -> None:
        self._storage.models.take_step(version, step, BY, reason, self._clock.now_us())

    def _fetched(self, version: ModelVersion) -> Path:
        """Its files as the registry has them. Raises Refused when they are not what was registered."""
        folder = self.folder / "students" / version
        try:
            write_whole(folder, self._storage.models.files(version))
        except Conflict as changed:
            raise Refused(str(changed)) from None
        return folder

    def _sound(self, candidate: ModelVersion) -> Path:
        """The same, and it answers with numbers. Raises Misconfigured."""
        folder = self._fetched(candidate)
        if load_card(folder).version != candidate:
            raise Refused(f"the card of {candidate} names another student")
        settings = self._serving
        probe(load_network(InferenceSettings(model_dir=folder, device=settings.device, backend=settings.backend)))
        return folder


def _told(compared: Any) -> dict[str, Any]:
    burden = compared.burden
    return {
        "windows": compared.windows,
        "agreement": round(compared.agreement, 4) if compared.windows else None,
        "appeared": dict(compared.appeared),
        "vanished": dict(compared.vanished),
        "alarms": [burden.champion, burden.candidate],
        "extra_per_patient_day": round(burden.extra_per_day, 2),
    }


def _finite(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """NaN is no JSON: a value that was not measured is None."""
    return [c | {"value": c["value"] if c["value"] == c["value"] else None} for c in checks]
