"""The last two phases: the gate, and the time beside the champion. What does not hold a bound ends there."""

from typing import Any

from deploy.refresh.beside import Beside, Compared, Part
from deploy.refresh.held import Held, Refused, Waiting
from deploy.refresh.house import BY, House
from deploy.refresh.judging import judged, shadow_reason
from inference.model.card import load_card
from inference.refresh.gate import Verdict
from inference.refresh.plan import Plan
from liteheart.clock import US_PER_S
from liteheart.ids import ModelVersion


def gate_phase(house: House, held: Held, plan: Plan) -> None:
    """Ends with a candidate that passed. Raises Refused with every bound that it does not hold."""
    candidate, champion = house.candidate(held), house.same_champion(held)
    status = house.status(candidate)
    if status == "registered":
        held.now("gate")
        verdict = _examined(house, held, champion, candidate, plan)
        held.now("gate", 1.0, checks=[_plain(verdict, i) for i in range(len(verdict.checks))])
        if not verdict.passed:
            raise Refused(verdict.reason)
        house.step(candidate, "passed", f"every bound of the plan {plan.digest[:12]}")
    elif status not in ("passed", "shadowed"):
        raise Refused(f"{candidate} is {status} already")
    held.now("shadow")


def _examined(house: House, held: Held, champion: ModelVersion, candidate: ModelVersion, plan: Plan) -> Verdict:
    settings, ours, theirs = house.settings, house.fetched(champion), house.sound(candidate)
    exam = house.method.examine(ours, theirs, plan)
    held.progress(0.3)
    both = Beside(house.storage, ours, theirs, house.serving)
    agreeing = sorted(house.storage.harvest.agreeing())
    parts = both.newest(agreeing, settings.backtest_patients, settings.backtest_h)
    burden = both.burden(parts, house.rules(), lambda share: held.progress(0.3 + 0.6 * share))
    return judged(exam, burden, ours, theirs, house.serving, plan)


def shadow_phase(house: House, held: Held, plan: Plan) -> str:
    """Ends with words on what comes next. Raises Waiting while too few windows came in, Refused."""
    candidate, champion = house.candidate(held), house.same_champion(held)
    if house.status(candidate) == "passed":
        compared = _compared(house, held, champion, candidate)
        share = compared.windows / max(plan.shadow.least_windows, 1)
        held.now("shadow", share, shadow=_told(compared))
        if compared.windows < plan.shadow.least_windows:
            _wait(house, candidate, compared.windows, plan.shadow.least_windows)
        if reason := shadow_reason(compared, plan):
            raise Refused(reason)
        house.step(candidate, "shadowed", f"{compared.windows} windows, agreement {compared.agreement:.3f}")
    if not plan.approval.automatic:
        return "waits for a signature: " + " or ".join(plan.approval.roles)
    weights, now_us = load_card(house.sound(candidate)).sha256, house.clock.now_us()
    if house.status(candidate) == "shadowed":
        house.storage.models.approve(candidate, weights, BY, f"the plan {plan.digest[:12]} allows it", now_us)
    if house.status(candidate) == "approved":
        house.storage.models.promote(candidate, BY, now_us, "by the plan")
    return "serves, as the plan allows"


def _compared(house: House, held: Held, champion: ModelVersion, candidate: ModelVersion) -> Compared:
    """Windows that came in since the candidate was registered, of each patient the newest."""
    found = house.storage.models.get(candidate)
    made_us = 0 if found is None else found.made_us
    most_us = round(house.settings.shadow_part_h * 3600 * US_PER_S)
    agreeing = house.storage.harvest.agreeing()
    parts = [
        Part(s.patient, max(made_us, s.last_sample_us - most_us), s.last_sample_us + 1)
        for s in house.storage.board.patients()
        if s.patient in agreeing and s.last_sample_us > made_us
    ]
    both = Beside(house.storage, house.fetched(champion), house.sound(candidate), house.serving)
    return both.compare(parts, champion, house.rules(), lambda _: held.progress(held.refresh.share))


def _wait(house: House, candidate: ModelVersion, windows: int, least: int) -> None:
    found = house.storage.models.get(candidate)
    passed_us = house.clock.now_us() if found is None else found.steps[-1].at_us
    if house.clock.now_us() - passed_us > house.settings.shadow_h * 3600 * US_PER_S:
        raise Refused(f"only {windows} of {least} windows came in beside the champion")
    raise Waiting(f"{windows} of {least} windows beside the champion")


def _told(compared: Compared) -> dict[str, Any]:
    burden = compared.burden
    return {
        "windows": compared.windows,
        "agreement": round(compared.agreement, 4) if compared.windows else None,
        "alarming_agreement": round(compared.alarming_agreement, 4) if compared.windows else None,
        "appeared": dict(compared.appeared),
        "vanished": dict(compared.vanished),
        "alarms": [burden.champion, burden.candidate],
        "extra_per_patient_day": round(burden.extra_per_day, 2),
    }


def _plain(verdict: Verdict, i: int) -> dict[str, Any]:
    """NaN is no JSON: a value that was not measured is None."""
    c = verdict.checks[i]
    return {
        "name": c.name,
        "value": None if c.value != c.value else c.value,
        "bound": c.bound,
        "ok": c.ok,
        "judged": c.judged,
    }
